# ruff: noqa: FURB136 - here a comparison costs a third of a call of min or max
"""What a healthy device measures: heat, light, storage, power and network, as functions of the world and its habits.

`measure(device, now, slot, z, complete)` returns the metrics and states of one report. Faults and confounders work on
the result (see `spells.py`). Values are cut to the digits that firmware would send by `x * 10 // 1 / 10`, which costs a
fifth of `round`. Numbers without a source are engineering estimates; healthy ranges stand in `metrics.toml`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from device_sim.models import Kind

if TYPE_CHECKING:
    from device_sim.device import Device
    from device_sim.environment import Slot

Metrics = dict[str, float]
States = dict[str, str]


def measure(d: Device, now: float, slot: Slot, z: tuple[float, ...], complete: bool) -> tuple[Metrics, States]:
    """One report of a healthy device; `complete` adds what changes slowly."""
    kind = d.kind
    if kind is Kind.CAMERA:
        m, s = _camera(d, now, slot, z)
    elif kind is Kind.RECORDER:
        m, s = _recorder(d, now, slot, z)
    elif kind is Kind.ROUTER:
        m, s = _router(d, now, slot, z)
    else:
        m, s = _switch(d, now, slot, z)
    if complete:
        _slow(d, now, z, m, s)
    return m, s


def _common(d: Device, now: float, slot: Slot, z: tuple[float, ...], air_c: float, load: float) -> Metrics:
    """Chip, memory, network, clock: what every device has. `load` is 0..1."""
    cpu = d.cpu_pct + 14.0 * load + z[0] * 2.5
    settled = 1.0 - math.exp(-(now - d.booted_at) / 7200.0)
    return {
        "soc_temp_c": (air_c + d.rise_c + 0.12 * cpu + 0.35 * z[1]) * 10 // 1 / 10,
        "cpu_pct": (cpu if cpu > 1.0 else 1.0) * 10 // 1 / 10,
        "mem_used_pct": (d.mem_pct - 7.0 + 7.0 * settled + 0.4 * z[2]) * 10 // 1 / 10,
        "rtt_ms": (d.rtt_ms * (1.0 + 0.5 * slot[6]) + 3.0 * abs(z[3])) * 10 // 1 / 10,
        "loss_pct": (0.04 * abs(z[4])) * 100 // 1 / 100,
        "clock_offset_s": (d.clock_bias_s + 0.04 * z[5]) * 1000 // 1 / 1000,
        "ntp_age_s": (now - d.ntp_phase) % 3600 // 1,
        "auth_fail_per_h": 1.0 if z[6] > 2.2 else 0.0,
        "auth_sources_cnt": 1.0 if z[6] > 2.2 else 0.0,
    }


def _wire(d: Device, m: Metrics, z: tuple[float, ...]) -> None:
    m["link_mbps"] = d.link_mbps
    m["crc_per_1e6"] = (0.12 * abs(z[7])) * 100 // 1 / 100
    m["link_flaps_per_h"] = 0.0


def _camera(d: Device, now: float, slot: Slot, z: tuple[float, ...]) -> tuple[Metrics, States]:
    outdoor_c, indoor_c, lux, rh_pct, rain, fog, activity, wind = slot[:8]
    outdoor = d.outdoor
    lux_here = lux * (1.0 if outdoor else 0.02) + (d.lamp_lux if not outdoor and activity > 0.12 else 0.0)
    if d.night:
        if lux_here > d.dawn_lux:
            d.night, d.ircut_cycles = False, d.ircut_cycles + 1
    elif lux_here < d.dusk_lux:
        d.night, d.ircut_cycles = True, d.ircut_cycles + 1
    night = d.night
    if outdoor:
        sun_c = 7.0 * lux / 100_000.0
        case_c = outdoor_c + 4.0 + sun_c
    else:
        sun_c, case_c, rain, fog, wind = 0.0, indoor_c, 0.0, 0.0, 0.0
    m = _common(d, now, slot, z, case_c, activity)

    ir_ma = d.ir_ma if night else 0.0
    gain_db = d.night_gain_db if night else 2.0 + 3.0 * fog
    target = d.fps * 0.5 if night and d.slow_shutter else d.fps
    lost = 0.012 + 0.005 * z[8]
    actual = target * (1.0 - (lost if lost > 0.0 else 0.0))
    scene = d.scene * (1.0 - 0.35 * fog - 0.05 * rain) + 0.012 * z[9]
    kbps = d.kbps * (0.55 + 0.45 * activity) * (0.75 if night else 1.0) * (1.0 + 0.2 * rain) * (1.0 + 0.055 * z[10])
    if d.codec == "smart" and activity < 0.1:
        kbps *= 0.12  # a still scene costs almost nothing
    m["fps_actual"] = actual * 100 // 1 / 100
    m["fps_target"] = target
    m["fps_pct"] = 1000.0 * actual / target // 1 / 10
    m["drop_per_min"] = (0.35 * abs(z[11])) * 10 // 1 / 10
    m["kbps"] = kbps // 1
    m["frame_repeat_s"] = (0.1 * abs(z[12])) * 100 // 1 / 100
    m["luma_mean"] = ((d.night_luma if night else 112.0 - 12.0 * fog) + 6.0 * activity + 2.2 * z[13]) * 10 // 1 / 10
    m["gain_db"] = (gain_db + 0.35 * abs(z[14])) * 10 // 1 / 10
    m["noise_sd"] = (1.4 + 0.12 * gain_db + 0.13 * abs(z[15])) * 100 // 1 / 100
    m["lux"] = (lux_here * (1.0 + 0.035 * z[16])) * 10 // 1 / 10
    m["red_green_ratio"] = (1.0 + 0.013 * z[17]) * 1000 // 1 / 1000
    sharp = d.sharpness * (0.97 if night else 1.0) * (1.0 - 0.55 * fog - 0.1 * rain) + 0.012 * z[18]
    m["sharpness"] = sharp * 1000 // 1 / 1000
    m["scene_sim"] = (scene if scene < 1.0 else 1.0) * 1000 // 1 / 1000
    m["edge_density_pct"] = (d.edges_pct * (1.0 - 0.6 * fog) + 0.35 * z[19]) * 10 // 1 / 10
    motion = d.motion_per_h * activity * (1.0 + 1.5 * rain + 0.2 * z[20]) + (1.5 if rain else 0.0)
    m["motion_per_h"] = (motion if motion > 0.0 else 0.0) // 1
    if d.infrared:
        m["ir_ma"] = (ir_ma + (3.5 * z[21] if night else 0.0)) // 1
    if d.microphone:
        m["audio_rms_dbfs"] = (d.audio_dbfs + 14.0 * activity + 1.6 * z[22]) * 10 // 1 / 10
        m["audio_sd_db"] = (4.5 + 0.4 * z[23]) * 10 // 1 / 10
    heater_ma = 0.0
    if outdoor:
        rh_in = d.rh_in_pct + 0.12 * (rh_pct - 60.0) + 0.8 * z[24]
        rh_in = rh_in if rh_in < 97.0 else 97.0
        dew_gap = -19.6 * math.log(rh_in / 100.0)  # Magnus' formula, linear near 20 C
        if case_c < 5.0 or outdoor_c - 20.0 < (rh_pct - 100.0) * 0.2 - 4.0:
            heater_ma = d.heater_ma
        m["case_temp_c"] = (case_c + 0.25 * z[25]) * 10 // 1 / 10
        m["rh_in_pct"] = rh_in * 10 // 1 / 10
        m["dew_gap_c"] = (dew_gap + 0.2 * z[26]) * 10 // 1 / 10
        m["heater_ma"] = (heater_ma + (5.0 * z[27] if heater_ma else 0.0)) // 1
        m["accel_rms_g"] = (0.004 + 0.012 * wind + 0.0008 * abs(z[28])) * 10_000 // 1 / 10_000
        m["accel_peak_g"] = (0.02 + 0.1 * wind + 0.015 * abs(z[29])) * 1000 // 1 / 1000
        m["scene_shift_px"] = (0.5 + 1.2 * wind + 0.3 * abs(z[30])) * 10 // 1 / 10
    if d.poe:
        watts = 4.0 + 0.9 * activity + 0.0085 * ir_ma + 0.006 * heater_ma + 0.1 * z[31]
        m["poe_w"] = watts * 100 // 1 / 100
        m["poe_v"] = (d.poe_v - d.poe_ohm * watts / 48.0 + 0.09 * z[32]) * 100 // 1 / 100
    elif d.dc:
        m["vin_v"] = (d.vin_v - 0.0002 * ir_ma + 0.03 * z[31]) * 100 // 1 / 100
        m["vin_ripple_mv"] = (d.ripple_mv + 4.0 * abs(z[32])) // 1
    else:
        _battery(d, slot, z, m, ir_ma)
    if d.wifi:
        m["rssi_dbm"] = (d.rssi_dbm - 1.5 * activity + 1.1 * z[7]) // 1
        m["retry_pct"] = (d.retry_pct + 2.0 * activity + 0.9 * abs(z[33])) * 10 // 1 / 10
    else:
        _wire(d, m, z)
    if d.ptz:
        m["preset_ms"] = (d.preset_ms + 22.0 * z[34]) // 1
        m["pos_err_deg"] = (0.04 + 0.012 * abs(z[35])) * 1000 // 1 / 1000
        m["motor_ma"] = (d.motor_ma + 7.0 * z[36]) // 1
        m["ptz_stall_cnt"] = float(d.stalls)
    s = {"reset_reason": d.reset_reason, "daynight": "night" if night else "day"}
    if d.sd:
        d.written_gb += kbps * d.elapsed_s / 8e6
        m["sd_write_p99_ms"] = (d.sd_ms + 1.8 * abs(z[37])) * 10 // 1 / 10
        m["fs_err_cnt"] = float(d.fs_errors)
        s["sd_state"] = "rw"
        _records(d, now, z, m, s)
    return m, s


def _battery(d: Device, slot: Slot, z: tuple[float, ...], m: Metrics, ir_ma: float) -> None:
    """A 100 Wh battery and a 20 W panel; the charge of the last 24 h decays exponentially with that time."""
    sun_w = 20.0 * min(1.0, slot[2] / 35_000.0) * d.panel
    hours = d.elapsed_s / 3600.0
    room = 1.0 if d.charge_wh < 92.0 else max(0.12, (100.0 - d.charge_wh) / 8.0)
    taken = sun_w * hours * room
    d.charge_wh = min(100.0, max(0.0, d.charge_wh + taken - (0.75 + 0.0006 * ir_ma) * hours))
    d.charged_24h += taken - d.charged_24h * min(1.0, hours / 24.0)
    m["battery_pct"] = min(100.0, max(0.0, d.charge_wh + 0.3 * z[31])) * 10 // 1 / 10
    m["charge_wh_per_d"] = max(0.0, d.charged_24h + 0.4 * z[32]) * 10 // 1 / 10


def _records(d: Device, now: float, z: tuple[float, ...], m: Metrics, s: States) -> None:
    """The recording: newest segment, gaps, and how far back it goes."""
    age = 5.5 + 2.2 * z[38]
    recording = "on"
    if d.motion_only and d.slot[6] < 0.12:  # nothing moves: no segment, and that is as it should be
        age, recording = 600.0 + 250.0 * abs(z[43]), "idle"
    m["s_since_segment_s"] = (age if age > 0.0 else 0.0) * 10 // 1 / 10
    m["gap_s_per_day"] = (d.gap_s + 1.5 * abs(z[39])) // 1
    goal = d.rec_goal_d
    oldest = (now - d.rec_since) / 86400.0
    most = goal * 1.03 + 0.012 * z[40]
    oldest = most if oldest > most else oldest
    m["oldest_rec_age_d"] = oldest * 100 // 1 / 100
    m["retention_pct"] = 1000.0 * oldest / goal // 1 / 10
    s["recording"] = recording
    s["rec_mode"] = "motion" if d.motion_only else "continuous"


def _recorder(d: Device, now: float, slot: Slot, z: tuple[float, ...]) -> tuple[Metrics, States]:
    activity = slot[6]
    m = _common(d, now, slot, z, slot[1] + 6.0, activity)
    _wire(d, m, z)
    pwm = 34.0 + 1.7 * (slot[1] - 20.0) + 5.0 * activity + 1.3 * z[8]
    pwm = 30.0 if pwm < 30.0 else min(pwm, 75.0)
    m["io_wait_ms"] = (d.io_ms * (0.8 + 0.4 * activity) + 1.0 * abs(z[9])) * 10 // 1 / 10
    m["fan_rpm"] = (d.fan_rpm * (0.72 + pwm / 125.0) + 30.0 * z[10]) // 1
    m["fan_rpm_sd_pct"] = (1.2 + 0.35 * abs(z[11])) * 10 // 1 / 10
    m["fan_pwm_pct"] = pwm * 10 // 1 / 10
    m["disk_online_cnt"] = d.disks
    m["channels_rec_cnt"] = d.channels
    s = {"reset_reason": d.reset_reason, "raid_state": "ok" if d.disks > 1 else "none"}
    _records(d, now, z, m, s)
    return m, s


def _router(d: Device, now: float, slot: Slot, z: tuple[float, ...]) -> tuple[Metrics, States]:
    m = _common(d, now, slot, z, slot[1] + 2.0, slot[6])
    _wire(d, m, z)
    m["tx_queue_pkts"] = (3.0 + 8.0 * slot[6] + 2.5 * abs(z[8])) // 1
    m["wan_util_pct"] = (d.wan_pct * (0.3 + 0.7 * slot[6]) + 2.5 * abs(z[9])) * 10 // 1 / 10
    m["clients_cnt"] = (d.clients * (0.6 + 0.4 * slot[6]) + 0.5 * abs(z[10])) // 1
    return m, {"reset_reason": d.reset_reason}


def _switch(d: Device, now: float, slot: Slot, z: tuple[float, ...]) -> tuple[Metrics, States]:
    m = _common(d, now, slot, z, slot[1] + 3.0, slot[6] * 0.3)
    _wire(d, m, z)
    m["ports_up_cnt"] = d.ports
    m["port_err_per_h"] = 0.35 * abs(z[8]) // 1
    m["port_flaps_per_h"] = 0.0
    m["poe_events_per_h"] = 0.0
    m["poe_budget_pct"] = (d.budget_pct + (14.0 if slot[2] < 15.0 else 0.0) + 0.8 * z[9]) * 10 // 1 / 10
    return m, {"reset_reason": d.reset_reason}


def _slow(d: Device, now: float, z: tuple[float, ...], m: Metrics, s: States) -> None:
    """What firmware sends each hour and after a boot."""
    left = (d.cert_until - now) / 86400.0
    if left < 29.0:  # firmware asks for a new one a month before the end and has it within a day
        d.cert_until += 365 * 86400.0
        left += 365.0
    m["cert_days_left"] = left * 10 // 1 / 10
    m["emmc_life_level"] = d.emmc_level
    m["emmc_pre_eol"] = 1.0
    m["sys_fs_err_cnt"] = 0.0
    m["log_mb_per_d"] = (d.log_mb + 0.35 * abs(z[41])) * 10 // 1 / 10
    s["cfg_hash"] = d.cfg_hash
    s["cfg_origin"] = "job"
    s["serial"] = d.serial
    s["cert_renewal"] = "in_progress" if left < 30.0 else "idle"
    if d.kind is Kind.CAMERA:
        m["hot_px_cnt"] = (d.hot_px + 0.6 * abs(z[42])) // 1
        m["ircut_cycle_cnt"] = float(d.ircut_cycles)
        s["daynight_mode"] = "auto"
        s["codec"] = d.codec
        if d.microphone:
            s["audio"] = "on"
        if d.sd:
            m["sd_life_used_pct"] = 100.0 * d.written_gb / d.sd_endurance_gb // 1
            m["sd_written_gb"] = d.written_gb // 1
            m["sd_power_loss_cnt"] = float(d.sd_power_losses)
    elif d.kind is Kind.RECORDER:
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
    if d.sd or d.kind is Kind.RECORDER:
        m["rec_goal_d"] = d.rec_goal_d
        s["rec_phase"] = "ramp_up" if now - d.rec_since < d.rec_goal_d * 86400.0 else "steady"
