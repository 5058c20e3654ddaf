"""A repair told as a parcel is tracked: who has it, by when we call, what it waits for, which steps are behind us."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.tickets.ticket import Entry as Kind
from gateway.tickets.ticket import HistoryEntry, State, Ticket, WaitingFor
from gateway.web.language import _
from gateway.web.times import when


def taken_by(history: Sequence[HistoryEntry], names: dict[str, str]) -> tuple[str, float] | None:
    """Who works on it, and since when."""
    for entry in reversed(history):
        if entry.kind is Kind.TAKEN:
            return names.get(entry.actor, entry.actor), entry.at
    return None


def promise(ticket: Ticket, now: float, zone: str) -> str:
    """By when they hear from us. A promise that passed is owned up to before anything else is said."""
    if ticket.promise_at is None:
        return ""
    at = when(ticket.promise_at, now, zone)
    if ticket.promise_at < now:
        return _(
            "We promised to get back to you by %(when)s and did not. "
            "We are sorry; your ticket is at the top of our list.",
            when=at,
        )
    if ticket.promise_at - now < 1800:
        return _("You hear from us before %(when)s. If we need longer, we tell you before then.", when=at)
    return _("You hear from us before %(when)s.", when=at)


def impact(ticket: Ticket, now: float, zone: str) -> str:
    """What they may notice and when; nothing once it is later than that."""
    if ticket.impact is None or ticket.impact.median_at <= now:
        return ""
    if ticket.impact.earliest_at <= now:
        return _(
            "You may notice it at any time; most likely around %(when)s.", when=when(ticket.impact.median_at, now, zone)
        )
    return _(
        "You will probably notice nothing before %(when)s. We mean to have solved it by then.",
        when=when(ticket.impact.earliest_at, now, zone),
    )


def waiting(reason: WaitingFor) -> str:
    """What a pending ticket waits for, to its customer."""
    return {
        WaitingFor.CUSTOMER: _("We wait for your answer."),
        WaitingFor.PARTS: _("We wait for a spare part."),
        WaitingFor.VISIT: _("A visit is planned."),
        WaitingFor.UPDATE_WINDOW: _("The cure is installed in the next night-time window of your site."),
    }[reason]


@dataclass(frozen=True, slots=True)
class Step:
    """One of the four steps of a ticket's path. `at` None: not yet; `mood` is done, now or later."""

    title: str
    mood: str
    at: float | None = None
    by: str = ""


def path(ticket: Ticket, history: Sequence[HistoryEntry], staff: dict[str, str]) -> tuple[Step, ...]:
    """Noticed, taken, being solved, fixed: what a parcel's tracking says, for a repair."""
    taken = taken_by(history, staff)
    solved = ticket.state in (State.SOLVED, State.CLOSED)
    noticed = _("You told us") if ticket.fault_class == "REPORTED" else _("We noticed it")
    who = _("Taken by %(name)s", name=taken[0]) if taken else _("Somebody takes it")
    doing = waiting(ticket.waiting_for).rstrip(".") if ticket.waiting_for else _("We are solving it")
    works = bool(taken) or ticket.state in (State.OPEN, State.PENDING)
    return (
        Step(noticed, "done", ticket.opened_at),
        Step(who, "done" if works or solved else "now", taken[1] if taken else None),
        Step(doing, "done" if solved else "now" if works else "later"),
        Step(_("Fixed") if solved else _("Fixed, and checked by us"), "done" if solved else "later", ticket.solved_at),
    )
