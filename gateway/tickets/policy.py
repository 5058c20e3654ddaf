"""What a change of health does to tickets. Pure: no clock, no database, no words for people.

Decides by the latest ticket of the change's key and the episodes known on it; `edits.py` carries the decision out.
Every decision has a named reason, which is written to the ticket's history.

Redelivery and two gateways are harmless by this, not by the caller's luck: an opening that is known changes nothing.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from diagnostics.changes import Change, ChangeKind, Severity
from gateway.tickets.entitlement import Entitlement
from gateway.tickets.ticket import UNRESOLVED, CloseCode, State, Ticket

REOPEN_S: Final = 72 * 3600.0
"""A fault that comes back this soon after the solution is the same fault."""
PART_RECURRENCE_S: Final = 180 * 86400.0
"""A fault that comes back this soon after a part was replaced had another root cause."""

URGENCY_S: Final = {
    Severity.CRITICAL: 0.0,
    Severity.HIGH: 4 * 3600.0,
    Severity.WARNING: 86400.0,
    Severity.INFO: 604800.0,
}
"""Where no impact is forecast: how long after the change the customer is assumed to notice."""


class Reason(Enum):
    """Why a decision was taken."""

    FIRST_EPISODE = "first_episode"
    OUT_OF_WARRANTY_AND_CONTRACT = "out_of_warranty_and_contract"
    AFTER_REOPEN_WINDOW = "after_reopen_window"
    AFTER_CLOSING = "after_closing"
    CAME_BACK = "came_back"
    CAME_BACK_AFTER_PART_REPLACED = "came_back_after_part_replaced"  # wrong root cause
    ANOTHER_EPISODE = "another_episode"
    WORSE = "worse"
    WORSE_AFTER_SOLVING = "worse_after_solving"
    BETTER = "better"
    LATE_DATA = "late_data"
    PARTLY_RECOVERED = "partly_recovered"  # another rule still sees the fault
    RECOVERED = "recovered"
    NEVER_WAS = "never_was"  # late data showed it
    # reasons to leave things as they are
    SAME_EPISODE = "same_episode"  # a repetition of what is known
    OLD_EPISODE = "old_episode"  # of an episode that has ended
    NO_WORSE = "no_worse"
    NO_BETTER = "no_better"
    NOT_RUNNING = "not_running"
    ALREADY_SOLVED = "already_solved"
    NO_TICKET = "no_ticket"


@dataclass(frozen=True, slots=True)
class Episode:
    """The last episode of one rule on a ticket's key. `rule` is the name without the version; `since` its onset."""

    rule: str
    since: float
    severity: Severity
    running: bool


@dataclass(frozen=True, slots=True)
class Known:
    """The latest ticket of a key and the last episode of each rule that spoke on it."""

    ticket: Ticket
    episodes: tuple[Episode, ...] = ()

    def episode(self, change: Change) -> Episode | None:
        """The last episode of the rule that this change comes from."""
        return next((episode for episode in self.episodes if episode.rule == rule_name(change)), None)


@dataclass(frozen=True, slots=True)
class Open:
    """A new ticket."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Advise:
    """A new advisory: visible and honest, without a promise of service."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Link:
    """A new ticket (or advisory) that refers to an earlier one of the same key."""

    reason: Reason
    linked_to: str
    advisory: bool


@dataclass(frozen=True, slots=True)
class Append:
    """A line in the history, fresh evidence. `code` corrects the close code of a solved ticket."""

    reason: Reason
    another: bool = False
    code: CloseCode | None = None


@dataclass(frozen=True, slots=True)
class Raise:
    """The severity rises."""

    reason: Reason
    severity: Severity
    another: bool = False


@dataclass(frozen=True, slots=True)
class Lower:
    """The severity falls."""

    reason: Reason
    severity: Severity


@dataclass(frozen=True, slots=True)
class Reopen:
    """The solved ticket is open again."""

    reason: Reason
    severity: Severity


@dataclass(frozen=True, slots=True)
class Resolve:
    """Solved on evidence."""

    reason: Reason
    code: CloseCode


@dataclass(frozen=True, slots=True)
class Leave:
    """Nothing for people to see."""

    reason: Reason


Decision = Open | Advise | Link | Append | Raise | Lower | Reopen | Resolve | Leave


def rule_name(change: Change) -> str:
    """The rule without its version: an upgrade of a rule does not make another episode."""
    return change.rule.partition("@")[0]


def priority_at(change: Change, time_to_act_s: float) -> float:
    """Act before this, epoch seconds: the earliest likely impact minus the time for parts, visit and window."""
    impact_at = change.impact.earliest_at if change.impact else change.at + URGENCY_S[change.severity]
    return impact_at - time_to_act_s


def decide(known: Known | None, change: Change, entitlement: Entitlement, now: float) -> Decision:
    """What this change does to the latest ticket of its key, or in the absence of one."""
    if change.kind in {ChangeKind.OPENED, ChangeKind.RAISED}:
        if known is None:
            return Open(Reason.FIRST_EPISODE) if entitlement.covered else Advise(Reason.OUT_OF_WARRANTY_AND_CONTRACT)
        return _begins_or_worsens(known, change, entitlement, now)
    if known is None:
        return Leave(Reason.NO_TICKET)
    episode = known.episode(change)
    if change.kind is ChangeKind.WITHDRAWN and _was_solved_as_real(known, episode):
        return Append(Reason.NEVER_WAS, code=CloseCode.WITHDRAWN)
    if episode is None or not episode.running:
        return Leave(Reason.NOT_RUNNING)
    if change.at < episode.since and change.kind is ChangeKind.RECOVERED:
        return Leave(Reason.OLD_EPISODE)
    if known.ticket.state not in UNRESOLVED:
        return Leave(Reason.ALREADY_SOLVED)
    others = _top(known, change)
    match change.kind:
        case ChangeKind.RECOVERED | ChangeKind.WITHDRAWN:
            return _ends(known, change, others)
        case ChangeKind.LOWERED:
            top = max(others or change.severity, change.severity)
            return Lower(Reason.BETTER, top) if top < known.ticket.severity else Leave(Reason.NO_BETTER)
        case _:
            return _amended(known, change, episode, max(others or change.severity, change.severity))


def episodes_after(known: Known | None, change: Change, decision: Decision) -> tuple[Episode, ...]:
    """The episodes on the key once the decision is carried out (a new ticket starts with those still running)."""
    before = known.episodes if known else ()
    mine = known.episode(change) if known else None
    rest = tuple(episode for episode in before if episode is not mine)
    if isinstance(decision, Open | Advise | Link):
        rest = tuple(episode for episode in rest if episode.running)
    match change.kind:
        case ChangeKind.OPENED | ChangeKind.RAISED:
            if decision == Leave(Reason.OLD_EPISODE) or decision == Leave(Reason.SAME_EPISODE):
                return before
            same = mine is not None and mine.running and change.kind is ChangeKind.RAISED
            since = mine.since if mine and same else change.evidence.since
            return (*rest, Episode(rule_name(change), since, change.severity, running=True))
        case ChangeKind.RECOVERED | ChangeKind.WITHDRAWN:
            if mine is None or decision == Leave(Reason.OLD_EPISODE):
                return before
            return (*rest, Episode(mine.rule, mine.since, mine.severity, running=False))
        case _:
            if mine is None or not mine.running:
                return before
            since = change.evidence.since if change.kind is ChangeKind.AMENDED else mine.since
            return (*rest, Episode(mine.rule, since, change.severity, running=True))


def _begins_or_worsens(known: Known, change: Change, entitlement: Entitlement, now: float) -> Decision:
    ticket, episode = known.ticket, known.episode(change)
    goes_on = episode is not None and episode.running and change.kind is ChangeKind.RAISED
    if episode and not goes_on and change.evidence.since <= episode.since:
        return Leave(Reason.SAME_EPISODE if episode.running else Reason.OLD_EPISODE)
    if ticket.state in UNRESOLVED:
        top = max(_top(known, change) or change.severity, change.severity)
        if top > ticket.severity:
            return Raise(Reason.WORSE, top, another=not goes_on)
        return Leave(Reason.NO_WORSE) if goes_on else Append(Reason.ANOTHER_EPISODE, another=True)
    if goes_on and change.severity <= ticket.severity:
        return Leave(Reason.ALREADY_SOLVED)
    return _comes_back(ticket, change, entitlement, now, goes_on)


def _comes_back(ticket: Ticket, change: Change, entitlement: Entitlement, now: float, goes_on: bool) -> Decision:
    ago = now - (ticket.solved_at if ticket.solved_at is not None else ticket.updated_at)
    wrong_cause = ticket.close_code is CloseCode.PART_REPLACED and ago <= PART_RECURRENCE_S
    if ticket.state is State.SOLVED and ago <= REOPEN_S:
        reason = Reason.WORSE_AFTER_SOLVING if goes_on else Reason.CAME_BACK
        return Reopen(Reason.CAME_BACK_AFTER_PART_REPLACED if wrong_cause else reason, change.severity)
    reason = Reason.AFTER_REOPEN_WINDOW if ticket.state is State.SOLVED else Reason.AFTER_CLOSING
    return Link(
        Reason.CAME_BACK_AFTER_PART_REPLACED if wrong_cause else reason, ticket.ticket_id, not entitlement.covered
    )


def _ends(known: Known, change: Change, others: Severity | None) -> Decision:
    withdrawn = change.kind is ChangeKind.WITHDRAWN
    if others is None:
        if withdrawn:
            return Resolve(Reason.NEVER_WAS, CloseCode.WITHDRAWN)
        return Resolve(Reason.RECOVERED, CloseCode.AUTO)
    reason = Reason.NEVER_WAS if withdrawn else Reason.PARTLY_RECOVERED
    return Lower(reason, others) if others < known.ticket.severity else Append(reason)


def _amended(known: Known, change: Change, episode: Episode, top: Severity) -> Decision:
    if top > known.ticket.severity:
        return Raise(Reason.LATE_DATA, top)
    if top < known.ticket.severity:
        return Lower(Reason.LATE_DATA, top)
    ticket = known.ticket
    if rule_name(change) == ticket.evidence_rule.partition("@")[0]:
        same = change.evidence == ticket.evidence
    else:  # the ticket shows another rule's evidence: of this one only the onset is kept
        same = (change.evidence.since, change.severity) == (episode.since, episode.severity)
    if same and change.impact == ticket.impact:
        return Leave(Reason.SAME_EPISODE)
    return Append(Reason.LATE_DATA)


def _was_solved_as_real(known: Known, episode: Episode | None) -> bool:
    ticket = known.ticket
    return episode is not None and ticket.state is State.SOLVED and ticket.close_code is CloseCode.AUTO


def _top(known: Known, change: Change) -> Severity | None:
    """The highest severity among the running episodes of other rules."""
    name = rule_name(change)
    return max((e.severity for e in known.episodes if e.running and e.rule != name), default=None)
