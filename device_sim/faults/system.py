"""F21-F24, F29-F34: clocks, memory, processors, certificates, log-ins, firmware, flash, configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_sim.faults.fault import ANY_DEVICE, FaultClass, Shape, put

if TYPE_CHECKING:
    from device_sim.device import Device
    from device_sim.physics import Metrics, States
    from device_sim.spells import Episode


def _leak(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F22: memory grows by a straight line until the kernel kills what it must: a restart, and again from the start."""
    cycle = x if x < 1.0 else (x * 1.0) % 1.0
    turn = int(x)
    if turn > e.memo.setdefault("turn", 0):
        e.memo["turn"] = turn
        d.reboot("oom")
    first = m["mem_used_pct"]
    put(m, "mem_used_pct", first + (97.5 - first) * cycle + 0.3 * d.z[44])


def _certificate(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F29: nobody renews; on the exact date TLS fails, and with it our own telemetry."""
    put(m, "cert_days_left", (1.0 - x) * e.lead_s / 86400.0)
    if x >= 1.0:
        d.cut = True


def _new_certificate(e: Episode, d: Device) -> None:
    d.cert_until = d.now + 365 * 86400.0


_SLOW, _STEP = Shape.DEGRADATION, Shape.STEP
FAULTS = (
    FaultClass("F22", "memory leak", _SLOW, ANY_DEVICE, (4, 14), (2, 5), _leak),
    FaultClass(
        "F29", "certificate expires", _SLOW, ANY_DEVICE, (28, 32), (0.5, 2), _certificate, cure=_new_certificate
    ),
)
