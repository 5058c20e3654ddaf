"""Carrying decisions out on a ticket: a policy's, or a person's. Pure: a ticket in, a ticket and a history line out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from diagnostics.changes import Change, ChangeKind, Evidence, Scope, Severity
from gateway.tickets.policy import (
    Advise,
    Append,
    Decision,
    Episode,
    Leave,
    Link,
    Lower,
    Open,
    Raise,
    Reopen,
    Resolve,
    rule_name,
)
from gateway.tickets.ticket import TRANSITIONS, CloseCode, Entry, HistoryEntry, State, Ticket, WaitingFor

REPORTED = "REPORTED"
"""The fault class of a problem that a customer reported."""


CALLED_FIXED = frozenset({CloseCode.FIXED_REMOTELY, CloseCode.FIXED_ON_SITE, CloseCode.PART_REPLACED})
"""Close codes that say that the fault is gone. The others say that there is none, or that it is not ours to fix."""


class IllegalStep(ValueError):
    """The life cycle does not allow it. The message is for people."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a new ticket is called and whom it concerns."""

    ticket_id: str
    number: str
    device_id: str
    site_id: str
    customer_id: str


Edit = tuple[Ticket, HistoryEntry]


def carry_out(
    decision: Decision, ticket: Ticket | None, identity: Identity, change: Change, priority_at: float, now: float
) -> Edit | None:
    """The ticket after the decision and the line for its history; None if the decision is to leave things."""
    if isinstance(decision, Leave):
        return None
    if isinstance(decision, Open | Advise | Link):
        return _opened(decision, identity, change, priority_at, now)
    if ticket is None:
        raise IllegalStep(f"{type(decision).__name__} needs a ticket")
    edited, entry = _edited(decision, ticket, change, priority_at, now)
    return _touched(edited, now), HistoryEntry(now, entry, change.rule, decision.reason.value, change.evidence.note)


def announcement(decision: Decision) -> str | None:
    """The type of the event that people and webhooks are told about, if any."""
    match decision:
        case Open() | Link(advisory=False):
            return "ticket.opened"
        case Advise() | Link():
            return "ticket.advised"
        case Raise():
            return "ticket.raised"
        case Reopen():
            return "ticket.reopened"
        case Resolve():
            return "ticket.solved"
        case _:
            return None


def take(ticket: Ticket, actor: str, now: float) -> Edit:
    """Make it the actor's. A new one becomes open; a pending one stays pending. IllegalStep once it is solved."""
    if ticket.state in {State.SOLVED, State.CLOSED}:
        raise IllegalStep(f"{ticket.number} is {ticket.state.value}: reopen it before taking it")
    edited = _moved(ticket, State.OPEN) if ticket.state is State.NEW else ticket
    return _touched(replace(edited, owner=actor), now), HistoryEntry(now, Entry.TAKEN, actor, "taken", ticket.owner)


def note(ticket: Ticket, actor: str, text: str, now: float, *, to_customer: bool) -> Edit:
    """Add a note, or a reply (which keeps the promise to be heard from)."""
    if not to_customer:
        return _touched(ticket, now), HistoryEntry(now, Entry.NOTE, actor, "note", text)
    return _touched(replace(ticket, promise_at=None), now), HistoryEntry(now, Entry.REPLY, actor, "reply", text)


def from_customer(ticket: Ticket, actor: str, reason: str, text: str, now: float) -> Edit:
    """What the customer says. A ticket that waited for the customer waits no longer."""
    edited = ticket
    if ticket.state is State.PENDING and ticket.waiting_for is WaitingFor.CUSTOMER:
        edited = _moved(ticket, State.OPEN)
    return _touched(edited, now), HistoryEntry(now, Entry.CUSTOMER, actor, reason, text)


def wait(ticket: Ticket, actor: str, reason: WaitingFor, now: float) -> Edit:
    """Pend it, or wait for somebody else than before."""
    edited = ticket if ticket.state is State.PENDING else _moved(ticket, State.PENDING)
    edited = replace(edited, waiting_for=reason)
    return _touched(edited, now), HistoryEntry(now, Entry.WAITING, actor, reason.value)


def resume(ticket: Ticket, actor: str, reason: str, now: float) -> Edit:
    """What it waited for did not help: open again. IllegalStep unless it waits."""
    if ticket.state is not State.PENDING:
        raise IllegalStep(f"{ticket.number} is {ticket.state.value}: it waits for nothing")
    return _touched(_moved(ticket, State.OPEN), now), HistoryEntry(now, Entry.NOTE, actor, reason)


def promise(ticket: Ticket, actor: str, promise_at: float, now: float) -> Edit:
    """Tell the customer by when they hear from us. IllegalStep for a moment that has passed or a solved ticket."""
    if ticket.state in {State.SOLVED, State.CLOSED}:
        raise IllegalStep(f"{ticket.number} is {ticket.state.value}: there is nothing left to promise")
    if promise_at <= now:
        raise IllegalStep(f"{ticket.number}: a promise must lie in the future")
    edited = replace(ticket, promise_at=promise_at)
    return _touched(edited, now), HistoryEntry(now, Entry.NOTE, actor, "promise", repr(promise_at))


def solve(ticket: Ticket, actor: str, code: CloseCode, text: str, now: float) -> Edit:
    """Solve it."""
    edited = replace(_moved(ticket, State.SOLVED), solved_at=now, close_code=code, promise_at=None)
    return _touched(edited, now), HistoryEntry(now, Entry.SOLVED, actor, code.value, text)


def reopen(ticket: Ticket, successor: str, actor: str, text: str, now: float) -> Edit:
    """Open a solved ticket again. A closed one is final; so is one that a newer ticket of its key followed."""
    if successor:
        raise IllegalStep(f"{ticket.number} was followed by {successor}: go on there")
    if ticket.state is State.CLOSED:
        raise IllegalStep(f"{ticket.number} is closed for good: report the problem again")
    if ticket.state is not State.SOLVED:
        raise IllegalStep(f"{ticket.number} is not solved")
    return _touched(_moved(ticket, State.OPEN), now), HistoryEntry(now, Entry.REOPENED, actor, "reopened", text)


def settle(ticket: Ticket, episodes: Sequence[Episode], now: float) -> Edit:
    """The reopen window is over: close it for good, or open it again where it was called fixed and is still seen."""
    if ticket.close_code in CALLED_FIXED and any(episode.running for episode in episodes):
        line = HistoryEntry(now, Entry.REOPENED, "siaga", "still_seen")
        return _touched(_moved(ticket, State.OPEN), now), line
    return _touched(_moved(ticket, State.CLOSED), now), HistoryEntry(now, Entry.CLOSED, "siaga", "reopen_window_over")


def rating_refused(ticket: Ticket, stars: int, given: int | None) -> str | None:
    """Why a customer cannot rate it so, in a sentence; None if they can."""
    if ticket.state not in {State.SOLVED, State.CLOSED}:
        return f"{ticket.number} is not solved yet"
    if not 1 <= stars <= 5:
        return "a rating has one to five stars"
    return None if given is None else f"{ticket.number} has been rated"


def reported(identity: Identity, category: str, text: str, actor: str, advisory: bool, now: float) -> Edit:
    """A ticket that a customer opened."""
    ticket = Ticket(
        ticket_id=identity.ticket_id,
        number=identity.number,
        key=f"{Scope.DEVICE.value}:{identity.device_id}:{REPORTED}",
        scope=Scope.DEVICE.value,
        scope_id=identity.device_id,
        device_id=identity.device_id,
        site_id=identity.site_id,
        customer_id=identity.customer_id,
        fault_class=REPORTED,
        severity=Severity.HIGH,
        state=State.NEW,
        rule="",
        advisory=advisory,
        opened_at=now,
        updated_at=now,
        episodes=1,
        version=1,
        evidence=Evidence("", None, None, None, now, (), text),
        impact=None,
        priority_at=now,
    )
    return ticket, HistoryEntry(now, Entry.OPENED, actor, category, text)


def _edited(
    decision: Append | Raise | Lower | Reopen | Resolve, ticket: Ticket, change: Change, priority_at: float, now: float
) -> tuple[Ticket, Entry]:
    match decision:
        case Append(another=another, code=code):
            edited = _kept_up(ticket, change, priority_at, another=another)
            return replace(edited, close_code=code or ticket.close_code), Entry.APPENDED
        case Raise(severity=severity, another=another):
            edited = _with_evidence(ticket, change, priority_at, another=another)
            return replace(edited, severity=severity), Entry.RAISED
        case Lower(severity=severity):
            edited = _kept_up(ticket, change, priority_at, another=False)
            return replace(edited, severity=severity), Entry.LOWERED
        case Reopen(severity=severity):
            edited = _with_evidence(ticket, change, priority_at, another=True)
            return _moved(replace(edited, severity=severity), State.OPEN), Entry.REOPENED
        case Resolve(code=code):
            solved = replace(_moved(ticket, State.SOLVED), solved_at=now, close_code=code, promise_at=None)
            return solved, Entry.SOLVED
    assert_never(decision)


def _opened(decision: Open | Advise | Link, identity: Identity, change: Change, priority_at: float, now: float) -> Edit:
    ticket = Ticket(
        ticket_id=identity.ticket_id,
        number=identity.number,
        key=change.key,
        scope=change.scope.value,
        scope_id=change.scope_id,
        device_id=identity.device_id,
        site_id=identity.site_id,
        customer_id=identity.customer_id,
        fault_class=change.fault_class,
        severity=change.severity,
        state=State.NEW,
        rule=change.rule,
        advisory=isinstance(decision, Advise) or (isinstance(decision, Link) and decision.advisory),
        opened_at=now,
        updated_at=now,
        episodes=1,
        version=1,
        evidence=change.evidence,
        impact=change.impact,
        priority_at=priority_at,
        linked_to=decision.linked_to if isinstance(decision, Link) else "",
        devices=change.devices,
        evidence_rule=change.rule,
    )
    entry = Entry.LINKED if isinstance(decision, Link) else Entry.OPENED
    return ticket, HistoryEntry(now, entry, change.rule, decision.reason.value, change.evidence.note)


def _with_evidence(ticket: Ticket, change: Change, priority_at: float, *, another: bool) -> Ticket:
    return replace(
        _kept_up(ticket, change, priority_at, another=another), evidence=change.evidence, evidence_rule=change.rule
    )


def _kept_up(ticket: Ticket, change: Change, priority_at: float, *, another: bool) -> Ticket:
    """The ticket with what a change says of it. The evidence stays that of the fault: another rule that joins
    without being graver, and what recovers, are told in the history.
    """
    mine = rule_name(change) == ticket.evidence_rule.partition("@")[0]
    says = mine and change.kind not in {ChangeKind.RECOVERED, ChangeKind.WITHDRAWN}
    return replace(
        ticket,
        evidence=change.evidence if says else ticket.evidence,
        evidence_rule=change.rule if says else ticket.evidence_rule,
        impact=change.impact,
        priority_at=priority_at,
        episodes=ticket.episodes + another,
        devices=tuple(dict.fromkeys((*ticket.devices, *change.devices))),
    )


def _moved(ticket: Ticket, state: State) -> Ticket:
    """The ticket in another state, with what belongs to the old one cleared."""
    if state not in TRANSITIONS[ticket.state]:
        raise IllegalStep(f"{ticket.number} is {ticket.state.value} and cannot become {state.value}")
    solved = state in {State.SOLVED, State.CLOSED}
    return replace(
        ticket,
        state=state,
        waiting_for=None,
        solved_at=ticket.solved_at if solved else None,
        close_code=ticket.close_code if solved else None,
    )


def _touched(ticket: Ticket, now: float) -> Ticket:
    return replace(ticket, updated_at=now, version=ticket.version + 1)
