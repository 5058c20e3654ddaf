"""What a device said, past the edge. Parsing and refusing bad input is the gateway's job."""

from dataclasses import dataclass
from enum import Enum

import msgspec


class Standing(Enum):
    """What a report is to the device's life, judged by (boot, seq). Set by `Fleet.observe`."""

    NEW = "new"
    LATE = "late"  # fills a hole: stored and charted, re-evaluates its window, never flips liveness
    DUPLICATE = "duplicate"  # changes nothing


class Report(msgspec.Struct, eq=False, gc=False):
    """One telemetry message of one device. What is mutable, the fleet fills in.

    `names` are those of the metrics in their order (whoever has made the tuple anyway may give it), and `packed` the
    values as doubles in native order, for whoever stores them: there once the fleet has taken the report as new and
    found every value possible.

    Times are epoch seconds: `captured_at` by the device's clock (None: no stamp), `received_at` by the gateway's,
    `effective_at` is what rules use (device-protocol "Time"). `metrics` maps catalogue names to numbers in the
    catalogue's unit; `states` maps state names to words.
    """

    device_id: str
    boot: int
    seq: int
    captured_at: float | None
    received_at: float
    metrics: dict[str, float]
    states: dict[str, str] = {}
    uptime_s: float | None = None
    firmware: str = ""
    effective_at: float = 0.0
    standing: Standing = Standing.NEW
    names: tuple[str, ...] = ()
    packed: bytes = b""


@dataclass(slots=True, eq=False)
class Event:
    """One `event` message: something that happened at an instant, named as ONVIF names it ("video/tamper")."""

    device_id: str
    boot: int
    seq: int
    captured_at: float | None
    received_at: float
    topic: str
    data: dict[str, str]
    effective_at: float = 0.0
    standing: Standing = Standing.NEW


@dataclass(slots=True, eq=False)
class Presence:
    """One `status` message: the device (or its last will) says online or offline. Offline is only *suspect*."""

    device_id: str
    boot: int
    online: bool
    received_at: float
