"""The five lines a customer reads: headline, what we saw, what happens next, what to do, how to reach us."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.tickets.ticket import Entry as Kind
from gateway.tickets.ticket import HistoryEntry, Ticket, WaitingFor
from gateway.web.charts import Plot
from gateway.web.knowledge import Knowledge
from gateway.web.language import _, n_
from gateway.web.repair import impact, promise, taken_by, waiting
from gateway.web.standing import IN_OUR_HANDS, NEEDS_CUSTOMER, Judged, Standing
from gateway.web.times import ago, calendar_day, when

OPEN_AFTER_S = 120.0  # silence becomes a ticket at most this long after the silence timeout


@dataclass(frozen=True, slots=True)
class Lines:
    """What is said. "" = nothing to say. `tone` and `icon` name colour and shape; words never depend on them."""

    tone: str
    icon: str
    headline: str
    saw: str
    next: str = ""
    can: tuple[str, ...] = ()
    reach: str = ""


LOOKS = {
    Standing.US_WAIT: ("act", "hand"),
    Standing.YOU: ("act", "alert"),
    Standing.AWAY: ("act", "away"),
    Standing.US: ("info", "tool"),
    Standing.ADVISORY: ("wait", "alert"),
    Standing.AREA: ("info", "site"),
    Standing.UPD: ("info", "update"),
    Standing.WATCH: ("ok", "eye"),
    Standing.NEW: ("calm", "clock"),
    Standing.UNKNOWN: ("calm", "question"),
    Standing.OK: ("ok", "check"),
}


def short(standing: Standing) -> str:
    """One line for lists."""
    return {
        Standing.US_WAIT: _("We need one thing from you"),
        Standing.YOU: _("Needs your attention"),
        Standing.AWAY: _("We cannot reach this device"),
        Standing.US: _("We are already on it"),
        Standing.ADVISORY: _("Needs your decision"),
        Standing.AREA: _("The whole site is affected"),
        Standing.UPD: _("Updating. Please do not unplug it"),
        Standing.WATCH: _("Fixed. We keep watching it"),
        Standing.NEW: _("Waiting for its first report"),
        Standing.UNKNOWN: _("We have too little information to say"),
        Standing.OK: _("Working normally"),
    }[standing]


def _sentences(text: str) -> tuple[str, ...]:
    """A paragraph as steps. Texts are written in plain sentences, so a full stop and a space divide them."""
    return tuple(part.rstrip(".") + "." for part in text.split(". ") if part.strip())


def _of_ticket(
    judged: Judged,
    ticket: Ticket,
    history: Sequence[HistoryEntry],
    staff: dict[str, str],
    knowledge: Knowledge,
    now: float,
    zone: str,
) -> Lines:
    fault = knowledge.fault(ticket.fault_class)
    standing = judged.standing
    tone, icon = LOOKS[standing]
    since = when(judged.since or ticket.opened_at, now, zone)
    saw = _("%(fault)s, since %(when)s.", fault=fault.name, when=since)
    if ticket.fault_class == "REPORTED":
        saw = _("You told us about a problem at %(when)s.", when=since)
    told = [promise(ticket, now, zone), impact(ticket, now, zone)]
    if (taken := taken_by(history, staff)) is not None and ticket.owner:
        told.insert(0, _("%(name)s from support took it at %(when)s.", name=taken[0], when=when(taken[1], now, zone)))
    elif standing in (Standing.US, Standing.AREA):
        told.insert(0, _("It is in our queue; nobody has to call for it."))
    reach = _("You do not have to call. If you do, say %(number)s.", number=ticket.number)
    can = _sentences(fault.customer)
    headline = {
        Standing.US_WAIT: _("We need one thing from you (%(number)s).", number=ticket.number),
        Standing.YOU: _("Needs your attention."),
        Standing.US: _("We are already on it. Ticket %(number)s.", number=ticket.number),
        Standing.ADVISORY: _("This needs your decision. Ticket %(number)s.", number=ticket.number),
        Standing.AREA: _("The whole site is affected, not just this device. Ticket %(number)s.", number=ticket.number),
    }[standing]
    if standing is Standing.US_WAIT:
        asked = [entry.text for entry in history if entry.kind is Kind.REPLY and entry.text]
        told.insert(0, asked[-1] if asked else _("Please answer below so that we can go on."))
    if standing is Standing.ADVISORY:
        told = [_advice(judged), impact(ticket, now, zone)]
    if ticket.waiting_for in (WaitingFor.PARTS, WaitingFor.VISIT, WaitingFor.UPDATE_WINDOW):
        told.insert(1, waiting(ticket.waiting_for))
    return Lines(tone, icon, headline, saw, " ".join(filter(None, told)), can, reach)


def _advice(judged: Judged) -> str:
    ended = max(judged.device.warranty_until, judged.device.contract_until)
    if ended:
        return _(
            "Warranty and service ended on %(day)s, so a repair would cost you. "
            "Tell us if you want an offer; nothing happens without your yes.",
            day=calendar_day(ended),
        )
    return _(
        "There is no warranty or service for this device, so a repair would cost you. "
        "Tell us if you want an offer; nothing happens without your yes."
    )


def say(
    judged: Judged, history: Sequence[HistoryEntry], staff: dict[str, str], knowledge: Knowledge, now: float, zone: str
) -> Lines:
    """The lines of one device. `staff` maps user names to what customers may call them."""
    tone, icon = LOOKS[judged.standing]
    at = judged.since
    if judged.ticket is not None and judged.standing is not Standing.WATCH:
        return _of_ticket(judged, judged.ticket, history, staff, knowledge, now, zone)
    match judged.standing:
        case Standing.WATCH:
            fixed = judged.ticket
            assert fixed is not None
            assert at is not None
            headline = _(
                "Fixed at %(when)s. We keep watching it until %(until)s.",
                when=when(at, now, zone),
                until=when(at + 86_400, now, zone),
            )
            saw = _("What it was: %(fault)s.", fault=knowledge.fault(fixed.fault_class).name)
            return Lines(
                tone,
                icon,
                headline,
                saw,
                _("Is it all right for you?"),
                reach=_("Ticket %(number)s.", number=fixed.number),
            )
        case Standing.UPD:
            return Lines(
                tone,
                icon,
                _("Updating."),
                _(
                    "New software is being installed since %(when)s. This takes about 5 minutes.",
                    when=when(at or now, now, zone),
                ),
                _("It may restart once. Please do not unplug it."),
            )
        case Standing.AWAY:
            headline = _("We cannot reach this device.")
            saw = (
                _(
                    "It has been silent since %(when)s. That can be a power cut, a loose cable, or your internet.",
                    when=when(at, now, zone),
                )
                if at
                else ""
            )
            due = (at or now) + judged.device.silence_s + OPEN_AFTER_S
            told = (
                _("If it stays away, we open a ticket at %(when)s.", when=when(due, now, zone))
                if due > now
                else _("We are looking into it; you do not have to call.")
            )
            can = (
                _("Is its light on?"),
                _("Is the cable in, at both ends?"),
                _("Do other devices there have internet?"),
            )
            return Lines(tone, icon, headline, saw, told, can)
        case Standing.NEW:
            return Lines(
                tone, icon, _("Waiting for its first report."), _("This takes up to 10 minutes after you plug it in.")
            )
        case Standing.UNKNOWN:
            saw = (
                _("It last reported at %(when)s.", when=when(at, now, zone))
                if at
                else _("We are collecting its first reports after a restart on our side.")
            )
            return Lines(tone, icon, _("We have too little information to say."), saw)
        case _:
            saw = _("Last report %(ago)s.", ago=ago(at or now, now))
            return Lines(tone, icon, _("Working normally."), saw, _("You do not need to do anything."))


def summary(judged: Sequence[Judged]) -> tuple[str, str, str, str]:
    """The top of the page: tone, icon, headline, and what else there is to know."""
    yours = sum(it.standing in NEEDS_CUSTOMER for it in judged)
    ours = sum(it.standing in IN_OUR_HANDS for it in judged)
    dark = sum(it.standing in (Standing.UNKNOWN, Standing.NEW) for it in judged)
    total = len(judged)
    if not total:
        return "calm", "clock", _("No devices yet."), _("Your installer adds them; they appear here by themselves.")
    if yours:
        tone, icon = "act", "alert"
        headline = n_(
            "%(yours)s of your %(num)s device needs you.",
            "%(yours)s of your %(num)s devices need you.",
            total,
            yours=yours,
        )
        if yours == 1 and total > 1:
            headline = _("1 of your %(total)s devices needs you.", total=total)
        more = (
            n_("We are already working on %(num)s more.", "We are already working on %(num)s more.", ours)
            if ours
            else ""
        )
        return tone, icon, headline, more
    if ours:
        headline = n_("We are working on %(num)s of your devices.", "We are working on %(num)s of your devices.", ours)
        return "info", "tool", headline, _("You do not need to do anything.")
    if dark == total:
        return "calm", "question", _("We have too little information to say."), ""
    if dark:
        return (
            "ok",
            "check",
            _("Nothing needs you."),
            n_("Of %(num)s device we know too little to say.", "Of %(num)s devices we know too little to say.", dark),
        )
    return "ok", "check", _("Everything is working."), _("You do not need to do anything.")


def limit_is_lower(knowledge: Knowledge, metric: str, limit: float, usual: float | None) -> bool:
    """Whether a rule's limit is one that the metric should stay above. What is healthy tells it best: what is usual for
    a device may have grown with its trouble.
    """
    healthy = knowledge.healthy(metric)
    middle = sum(healthy) / 2 if healthy else usual
    return middle is not None and middle > limit


def chart_says(
    knowledge: Knowledge, metric: str, plot: Plot, limit: float | None = None, usual: float | None = None
) -> str:
    """The fact that a chart shows, without units: for those who cannot see it and those who do not want to read it."""
    healthy = knowledge.healthy(metric)
    name = knowledge.metric(metric)
    latest = plot.latest
    if limit is not None:
        if latest <= limit if limit_is_lower(knowledge, metric, limit, usual) else latest >= limit:
            fact = _("%(metric)s: past the point at which we act.", metric=name)
        elif plot.crossed:
            fact = _("%(metric)s: already went past the point at which we act.", metric=name)
        else:
            fact = _("%(metric)s: on its way to the point at which we act.", metric=name)
        dashed = _("The dashed line is that point.")
        return f"{fact} {dashed}" if plot.limit_y is not None else fact
    if healthy is None:
        return name
    if healthy[0] <= latest <= healthy[1]:
        return _("%(metric)s: as it should be.", metric=name)
    return _("%(metric)s: not as it should be.", metric=name)
