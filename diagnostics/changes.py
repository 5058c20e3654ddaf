"""What diagnostics say to the rest of the world: changes of health, each with its evidence."""

from dataclasses import dataclass
from enum import Enum, IntEnum


class Scope(Enum):
    """What a change is about. Together with the fault class it makes the ticket's key."""

    DEVICE = "device"
    SITE = "site"
    FLEET = "fleet"  # many devices at once: a storm collapsed into one
    GATEWAY = "gateway"  # ourselves


class Severity(IntEnum):
    """How bad, rising. It may rise and fall within one episode and is never part of a key."""

    INFO = 1
    WARNING = 2
    HIGH = 3
    CRITICAL = 4


class ChangeKind(Enum):
    """What happened to an episode."""

    OPENED = "opened"
    RAISED = "raised"  # severity rose
    LOWERED = "lowered"
    RECOVERED = "recovered"  # fresh good values: the evidence for an automatic solve
    AMENDED = "amended"  # late data moved its beginning or its evidence
    WITHDRAWN = "withdrawn"  # late data showed that it never was


@dataclass(frozen=True, slots=True)
class Impact:
    """When the customer would notice, epoch seconds: an 80 % interval and its median. Equal dates = exact."""

    earliest_at: float
    median_at: float
    latest_at: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why: the deciding signal, its value now, what is usual, and the samples around the onset.

    `samples` are (effective time, value) pairs, at most 64, oldest first. `limit` is the rule's limit and `usual` the
    typical value, both in the metric's unit (None where there is none). `note` is one English sentence that needs no
    unit (for signatures: the signs in their order).
    """

    metric: str
    value: float | None
    limit: float | None
    usual: float | None
    since: float
    samples: tuple[tuple[float, float], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of health. `rule` is "name@version". `at` is effective time, `received_at` the gateway's.

    `devices` are the affected children of a site or fleet change. `parent` is the scope id whose open episode explains
    this one (recording goes on, opening was held back until the parent recovered).
    """

    kind: ChangeKind
    scope: Scope
    scope_id: str
    fault_class: str
    rule: str
    severity: Severity
    at: float
    received_at: float
    evidence: Evidence
    impact: Impact | None = None
    devices: tuple[str, ...] = ()
    parent: str = ""

    @property
    def key(self) -> str:
        """The ticket key: scope and fault class, never severity, value or time."""
        return f"{self.scope.value}:{self.scope_id}:{self.fault_class}"
