"""What an event means for an attempt: events in, the row with the facts noted and at most one outcome out.

Only the version that a device reports after a new boot decides how an install ended; claims are noted. The order in
which messages of one device arrive must not matter: every reading looks at all that is known, never at what came last.
"""

from dataclasses import dataclass, replace
from typing import assert_never

from firmware_updates.attempt_row import AT_RISK, BEFORE_RISK, Attempt, Consent, Outcome, State
from firmware_updates.messages import BOUND_TO_A_GRANT, Job, Phase

STALL_S = 30 * 60
BACK_OFF_FIRST_S, BACK_OFF_MOST_S = 60, 3600
MAX_RESUMES = 10
LOST_S = 90 * 60
STUCK_S = 6 * 3600
SOAK_CONTACT_S = 15 * 60
RECHECK_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Told:
    """A decision made elsewhere: by people, by the rollout or by the guards."""

    outcome: Outcome
    reason: str = ""
    consent: Consent | None = None


@dataclass(frozen=True, slots=True)
class Postponed:
    """The customer asks for later; the window decides about nothing until then."""

    until: float


@dataclass(frozen=True, slots=True)
class Issued:
    """A grant was written for the open request."""

    grant_id: str
    nonce: str
    boot: int
    not_after: float


@dataclass(frozen=True, slots=True)
class Claim:
    """A status message: where the device says it is."""

    phase: Phase
    grant_id: str = ""
    code: str = "none"


@dataclass(frozen=True, slots=True)
class Downloaded:
    """Bytes done."""

    bytes_done: int


@dataclass(frozen=True, slots=True)
class Inventory:
    """What one component reported, with the boot it was said in."""

    boot: int
    version: str
    counter: int
    confirmed: bool
    job: Job | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """The device's memory of its last grant, from a request."""

    job: Job


@dataclass(frozen=True, slots=True)
class Seen:
    """Any sign of life, telemetry too."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A diagnostic rule fires above the device's own baseline from before the update."""

    fault_class: str


@dataclass(frozen=True, slots=True)
class Timer:
    """A deadline has come (or a restart asks whether one has)."""


Event = Told | Postponed | Issued | Claim | Downloaded | Inventory | Remembered | Seen | Fault | Timer
Reading = tuple[Attempt, Outcome | None]

_CLAIMS = {
    Phase.DOWNLOADING: Outcome.DOWNLOAD,
    Phase.LINK_ERROR: Outcome.STALLED,
    Phase.STAGED: Outcome.VERIFIED,
    Phase.REJECTED: Outcome.REFUSED,
    Phase.NOT_STARTED: Outcome.NOT_STARTED,
    Phase.INSTALLING: Outcome.INSTALL,
    Phase.REBOOTING: Outcome.REBOOT,
    Phase.FAILED: Outcome.INSTALL_FAILED,
}


def read(attempt: Attempt, event: Event, now: float) -> Reading:
    """The row with what the event adds to it, and what the event means if it means a step."""
    match event:
        case Told():
            return _told(attempt, event)
        case Postponed(until):
            return (replace(attempt, postponed_until=until) if attempt.state in BEFORE_RISK else attempt), None
        case Issued(grant_id, nonce, boot, not_after):
            if attempt.state is not State.STAGED:
                return attempt, None
            granted = replace(attempt, grant_id=grant_id, nonce=nonce, boot=boot, granted_at=now, not_after=not_after)
            return replace(
                granted, contact_at=now, installs=attempt.installs + 1, grants=attempt.grants + 1
            ), Outcome.GRANT
        case Claim():
            return _claimed(_touched(attempt, now), event, now)
        case Downloaded(done):
            if attempt.state not in (State.OFFERED, State.DOWNLOADING) or done <= attempt.bytes_done:
                return attempt, None
            return replace(attempt, bytes_done=done, progress_at=now), Outcome.DOWNLOAD
        case Inventory():
            return _reported(_touched(attempt, now), event, now)
        case Remembered(job):
            return _remembered(_touched(attempt, now), job)
        case Seen():
            return _touched(attempt, now), None
        case Fault(fault_class):
            unhealthy = attempt.state is State.PROBATION
            return (replace(attempt, reason=fault_class), Outcome.UNHEALTHY) if unhealthy else (attempt, None)
        case Timer():
            return _elapsed(attempt, now)
    assert_never(event)


def back_off_s(resumes: int) -> int:
    """60 s, doubling, an hour at most."""
    return min(BACK_OFF_FIRST_S << max(0, resumes - 1), BACK_OFF_MOST_S)


def _touched(attempt: Attempt, now: float) -> Attempt:
    counts = attempt.state in AT_RISK or attempt.state is State.LOST
    return replace(attempt, contact_at=now) if counts and now > attempt.contact_at else attempt


def _told(attempt: Attempt, told: Told) -> Reading:
    if told.outcome is Outcome.CANCEL and attempt.at_risk:  # a flash write is never interrupted
        return replace(attempt, cancel_asked=attempt.cancel_asked or told.reason), None
    if told.outcome is Outcome.CONSENT_GIVEN and attempt.consent is None:
        attempt = replace(attempt, consent=told.consent)
    return (replace(attempt, reason=told.reason) if not attempt.final else attempt), told.outcome


def _claimed(attempt: Attempt, claim: Claim, now: float) -> Reading:
    if claim.phase in BOUND_TO_A_GRANT and claim.grant_id != attempt.grant_id:
        return attempt, None
    if claim.phase is Phase.DOWNLOADING and attempt.state is State.STAGED:
        return replace(attempt, bytes_done=0), Outcome.RESTAGE
    if claim.phase is Phase.DOWNLOADING and attempt.state is State.DOWNLOADING:
        return replace(attempt, progress_at=now), None
    outcome = _CLAIMS.get(claim.phase)
    if outcome is Outcome.STALLED and attempt.state is State.DOWNLOADING:
        return _resumed(attempt, now)
    if outcome in (Outcome.REFUSED, Outcome.INSTALL_FAILED, Outcome.NOT_STARTED) and not _settled(attempt):
        attempt = replace(attempt, reason=claim.code)
    return attempt, outcome


def _settled(attempt: Attempt) -> bool:
    return attempt.final and attempt.state is not State.LOST


def _resumed(attempt: Attempt, now: float) -> Reading:
    resumes = attempt.resumes + 1
    if resumes > MAX_RESUMES:
        return replace(attempt, reason="download_gave_up"), Outcome.GAVE_UP
    return replace(attempt, resumes=resumes, retry_at=now + back_off_s(resumes)), Outcome.STALLED


def _reported(attempt: Attempt, found: Inventory, now: float) -> Reading:
    on_target = (found.version, found.counter) == (attempt.target_version, attempt.target_counter)
    if attempt.state in BEFORE_RISK:
        return (replace(attempt, counted=False), Outcome.EXTERNAL) if on_target else (attempt, None)
    if _settled(attempt):
        return attempt, None
    if found.boot <= attempt.boot:
        return _remembered(attempt, found.job) if found.job else (attempt, None)
    if on_target:
        reported_at = attempt.reported_at or now
        confirmed_at = attempt.confirmed_at or (now if found.confirmed else 0.0)
        noted = replace(attempt, reported_at=reported_at, confirmed_at=confirmed_at)
        return replace(noted, overdue=attempt.overdue and not confirmed_at), Outcome.ON_TARGET
    ours = found.job is not None and found.job.grant_id == attempt.grant_id
    if found.job and ours and found.job.state in (Phase.FAILED, Phase.NOT_STARTED):
        return _remembered(attempt, found.job)
    if attempt.state is State.GRANTED and not ours:  # each step is persisted first: no memory of it, no start
        return replace(attempt, reason="rebooted_before_start"), Outcome.NOT_STARTED
    if attempt.state is State.LOST and not ours and not attempt.started:
        return replace(attempt, reason="not_started"), Outcome.INSTALL_FAILED
    return replace(attempt, reason=found.job.code if found.job and ours else "reverted"), Outcome.REVERTED


def _remembered(attempt: Attempt, job: Job) -> Reading:
    if job.grant_id != attempt.grant_id or _settled(attempt):
        return attempt, None
    if job.state is Phase.NOT_STARTED and attempt.state is State.LOST:
        return replace(attempt, reason="not_started"), Outcome.INSTALL_FAILED
    outcome = _CLAIMS.get(job.state) if job.state in BOUND_TO_A_GRANT else None
    return (replace(attempt, reason=job.code) if outcome is Outcome.INSTALL_FAILED else attempt), outcome


def _elapsed(attempt: Attempt, now: float) -> Reading:
    if attempt.state in BEFORE_RISK:
        if now >= attempt.expires_at:
            return replace(attempt, reason="deadline"), Outcome.EXPIRE
        if attempt.state is State.DOWNLOADING and now >= attempt.progress_at + STALL_S:
            return _resumed(attempt, now)
        recheck = attempt.state is State.INELIGIBLE and now >= attempt.since + RECHECK_S
        return attempt, Outcome.RECHECK if recheck else None
    if _settled(attempt):
        return attempt, None
    soaked_at = soak_ends_at(attempt)
    if soaked_at is not None and now >= soaked_at and attempt.contact_at >= soaked_at - SOAK_CONTACT_S:
        return attempt, Outcome.SOAKED
    if attempt.state is State.LOST:
        return attempt, None
    if now >= attempt.granted_at + attempt.overdue_s and not attempt.confirmed_at:
        attempt = replace(attempt, overdue=True)
    return attempt, Outcome.SILENCE if now >= lost_at(attempt) else None


def soak_ends_at(attempt: Attempt) -> float | None:
    """When the soak is over; None until the target is reported and confirmed."""
    return attempt.reported_at + attempt.soak_s if attempt.confirmed_at else None


def lost_at(attempt: Attempt) -> float:
    """When it becomes LOST: 90 min old and 90 min without contact, or 6 h without a confirm in spite of contact."""
    silent = max(attempt.granted_at, attempt.contact_at) + LOST_S
    return silent if attempt.confirmed_at else min(silent, attempt.granted_at + STUCK_S)
