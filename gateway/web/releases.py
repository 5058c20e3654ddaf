"""The console's pages of releases and of rollouts from their beginning: choose devices, see what would happen, put it
forward. Staff may look at every dry run; only managers make, decide or retry.
"""

import csv
import io
import re
from typing import Final

from aiohttp import web

from gateway.web import language
from gateway.web.language import _
from gateway.web.pages import render
from gateway.web.parts import PARTS
from gateway.web.release_views import PlanView, Releases, ReleaseView, Wish
from gateway.web.routes import Access, add
from gateway.web.updates import Refused
from gateway.web.viewer import viewer_of

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
MAX_NAMED: Final = 5000
FORMULA: Final = ("=", "+", "-", "@", "\t")
"""What a spreadsheet would run; such text is quoted."""


def _releases(request: web.Request) -> Releases:
    found = request.app[PARTS].releases
    if found is None:
        raise web.HTTPNotFound
    return found


async def _release(request: web.Request) -> ReleaseView:
    found = await _releases(request).get(request.match_info["release_id"])
    if found is None:
        raise web.HTTPNotFound
    return found


def _number(text: str, low: float, high: float) -> float:
    try:
        found = float(text)
    except ValueError:
        found = low - 1.0
    if not low <= found <= high:
        raise web.HTTPUnprocessableEntity(
            reason=_("Please give a number from %(low)s to %(high)s.", low=f"{low:g}", high=f"{high:g}")
        )
    return found


def wish_of(release_id: str, fields: dict[str, str]) -> Wish:
    """The filter and numbers of the form. 422 for what cannot be meant."""
    named = fields.get("devices", "").replace(",", " ").split()
    if len(named) > MAX_NAMED:
        raise web.HTTPUnprocessableEntity(reason=_("At most %(count)s devices by name.", count=MAX_NAMED))
    return Wish(
        release_id=release_id,
        model=fields.get("model", "").strip(),
        site=fields.get("site", "").strip(),
        devices=tuple(dict.fromkeys(named)),
        days=_number(fields.get("days", "") or "14", 0.1, 365.0),
        budget=int(_number(fields.get("budget", "") or "0", 0, 100_000)),
        consent=fields.get("consent") == "on",
        canary_soak_h=_number(fields.get("canary_soak_h", "") or "24", 0.05, 720.0),
        soak_min=_number(fields.get("soak_min", "") or "60", 1, 43_200),
        site_cap=int(_number(fields.get("site_cap", "") or "2", 1, 1000)),
    )


async def releases(request: web.Request) -> web.StreamResponse:
    """All releases, newest first."""
    provider = request.app[PARTS].releases
    found = await provider.all() if provider else ()
    return render(request, "staff/releases.html", {"releases": found, "section": "rollouts"})


async def release_page(request: web.Request) -> web.StreamResponse:
    """One release, the form for a rollout of it and, once devices are chosen, the dry run."""
    release = await _release(request)
    fields = {key: str(value) for key, value in request.query.items()}
    plan: PlanView | None = None
    refusal = ""
    if "model" in fields:
        try:
            plan = await _releases(request).dry_run(wish_of(release.release_id, fields), request.app[PARTS].clock.now())
        except Refused as refused:
            refusal = str(refused)
    return render(
        request,
        "staff/release.html",
        {
            "release": release,
            "notes": release.notes_id if language.language() == "id" else release.notes_en,
            "fields": fields,
            "plan": plan,
            "refusal": refusal,
            "change_words": change_words,
            "section": "rollouts",
            "zone": "UTC",
        },
    )


async def fixing(request: web.Request, fault_class: str) -> list[ReleaseView]:
    """Releases that say they end this class of fault and that devices can fetch, newest first."""
    provider = request.app[PARTS].releases
    found = await provider.all() if provider else ()
    return [it for it in found if fault_class in it.fixes and it.complete and not it.revoked]


async def create(request: web.Request) -> web.StreamResponse:
    """Make the rollout as it was shown; it still has to be put forward and approved."""
    fields = {key: str(value) for key, value in (await request.post()).items()}
    name = fields.get("name", "").strip().lower()
    if not NAME.fullmatch(name):
        raise web.HTTPUnprocessableEntity(reason=_("A name of small letters, digits, dots and dashes, please."))
    provider, release = _releases(request), await _release(request)
    actor, now = viewer_of(request).user, request.app[PARTS].clock.now()
    try:
        await provider.create(name, wish_of(release.release_id, fields), actor, now)
    except Refused as refused:
        raise web.HTTPConflict(reason=str(refused)) from None
    request.app[PARTS].wake.publish("rollouts")
    raise web.HTTPSeeOther(f"/staff/rollouts/{name}")


async def plan_page(request: web.Request) -> web.StreamResponse:
    """The dry run of a rollout on today's inventory: what an approver should have seen."""
    name = request.match_info["rollout_id"]
    try:
        plan = await _releases(request).plan(name, request.app[PARTS].clock.now())
    except KeyError:
        raise web.HTTPNotFound from None
    shown = {"plan": plan, "rollout_id": name, "change_words": change_words, "section": "rollouts", "zone": "UTC"}
    return render(request, "staff/plan.html", shown)


async def decide(request: web.Request) -> web.StreamResponse:
    """Put a rollout forward, send it back to its author, or try what failed once more."""
    act = str((await request.post()).get("act", ""))
    if act not in ("submit", "decline", "retry"):
        raise web.HTTPUnprocessableEntity(reason=_("Please choose what to do."))
    provider, name = _releases(request), request.match_info["rollout_id"]
    actor, now = viewer_of(request).user, request.app[PARTS].clock.now()
    try:
        if act == "submit":
            await provider.submit(name, actor, now)
        elif act == "decline":
            await provider.decline(name, actor, now)
        else:
            await provider.retry(name, actor, now)
    except KeyError:
        raise web.HTTPNotFound from None
    except Refused as refused:
        raise web.HTTPConflict(reason=str(refused)) from None
    request.app[PARTS].wake.publish("rollouts")
    raise web.HTTPSeeOther(f"/staff/rollouts/{name}")


async def export(request: web.Request) -> web.StreamResponse:
    """Every device's attempt as CSV, streamed."""
    provider, name = _releases(request), request.match_info["rollout_id"]
    rollouts = request.app[PARTS].rollouts
    if rollouts is None or await rollouts.get(name) is None:
        raise web.HTTPNotFound
    response = web.StreamResponse(
        headers={"Content-Type": "text/csv; charset=utf-8", "Content-Disposition": f'attachment; filename="{name}.csv"'}
    )
    await response.prepare(request)
    if request.method != "HEAD":
        text = io.StringIO()
        writer = csv.writer(text)
        async for row in provider.export(name):
            writer.writerow([f"'{it}" if it.startswith(FORMULA) else it for it in row])
            if text.tell() > 65_536:
                await response.write(text.getvalue().encode())
                text.seek(0)
                text.truncate()
        await response.write(text.getvalue().encode())
    return response


def change_words(what: str, by: int) -> str:
    """The smallest change that lets a site finish."""
    words = {
        "site_cap": _("%(by)s more at once at this site", by=by),
        "window_hours": _("a window that is %(by)s hours longer", by=by),
        "deadline_days": _("a deadline %(by)s days later", by=by),
        "visit": _("nothing short of a visit (%(by)s devices)", by=by),
    }
    return words.get(what) or _("not examined: fix the sites above first")


def add_routes(app: web.Application) -> None:
    """Before those of the rollouts page, whose last route takes any step."""
    add(app, Access.STAFF, "GET", "/staff/releases", releases)
    add(app, Access.STAFF, "GET", "/staff/releases/{release_id}", release_page)
    add(app, Access.MANAGER, "POST", "/staff/releases/{release_id}/rollouts", create)
    add(app, Access.STAFF, "GET", "/staff/rollouts/{rollout_id}/plan", plan_page)
    add(app, Access.STAFF, "GET", "/staff/rollouts/{rollout_id}/devices.csv", export)
    add(app, Access.MANAGER, "POST", "/staff/rollouts/{rollout_id}/decide", decide)
