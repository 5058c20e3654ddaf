"""One device's attempt: `advance` takes one event and gives the next row and what must be done about it.

The table of `attempt_row` alone decides which state follows; `evidence` decides what an event means. An outcome that
the table does not know in this state changes nothing, so duplicates, late copies and replays are harmless.
"""

from dataclasses import dataclass, replace
from enum import Enum

from firmware_updates.attempt_row import AT_RISK, BEFORE_RISK, TRANSITIONS, Attempt, Cause, Outcome, State
from firmware_updates.evidence import RECHECK_S, SOAK_CONTACT_S, STALL_S, Event, Told, lost_at, read, soak_ends_at

RETRY_S = 24 * 3600
MAX_INSTALLS = 2
MAX_ATTEMPTS = 3
_SECURITY_CODES = frozenset({"signature", "downgrade"})


class Do(Enum):
    """What must follow a step, outside of the row."""

    PUBLISH_DESIRED = "publish_desired"
    CLEAR_DESIRED = "clear_desired"
    SEND_CANCEL = "send_cancel"
    SEND_REVERT = "send_revert"
    ASK_CONSENT = "ask_consent"
    OPEN_TICKET = "open_ticket"
    CLOSE_TICKET = "close_ticket"


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing to do; `cause` is there for tickets."""

    do: Do
    cause: Cause | None = None


def advance(attempt: Attempt, event: Event, now: float) -> tuple[Attempt, tuple[Effect, ...]]:
    """The row after the event and the effects of the step, if it was one. Pure; the same event twice is once."""
    noted, outcome = read(attempt, event, now)
    target = None if outcome is None else TRANSITIONS.get((attempt.state, outcome))
    if outcome is None or target is None:
        kept = noted if noted.state is State.LOST or not noted.final else attempt
        return _timed(kept), ()
    moved = _entered(noted, target, outcome, now)
    effects = tuple(_effects(noted, moved, outcome))
    if moved.cancel_asked and moved.state in BEFORE_RISK:  # it was asked while the device was at risk
        ended, more = advance(moved, Told(Outcome.CANCEL, moved.cancel_asked), now)
        return ended, effects + more
    return _timed(moved), effects


def _timed(attempt: Attempt) -> Attempt:
    deadline_at = _deadline(attempt)
    return attempt if attempt.deadline_at == deadline_at else replace(attempt, deadline_at=deadline_at)


def _entered(attempt: Attempt, target: State, outcome: Outcome, now: float) -> Attempt:
    moved = replace(attempt, state=target, since=now, late=attempt.late or attempt.state is State.LOST)
    match target:
        case State.DOWNLOADING:
            return replace(moved, progress_at=now)
        case State.OFFERED:
            return replace(moved, offered=True)
        case State.STAGED if outcome is Outcome.NOT_STARTED:
            return replace(moved, grant_id="", nonce="", overdue=False, installs=attempt.installs - 1)
        case State.INSTALLING | State.REBOOTING | State.PROBATION:
            return replace(moved, started=True)
        case State.SUCCEEDED:
            return replace(moved, counted=outcome is Outcome.SOAKED, reason="", overdue=False, ticket=None)
        case State.LOST:
            return replace(moved, reason="silence", ticket=Cause.LOST)
        case State.FAILED | State.ROLLED_BACK | State.REJECTED:
            never_started = outcome is Outcome.INSTALL_FAILED and moved.reason == "not_started"
            again = target is State.FAILED and outcome is not Outcome.UNHEALTHY and not attempt.cancel_asked
            retry = again and moved.installs < MAX_INSTALLS and attempt.number < MAX_ATTEMPTS
            return replace(
                moved,
                counted=attempt.counted and not never_started,
                ticket=cause_of(target, outcome, moved.reason),
                retry_at=now + RETRY_S if retry else 0.0,
            )
    return moved


def cause_of(target: State, outcome: Outcome, reason: str) -> Cause | None:
    """Which ticket an end opens."""
    if target is State.REJECTED:
        return Cause.SECURITY if reason in _SECURITY_CODES else None
    if reason == "not_started":
        return None  # nothing was done to the device
    if target is State.ROLLED_BACK:
        return Cause.ROLLED_BACK
    return Cause.UNHEALTHY if outcome is Outcome.UNHEALTHY else Cause.FAILED


def _effects(before: Attempt, after: Attempt, outcome: Outcome) -> list[Effect]:
    effects = []
    if after.state is State.AWAIT_CONSENT:
        effects.append(Effect(Do.ASK_CONSENT))
    if after.state is State.OFFERED and before.state is State.READY:
        effects.append(Effect(Do.PUBLISH_DESIRED))
    if outcome in (Outcome.CANCEL, Outcome.CONSENT_DENIED, Outcome.SUPERSEDE) and before.offered:
        effects.append(Effect(Do.SEND_CANCEL))
    if after.final and after.state is not State.LOST and before.offered:
        effects.append(Effect(Do.CLEAR_DESIRED))
    if outcome is Outcome.UNHEALTHY and not after.confirmed_at:
        effects.append(Effect(Do.SEND_REVERT))
    if before.ticket is not None and before.ticket is not after.ticket:
        effects.append(Effect(Do.CLOSE_TICKET, before.ticket))
    if after.ticket is not None and before.ticket is not after.ticket:
        effects.append(Effect(Do.OPEN_TICKET, after.ticket))
    return effects


def _deadline(attempt: Attempt) -> float | None:
    """The next instant at which a Timer event, or the retry of a failed install, may mean something."""
    state = attempt.state
    if state in BEFORE_RISK:
        if state is State.DOWNLOADING:
            return min(attempt.expires_at, attempt.progress_at + STALL_S)
        if state is State.INELIGIBLE:
            return min(attempt.expires_at, attempt.since + RECHECK_S)
        return attempt.expires_at
    soaked_at = soak_ends_at(attempt)
    if soaked_at is not None and attempt.contact_at < soaked_at - SOAK_CONTACT_S:
        soaked_at = None  # the next sign of life brings it back
    if state in AT_RISK:
        overdue_at = None if attempt.overdue or attempt.confirmed_at else attempt.granted_at + attempt.overdue_s
        return min(at for at in (lost_at(attempt), soaked_at, overdue_at) if at is not None)
    if state is State.LOST:
        return soaked_at
    return attempt.retry_at or None if attempt.current else None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the update itself explains: `reboots` more than usual and silence until `silent_until`. Beyond it fires."""

    reboots: int
    silent_until: float


def expected(attempt: Attempt) -> Expectation | None:
    """What other rules should put down to this attempt while it is at risk; None if nothing."""
    if not attempt.at_risk:
        return None
    rebooted = attempt.state is State.PROBATION
    return Expectation(
        reboots=1, silent_until=attempt.reported_at if rebooted else attempt.granted_at + attempt.overdue_s
    )


def retried(attempt: Attempt, now: float) -> tuple[Attempt, Attempt]:
    """The finished row, no longer current, and the row that takes its place and starts from PLANNED."""
    base = attempt.attempt_id.rpartition("/")[0]
    number = attempt.number + 1
    fresh = Attempt(
        attempt_id=f"{base}/{number}",
        number=number,
        state=State.PLANNED,
        since=now,
        installs=attempt.installs,
        consent=attempt.consent,
        postponed_until=attempt.postponed_until,
        **{name: getattr(attempt, name) for name in _KEPT},
    )
    done = replace(attempt, current=False)
    return _timed(done), _timed(fresh)


_KEPT = (
    "rollout_id", "release_id", "device_id", "site_id", "group", "component", "wave", "expires_at",
    "target_version", "target_counter", "soak_s", "overdue_s",
)  # fmt: skip
