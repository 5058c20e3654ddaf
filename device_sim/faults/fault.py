"""What a fault class is, and how its effect writes into a report."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from device_sim.models import Kind, Part

if TYPE_CHECKING:
    from device_sim.device import Device
    from device_sim.models import DeviceSpec
    from device_sim.physics import Metrics, States
    from device_sim.spells import Episode

TABLE: Final[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent.parent / "metrics.toml").read_text(encoding="utf-8")
)["metric"]
_WHOLE: Final = frozenset(
    name
    for name in TABLE
    if name.endswith(("_cnt", "_level", "_eol", "_per_h", "_rpm", "_ma", "_dbm", "_pkts", "_used_pct", "_mbps"))
    or name in {"kbps", "preset_ms"}
) - {"mem_used_pct"}
_SPAN: Final[dict[str, tuple[float, float, bool]]] = {
    name: (*entry["physical"], name in _WHOLE) for name, entry in TABLE.items()
}

STEP_LEAD_D: Final = (0.0007, 0.0007)  # one minute: seen as soon as it is there

Effect = Callable[[float, "Episode", "Device", "Metrics", "States"], None]
Cure = Callable[["Episode", "Device"], None]


class Shape(Enum):
    """Whether there are signs before the customer notices."""

    DEGRADATION = "degradation"
    STEP = "step"


class Scope(Enum):
    """What one episode, and so one ticket, is about."""

    DEVICE = "device"
    SWITCH = "switch"
    SITE = "site"


class Moment(Enum):
    """The time of day at which the effect is first seen."""

    ANY = "any"
    NIGHT = "night"
    NOON = "noon"
    DAWN = "dawn"


@dataclass(frozen=True, slots=True)
class Suits:
    """Which devices can have the fault: any of the kinds, all of the parts, none of the others."""

    kinds: frozenset[Kind] = frozenset(Kind)
    parts: frozenset[Part] = frozenset()
    without: frozenset[Part] = frozenset()
    recording: bool = False

    def __call__(self, spec: DeviceSpec) -> bool:
        """Whether this device can."""
        return (
            spec.kind in self.kinds
            and self.parts <= spec.model.parts
            and not self.without & spec.model.parts
            and (not self.recording or spec.kind is Kind.RECORDER or spec.has(Part.SD))
        )


ANY_DEVICE: Final = Suits()
CAMERA: Final = Suits(frozenset({Kind.CAMERA}))
RECORDER: Final = Suits(frozenset({Kind.RECORDER}))
ROUTER: Final = Suits(frozenset({Kind.ROUTER}))
SWITCH: Final = Suits(frozenset({Kind.SWITCH}))
RECORDING: Final = Suits(recording=True)


def camera_with(*parts: Part, without: tuple[Part, ...] = ()) -> Suits:
    """Cameras that contain all these parts."""
    return Suits(frozenset({Kind.CAMERA}), frozenset(parts), frozenset(without))


@dataclass(frozen=True, slots=True)
class FaultClass:
    """One row of the catalogue.

    `lead_d`: days from the first sign to the customer noticing (lo, hi); `repair_d`: from there to the repair. The
    effect gets the progress x: 0 at onset, 1 when the customer notices, more until the repair.
    """

    id: str
    name: str
    shape: Shape
    suits: Suits
    lead_d: tuple[float, float]
    repair_d: tuple[float, float]
    effect: Effect
    moment: Moment = Moment.ANY
    scope: Scope = Scope.DEVICE
    cure: Cure | None = None
    at_once: bool = False  # the firmware notices the beginning by itself and reports it out of the rhythm
    imitates: tuple[str, ...] = ()  # faults of single devices that it looks like; their tickets are wrong


def put(m: Metrics, name: str, value: float) -> None:
    """Write a value that a fault made: within its physical range, with the digits that firmware sends.

    A device that does not send the metric in this report does not begin to.
    """
    if name in m:
        low, high, whole = _SPAN[name]
        if value < low:  # as `max` and `min` would be, but for their calls
            value = low
        elif value > high:
            value = high
        m[name] = value // 1 if whole else value * 1000 // 1 / 1000


def add(m: Metrics, name: str, extra: float) -> None:
    """Add to a value."""
    if name in m:
        put(m, name, m[name] + extra)


def times(m: Metrics, name: str, factor: float) -> None:
    """Multiply a value."""
    if name in m:
        put(m, name, m[name] * factor)


def slow_frames(m: Metrics, share: float) -> None:
    """Let only this share of the frames through."""
    if "fps_target" in m:
        share = min(1.0, max(0.0, share))
        target = m["fps_target"]
        put(m, "fps_actual", m["fps_actual"] * share)
        put(m, "fps_pct", m["fps_pct"] * share)
        put(m, "drop_per_min", m["drop_per_min"] + 60 * target * (1 - share))


def chance(d: Device, per_day: float) -> bool:
    """Whether something that happens so often happened since the last report."""
    return d.random.random() < per_day * d.elapsed_s / 86400.0
