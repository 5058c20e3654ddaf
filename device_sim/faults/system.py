"""F21-F23, F29, F30: clocks, memory, processors, certificates, log-ins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_sim.faults.fault import ANY_DEVICE, CAMERA, FaultClass, Shape, add, put, slow_frames

if TYPE_CHECKING:
    from device_sim.device import Device
    from device_sim.physics import Metrics, States
    from device_sim.spells import Episode

_Y2000 = 946_684_800.0


def _clock(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F21: no NTP answer any more: the stamps drift to a minute; a fifth lose power then and start in the year 2000.

    The device does not know its error: `clock_offset_s` keeps its last value, only the stamps of the reports move.
    """
    put(m, "ntp_age_s", e.age_s(d.now))
    put(m, "clock_offset_s", e.memo.setdefault("offset_s", m["clock_offset_s"]))
    if e.u[0] < 0.8:
        d.clock_error_s = (60.0 if e.u[1] < 0.5 else -60.0) * x
    elif x >= 1.0:
        if "booted" not in e.memo:
            e.memo["booted"] = d.now
            d.reboot("power")
        d.clock_error_s = _Y2000 - e.memo["booted"]


def _leak(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F22: memory grows by a straight line until the kernel kills what it must: a restart, and again from the start."""
    turn = int(x)
    if turn > e.memo.setdefault("turn", 0):
        e.memo["turn"] = turn
        d.reboot("oom")
    first = m["mem_used_pct"]
    put(m, "mem_used_pct", first + (97.5 - first) * (x % 1.0) + 0.3 * d.z[44])


def _processor(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F23: load climbs to its limit within hours, heat follows, then frames."""
    before = m["cpu_pct"]
    put(m, "cpu_pct", before + (98.0 - before) * min(1.0, 0.35 + 0.65 * x) + 0.6 * d.z[44])
    add(m, "soc_temp_c", 0.12 * (m["cpu_pct"] - before))
    if x > 0.5:
        slow_frames(m, 1.0 - 0.8 * min(0.7, x - 0.5))


def _certificate(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F29: nobody renews; on the exact date TLS fails, and with it our own telemetry."""
    put(m, "cert_days_left", (1.0 - x) * e.lead_s / 86400.0)
    if x >= 1.0:
        d.cut = True


def _new_certificate(e: Episode, d: Device) -> None:
    d.cert_until = d.now + 365 * 86400.0


def _guessing(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F30: passwords are guessed from several addresses, more and more, until the account is locked."""
    put(m, "auth_fail_per_h", 25.0 + 500.0 * min(1.0, x) * (0.8 + 0.2 * abs(d.z[44])))
    put(m, "auth_sources_cnt", 2.0 + 30.0 * e.u[0] * min(1.0, x))
    if "told" not in e.memo:
        e.memo["told"] = True
        d.emit("security/login_failed", user="admin", sources=2)
    if x >= 1.0 and "locked" not in e.memo:
        e.memo["locked"] = True
        d.emit("security/account_locked", user="admin")


_SLOW = Shape.DEGRADATION
FAULTS = (
    FaultClass("F21", "clock drifts", _SLOW, ANY_DEVICE, (6, 16), (1, 4), _clock),
    FaultClass("F22", "memory leak", _SLOW, ANY_DEVICE, (4, 14), (2, 5), _leak),
    FaultClass("F23", "processor saturated", _SLOW, CAMERA, (0.3, 1.5), (0.5, 2), _processor),
    FaultClass(
        "F29", "certificate expires", _SLOW, ANY_DEVICE, (28, 32), (0.5, 2), _certificate, cure=_new_certificate
    ),
    FaultClass("F30", "passwords are guessed", _SLOW, ANY_DEVICE, (0.15, 0.5), (0.2, 1), _guessing, at_once=True),
)
