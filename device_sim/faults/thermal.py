"""F07-F09, F36: heat, fans, condensation, water in the housing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from device_sim.faults.fault import (
    RECORDER,
    FaultClass,
    Moment,
    Shape,
    Suits,
    add,
    camera_with,
    chance,
    put,
    slow_frames,
    times,
)
from device_sim.models import Kind, Part

if TYPE_CHECKING:
    from device_sim.device import Device
    from device_sim.physics import Metrics, States
    from device_sim.spells import Episode


def _overheat(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F07: dust or sun adds heat, most at noon; at 92 C the chip slows down, above 97 C it restarts."""
    clean = m["soc_temp_c"]
    hottest = e.memo["hottest"] = max(clean, e.memo.get("hottest", 0.0) - 0.02)  # of the last days
    afternoon = 0.65 + 0.35 * max(0.0, math.cos((d.slot.hour - 14.0) * math.pi / 12.0))
    add(m, "soc_temp_c", (96.0 + 5.0 * e.u[0] - hottest) * min(1.15, x) * afternoon)
    hot = m["soc_temp_c"]
    if x >= 1.0 or hot > 92.0:
        slow_frames(m, 1.0 - 0.03 * max(0.0, hot - 88.0))
    if x >= 1.0 and hot > 97.0 and chance(d, 6.0):
        d.reboot("thermal")


def _fan(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F08: speed falls and jitters while the drive rises; then it stands still and heat follows."""
    if x >= 1.0:
        put(m, "fan_rpm", 0.0)
        put(m, "fan_rpm_sd_pct", 0.0)
        put(m, "fan_pwm_pct", 100.0)
        add(m, "soc_temp_c", 14.0 + 6.0 * e.u[0])
        if "told" not in e.memo:
            e.memo["told"] = True
            d.emit("hardware/fan", state="stalled")
        return
    times(m, "fan_rpm", 1.0 - 0.45 * x)
    add(m, "fan_rpm_sd_pct", 1.0 + 14.0 * x * (0.7 + 0.6 * e.u[1]))
    add(m, "fan_pwm_pct", 25.0 * x)
    add(m, "soc_temp_c", 3.0 * x)


def _fogged_window(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F09: the heater is dead; the picture fogs over at dawn, deeper each morning."""
    put(m, "heater_ma", 0.0)
    into = (d.slot.hour - 4.0) / (1.5 + 3.0 * min(1.0, x))
    if 0.0 < into < 1.0:
        depth = (0.15 + 0.5 * min(1.2, x)) * min(1.0, 4 * into, 4 * (1 - into))
        times(m, "sharpness", 1.0 - depth)
        times(m, "edge_density_pct", 1.0 - 0.8 * depth)
        put(m, "rh_in_pct", 78.0 + 18.0 * min(1.0, x) + 0.6 * d.z[44])
        put(m, "dew_gap_c", 2.5 - 2.5 * min(1.0, x))


def _water(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F36: humidity in the housing rises by 1-5 points a day to saturation; then fog and a rotten connector."""
    damp = min(97.0, m["rh_in_pct"] + (90.0 - m["rh_in_pct"]) * min(1.1, x) + 1.2 * d.z[44] * min(1.0, x))
    put(m, "rh_in_pct", damp)
    put(m, "dew_gap_c", m["dew_gap_c"] * max(0.05, 1.0 - 0.9 * min(1.0, x)))
    if x >= 1.0:
        times(m, "sharpness", 0.55 + 0.03 * d.z[45])
        add(m, "crc_per_1e6", 80.0 + 20.0 * d.z[46])


_SLOW = Shape.DEGRADATION
_HOT = Suits(frozenset({Kind.CAMERA}), without=frozenset({Part.BATTERY}))
FAULTS = (
    FaultClass("F07", "overheating", _SLOW, _HOT, (5, 18), (1, 4), _overheat, Moment.NOON),
    FaultClass("F08", "fan wears out", _SLOW, RECORDER, (6, 18), (1, 3), _fan),
    FaultClass(
        "F09",
        "heater dead, window fogs",
        _SLOW,
        camera_with(Part.OUTDOOR),
        (3, 12),
        (1, 4),
        _fogged_window,
        Moment.DAWN,
    ),
    FaultClass("F36", "water in the housing", _SLOW, camera_with(Part.OUTDOOR), (5, 16), (1, 4), _water),
)
