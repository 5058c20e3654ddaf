"""What a healthy device will measure: heat, light, storage, power and network, from the world and its habits.

A column a metric. What only trembles around a centre is a row of a table (`steady`), since all of those are one sum
over arrays; what follows the world or other values is written out (`moving`). Numbers without a source are engineering
estimates; healthy ranges stand in `metrics.toml`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from device_sim.models import Kind
from device_sim.noise import WIDTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from device_sim.device import Device

    Numbers = NDArray[np.float64]
    Columns = dict[str, Any]  # a number or an array each

FOLDED: Final = WIDTH
"""Added to a column of the noise: its absolute value."""


class Steady(NamedTuple):
    """A metric that is `centre` + `spread` * noise, with the column of the noise."""

    name: str
    centre: float
    spread: float = 0.0
    noise: int = 0


HOURLY: Final = ("log_mb_per_d", "hot_px_cnt")
"""What is sent once an hour and trembles."""


def hourly(d: Device) -> tuple[Steady, ...]:
    """The steady metrics of HOURLY."""
    return Steady(HOURLY[0], d.log_mb, 0.35, FOLDED + 41), Steady(HOURLY[1], d.hot_px, 0.6, FOLDED + 42)


def steady(d: Device) -> Iterator[Steady]:
    """The steady metrics of a device. Those that count what has happened to it stand here with nothing."""
    yield Steady("mem_used_pct", d.mem_pct, 0.4, 2)
    yield Steady("loss_pct", 0.0, 0.04, FOLDED + 4)
    yield Steady("clock_offset_s", d.clock_bias_s, 0.04, 5)
    if not d.wifi:
        yield Steady("link_mbps", d.link_mbps)
        yield Steady("crc_per_1e6", 0.0, 0.12, FOLDED + 7)
        yield Steady("link_flaps_per_h", 0.0)
    if d.dc:
        yield Steady("vin_ripple_mv", d.ripple_mv, 4.0, FOLDED + 32)
    if d.records:
        yield Steady("gap_s_per_day", d.gap_s, 1.5, FOLDED + 39)
        yield Steady("oldest_rec_age_d", d.rec_goal_d * 1.03, 0.012, 40)
    yield from _STEADY[d.kind](d)


def _steady_camera(d: Device) -> Iterator[Steady]:
    yield Steady("drop_per_min", 0.0, 0.35, FOLDED + 11)
    yield Steady("frame_repeat_s", 0.0, 0.1, FOLDED + 12)
    yield Steady("red_green_ratio", 1.0, 0.013, 17)
    if d.microphone:
        yield Steady("audio_sd_db", 4.5, 0.4, 23)
    if d.ptz:
        yield Steady("preset_ms", d.preset_ms, 22.0, 34)
        yield Steady("pos_err_deg", 0.04, 0.012, FOLDED + 35)
        yield Steady("motor_ma", d.motor_ma, 7.0, 36)
        yield Steady("ptz_stall_cnt", 0.0)
    if d.battery:
        yield Steady("battery_pct", 0.0)
        yield Steady("charge_wh_per_d", 0.0)
    if d.sd:
        yield Steady("sd_write_p99_ms", d.sd_ms, 1.8, FOLDED + 37)
        yield Steady("fs_err_cnt", 0.0)


def _steady_recorder(d: Device) -> Iterator[Steady]:
    yield Steady("fan_rpm_sd_pct", 1.2, 0.35, FOLDED + 11)
    yield Steady("disk_online_cnt", d.disks)
    yield Steady("channels_rec_cnt", d.channels)


def _steady_switch(d: Device) -> Iterator[Steady]:
    yield Steady("ports_up_cnt", d.ports)
    yield Steady("port_err_per_h", 0.0, 0.35, FOLDED + 8)
    yield Steady("port_flaps_per_h", 0.0)
    yield Steady("poe_events_per_h", 0.0)


def moving(d: Device, times: Numbers, world: Numbers, z: Numbers, nights: Numbers) -> Columns:
    """What follows the world at `times` (seconds since 1970): a part of a `Slot` a row of `world`; `z`: the device's
    noise and its absolute values, a row a column of it; `nights`: 1 where the camera sees by its own light.
    """
    return _MOVING[d.kind](d, times, world, z, nights)


def lux_here(d: Device, world: Numbers) -> Numbers:
    """The light that the camera sees by day: of the sky, or of the room and its lamps."""
    lux: Numbers = world[2]
    return lux if d.outdoor else lux * 0.02 + d.lamp_lux * (world[6] > 0.12)


def _common(d: Device, t: Numbers, z: Numbers, air_c: Any, load: Any, activity: Numbers) -> Columns:
    """Chip, network, clock: what every device has. `load` is 0..1."""
    cpu = d.cpu_pct + 14.0 * load + z[0] * 2.5
    failed = (z[6] > 2.2) * 1.0
    return {
        "soc_temp_c": air_c + d.rise_c + 0.12 * cpu + 0.35 * z[1],
        "cpu_pct": np.maximum(cpu, 1.0),
        "rtt_ms": d.rtt_ms * (1.0 + 0.5 * activity) + 3.0 * z[FOLDED + 3],
        "ntp_age_s": (t - d.ntp_phase) % 3600,
        "auth_fail_per_h": failed,
        "auth_sources_cnt": failed,
    }


def _camera(d: Device, t: Numbers, w: Numbers, z: Numbers, night: Numbers) -> Columns:
    outdoor_c, rh_pct, activity = w[0], w[3], w[6]
    rain, fog, wind = (w[4], w[5], w[7]) if d.outdoor else (0.0, 0.0, 0.0)
    case_c = outdoor_c + 4.0 + 7.0 * w[2] / 100_000.0 if d.outdoor else w[1]
    day = 1.0 - night
    c = _common(d, t, z, case_c, activity, activity)
    ir_ma = d.ir_ma * night
    gain_db = d.night_gain_db * night + (2.0 + 3.0 * fog) * day
    target = d.fps * (1.0 - 0.5 * night) if d.slow_shutter else d.fps
    actual = target * (1.0 - np.maximum(0.0, 0.012 + 0.005 * z[8]))
    kbps = d.kbps * (0.55 + 0.45 * activity) * (1.0 - 0.25 * night) * (1.0 + 0.2 * rain) * (1.0 + 0.055 * z[10])
    if d.codec == "smart":
        kbps *= np.where(activity < 0.1, 0.12, 1.0)  # a still scene costs almost nothing
    c["fps_actual"] = actual
    c["fps_target"] = target
    c["fps_pct"] = 100.0 * actual / target
    c["kbps"] = kbps
    c["luma_mean"] = d.night_luma * night + (112.0 - 12.0 * fog) * day + 6.0 * activity + 2.2 * z[13]
    c["gain_db"] = gain_db + 0.35 * z[FOLDED + 14]
    c["noise_sd"] = 1.4 + 0.12 * gain_db + 0.13 * z[FOLDED + 15]
    c["lux"] = lux_here(d, w) * (1.0 + 0.035 * z[16])
    c["sharpness"] = d.sharpness * (1.0 - 0.03 * night) * (1.0 - 0.55 * fog - 0.1 * rain) + 0.012 * z[18]
    c["scene_sim"] = np.minimum(1.0, d.scene * (1.0 - 0.35 * fog - 0.05 * rain) + 0.012 * z[9])
    c["edge_density_pct"] = d.edges_pct * (1.0 - 0.6 * fog) + 0.35 * z[19]
    stirred = 1.5 * (rain > 0.0) if d.outdoor else 0.0
    c["motion_per_h"] = np.maximum(0.0, d.motion_per_h * activity * (1.0 + 1.5 * rain + 0.2 * z[20]) + stirred)
    if d.infrared:
        c["ir_ma"] = ir_ma + 3.5 * z[21] * night
    if d.microphone:
        c["audio_rms_dbfs"] = d.audio_dbfs + 14.0 * activity + 1.6 * z[22]
    heater_ma: Any = 0.0
    if d.outdoor:
        rh_in = np.minimum(97.0, d.rh_in_pct + 0.12 * (rh_pct - 60.0) + 0.8 * z[24])
        damp = (case_c < 5.0) | (outdoor_c - 20.0 < (rh_pct - 100.0) * 0.2 - 4.0)
        heater_ma = d.heater_ma * damp
        c["case_temp_c"] = case_c + 0.25 * z[25]
        c["rh_in_pct"] = rh_in
        c["dew_gap_c"] = -19.6 * np.log(rh_in / 100.0) + 0.2 * z[26]  # Magnus' formula, linear near 20 C
        c["heater_ma"] = heater_ma + 5.0 * z[27] * damp
        c["accel_rms_g"] = 0.004 + 0.012 * wind + 0.0008 * z[FOLDED + 28]
        c["accel_peak_g"] = 0.02 + 0.1 * wind + 0.015 * z[FOLDED + 29]
        c["scene_shift_px"] = 0.5 + 1.2 * wind + 0.3 * z[FOLDED + 30]
    if d.poe:
        watts = 4.0 + 0.9 * activity + 0.0085 * ir_ma + 0.006 * heater_ma + 0.1 * z[31]
        c["poe_w"] = watts
        c["poe_v"] = d.poe_v - d.poe_ohm * watts / 48.0 + 0.09 * z[32]
    elif d.dc:
        _supply(d, c, z, ir_ma)
    if d.wifi:
        c["rssi_dbm"] = d.rssi_dbm - 1.5 * activity + 1.1 * z[7]
        c["retry_pct"] = d.retry_pct + 2.0 * activity + 0.9 * z[FOLDED + 33]
    if d.sd:
        _keeps(d, c, activity, z)
    return c


def _supply(d: Device, c: Columns, z: Numbers, load_ma: Any) -> None:
    """A 12 V adapter: the least voltage since the report before."""
    c["vin_v"] = d.vin_v - 0.0002 * load_ma + 0.03 * z[31]


def _keeps(d: Device, c: Columns, activity: Numbers, z: Numbers) -> None:
    """The recording while the store is full: newest segment, how far back it goes at most."""
    age = np.maximum(0.0, 5.5 + 2.2 * z[38])
    if d.motion_only:  # nothing moves: no segment, and that is as it should be
        age = np.where(activity < 0.12, 600.0 + 250.0 * z[FOLDED + 43], age)
    c["s_since_segment_s"] = age
    c["retention_pct"] = 100.0 * (d.rec_goal_d * 1.03 + 0.012 * z[40]) / d.rec_goal_d


def _recorder(d: Device, t: Numbers, w: Numbers, z: Numbers, _: Numbers) -> Columns:
    c = _common(d, t, z, w[1] + 6.0, w[6], w[6])
    pwm = np.clip(34.0 + 1.7 * (w[1] - 20.0) + 5.0 * w[6] + 1.3 * z[8], 30.0, 75.0)
    c["io_wait_ms"] = d.io_ms * (0.8 + 0.4 * w[6]) + 1.0 * z[FOLDED + 9]
    c["fan_rpm"] = d.fan_rpm * (0.72 + pwm / 125.0) + 30.0 * z[10]
    c["fan_pwm_pct"] = pwm
    _supply(d, c, z, 0.0)
    _keeps(d, c, w[6], z)
    return c


def _router(d: Device, t: Numbers, w: Numbers, z: Numbers, _: Numbers) -> Columns:
    c = _common(d, t, z, w[1] + 2.0, w[6], w[6])
    _supply(d, c, z, 0.0)
    c["tx_queue_pkts"] = 3.0 + 8.0 * w[6] + 2.5 * z[FOLDED + 8]
    c["wan_util_pct"] = d.wan_pct * (0.3 + 0.7 * w[6]) + 2.5 * z[FOLDED + 9]
    c["clients_cnt"] = d.clients * (0.6 + 0.4 * w[6]) + 0.5 * z[FOLDED + 10]
    return c


def _switch(d: Device, t: Numbers, w: Numbers, z: Numbers, _: Numbers) -> Columns:
    c = _common(d, t, z, w[1] + 3.0, w[6] * 0.3, w[6])
    c["poe_budget_pct"] = d.budget_pct + 14.0 * (w[2] < 15.0) + 0.8 * z[9]
    return c


_STEADY: Final[dict[Kind, Callable[[Device], Iterator[Steady]]]] = {
    Kind.CAMERA: _steady_camera,
    Kind.RECORDER: _steady_recorder,
    Kind.ROUTER: lambda _: iter(()),
    Kind.SWITCH: _steady_switch,
}
_MOVING: Final[dict[Kind, Callable[[Device, Numbers, Numbers, Numbers, Numbers], Columns]]] = {
    Kind.CAMERA: _camera,
    Kind.RECORDER: _recorder,
    Kind.ROUTER: _router,
    Kind.SWITCH: _switch,
}
