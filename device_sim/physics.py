"""One report of a healthy device: what was foreseen for its instant, and what depends on all that happened before:
restarts, wear, a new card, the battery. Faults and confounders work on the result (see `spells.py`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from device_sim.device import Device

Metrics = dict[str, float]
States = dict[str, str]

_WARM_S: Final = 7200.0
_COLD_S: Final = 40 * 3600.0  # after that a restart is no longer seen in the memory in use (1e-8 of a per cent)


def measure(d: Device, now: float, complete: bool) -> tuple[Metrics, States, tuple[str, ...]]:
    """One report of a healthy device: metrics, states, and the names of the metrics in their order; `complete` adds
    what changes slowly.
    """
    m, aside = d.outlook.at(d, now)
    log_mb, hot_px, mem_pct, by_night, lux, activity, charge_noise, charged_noise = aside
    awake_s = now - d.booted_at
    if awake_s < _COLD_S:
        m["mem_used_pct"] = (mem_pct - 7.0 * math.exp(-awake_s / _WARM_S)) * 10 // 1 / 10
    if d.camera:
        night = by_night > 0.0
        if night is not d.night:
            d.night, d.ircut_cycles = night, d.ircut_cycles + 1
        if d.ptz:
            m["ptz_stall_cnt"] = float(d.stalls)
        if d.battery:
            _battery(d, lux, charge_noise, charged_noise, m)
        s: States = {"reset_reason": d.reset_reason, "daynight": "night" if night else "day"}
        if d.sd:
            d.written_gb += m["kbps"] * d.elapsed_s / 8e6
            if d.fs_errors:
                m["fs_err_cnt"] = float(d.fs_errors)
            s["sd_state"] = "rw"
    elif d.recorder:
        s = {"reset_reason": d.reset_reason, "raid_state": "ok" if d.disks > 1 else "none"}
    else:
        s = {"reset_reason": d.reset_reason}
    if d.records:
        recorded_d = (now - d.rec_since) / 86400.0
        if recorded_d < d.rec_goal_d * 1.04:
            _fill(d, recorded_d, m)
        s["recording"] = "idle" if d.motion_only and activity < 0.12 else "on"
        s["rec_mode"] = "motion" if d.motion_only else "continuous"
    if complete:
        m["log_mb_per_d"] = log_mb
        _slow(d, now, hot_px, m, s)
        if not d.outlook.shape.names_hourly:
            d.outlook.shape.names_hourly = tuple(m)
        return m, s, d.outlook.shape.names_hourly
    return m, s, d.outlook.shape.names


def _fill(d: Device, recorded_d: float, m: Metrics) -> None:
    """A new store is still filling: it cannot reach back further than to its first day."""
    oldest = min(m["oldest_rec_age_d"], recorded_d)
    m["oldest_rec_age_d"] = oldest * 100 // 1 / 100
    m["retention_pct"] = 1000.0 * oldest / d.rec_goal_d // 1 / 10


def _battery(d: Device, lux: float, charge_noise: float, charged_noise: float, m: Metrics) -> None:
    """A 100 Wh battery and a 20 W panel; the charge of the last 24 h decays exponentially with that time."""
    sun_w = 20.0 * min(1.0, lux / 50_000.0) * d.panel
    hours = d.elapsed_s / 3600.0
    room = 1.0 if d.charge_wh < 92.0 else max(0.12, (100.0 - d.charge_wh) / 8.0)
    taken = sun_w * hours * room
    d.charge_wh = min(100.0, max(0.0, d.charge_wh + taken - (0.75 + 0.0006 * m["ir_ma"]) * hours))
    d.charged_24h += taken - d.charged_24h * min(1.0, hours / 24.0)
    m["battery_pct"] = min(100.0, max(0.0, d.charge_wh + 0.3 * charge_noise)) * 10 // 1 / 10
    m["charge_wh_per_d"] = max(0.0, d.charged_24h + 0.4 * charged_noise) * 10 // 1 / 10


def _slow(d: Device, now: float, hot_px: float, m: Metrics, s: States) -> None:
    """What firmware sends each hour and after a boot."""
    left = (d.cert_until - now) / 86400.0
    if left < 29.0:  # firmware asks for a new one a month before the end and has it within a day
        d.cert_until += 365 * 86400.0
        left += 365.0
    m["cert_days_left"] = left * 10 // 1 / 10
    m["emmc_life_level"] = d.emmc_level
    m["emmc_pre_eol"] = 1.0
    m["sys_fs_err_cnt"] = 0.0
    s["cfg_hash"] = d.cfg_hash
    s["cfg_origin"] = "job"
    s["serial"] = d.serial
    s["cert_renewal"] = "in_progress" if left < 30.0 else "idle"
    if d.camera:
        m["hot_px_cnt"] = hot_px
        m["ircut_cycle_cnt"] = float(d.ircut_cycles)
        s["daynight_mode"] = "auto"
        s["codec"] = d.codec
        if d.microphone:
            s["audio"] = "on"
        if d.sd:
            m["sd_life_used_pct"] = 100.0 * d.written_gb / d.sd_endurance_gb // 1
            m["sd_written_gb"] = d.written_gb // 1
            m["sd_power_loss_cnt"] = float(d.sd_power_losses)
    elif d.recorder:
        for name in (
            "hdd_realloc_cnt",
            "hdd_uncorr_cnt",
            "hdd_timeout_cnt",
            "hdd_pending_cnt",
            "hdd_offline_uncorr_cnt",
        ):
            m[name] = 0.0
        m["hdd_crc_err_cnt"] = d.hdd_crc
        m["disk_total_cnt"] = d.disks
    if d.records:
        m["rec_goal_d"] = d.rec_goal_d
        s["rec_phase"] = "ramp_up" if now - d.rec_since < d.rec_goal_d * 86400.0 else "steady"
