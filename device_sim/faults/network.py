"""F18-F20, F38, F39: cables, uplinks, Wi-Fi, switches, whole sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_sim.faults.fault import (
    ROUTER,
    STEP_LEAD_D,
    SWITCH,
    FaultClass,
    Scope,
    Shape,
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


def _cable(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F18: checksum errors grow ten-thousandfold, worse in rain; the link falls back, then flaps."""
    worse = 1.0 + 2.0 * d.slot.rain
    crc = 4.0 * 10 ** (2.7 * min(1.25, x)) * worse * (0.8 + 0.2 * abs(d.z[44]))
    add(m, "crc_per_1e6", crc)
    add(m, "loss_pct", crc / 400.0)
    if x > 0.6:
        put(m, "link_mbps", 10.0 if x >= 1.0 else min(m["link_mbps"], 100.0))
        if d.random.random() < 0.25 * x:
            put(m, "link_flaps_per_h", 1.0 + 5.0 * x * d.random.random())
    if x >= 1.0:
        slow_frames(m, 0.7 - 0.05 * d.z[45])
        if chance(d, 6.0):
            d.cut = True


def _uplink(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F19: the line of the site decays in the busy hours: loss, delay, queues, at the router and all behind it."""
    busy = 0.35 + 0.65 * d.slot.activity
    x = min(1.2, x)
    add(m, "loss_pct", (0.4 + 9.0 * x**1.5) * busy * (0.85 + 0.15 * abs(d.z[44])))
    times(m, "rtt_ms", 1.0 + 4.0 * x * busy)
    add(m, "tx_queue_pkts", 260.0 * x * busy)
    if x >= 1.0:
        slow_frames(m, 1.0 - 0.15 * busy)


def _wifi(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F20: leaves or a failing antenna: 0.2-1 dB a day; a fifth are a step (a new wall); offline at night."""
    level = min(1.15, x) if e.u[0] < 0.8 else 0.62 + 0.38 * min(1.15, x)
    end_dbm = -80.0 - 4.0 * e.u[1]
    add(m, "rssi_dbm", (end_dbm - d.rssi_dbm) * level)
    weak = max(0.0, -62.0 - m["rssi_dbm"])
    add(m, "retry_pct", 1.9 * weak)
    add(m, "loss_pct", 0.012 * weak**2)
    if x >= 1.0:
        slow_frames(m, 0.75 - 0.05 * d.z[44])
        if d.night and chance(d, 12.0):
            d.cut = True


def _switch(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F38: a switch fails port by port: its own counters and those of the cameras behind it rise together."""
    x = min(1.25, x)
    if d.kind is Kind.SWITCH:
        add(m, "port_err_per_h", 20.0 + 2500.0 * x**2 * (0.8 + 0.2 * abs(d.z[44])))
        add(m, "port_flaps_per_h", 12.0 * x**2 * d.random.random() * 2)
        add(m, "poe_events_per_h", 5.0 * x**2 * d.random.random() * 2)
        return
    add(m, "crc_per_1e6", 10.0 + 300.0 * x**2 * (0.8 + 0.2 * abs(d.z[44])))
    if chance(d, 1.0 + 10.0 * x**2):
        put(m, "link_flaps_per_h", 1.0 + 2.0 * x)
    if x >= 1.0 and chance(d, 4.0):
        d.reboot("power")


def _site_outage(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F39: the site loses power (all boot afterwards) or its line (all send what they kept)."""
    if e.u[0] < 0.5:
        d.down = "power"
    else:
        d.cut = True


_SLOW, _STEP = Shape.DEGRADATION, Shape.STEP
FAULTS = (
    FaultClass("F18", "bad cable or wet connector", _SLOW, camera_with(Part.WIRED), (3, 12), (1, 3), _cable),
    FaultClass("F19", "uplink decays", _SLOW, ROUTER, (1, 4), (0.5, 2), _uplink, scope=Scope.SITE),
    FaultClass(
        "F20", "Wi-Fi decays", _SLOW, camera_with(Part.WIFI, without=(Part.BATTERY,)), (6, 18), (1, 4), _wifi
    ),
    FaultClass("F38", "switch fails", _SLOW, SWITCH, (3, 8), (1, 3), _switch, scope=Scope.SWITCH),
    FaultClass(
        "F39", "site outage", _STEP, ROUTER, STEP_LEAD_D, (0.03, 0.4), _site_outage, scope=Scope.SITE
    ),
)  # fmt: skip
