"""F01-F06: memory cards, disks and what is left of the recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_sim.faults.fault import RECORDER, RECORDING, FaultClass, Shape, Suits, add, camera_with, chance, put, times
from device_sim.models import Kind, Part

if TYPE_CHECKING:
    from device_sim.device import Device
    from device_sim.physics import Metrics, States
    from device_sim.spells import Episode


def _card_wear(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F01: the life counter climbs to 100; write latency grows 5-20 times over the last third; then gaps."""
    life = 100.0 * d.written_gb / d.sd_endurance_gb
    first = e.memo.setdefault("life", life)
    top = 97.0 + 5.0 * e.u[0]
    put(m, "sd_life_used_pct", max(life, first + (top - first) * min(1.15, x)))
    late = max(0.0, min(1.3, (x - 0.65) / 0.35))
    times(m, "sd_write_p99_ms", 1.0 + (6.0 + 14.0 * e.u[1]) * late**2)
    if x >= 1.0:
        add(m, "gap_s_per_day", 600.0 + 3000.0 * min(1.0, x - 1.0) + 60.0 * d.z[44])
        if d.random.random() < 0.3:
            put(m, "s_since_segment_s", 130.0 + 400.0 * d.random.random())


def _new_card(e: Episode, d: Device) -> None:
    d.written_gb, d.sd_power_losses, d.fs_errors = 0.0, 0, 0
    d.rec_since = d.now


def _card_read_only(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F02: file system errors, 1 to 20 a day and rising, then the card is read-only: no new clips."""
    if chance(d, 1.0 + 19.0 * min(1.0, x) ** 2):
        d.fs_errors += 1
    put(m, "fs_err_cnt", d.fs_errors)
    if x >= 1.0:
        s["sd_state"] = "ro" if e.u[0] < 0.8 else "absent"
        s["recording"] = "off"
        put(m, "s_since_segment_s", (x - 1.0) * e.lead_s)
        add(m, "gap_s_per_day", min(86400.0, (x - 1.0) * e.lead_s))
        if "told" not in e.memo:
            e.memo["told"] = True
            d.emit("storage/failure", disk="sd", reason="read-only")


def _repaired_card(e: Episode, d: Device) -> None:
    d.fs_errors = 0


def _disk_media(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F03: SMART counters appear and grow, waits grow; a fifth shows no counter at all, only latency."""
    x = min(x, 1.3)
    if e.u[0] < 0.8:
        put(m, "hdd_pending_cnt", 1 + 90.0 * x**2.5)
        put(m, "hdd_realloc_cnt", 160.0 * max(0.0, x - 0.1) ** 2)
        put(m, "hdd_uncorr_cnt", 30.0 * max(0.0, x - 0.3) ** 2)
        put(m, "hdd_offline_uncorr_cnt", 40.0 * max(0.0, x - 0.25) ** 2)
        put(m, "hdd_timeout_cnt", 8.0 * max(0.0, x - 0.4))
    times(m, "io_wait_ms", 1.0 + 3.0 * x + 22.0 * max(0.0, x - 0.55) ** 2 / 0.2 * (0.7 + 0.6 * e.u[1]))
    if x >= 1.0:
        add(m, "gap_s_per_day", 900.0 + 200.0 * d.z[44])


def _raid_degraded(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F04: a disk is gone. Nothing is noticed until a second one follows, then history is lost."""
    s["raid_state"] = "degraded"
    put(m, "disk_online_cnt", d.disks - (2 if x >= 1.0 else 1))
    times(m, "io_wait_ms", 1.5)
    if "told" not in e.memo:
        e.memo["told"] = True
        d.emit("storage/failure", disk=f"bay-{int(e.u[0] * d.disks) + 1}", reason="missing")
    if x >= 1.0:
        put(m, "oldest_rec_age_d", (x - 1.0) * e.lead_s / 86400.0)
        put(m, "retention_pct", 100.0 * (x - 1.0) * e.lead_s / 86400.0 / d.rec_goal_d)


def _retention(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F05: the oldest recording gets younger by 0.2-1 day a day; noticed when a fifth of the promise is gone."""
    left = 1.03 - (0.26 + 0.05 * e.u[0]) * min(1.6, x)
    put(m, "oldest_rec_age_d", d.rec_goal_d * left + 0.012 * d.z[40])
    put(m, "retention_pct", 100.0 * left + 0.08 * d.z[40])
    times(m, "kbps", 1.35)


def _gaps(x: float, e: Episode, d: Device, m: Metrics, s: States) -> None:
    """F06: two to five short gaps a day, longer each day, until an event is missing; the live picture is fine."""
    gap_s = 60.0 + 900.0 * min(1.4, x) ** 1.5 * (0.7 + 0.6 * e.u[0])
    add(m, "gap_s_per_day", gap_s + 15.0 * d.z[44])
    if chance(d, 2.0 + 4.0 * min(1.0, x)):
        put(m, "s_since_segment_s", 125.0 + 240.0 * d.random.random())
    if x >= 1.0 and d.random.random() < 0.5:
        put(m, "s_since_segment_s", 300.0 + 1500.0 * d.random.random())


_SD = camera_with(Part.SD)
_RAID = Suits(frozenset({Kind.RECORDER}), frozenset({Part.RAID}))
_SLOW, _STEP = Shape.DEGRADATION, Shape.STEP
FAULTS = (
    FaultClass("F01", "memory card wears out", _SLOW, _SD, (12, 24), (1, 4), _card_wear, cure=_new_card),
    FaultClass("F02", "memory card read-only", _SLOW, _SD, (2, 7), (1, 3), _card_read_only, cure=_repaired_card),
    FaultClass("F03", "disk media decay", _SLOW, RECORDER, (4, 20), (1, 4), _disk_media),
    FaultClass("F04", "disk missing from the array", _SLOW, _RAID, (3, 8), (1, 2), _raid_degraded, at_once=True),
    FaultClass("F05", "recordings do not reach back far enough", _SLOW, RECORDING, (6, 16), (1, 4), _retention),
    FaultClass("F06", "gaps in the recordings", _SLOW, RECORDING, (2, 5), (1, 3), _gaps),
)
