"""The console's drafts of rules: write, see every mistake with its line, backtest, look at the diff again, activate."""

from dataclasses import replace
from typing import Final

from aiohttp import web

from diagnostics.rule_text import split
from gateway.ports.rule_book import Draft, Edition, OutdatedDraft, OutdatedEdition
from gateway.rules.book import compose, with_override
from gateway.rules.check import Checked
from gateway.rules.desk import RuleDesk, RuleRefused
from gateway.web.language import _
from gateway.web.pages import render
from gateway.web.parts import PARTS
from gateway.web.retold import retold
from gateway.web.routes import Access, add
from gateway.web.rule_backtests import WORDS, draft_in
from gateway.web.rule_backtests import context as backtest_of
from gateway.web.rule_diff import RuleDiff, by_rule, marked
from gateway.web.rules import MAX_NOTE, backtests_of, deed_refused, desk_of, newest_or_404, number_of
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


def _text_change(desk: RuleDesk, checked: Checked, newest: Edition) -> list[RuleDiff]:
    """The diff of the rules in force that activating would make."""
    merged = compose(desk.base, with_override(desk.base, newest.overrides, checked.chunks, 0.0, ""))
    return by_rule(newest.text, merged)


async def _moved_on(desk: RuleDesk, draft: Draft, newest: Edition) -> list[RuleDiff]:
    """What others changed, since the draft was begun or saved, of the rules that it is about."""
    if draft.edition == newest.number or (then := await desk.book.edition(draft.edition)) is None:
        return []
    mine = {chunk.name for chunk in split(draft.text)}
    return [it for it in by_rule(then.text, newest.text) if it.name in mine]


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
    return await _page(request, await draft_in(request))


async def _page(
    request: web.Request, draft: Draft, *, said: str = "", theirs: str | None = None, status: int = 200
) -> web.StreamResponse:
    desk, newest = desk_of(request), await newest_or_404(request)
    try:
        checked = desk.check(draft.text, newest)
    except RuleRefused as refusal:
        raise web.HTTPUnprocessableEntity(reason=retold(str(refusal))) from None
    shown = {
        **await backtest_of(request, draft),
        "newest": newest,
        "checked": checked,
        "rows_shown": max(16, min(40, draft.text.count("\n") + 4)),
        "diff_of": [] if checked.refused else _text_change(desk, checked, newest),
        "moved_on": await _moved_on(desk, draft, newest),
        "theirs": marked(theirs, draft.text) if theirs is not None else (),
        "said": said,
    }
    return render(request, "staff/rule_draft.html", {**WORDS, **shown}, status=status)


async def save(request: web.Request) -> web.StreamResponse:
    """Save the text; then check it, or backtest it too, or throw the draft away."""
    desk, draft, form = desk_of(request), await draft_in(request), await request.post()
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
        return await _page(request, mine, said=said, theirs=conflict.current.text, status=409)
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


async def second_look(request: web.Request) -> web.StreamResponse:
    """What exactly would be in force, once more, before it is."""
    desk, draft, newest = desk_of(request), await draft_in(request), await newest_or_404(request)
    checked = desk.check(draft.text, newest)
    if checked.refused:
        raise web.HTTPSeeOther(f"/staff/rules/drafts/{draft.draft_id}")
    shown = {
        **await backtest_of(request, draft),
        "newest": newest,
        "diff_of": _text_change(desk, checked, newest),
        "demoted": [chunk.name for chunk in split(draft.text) if chunk.name in newest.watched],
    }
    return render(request, "staff/rule_activate.html", {**WORDS, **shown})


async def activate(request: web.Request) -> web.StreamResponse:
    """Put the draft in force exactly as it was shown."""
    desk, draft, form = desk_of(request), await draft_in(request), await request.post()
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
    add(app, Access.MANAGER, "GET", "/staff/rules/drafts/{draft}/activate", second_look)
    add(app, Access.MANAGER, "POST", "/staff/rules/drafts/{draft}/activate", activate)
