"""The console's backtests of drafts: progress, cancelling, the ticket diff with names, and for each ticket the chart
that shows why it comes, goes or moves.
"""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from diagnostics.backtest import Difference, Opened, Verdict
from diagnostics.backtest_scope import Unseen
from diagnostics.rules import Count, Forecast, Level, Rule, Signature
from gateway.ports.rule_book import Draft, Edition
from gateway.rules.desk import RuleDesk
from gateway.rules.jobs import SAMPLE, Job, from_json
from gateway.rules.replay import Result
from gateway.web.directory import DIRECTORY
from gateway.web.knowledge import number
from gateway.web.language import _
from gateway.web.pages import render
from gateway.web.parts import PARTS
from gateway.web.routes import Access, add
from gateway.web.rule_words import amount, looks_at, span, steps
from gateway.web.rules import SHOWN, backtests_of, desk_of, newest_or_404, number_in
from gateway.web.series import drawing

DAY_S: Final = 86_400.0
FEWEST: Final = 0.02
"""Below this share of the work nobody can say how long the rest takes."""


def verdict_words(verdict: Verdict) -> str:
    """What becomes of a ticket."""
    return {
        Verdict.NEW: _("new"),
        Verdict.LOST: _("gone"),
        Verdict.EARLIER: _("earlier"),
        Verdict.LATER: _("later"),
        Verdict.SAME: _("the same"),
    }[verdict]


def shift_words(shift_s: float) -> str:
    """By how much a ticket moves: 27.5 hours earlier; "" if it does not."""
    if not shift_s:
        return ""
    size = abs(shift_s)
    unit = next((it for least, it in ((2 * DAY_S, DAY_S), (3600.0, 3600.0), (60.0, 60.0)) if size >= least), 1.0)
    moved = span(round(size / unit, 1) * unit)
    return _("%(span)s earlier", span=moved) if shift_s < 0 else _("%(span)s later", span=moved)


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
    "shift_words": shift_words,
    "unseen_words": unseen_words,
    "figure": number,
    "sample": SAMPLE,
    "verdicts": {verdict.value: verdict for verdict in Verdict},
}


@dataclass(frozen=True, slots=True)
class Row:
    """One ticket that differs, with the names that people know. `device` is "" where the fault is the site's."""

    place: int
    difference: Difference
    name: str
    device: str
    site: str
    customer: str
    customer_id: str
    zone: str


async def row_of(request: web.Request, place: int, difference: Difference) -> Row:
    """A difference with its names."""
    names, known_as = request.app[DIRECTORY], difference.ticket.device_id
    device = await names.device(known_as)
    site = await names.site(device.site_id if device else known_as)
    customer = await names.customer(site.customer_id) if site else None
    return Row(
        place,
        difference,
        device.name if device else site.name if site else known_as,
        device.device_id if device else "",
        site.name if site and device else "",
        customer.name if customer else "",
        customer.customer_id if customer else "",
        site.zone if site else "UTC",
    )


async def draft_in(request: web.Request) -> Draft:
    """The draft in the address."""
    found = await desk_of(request).book.draft(request.match_info["draft"])
    if found is None:
        raise web.HTTPNotFound(reason=_("This draft is gone: somebody activated it or threw it away."))
    return found


def result_of(request: web.Request, draft: Draft) -> tuple[Job | None, Result | None]:
    """The newest backtest of a draft's text, under way or done."""
    job = backtests_of(request).of_draft(draft.draft_id, draft.version)
    if job is not None and job.result is not None:
        return job, job.result
    return job, from_json(draft.backtest)


async def context(request: web.Request, draft: Draft) -> dict[str, object]:
    """What rule_backtest.html shows."""
    job, result = result_of(request, draft)
    now, left = request.app[PARTS].clock.now(), ""
    if job is not None and job.running and job.begun_at and job.progress.share > FEWEST and now > job.begun_at:
        share = job.progress.share
        left = span(float(max(1, round((now - job.begun_at) * (1 - share) / share))))
    rows = [await row_of(request, place, it) for place, it in enumerate(result.differences)] if result else []
    ahead = backtests_of(request).ahead(job) if job is not None else 0
    return {"draft": draft, "job": job, "result": result, "left": left, "rows": rows, "ahead": ahead}


async def progress(request: web.Request) -> web.StreamResponse:
    """The backtest's part of the page; it asks again while it runs."""
    newest = await newest_or_404(request)
    shown = {"newest": newest, **await context(request, await draft_in(request))}
    return render(request, "staff/rule_backtest.html", {**WORDS, **shown})


async def cancel(request: web.Request) -> web.StreamResponse:
    """No more of it. What is done already stays done."""
    draft = await draft_in(request)
    job = backtests_of(request).of_draft(draft.draft_id, draft.version)
    if job is not None:
        job.cancel()
    raise web.HTTPSeeOther(f"/staff/rules/drafts/{draft.draft_id}#backtest")


@dataclass(frozen=True, slots=True)
class Side:
    """One rule set's word on a ticket: its rule (None: none opens it) and the ticket."""

    rule: Rule | None
    ticket: Opened | None


async def _sides(request: web.Request, draft: Draft, difference: Difference) -> tuple[Side, Side]:
    desk, newest = desk_of(request), await newest_or_404(request)
    name = difference.ticket.rule.partition("@")[0]
    before, after = difference.before, difference.after
    old, new = _rules(desk, draft, newest)
    old_name = before.rule.partition("@")[0] if before else name
    return Side(old.get(old_name), before), Side(new.get(name), after)


def _rules(desk: RuleDesk, draft: Draft, newest: Edition) -> tuple[dict[str, Rule], dict[str, Rule]]:
    merged = desk.check(draft.text, newest).merged
    return dict(desk.rules_of(newest).by_name()), dict(merged.by_name()) if merged else {}


async def _case(request: web.Request) -> tuple[Draft, Row, Side, Side]:
    draft = await draft_in(request)
    _job, result = result_of(request, draft)
    place = number_in(request.match_info["case"])
    if result is None or place >= len(result.differences):  # the text was saved anew, or backtested again
        raise web.HTTPSeeOther(f"/staff/rules/drafts/{draft.draft_id}#backtest")
    row = await row_of(request, place, result.differences[place])
    return draft, row, *await _sides(request, draft, row.difference)


def drawn(rule: Rule | None) -> str:
    """The metric that shows why a rule fires; "" for none."""
    if isinstance(rule, Signature):
        return next((sign.metric for sign in rule.signs if sign.metric), "")
    return getattr(rule, "metric", "")


def limit_of(side: Side) -> float | None:
    """The limit of the step that the ticket opened with (else the first), where it is in the metric's own unit."""
    rule, ticket = side.rule, side.ticket
    if isinstance(rule, Forecast):
        return None if rule.exact else rule.limit
    if not isinstance(rule, Level) or rule.relative or rule.per:
        return None
    return next((it.limit for it in rule.steps if ticket and it.severity == ticket.severity), rule.steps[0].limit)


async def case(request: web.Request) -> web.StreamResponse:
    """One ticket that differs: under the rules in force, under the draft, and the signal that both looked at."""
    draft, row, before, after = await _case(request)
    know = request.app[PARTS].knowledge
    rule = after.rule or before.rule
    shown = {
        "draft": draft,
        "row": row,
        "sides": [(_("With the rules in force"), before), (_("With the draft"), after)],
        "fault": know.fault(row.difference.ticket.fault_class),
        "metric": drawn(rule),
        "looks": looks_at(rule, know) if rule else "",
        "steps_of": lambda it: steps(it, know),
        "counted": isinstance(rule, Count | Signature),
    }
    return render(request, "staff/rule_case.html", {**WORDS, **shown})


async def chart(request: web.Request) -> web.StreamResponse:
    """The signal around both openings, with both limits."""
    _draft, row, before, after = await _case(request)
    know, metric = request.app[PARTS].knowledge, drawn(after.rule or before.rule)
    if not metric or not row.device:
        raise web.HTTPNotFound
    opened = [it.ticket.opened_at for it in (before, after) if it.ticket]
    ended = [it.ticket.recovered_at for it in (before, after) if it.ticket and it.ticket.recovered_at]
    around = max(2 * DAY_S, 0.25 * (max(*opened, *ended, opened[0]) - min(opened)))
    start, end = min(opened) - around, min(request.app[PARTS].clock.now(), max(*opened, *ended, opened[0]) + around)
    shown = await drawing(request, row.device, metric, start, end, row.zone)
    limits = []
    for side, kind, words in ((before, "before", _("now")), (after, "after", _("draft"))):
        value = limit_of(side)
        if value is not None and side.rule is not None:
            said = know.amount(metric, value) if isinstance(side.rule, Forecast) else amount(side.rule, know, value)
            limits.append({"value": value, "kind": kind, "text": f"{words}: {said}"})
    if len({it["value"] for it in limits}) == 1:
        limits = [{**limits[0], "kind": "after", "text": ""}]
    shown["limits"] = limits
    marks = []
    for side, words, over in ((before, _("opens now"), _("over now")), (after, _("opens by the draft"), _("over"))):
        if side.ticket:
            marks.append({"at": side.ticket.opened_at, "kind": "opened", "text": words})
            if side.ticket.recovered_at:
                marks.append({"at": side.ticket.recovered_at, "kind": "solved", "text": over})
    shown["marks"] = marks
    return web.json_response(shown)


def add_routes(app: web.Application) -> None:
    """For managers alone."""
    add(app, Access.MANAGER, "GET", "/staff/rules/drafts/{draft}/backtest", progress)
    add(app, Access.MANAGER, "POST", "/staff/rules/drafts/{draft}/backtest/cancel", cancel)
    add(app, Access.MANAGER, "GET", "/staff/rules/drafts/{draft}/cases/{case}", case)
    add(app, Access.MANAGER, "GET", "/staff/rules/drafts/{draft}/cases/{case}/chart.json", chart)
