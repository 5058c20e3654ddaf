"""The rollouts page: what is going out to whom, how it goes, and what people may do: approve, pause, resume, stop."""

from collections.abc import Sequence

from aiohttp import web

from gateway.web.language import _
from gateway.web.pages import render
from gateway.web.parts import PARTS
from gateway.web.routes import Access, add
from gateway.web.updates import Refused, Rollouts, RolloutView
from gateway.web.viewer import viewer_of

RUNNING = frozenset({"running", "scheduled"})
PAUSED = frozenset({"paused", "halted"})
NOT_BEGUN = frozenset({"draft", "simulated", "pending_approval"})


def _rollouts(request: web.Request) -> Rollouts:
    found = request.app[PARTS].rollouts
    if found is None:
        raise web.HTTPNotFound
    return found


async def _rollout(request: web.Request) -> RolloutView:
    found = await _rollouts(request).get(request.match_info["rollout_id"])
    if found is None:
        raise web.HTTPNotFound
    return found


async def rollouts(request: web.Request) -> web.StreamResponse:
    """All rollouts, newest first."""
    provider = request.app[PARTS].rollouts
    found: Sequence[RolloutView] = await provider.all() if provider else ()
    return render(request, "staff/rollouts.html", {"rollouts": found, "section": "rollouts"})


def stop_words(rollout: RolloutView) -> tuple[str, str, str]:
    """What a stop does, in numbers: to the finished, to those that have not begun, to those in the middle."""
    done = sum(wave.done for wave in rollout.waves)
    waiting = sum(wave.waiting + wave.downloading for wave in rollout.waves)
    middle = sum(wave.installing for wave in rollout.waves)
    return (
        _("%(count)s finished devices keep %(version)s.", count=done, version=rollout.version),
        _("%(count)s have not begun and will not begin.", count=waiting),
        _("%(count)s are in the middle: a write is never interrupted, so they finish.", count=middle),
    )


async def _shown(request: web.Request) -> dict[str, object]:
    rollout = await _rollout(request)
    totals = {
        name: sum(getattr(wave, name) for wave in rollout.waves)
        for name in ("devices", "waiting", "downloading", "installing", "done", "failed", "rolled_back")
    }
    return {
        "rollout": rollout,
        "totals": totals,
        "stop_words": stop_words(rollout),
        "can_approve": rollout.state == "pending_approval" and rollout.author != viewer_of(request).user,
        "can_pause": rollout.state == "running",
        "can_resume": rollout.state in PAUSED,
        "can_stop": rollout.state in NOT_BEGUN | RUNNING | PAUSED,
        "desk": request.app[PARTS].releases is not None,
        "section": "rollouts",
        "zone": "UTC",
    }


async def rollout_page(request: web.Request) -> web.StreamResponse:
    """One rollout with its waves."""
    return render(request, "staff/rollout.html", await _shown(request))


async def rollout_now(request: web.Request) -> web.StreamResponse:
    """The part that renews itself."""
    return render(request, "staff/rollout_now.html", await _shown(request))


async def step(request: web.Request) -> web.StreamResponse:
    """Approve, pause, resume or stop. Stopping asks for the version to be typed: it cannot be taken back."""
    provider, rollout = _rollouts(request), await _rollout(request)
    form, actor, now = await request.post(), viewer_of(request).user, request.app[PARTS].clock.now()
    reason = str(form.get("reason", "")).strip()[:500]
    wanted = request.match_info["step"]
    if wanted in ("pause", "stop") and not reason:
        raise web.HTTPUnprocessableEntity(reason=_("Please give a reason; it is kept."))
    try:
        if wanted == "pause":
            await provider.pause(rollout.rollout_id, actor, reason, now)
        elif wanted == "approve":
            if str(form.get("content", "")) != rollout.content_sha256:
                raise Refused(_("It was changed since you saw it. Look again, then decide."))
            await provider.approve(rollout.rollout_id, actor, now)
        elif wanted == "resume":
            await provider.resume(rollout.rollout_id, actor, now)
        elif wanted == "stop":
            if str(form.get("typed", "")).strip() != rollout.version:
                raise web.HTTPUnprocessableEntity(reason=_("Type %(version)s to stop.", version=rollout.version))
            await provider.stop(rollout.rollout_id, actor, reason, now)
        else:
            raise web.HTTPNotFound
    except Refused as refusal:
        raise web.HTTPConflict(reason=str(refusal)) from None
    request.app[PARTS].wake.publish("rollouts")
    raise web.HTTPSeeOther(f"/staff/rollouts/{rollout.rollout_id}")


def add_routes(app: web.Application) -> None:
    """Everybody on staff may look; only managers may act."""
    add(app, Access.STAFF, "GET", "/staff/rollouts", rollouts)
    add(app, Access.STAFF, "GET", "/staff/rollouts/{rollout_id}", rollout_page)
    add(app, Access.STAFF, "GET", "/staff/rollouts/{rollout_id}/now", rollout_now)
    add(app, Access.MANAGER, "POST", "/staff/rollouts/{rollout_id}/{step}", step)
