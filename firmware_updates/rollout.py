"""A release going to many devices: the rollout's and the waves' tables, and who may do what.

Whether a rollout may go on is decided here and in `budget` and `gate`; who gets a grant is decided in `grant`.
"""

import hashlib
from dataclasses import asdict, dataclass, replace
from enum import Enum
from types import MappingProxyType

from firmware_updates.policy import Policy


class RolloutState(Enum):
    """Where a rollout stands."""

    DRAFT = "draft"
    SIMULATED = "simulated"
    PENDING_APPROVAL = "pending_approval"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    HALTED = "halted"
    ABORTED = "aborted"
    COMPLETED = "completed"
    COMPLETED_PARTIAL = "completed_partial"
    EXPIRED = "expired"


class Act(Enum):
    """What people or the clock do to a rollout."""

    SIMULATE = "dry run"
    EDIT = "edit"
    SUBMIT = "submit"
    APPROVE = "second person approves"
    DECLINE = "decline"
    START = "start time"
    PAUSE = "pause"
    RESUME = "resume"
    HALT = "stop test"
    ABORT = "abort"
    FINISH = "all ended"
    DEADLINE = "deadline"
    EXPIRE = "deadline, nothing done"


class PauseReason(Enum):
    """Why a rollout is paused."""

    MANUAL = "manual"
    BUDGET = "budget"
    HEALTH = "health"
    BLACKOUT = "blackout"


class AbortMode(Enum):
    """KEEP what is installed, or ask unconfirmed devices to REVERT."""

    KEEP = "keep"
    REVERT = "revert"


class RolloutRefusal(Enum):
    """Why an act is not allowed."""

    WRONG_STATE = "the rollout is not in a state that allows this"
    AUTHOR_APPROVES = "the author may not approve the own rollout"
    CONTENT_CHANGED = "the content is not what was shown to the approver"
    SECOND_PERSON_NEEDED = "after a stop, somebody other than the author must resume"


class Denied(ValueError):
    """The act is not allowed; `why` is the named reason."""

    def __init__(self, why: RolloutRefusal) -> None:
        super().__init__(why.value)
        self.why = why


_R, _A = RolloutState, Act
_BEFORE_START = (_R.DRAFT, _R.SIMULATED, _R.PENDING_APPROVAL, _R.SCHEDULED)
_STARTED = (_R.RUNNING, _R.PAUSED, _R.HALTED)
ROLLOUT_TRANSITIONS: MappingProxyType[tuple[RolloutState, Act], RolloutState] = MappingProxyType(
    {
        (_R.DRAFT, _A.SIMULATE): _R.SIMULATED,
        (_R.SIMULATED, _A.SUBMIT): _R.PENDING_APPROVAL,
        (_R.SIMULATED, _A.EDIT): _R.DRAFT,
        (_R.PENDING_APPROVAL, _A.EDIT): _R.DRAFT,
        (_R.PENDING_APPROVAL, _A.DECLINE): _R.DRAFT,
        (_R.PENDING_APPROVAL, _A.APPROVE): _R.SCHEDULED,
        (_R.SCHEDULED, _A.EDIT): _R.DRAFT,
        (_R.SCHEDULED, _A.START): _R.RUNNING,
        (_R.RUNNING, _A.PAUSE): _R.PAUSED,
        (_R.PAUSED, _A.RESUME): _R.RUNNING,
        (_R.RUNNING, _A.HALT): _R.HALTED,
        (_R.PAUSED, _A.HALT): _R.HALTED,
        (_R.HALTED, _A.RESUME): _R.RUNNING,
        (_R.RUNNING, _A.FINISH): _R.COMPLETED,
        **{(state, _A.DEADLINE): _R.COMPLETED_PARTIAL for state in _STARTED},
        **{(state, _A.EXPIRE): _R.EXPIRED for state in _BEFORE_START + _STARTED},
        **{(state, _A.ABORT): _R.ABORTED for state in _BEFORE_START + _STARTED},
    }
)
OVER = frozenset({_R.ABORTED, _R.COMPLETED, _R.COMPLETED_PARTIAL, _R.EXPIRED})


class WaveState(Enum):
    """Where a wave stands. Grants are given in every state from OPEN on but FAILED."""

    PENDING = "pending"
    OPEN = "open"
    SOAKING = "soaking"
    GATE = "gate"
    PASSED = "passed"
    FAILED = "failed"


class WaveStep(Enum):
    """What moves a wave."""

    OPENED = "the one before passed"
    SETTLED = "members ended, or patience over"
    SOAKED = "soak over"
    JUDGED_OK = "gate says ok"
    JUDGED_WORSE = "gate says worse"
    OVERRULED = "second person resumes"


_W, _T = WaveState, WaveStep
WAVE_TRANSITIONS: MappingProxyType[tuple[WaveState, WaveStep], WaveState] = MappingProxyType(
    {
        (_W.PENDING, _T.OPENED): _W.OPEN,
        (_W.OPEN, _T.SETTLED): _W.SOAKING,
        (_W.SOAKING, _T.SOAKED): _W.GATE,
        (_W.GATE, _T.JUDGED_OK): _W.PASSED,
        (_W.GATE, _T.JUDGED_WORSE): _W.FAILED,
        (_W.FAILED, _T.OVERRULED): _W.PASSED,
    }
)
GRANTING = frozenset({_W.OPEN, _W.SOAKING, _W.GATE, _W.PASSED})


@dataclass(frozen=True, slots=True)
class Wave:
    """One wave; `since` is when it entered its state (epoch seconds)."""

    state: WaveState = WaveState.PENDING
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Rollout:
    """One row. The last wave is the control. `epoch` grows at every resume after a stop: only newer failures count.

    `content_sha256` is what was simulated; `approved_by` is bound to it. `freeze` pauses are the organisation's.
    """

    rollout_id: str
    name: str
    release_id: str
    component: str
    author: str
    created_at: float
    starts_at: float
    deadline_at: float
    policy: Policy
    targets: int
    targets_sha256: str
    waves: tuple[Wave, ...]
    state: RolloutState = RolloutState.DRAFT
    pause_reason: PauseReason | None = None
    reason: str = ""
    content_sha256: str = ""
    approved_by: str = ""
    resumed_by: str = ""
    epoch: int = 0
    abort_mode: AbortMode | None = None
    ended_at: float = 0.0

    @property
    def over(self) -> bool:
        """Whether nothing more is planned by it (attempts at risk still end by themselves)."""
        return self.state in OVER


def content_hash(rollout: Rollout) -> str:
    """SHA-256 over all that an approver agrees to."""
    agreed = (rollout.rollout_id, rollout.name, rollout.release_id, rollout.component, rollout.starts_at)
    also = (rollout.deadline_at, rollout.targets, rollout.targets_sha256, sorted(asdict(rollout.policy).items()))
    return hashlib.sha256(repr((agreed, also)).encode()).hexdigest()


def act(rollout: Rollout, what: Act, now: float, who: str = "", content: str = "") -> Rollout:
    """The rollout after the act; Denied with the named reason. `content` is the hash that the approver was shown."""
    target = ROLLOUT_TRANSITIONS.get((rollout.state, what))
    if target is None:
        raise Denied(RolloutRefusal.WRONG_STATE)
    moved = replace(rollout, state=target, pause_reason=None)
    if what is Act.SIMULATE:
        return replace(moved, content_sha256=content_hash(moved))
    if what in (Act.EDIT, Act.DECLINE):
        return replace(moved, content_sha256="", approved_by="")
    if what is Act.APPROVE:
        if who == rollout.author:
            raise Denied(RolloutRefusal.AUTHOR_APPROVES)
        if not content == rollout.content_sha256 == content_hash(rollout):
            raise Denied(RolloutRefusal.CONTENT_CHANGED)
        return replace(moved, approved_by=who)
    if what is Act.RESUME:
        return _resumed(rollout, moved, who, now)
    return replace(moved, ended_at=now) if moved.over else moved


def pause(rollout: Rollout, why: PauseReason, now: float, reason: str = "") -> Rollout:
    """RUNNING to PAUSED with its reason."""
    return replace(act(rollout, Act.PAUSE, now), pause_reason=why, reason=reason)


def needs_second_person(rollout: Rollout) -> bool:
    """Whether resuming it is a decision about risk, which the author may not take alone."""
    return rollout.state is RolloutState.HALTED or rollout.pause_reason in (PauseReason.BUDGET, PauseReason.HEALTH)


def _resumed(rollout: Rollout, moved: Rollout, who: str, now: float) -> Rollout:
    if not needs_second_person(rollout):
        return replace(moved, reason="")
    if who in ("", rollout.author):
        raise Denied(RolloutRefusal.SECOND_PERSON_NEEDED)
    waves = tuple(step_wave(wave, WaveStep.OVERRULED, now) for wave in rollout.waves)
    return replace(moved, reason="", resumed_by=who, epoch=rollout.epoch + 1, waves=waves)


def step_wave(wave: Wave, step: WaveStep, now: float) -> Wave:
    """The wave after the step; unchanged where the table knows none."""
    target = WAVE_TRANSITIONS.get((wave.state, step))
    return wave if target is None else Wave(target, now)
