"""F16, F17, F37, F43, F44: power over Ethernet, 12 V supplies, batteries, and what feeds them."""

from __future__ import annotations

import math
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING

from device_sim.faults.fault import (
    ROUTER,
    SWITCH,
    FaultClass,
    Moment,
    Scope,
    Shape,
    add,
    camera_with,
    chance,
    put,
    times,
)
from device_sim.models import Kind, Part

if TYPE_CHECKING:
    from device_sim.device import Device
    from device_sim.physics import Metrics, States
    from device_sim.spells import Episode


def _poe_sag(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F16: a corroded contact: the voltage falls with age and with the load of the infrared; it drops out at dusk."""
    x = min(1.25, x)
    load = m["poe_w"] / 8.5
    fall = (d.poe_v - 37.0) * x * (0.45 + 0.55 * load)
    put(m, "poe_v", max(36.3 + 0.3 * abs(d.z[45]), m["poe_v"] - fall - 0.25 * abs(d.z[44]) * x))  # below that it is off
    dusk = e.memo.get("night", False) is False and d.night
    e.memo["night"] = d.night
    if dusk and (x >= 1.0 or (x > 0.7 and e.u[0] < 0.3)):
        d.reboot("brownout", 1 + int(3 * d.random.random() * (x >= 1.0)))
    elif x >= 1.0 and d.night and m["poe_v"] < 38.5 and chance(d, 8.0):
        d.reboot("brownout")


def _supply_ageing(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F17: ripple grows, dips from one a week to ten a day; each deep one restarts the camera."""
    x = min(1.3, x)
    times(m, "vin_ripple_mv", 1.0 + 5.0 * x)
    add(m, "vin_v", -0.55 * x - 0.05 * abs(d.z[44]) * x)
    if chance(d, 0.15 + 9.0 * x**3):
        put(m, "vin_v", 10.75 - 1.1 * d.random.random())
        if x >= 1.0 or d.random.random() < 0.2 * x:
            d.reboot("brownout")


def _battery(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F37: a dirty panel or an old battery: less charge each day, the daily minimum falls, offline at night."""
    floor = 62.0
    sunny = min(1.0, d.slot.lux / 60_000.0)
    level = floor - (floor - 9.0) * min(1.1, x) + 22.0 * (1.0 - 0.7 * min(1.0, x)) * sunny
    put(m, "battery_pct", min(m["battery_pct"], level + 0.4 * d.z[44]))
    put(m, "charge_wh_per_d", min(m["charge_wh_per_d"], 34.0 * (1.0 - 0.72 * min(1.0, x))) + 0.4 * abs(d.z[45]))
    if x >= 1.0 and (d.slot.hour < 5.0 or d.slot.hour >= 23.0):
        d.hung = True


def _clean_panel(e: Episode, d: Device) -> None:
    d.charge_wh, d.charged_24h = 85.0, 30.0


def _budget(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F43: more and more is plugged into the switch (or its supply weakens): at night, with all infrared on, the power
    no longer suffices. A plain switch sags on all its ports; at the limit it drops those of low priority (the last).
    """
    x = min(1.25, x)
    grown = x if e.u[0] < 0.6 else int(x * 4.0 + 0.01) / 4.0
    if d.kind is Kind.SWITCH:
        add(m, "poe_budget_pct", (87.0 + 3.0 * e.u[1] - d.budget_pct) * grown)
        if m["poe_budget_pct"] > 98.0:
            put(m, "poe_events_per_h", 1.0 + 5.0 * d.random.random())
        return
    if not d.poe:
        return
    strain = max(0.0, grown - 0.9) * 10.0 if d.night else 0.0
    if e.u[2] < 0.5:
        add(m, "poe_v", -1.4 * strain)
    spared = e.affected.index(d.spec.id) < len(e.affected) - 2 - int(2 * e.u[3])
    dusk = e.memo.get("night") is False and d.night
    e.memo["night"] = d.night
    if spared or x < 0.97:
        return
    if dusk:
        d.reboot("power", 1 + int(2 * d.random.random()))
    elif d.night and chance(d, 6.0):
        d.reboot("power")


def _feeder(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F44: a corroded or overloaded feeder of the site: when a big load starts (evenings most), the mains sags, and all
    adapters on it give way within the same second, the weakest first. Their ripple stays as it was.
    """
    if not d.dc:
        return
    x = min(1.25, x)
    if "weakness" not in e.memo:
        e.memo["weakness"] = Random(f"{e.u[0]}/{d.spec.id}").random()
    evening = max(0.15, math.cos((d.slot.hour - 19.0) * math.pi / 12.0))
    for slot in (int(d.now // 900) - 1, int(d.now // 900)):
        comes, when, deep, low, felt = _surge(e.u[1], slot)
        if comes > (1.0 + 14.0 * x * x) * evening / 48.0:
            continue
        at, depth = (slot + when) * 900.0, (0.5 + 0.6 * x) * (0.85 + 0.3 * deep)
        if d.now - d.elapsed_s < at <= d.now and depth > 1.08 - 0.16 * e.memo["weakness"]:
            put(m, "vin_v", 10.7 - 1.5 * low)
            if x >= 1.0 and felt < 0.8:
                d.reboot("brownout")


@lru_cache(maxsize=256)
def _surge(feeder: float, slot: int) -> tuple[float, ...]:
    """What chance has for a feeder in a quarter of an hour, the same for all that hang on it."""
    random = Random(f"{feeder}/{slot}").random
    return tuple(random() for _ in range(5))


_SLOW = Shape.DEGRADATION
FAULTS = (
    FaultClass("F16", "PoE undervoltage", _SLOW, camera_with(Part.POE), (4, 16), (1, 4), _poe_sag, Moment.NIGHT),
    FaultClass("F17", "12 V supply ages", _SLOW, camera_with(Part.DC), (8, 20), (1, 4), _supply_ageing),
    FaultClass(
        "F37", "battery camera runs dry", _SLOW, camera_with(Part.BATTERY), (6, 16), (1, 4), _battery, Moment.NIGHT,
        cure=_clean_panel,
    ),
    FaultClass(
        "F43", "power of the switch exceeded", _SLOW, SWITCH, (3, 8), (1, 3), _budget, Moment.NIGHT, Scope.SWITCH,
        imitates=("F16", "F17", "F31"),
    ),
    FaultClass(
        "F44", "mains feeder of the site weak", _SLOW, ROUTER, (4, 9), (1, 3), _feeder, scope=Scope.SITE,
        imitates=("F16", "F17", "F31"),
    ),
)  # fmt: skip
