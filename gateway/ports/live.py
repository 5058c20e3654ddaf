"""The fleet as it is this second, as pages need it. Filled by the pipeline from memory, never from a store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from diagnostics.changes import Severity
from gateway.ports.history import Latest


class Liveness(Enum):
    """Whether a device is heard. Judged on receive time only."""

    ONLINE = "online"
    SUSPECT = "suspect"  # its last will says offline; the silence timeout has not passed
    OFFLINE = "offline"
    NEVER = "never"  # registered, but has not reported yet


@dataclass(frozen=True, slots=True)
class ActiveEpisode:
    """A rule that fires on the device now. `since` is effective time; `held_by` the scope whose outage explains it."""

    rule: str
    fault_class: str
    severity: Severity
    since: float
    held_by: str = ""


@dataclass(frozen=True, slots=True)
class DeviceView:
    """What is known of a device now. Times are epoch seconds; None: it has never reported."""

    device_id: str
    liveness: Liveness
    received_at: float | None = None
    effective_at: float | None = None
    boot: int | None = None
    firmware: str = ""
    metrics: Mapping[str, Latest] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)
    episodes: Sequence[ActiveEpisode] = ()


class LiveFleet(Protocol):
    """Reads of memory: they never wait and never fail."""

    def view(self, device_id: str) -> DeviceView | None:
        """None: nothing is known yet (unknown device, or the gateway has just started)."""

    def blind_since(self) -> float | None:
        """Since when the gateway itself hears nothing from anybody (its own outage); None when it hears."""
