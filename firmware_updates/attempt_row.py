"""One attempt as a row, and the table of its life: which state follows on which outcome. No decisions here.

A row is one device, component, release and number of the attempt; the database is the truth. Times are epoch seconds by
the gateway's clock, None or 0 where they have not come.
"""

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class State(Enum):
    """Where an attempt stands."""

    PLANNED = "planned"
    INELIGIBLE = "ineligible"
    AWAIT_CONSENT = "await_consent"
    READY = "ready"
    OFFERED = "offered"
    DOWNLOADING = "downloading"
    STAGED = "staged"
    GRANTED = "granted"
    INSTALLING = "installing"
    REBOOTING = "rebooting"
    PROBATION = "probation"
    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELED = "canceled"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    LOST = "lost"


class Outcome(Enum):
    """What an event turned out to mean."""

    ELIGIBLE = "eligible, no consent needed"
    NOT_ELIGIBLE = "not eligible"
    RECHECK = "nightly check"
    NOOP = "already on target"
    CONSENT_NEEDED = "consent needed"
    CONSENT_GIVEN = "consent given"
    CONSENT_DENIED = "consent denied"
    OFFER = "wave open, slot free"
    DOWNLOAD = "download begins"
    STALLED = "no progress or link error"
    GAVE_UP = "10 resumes used up"
    VERIFIED = "image verified by the device"
    RESTAGE = "staged image gone"
    REFUSED = "device refuses"
    GRANT = "every guard holds"
    NOT_STARTED = "grant not used"
    INSTALL = "install begins"
    REBOOT = "reboot begins"
    INSTALL_FAILED = "install failed"
    ON_TARGET = "target reported, new boot"
    REVERTED = "other version reported, new boot"
    UNHEALTHY = "fault above own baseline"
    SOAKED = "confirmed, soaked, healthy"
    SILENCE = "90 min without contact"
    CANCEL = "cancel"
    SUPERSEDE = "newer release"
    EXPIRE = "deadline, expiry or support ended"
    EXTERNAL = "target reported without our install"


AT_RISK = frozenset({State.GRANTED, State.INSTALLING, State.REBOOTING, State.PROBATION})
BEFORE_RISK = frozenset(
    {State.PLANNED, State.INELIGIBLE, State.AWAIT_CONSENT, State.READY, State.OFFERED, State.DOWNLOADING, State.STAGED}
)
FINAL = frozenset(State) - AT_RISK - BEFORE_RISK
"""LOST is final but for late evidence."""

_S, _O = State, Outcome
TRANSITIONS: MappingProxyType[tuple[State, Outcome], State] = MappingProxyType(
    {
        (_S.PLANNED, _O.NOOP): _S.SUCCEEDED,
        (_S.PLANNED, _O.NOT_ELIGIBLE): _S.INELIGIBLE,
        (_S.PLANNED, _O.CONSENT_NEEDED): _S.AWAIT_CONSENT,
        (_S.PLANNED, _O.ELIGIBLE): _S.READY,
        (_S.INELIGIBLE, _O.RECHECK): _S.PLANNED,
        (_S.AWAIT_CONSENT, _O.CONSENT_GIVEN): _S.READY,
        (_S.READY, _O.OFFER): _S.OFFERED,
        (_S.OFFERED, _O.DOWNLOAD): _S.DOWNLOADING,
        (_S.OFFERED, _O.VERIFIED): _S.STAGED,
        (_S.DOWNLOADING, _O.VERIFIED): _S.STAGED,
        (_S.DOWNLOADING, _O.STALLED): _S.OFFERED,
        (_S.DOWNLOADING, _O.GAVE_UP): _S.FAILED,
        (_S.STAGED, _O.RESTAGE): _S.DOWNLOADING,
        (_S.STAGED, _O.GRANT): _S.GRANTED,
        (_S.GRANTED, _O.NOT_STARTED): _S.STAGED,
        (_S.GRANTED, _O.INSTALL): _S.INSTALLING,
        (_S.GRANTED, _O.REBOOT): _S.REBOOTING,
        (_S.INSTALLING, _O.REBOOT): _S.REBOOTING,
        (_S.PROBATION, _O.UNHEALTHY): _S.FAILED,
        (_S.PROBATION, _O.SOAKED): _S.SUCCEEDED,
        **{(state, _O.REFUSED): _S.REJECTED for state in (_S.OFFERED, _S.DOWNLOADING, _S.STAGED, _S.GRANTED)},
        **{(state, _O.INSTALL_FAILED): _S.FAILED for state in (_S.GRANTED, _S.INSTALLING, _S.REBOOTING)},
        **{(state, _O.ON_TARGET): _S.PROBATION for state in (_S.GRANTED, _S.INSTALLING, _S.REBOOTING)},
        **{(state, _O.REVERTED): _S.ROLLED_BACK for state in AT_RISK},
        **{(state, _O.SILENCE): _S.LOST for state in AT_RISK},
        **{(state, _O.CONSENT_DENIED): _S.CANCELED for state in BEFORE_RISK},
        **{(state, _O.CANCEL): _S.CANCELED for state in BEFORE_RISK},
        **{(state, _O.SUPERSEDE): _S.SUPERSEDED for state in BEFORE_RISK},
        **{(state, _O.EXPIRE): _S.EXPIRED for state in BEFORE_RISK},
        **{(state, _O.EXTERNAL): _S.SUCCEEDED for state in BEFORE_RISK},
        (_S.LOST, _O.SOAKED): _S.SUCCEEDED,
        (_S.LOST, _O.REVERTED): _S.ROLLED_BACK,
        (_S.LOST, _O.INSTALL_FAILED): _S.FAILED,
    }
)


class Cause(Enum):
    """Why a ticket is open. One open ticket for each (device, rollout, cause)."""

    LOST = "update_lost"
    ROLLED_BACK = "update_rolled_back"
    FAILED = "update_failed"
    UNHEALTHY = "update_unhealthy"
    SECURITY = "update_security"


@dataclass(frozen=True, slots=True)
class Consent:
    """Who agreed, when, and to which words (SHA-256 of the text that was shown)."""

    who: str
    at: float
    text_sha256: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row. `deadline_at` is the one timer: the next instant at which `Timer` may mean something.

    `current` is False once a retry took its place. `started`: the
    device has said that it began to write. `counted` is False where nothing was installed by us. `score_epoch`
    is the rollout's epoch in which it last became bad or mature; -1 if it is neither.
    """

    attempt_id: str
    rollout_id: str
    release_id: str
    device_id: str
    site_id: str
    group: str
    component: str
    number: int
    wave: int
    state: State
    since: float
    expires_at: float
    target_version: str
    target_counter: int
    soak_s: float
    overdue_s: float
    deadline_at: float | None = None
    reason: str = ""
    offered: bool = False
    resumes: int = 0
    progress_at: float = 0.0
    bytes_done: int = 0
    retry_at: float = 0.0
    consent: Consent | None = None
    postponed_until: float = 0.0
    grant_id: str = ""
    nonce: str = ""
    boot: int = 0
    granted_at: float = 0.0
    not_after: float = 0.0
    grants: int = 0
    installs: int = 0
    started: bool = False
    contact_at: float = 0.0
    reported_at: float = 0.0
    confirmed_at: float = 0.0
    overdue: bool = False
    late: bool = False
    counted: bool = True
    current: bool = True
    cancel_asked: str = ""
    ticket: Cause | None = None
    score_epoch: int = -1

    @property
    def at_risk(self) -> bool:
        """Whether this device may be in the middle of a change."""
        return self.state in AT_RISK

    @property
    def final(self) -> bool:
        """Whether nothing but late evidence of a LOST one can change it."""
        return self.state in FINAL

    @property
    def bad(self) -> bool:
        """Whether it counts against the release: a grant was given and it ended badly, or is overdue."""
        ended_badly = self.state in (State.ROLLED_BACK, State.LOST, State.FAILED)
        return self.counted and bool(self.grant_id) and (ended_badly or (self.overdue and self.at_risk))

    @property
    def mature(self) -> bool:
        """Whether it counts for the release: installed by us, confirmed and soaked."""
        return self.counted and self.state is State.SUCCEEDED
