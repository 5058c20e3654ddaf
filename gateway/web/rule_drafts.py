"""The console's drafts of rules: write, see every mistake with its line, backtest, look at the diff again, activate."""

from dataclasses import replace
from typing import Final

from aiohttp import web

from diagnostics.backtest import Verdict
from diagnostics.backtest_scope import Unseen
from diagnostics.rule_text import differences, split
from gateway.ports.rule_book import Draft, Edition, OutdatedDraft, OutdatedEdition
from gateway.rules.book import compose, with_override
from gateway.rules.check import Checked
from gateway.rules.desk import RuleDesk, RuleRefused
from gateway.rules.jobs import SAMPLE, Job, from_json
from gateway.rules.replay import Result
from gateway.web.language import _
from gateway.web.pages import render
from gateway.web.parts import PARTS
from gateway.web.retold import retold
from gateway.web.routes import Access, add
from gateway.web.rules import MAX_NOTE, SHOWN, backtests_of, deed_refused, desk_of, newest_or_404, number_of
from gateway.web.viewer import viewer_of

BLANK: Final = """[[rule]]
name = "my-rule"
version = 1
fault_class = "F16"
kind = "level"
metric = "poe_v"
direction = "below"
min_samples = 2
steps = [{ severity = "warning", limit = 44, clear = 45.5 }]
reason = "Why these numbers: a source or a measurement."

[[rule.example]]
say = "a sag opens"
segments = [{ for_s = 3600, metrics = { poe_v = 48 } }, { for_s = 3600, metrics = { poe_v = 43 } }]
expect = ["opened warning"]
"""


def verdict_words(verdict: Verdict) -> str:
    """What becomes of a ticket."""
    return {
        Verdict.NEW: _("new"),
        Verdict.LOST: _("gone"),
        Verdict.EARLIER: _("earlier"),
        Verdict.LATER: _("later"),
        Verdict.SAME: _("the same"),
    }[verdict]


def unseen_words(unseen: Unseen) -> str:
    """What history does not keep, and what that means for a rule."""
    return {
        Unseen.STATES: _("needs states (words such as day or night), which history does not keep: not judged"),
        Unseen.EVENTS: _("needs events, which history does not keep: not judged"),
        Unseen.RESTARTS: _("needs restarts, which history does not keep: not judged"),
        Unseen.SILENCE: _("silence cannot be told from what was stored: not judged"),
        Unseen.OWN_MEASURES: _("needs what the gateway measures itself, which history does not keep: not judged"),
        Unseen.PEERS: _("compared only with the devices of this sample"),
        Unseen.GUARD_OPEN: _("its guard on a state counts as met, so it may fire more often here"),
    }[unseen]


WORDS: Final = {
    **SHOWN,
    "verdict_words": verdict_words,
    "unseen_words": unseen_words,
    "sample": SAMPLE,
    "verdicts": {verdict.value: verdict for verdict in Verdict},
}


async def _draft(request: web.Request) -> Draft:
    found = await desk_of(request).book.draft(request.match_info["draft"])
    if found is None:
        raise web.HTTPNotFound
    return found


def _text_change(desk: RuleDesk, checked: Checked, newest: Edition) -> list[str]:
    """The diff of the rules in force that activating would make."""
    merged = compose(desk.base, with_override(desk.base, newest.overrides, checked.chunks, 0.0, ""))
    return differences(newest.text, merged)


def _result(request: web.Request, draft: Draft) -> tuple[Job | None, Result | None]:
    job = backtests_of(request).of_draft(draft.draft_id, draft.version)
    if job is not None and job.result is not None:
        return job, job.result
    return job, from_json(draft.backtest)


async def begin(request: web.Request) -> web.StreamResponse:
    """A new draft, of a rule or from a pattern."""
    form = await request.post()
    rule, actor = str(form.get("rule", ""))[:100], viewer_of(request).user
    try:
        made = await desk_of(request).begin(rule, BLANK, actor, request.app[PARTS].clock.now())
    except KeyError:
        raise web.HTTPNotFound from None
    except RuleRefused as refusal:
        raise deed_refused(refusal) from None
    raise web.HTTPSeeOther(f"/staff/rules/drafts/{made.draft_id}")


async def editor(request: web.Request) -> web.StreamResponse:
    """The draft with what is wrong with it, its backtest, and the way on."""
    return await _page(request, await _draft(request))


async def _page(request: web.Request, draft: Draft, *, said: str = "", status: int = 200) -> web.StreamResponse:
    desk, newest = desk_of(request), await newest_or_404(request)
    try:
        checked = desk.check(draft.text, newest)
    except RuleRefused as refusal:
        raise web.HTTPUnprocessableEntity(reason=retold(str(refusal))) from None
    job, result = _result(request, draft)
    context = {
        "draft": draft,
        "newest": newest,
        "checked": checked,
        "rows": max(16, min(40, draft.text.count("\n") + 4)),
        "diff_of": [] if checked.refused else _text_change(desk, checked, newest),
        "job": job,
        "result": result,
        "said": said,
    }
    return render(request, "staff/rule_draft.html", {**WORDS, **context}, status=status)


async def save(request: web.Request) -> web.StreamResponse:
    """Save the text; then check it, or backtest it too, or throw the draft away."""
    desk, draft, form = desk_of(request), await _draft(request), await request.post()
    act, now = str(form.get("act", "save")), request.app[PARTS].clock.now()
    if act == "discard":
        await desk.book.discard(draft.draft_id)
        raise web.HTTPSeeOther("/staff/rules")
    text = str(form.get("text", ""))
    try:
        saved = await desk.write(draft.draft_id, number_of(form, "version"), text, now)
    except KeyError:
        raise web.HTTPNotFound from None
    except RuleRefused as refusal:
        raise web.HTTPUnprocessableEntity(reason=retold(str(refusal))) from None
    except OutdatedDraft as conflict:
        said = _("Somebody saved this draft meanwhile. Your text is below; saving it now replaces theirs.")
        mine = replace(conflict.current, text=text)
        return await _page(request, mine, said=said, status=409)
    if act == "backtest":
        try:
            days = float(str(form.get("days", "30")))
        except ValueError:
            days = 0.0
        try:
            newest = await newest_or_404(request)
            of = {"draft_id": saved.draft_id, "version": saved.version}
            backtests_of(request).begin(saved.text, newest, days, str(form.get("devices", "")).strip()[:100], **of)
        except RuleRefused as refusal:
            return await _page(request, saved, said=retold(str(refusal)), status=422)
    raise web.HTTPSeeOther(f"/staff/rules/drafts/{draft.draft_id}#backtest")


async def progress(request: web.Request) -> web.StreamResponse:
    """The backtest's part of the page; it asks again while it runs."""
    draft = await _draft(request)
    job, result = _result(request, draft)
    return render(request, "staff/rule_backtest.html", {**WORDS, "draft": draft, "job": job, "result": result})


async def second_look(request: web.Request) -> web.StreamResponse:
    """What exactly would be in force, once more, before it is."""
    desk, draft, newest = desk_of(request), await _draft(request), await newest_or_404(request)
    checked = desk.check(draft.text, newest)
    if checked.refused:
        raise web.HTTPSeeOther(f"/staff/rules/drafts/{draft.draft_id}")
    _job, result = _result(request, draft)
    context = {
        "draft": draft,
        "newest": newest,
        "diff_of": _text_change(desk, checked, newest),
        "result": result,
        "job": None,
        "demoted": [chunk.name for chunk in split(draft.text) if chunk.name in newest.watched],
    }
    return render(request, "staff/rule_activate.html", {**WORDS, **context})


async def activate(request: web.Request) -> web.StreamResponse:
    """Put the draft in force exactly as it was shown."""
    desk, draft, form = desk_of(request), await _draft(request), await request.post()
    why = str(form.get("why", "")).strip()[:MAX_NOTE]
    if not why:
        raise web.HTTPUnprocessableEntity(reason=_("Please give a reason; it is kept."))
    if number_of(form, "version") != draft.version:
        raise web.HTTPConflict(reason=_("It was changed since you saw it. Look again, then decide."))
    actor, now = viewer_of(request).user, request.app[PARTS].clock.now()
    try:
        made = await desk.activate(draft.text, number_of(form, "seen"), actor, why, now)
    except (RuleRefused, OutdatedEdition) as refusal:
        raise deed_refused(refusal) from None
    await desk.book.discard(draft.draft_id)
    raise web.HTTPSeeOther(f"/staff/rules/editions/{made.number}")


def add_routes(app: web.Application) -> None:
    """For managers alone."""
    add(app, Access.MANAGER, "POST", "/staff/rules/drafts", begin)
    add(app, Access.MANAGER, "GET", "/staff/rules/drafts/{draft}", editor)
    add(app, Access.MANAGER, "POST", "/staff/rules/drafts/{draft}", save)
    add(app, Access.MANAGER, "GET", "/staff/rules/drafts/{draft}/backtest", progress)
    add(app, Access.MANAGER, "GET", "/staff/rules/drafts/{draft}/activate", second_look)
    add(app, Access.MANAGER, "POST", "/staff/rules/drafts/{draft}/activate", activate)
