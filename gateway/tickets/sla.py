"""Service levels: what was promised for a ticket, how much of it is used up, and when to warn. Pure.

A ticket keeps a snapshot of its policy from its creation. Three goals run in business time: the first response, the
next update after each reply, the solution. They stand still while the ticket waits for someone the policy names, stop
when it is solved, and go on from where they stood when it is opened again. At every step: first `tell`, then `follow`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Final, assert_never

from diagnostics.changes import Severity
from gateway.tickets.calendar import ROUND_THE_CLOCK, BusinessHours, after_open, open_seconds
from gateway.tickets.ticket import UNRESOLVED, Entry, State, Ticket, WaitingFor

WARNINGS: Final = (0.5, 0.75, 0.9)
"""Shares of a goal's business time after which somebody is told, before it is missed."""
MISSED: Final = 1.0


class Goal(Enum):
    """What is promised."""

    FIRST_RESPONSE = "first_response"
    NEXT_UPDATE = "next_update"
    SOLUTION = "solution"


@dataclass(frozen=True, slots=True)
class Target:
    """Business seconds for each goal; None: not promised."""

    first_response_s: float | None = None
    next_update_s: float | None = None
    solution_s: float | None = None

    def of(self, goal: Goal) -> float | None:
        """The seconds for a goal."""
        match goal:
            case Goal.FIRST_RESPONSE:
                return self.first_response_s
            case Goal.NEXT_UPDATE:
                return self.next_update_s
            case Goal.SOLUTION:
                return self.solution_s
        assert_never(goal)


_HOUR: Final = 3600.0
DEFAULT_TARGETS: Final = MappingProxyType(
    {
        Severity.CRITICAL: Target(1 * _HOUR, 4 * _HOUR, 8 * _HOUR),
        Severity.HIGH: Target(4 * _HOUR, 8 * _HOUR, 24 * _HOUR),
        Severity.WARNING: Target(8 * _HOUR, 24 * _HOUR, 80 * _HOUR),
        Severity.INFO: Target(24 * _HOUR, None, None),
    }
)


@dataclass(frozen=True, slots=True)
class Policy:
    """A contract's promise. `paused_by`: whom a ticket may wait for at nobody's fault of ours."""

    name: str
    hours: BusinessHours = ROUND_THE_CLOCK
    targets: tuple[tuple[Severity, Target], ...] = tuple(DEFAULT_TARGETS.items())
    paused_by: frozenset[WaitingFor] = frozenset({WaitingFor.CUSTOMER, WaitingFor.UPDATE_WINDOW})

    def target(self, severity: Severity) -> Target:
        """What is promised at that severity."""
        return dict(self.targets).get(severity, Target())


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """One goal's time: `used_s` business seconds up to `since`; `since` None: it stands still. `met`: it is over."""

    goal: Goal
    used_s: float
    since: float | None
    met: bool = False


@dataclass(frozen=True, slots=True)
class Sla:
    """The promise of one ticket: the policy as it was, the severity now, the stopwatches, and what has been told."""

    policy: Policy
    severity: Severity
    watches: tuple[Stopwatch, ...] = ()
    told: frozenset[tuple[Goal, float]] = field(default=frozenset())

    @property
    def missed(self) -> frozenset[Goal]:
        """The goals that were not kept."""
        return frozenset(goal for goal, share in self.told if share == MISSED)


@dataclass(frozen=True, slots=True)
class Milestone:
    """Something to tell: a share of WARNINGS is used up, or all of it (MISSED)."""

    at: float
    goal: Goal
    share: float

    @property
    def kind(self) -> str:
        """The type of the event that people and webhooks are told about."""
        return "ticket.sla_missed" if self.share == MISSED else "ticket.sla_warning"

    @property
    def reason(self) -> str:
        """Such as "first_response_75"."""
        return f"{self.goal.value}_{self.share * 100:.0f}"


def promised(policy: Policy, ticket: Ticket, now: float) -> Sla:
    """The promise of a new ticket (an advisory has none: do not ask)."""
    sla = Sla(policy, ticket.severity)
    return replace(sla, watches=tuple(_started(sla, (Goal.FIRST_RESPONSE, Goal.SOLUTION), now)))


def begin(policy: Policy | None, ticket: Ticket, now: float) -> tuple[Sla | None, Ticket]:
    """The promise of a ticket that opens, and the ticket with the time by which its customer hears from us."""
    if policy is None or ticket.advisory:
        return None, ticket
    sla = promised(policy, ticket, now)
    return sla, replace(ticket, promise_at=due_at(sla, Goal.FIRST_RESPONSE))


def step(sla: Sla, ticket: Ticket, entry: Entry, now: float) -> tuple[list[Milestone], Sla, Ticket]:
    """An edit: what is to be told first, the promise after it, and the ticket with its next promise to the customer.

    A reply promises the next update by itself; a time that a person has promised stays.
    """
    found, sla = tell(sla, now)
    sla = follow(sla, ticket, entry, now)
    if entry is Entry.REPLY and ticket.promise_at is None:
        ticket = replace(ticket, promise_at=due_at(sla, Goal.NEXT_UPDATE))
    return found, sla, ticket


def tell(sla: Sla, now: float) -> tuple[list[Milestone], Sla]:
    """What is to be told now, for each goal only the last milestone that has passed; and the promise with it told."""
    passed = [one for one in milestones(sla) if one.at <= now]
    last = {one.goal: one for one in sorted(passed, key=lambda one: one.share)}
    return list(last.values()), replace(sla, told=sla.told | {(one.goal, one.share) for one in passed})


def follow(sla: Sla, ticket: Ticket, entry: Entry, now: float) -> Sla:
    """The promise after an edit: `ticket` is how it is now, `entry` the line that the edit wrote."""
    watches = [_paused(watch, sla.policy.hours, now) for watch in sla.watches]
    sla = replace(sla, severity=ticket.severity)
    if entry is Entry.REPLY:
        watches = [_met(watch, Goal.FIRST_RESPONSE) for watch in watches if watch.goal is not Goal.NEXT_UPDATE]
        sla = replace(sla, told=frozenset(one for one in sla.told if one[0] is not Goal.NEXT_UPDATE))
        if ticket.state in UNRESOLVED:
            watches += _started(sla, (Goal.NEXT_UPDATE,), now)
    if ticket.state in {State.SOLVED, State.CLOSED}:
        watches = [replace(watch, met=True) for watch in watches if watch.goal is not Goal.NEXT_UPDATE]
    if entry is Entry.REOPENED:
        watches = [replace(watch, met=False) if watch.goal is Goal.SOLUTION else watch for watch in watches]
    stands = ticket.state is State.PENDING and ticket.waiting_for in sla.policy.paused_by
    since = None if stands else now
    return replace(sla, watches=tuple(watch if watch.met else replace(watch, since=since) for watch in watches))


def used(sla: Sla, watch: Stopwatch, now: float) -> float:
    """Business seconds that a goal has used."""
    return _paused(watch, sla.policy.hours, now).used_s


def due_at(sla: Sla, goal: Goal) -> float | None:
    """When the goal will be missed as things stand; None if it is met, missed, stands still or was never promised."""
    return next((one.at for one in milestones(sla) if one.goal is goal and one.share == MISSED), None)


def milestones(sla: Sla) -> list[Milestone]:
    """All that is still to be told as the stopwatches stand, earliest first."""
    found = []
    target = sla.policy.target(sla.severity)
    for watch in sla.watches:
        seconds = target.of(watch.goal)
        if watch.met or watch.since is None or seconds is None:
            continue
        for share in (*WARNINGS, MISSED):
            if (watch.goal, share) not in sla.told:
                at = after_open(sla.policy.hours, watch.since, seconds * share - watch.used_s)
                found.append(Milestone(at, watch.goal, share))
    return sorted(found, key=lambda one: (one.at, one.goal.value, one.share))


def _started(sla: Sla, goals: Iterable[Goal], now: float) -> list[Stopwatch]:
    target = sla.policy.target(sla.severity)
    return [Stopwatch(goal, 0.0, now) for goal in goals if target.of(goal) is not None]


def _paused(watch: Stopwatch, hours: BusinessHours, now: float) -> Stopwatch:
    if watch.met or watch.since is None:
        return watch
    return replace(watch, used_s=watch.used_s + open_seconds(hours, watch.since, now), since=None)


def _met(watch: Stopwatch, goal: Goal) -> Stopwatch:
    return replace(watch, met=True) if watch.goal is goal else watch
