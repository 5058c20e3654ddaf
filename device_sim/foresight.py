"""What a healthy device will measure: heat, light, storage, power and network, from the world and its habits.

The values of many instants at once (a day at the usual pace), since a hundred sums over arrays cost a tenth of the same
sums one report after another. What depends on what has happened meanwhile is added in `physics.py`. Values are cut to
the digits that firmware would send. Numbers without a source are engineering estimates; healthy ranges stand in
`metrics.toml`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from device_sim.environment import DAY_S
from device_sim.models import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from device_sim.device import Device

    Numbers = NDArray[np.float64]
    Columns = dict[str, Any]  # a number or an array each

_ROWS: Final = 96
_SAME_S: Final = 0.001
_UNCUT: Final = 1e6
_DIGITS: Final = {
    "mem_used_pct": _UNCUT,  # cut when the restart is added
    "loss_pct": 100.0, "clock_offset_s": 1000.0, "ntp_age_s": 1.0, "crc_per_1e6": 100.0, "fps_actual": 100.0,
    "kbps": 1.0, "frame_repeat_s": 100.0, "noise_sd": 100.0, "red_green_ratio": 1000.0, "sharpness": 1000.0,
    "scene_sim": 1000.0, "motion_per_h": 1.0, "ir_ma": 1.0, "heater_ma": 1.0, "accel_rms_g": 10_000.0,
    "accel_peak_g": 1000.0, "poe_w": 100.0, "poe_v": 100.0, "vin_v": 100.0, "vin_ripple_mv": 1.0, "rssi_dbm": 1.0,
    "preset_ms": 1.0, "pos_err_deg": 1000.0, "motor_ma": 1.0, "gap_s_per_day": 1.0, "oldest_rec_age_d": 100.0,
    "fan_rpm": 1.0, "tx_queue_pkts": 1.0, "clients_cnt": 1.0, "port_err_per_h": 1.0,
}  # fmt: skip
"""Parts of a unit that firmware sends; a tenth where nothing is said."""


@dataclass(slots=True, eq=False)
class Foresight:
    """The coming reports of one device while nothing happens to it: a row of `values` for each, in the order of
    `names`. `nights`: whether the camera sees by its own light then; `lux` and `activity`: of the world.
    """

    names: tuple[str, ...]
    values: Numbers
    nights: list[bool]
    lux: list[float]
    activity: list[float]


class Outlook:
    """What a device foresees, kept until its day is over. A report out of the rhythm is worked out by itself."""

    __slots__ = ("_ahead", "_due", "_missed_s", "_row", "_rows", "_step_s")

    def __init__(self) -> None:
        self._ahead: Foresight
        self._row = self._rows = 0
        self._due, self._step_s, self._missed_s = -math.inf, 0.0, 0.0

    def at(self, d: Device, now: float) -> tuple[Foresight, int]:
        """The foresight for this instant, and the row in it. Noise must have moved on, `d.elapsed_s` must be known."""
        row, due = self._row + 1, self._due + self._step_s
        if row < self._rows and -_SAME_S < now - due < _SAME_S:
            self._row, self._due = row, due
            return self._ahead, row
        if row < self._rows and now < due:
            return self._foresee(d, now, 0.0, 1), 0
        missed_s, self._missed_s = self._missed_s, d.elapsed_s
        self._step_s = d.elapsed_s if -_SAME_S < d.elapsed_s - missed_s < _SAME_S else d.interval_s
        self._row, self._rows, self._due = 0, max(1, min(_ROWS, int(DAY_S / self._step_s))), now
        self._ahead = self._foresee(d, now, self._step_s, self._rows)
        return self._ahead, 0

    @staticmethod
    def _foresee(d: Device, now: float, step_s: float, count: int) -> Foresight:
        times: Numbers = now + step_s * np.arange(count, dtype=np.float64)
        return foresee(d, times, d.world.over(times), d.noise.coming(count))


def foresee(d: Device, times: Numbers, world: Numbers, z: Numbers) -> Foresight:
    """The values at `times` (seconds since 1970). `world`: a `Slot` a row, `z`: the device's noise, one row each."""
    w, n = world.T, z.T
    nights: list[bool] = []
    if d.kind is Kind.CAMERA:
        nights = _nights(d, (w[2] * (1.0 if d.outdoor else 0.02) + _lamp(d, w)).tolist())
        c = _camera(d, times, w, n, np.array(nights, dtype=np.float64))
    else:
        c = _OTHERS[d.kind](d, times, w, n)
    names = tuple(c)
    values = np.empty((len(times), len(names)))
    for column, value in enumerate(c.values()):
        values[:, column] = value
    digits = np.array([_DIGITS.get(name, 10.0) for name in names])
    return Foresight(names, np.floor(values * digits) / digits, nights, w[2].tolist(), w[6].tolist())


def _common(d: Device, t: Numbers, w: Numbers, z: Numbers, air_c: Any, load: Any) -> Columns:
    """Chip, memory, network, clock: what every device has. `load` is 0..1."""
    cpu = d.cpu_pct + 14.0 * load + z[0] * 2.5
    failed = (z[6] > 2.2).astype(np.float64)
    return {
        "soc_temp_c": air_c + d.rise_c + 0.12 * cpu + 0.35 * z[1],
        "cpu_pct": np.maximum(cpu, 1.0),
        "mem_used_pct": d.mem_pct + 0.4 * z[2],
        "rtt_ms": d.rtt_ms * (1.0 + 0.5 * w[6]) + 3.0 * abs(z[3]),
        "loss_pct": 0.04 * abs(z[4]),
        "clock_offset_s": d.clock_bias_s + 0.04 * z[5],
        "ntp_age_s": (t - d.ntp_phase) % 3600,
        "auth_fail_per_h": failed,
        "auth_sources_cnt": failed,
    }


def _wire(d: Device, c: Columns, z: Numbers) -> None:
    c["link_mbps"] = d.link_mbps
    c["crc_per_1e6"] = 0.12 * abs(z[7])
    c["link_flaps_per_h"] = 0.0


def _supply(d: Device, c: Columns, z: Numbers, load_ma: Any) -> None:
    """A 12 V adapter: the least voltage since the report before, and its ripple."""
    c["vin_v"] = d.vin_v - 0.0002 * load_ma + 0.03 * z[31]
    c["vin_ripple_mv"] = d.ripple_mv + 4.0 * abs(z[32])


def _lamp(d: Device, w: Numbers) -> Any:
    return 0.0 if d.outdoor else d.lamp_lux * (w[6] > 0.12)


def _nights(d: Device, lux_here: list[float]) -> list[bool]:
    """Day and night picture: at dusk below one brightness, at dawn above another."""
    night, nights = d.night, []
    for lux in lux_here:
        night = lux <= d.dawn_lux if night else lux < d.dusk_lux
        nights.append(night)
    return nights


def _camera(d: Device, t: Numbers, w: Numbers, z: Numbers, night: Numbers) -> Columns:
    outdoor_c, lux, rh_pct, activity = w[0], w[2], w[3], w[6]
    rain, fog, wind = (w[4], w[5], w[7]) if d.outdoor else (0.0, 0.0, 0.0)
    case_c = outdoor_c + 4.0 + 7.0 * lux / 100_000.0 if d.outdoor else w[1]
    day = 1.0 - night
    c = _common(d, t, w, z, case_c, activity)
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
    c["drop_per_min"] = 0.35 * abs(z[11])
    c["kbps"] = kbps
    c["frame_repeat_s"] = 0.1 * abs(z[12])
    c["luma_mean"] = d.night_luma * night + (112.0 - 12.0 * fog) * day + 6.0 * activity + 2.2 * z[13]
    c["gain_db"] = gain_db + 0.35 * abs(z[14])
    c["noise_sd"] = 1.4 + 0.12 * gain_db + 0.13 * abs(z[15])
    c["lux"] = (lux * (1.0 if d.outdoor else 0.02) + _lamp(d, w)) * (1.0 + 0.035 * z[16])
    c["red_green_ratio"] = 1.0 + 0.013 * z[17]
    c["sharpness"] = d.sharpness * (1.0 - 0.03 * night) * (1.0 - 0.55 * fog - 0.1 * rain) + 0.012 * z[18]
    c["scene_sim"] = np.minimum(1.0, d.scene * (1.0 - 0.35 * fog - 0.05 * rain) + 0.012 * z[9])
    c["edge_density_pct"] = d.edges_pct * (1.0 - 0.6 * fog) + 0.35 * z[19]
    stirred = 1.5 * (rain > 0.0) if d.outdoor else 0.0
    c["motion_per_h"] = np.maximum(0.0, d.motion_per_h * activity * (1.0 + 1.5 * rain + 0.2 * z[20]) + stirred)
    if d.infrared:
        c["ir_ma"] = ir_ma + 3.5 * z[21] * night
    if d.microphone:
        c["audio_rms_dbfs"] = d.audio_dbfs + 14.0 * activity + 1.6 * z[22]
        c["audio_sd_db"] = 4.5 + 0.4 * z[23]
    heater_ma: Any = 0.0
    if d.outdoor:
        rh_in = np.minimum(97.0, d.rh_in_pct + 0.12 * (rh_pct - 60.0) + 0.8 * z[24])
        damp = (case_c < 5.0) | (outdoor_c - 20.0 < (rh_pct - 100.0) * 0.2 - 4.0)
        heater_ma = d.heater_ma * damp
        c["case_temp_c"] = case_c + 0.25 * z[25]
        c["rh_in_pct"] = rh_in
        c["dew_gap_c"] = -19.6 * np.log(rh_in / 100.0) + 0.2 * z[26]  # Magnus' formula, linear near 20 C
        c["heater_ma"] = heater_ma + 5.0 * z[27] * damp
        c["accel_rms_g"] = 0.004 + 0.012 * wind + 0.0008 * abs(z[28])
        c["accel_peak_g"] = 0.02 + 0.1 * wind + 0.015 * abs(z[29])
        c["scene_shift_px"] = 0.5 + 1.2 * wind + 0.3 * abs(z[30])
    if d.poe:
        watts = 4.0 + 0.9 * activity + 0.0085 * ir_ma + 0.006 * heater_ma + 0.1 * z[31]
        c["poe_w"] = watts
        c["poe_v"] = d.poe_v - d.poe_ohm * watts / 48.0 + 0.09 * z[32]
    elif d.dc:
        _supply(d, c, z, ir_ma)
    if d.wifi:
        c["rssi_dbm"] = d.rssi_dbm - 1.5 * activity + 1.1 * z[7]
        c["retry_pct"] = d.retry_pct + 2.0 * activity + 0.9 * abs(z[33])
    else:
        _wire(d, c, z)
    if d.ptz:
        c["preset_ms"] = d.preset_ms + 22.0 * z[34]
        c["pos_err_deg"] = 0.04 + 0.012 * abs(z[35])
        c["motor_ma"] = d.motor_ma + 7.0 * z[36]
    if d.sd:
        c["sd_write_p99_ms"] = d.sd_ms + 1.8 * abs(z[37])
        _keeps(d, c, w, z)
    return c


def _keeps(d: Device, c: Columns, w: Numbers, z: Numbers) -> None:
    """The recording while the store is full: newest segment, gaps, how far back it goes at most."""
    age = np.maximum(0.0, 5.5 + 2.2 * z[38])
    if d.motion_only:  # nothing moves: no segment, and that is as it should be
        age = np.where(w[6] < 0.12, 600.0 + 250.0 * abs(z[43]), age)
    most = d.rec_goal_d * 1.03 + 0.012 * z[40]
    c["s_since_segment_s"] = age
    c["gap_s_per_day"] = d.gap_s + 1.5 * abs(z[39])
    c["oldest_rec_age_d"] = most
    c["retention_pct"] = 100.0 * most / d.rec_goal_d


def _recorder(d: Device, t: Numbers, w: Numbers, z: Numbers) -> Columns:
    c = _common(d, t, w, z, w[1] + 6.0, w[6])
    _wire(d, c, z)
    pwm = np.clip(34.0 + 1.7 * (w[1] - 20.0) + 5.0 * w[6] + 1.3 * z[8], 30.0, 75.0)
    c["io_wait_ms"] = d.io_ms * (0.8 + 0.4 * w[6]) + 1.0 * abs(z[9])
    c["fan_rpm"] = d.fan_rpm * (0.72 + pwm / 125.0) + 30.0 * z[10]
    c["fan_rpm_sd_pct"] = 1.2 + 0.35 * abs(z[11])
    c["fan_pwm_pct"] = pwm
    _supply(d, c, z, 0.0)
    c["disk_online_cnt"] = d.disks
    c["channels_rec_cnt"] = d.channels
    _keeps(d, c, w, z)
    return c


def _router(d: Device, t: Numbers, w: Numbers, z: Numbers) -> Columns:
    c = _common(d, t, w, z, w[1] + 2.0, w[6])
    _wire(d, c, z)
    _supply(d, c, z, 0.0)
    c["tx_queue_pkts"] = 3.0 + 8.0 * w[6] + 2.5 * abs(z[8])
    c["wan_util_pct"] = d.wan_pct * (0.3 + 0.7 * w[6]) + 2.5 * abs(z[9])
    c["clients_cnt"] = d.clients * (0.6 + 0.4 * w[6]) + 0.5 * abs(z[10])
    return c


def _switch(d: Device, t: Numbers, w: Numbers, z: Numbers) -> Columns:
    c = _common(d, t, w, z, w[1] + 3.0, w[6] * 0.3)
    _wire(d, c, z)
    c["ports_up_cnt"] = d.ports
    c["port_err_per_h"] = 0.35 * abs(z[8])
    c["port_flaps_per_h"] = 0.0
    c["poe_events_per_h"] = 0.0
    c["poe_budget_pct"] = d.budget_pct + 14.0 * (w[2] < 15.0) + 0.8 * z[9]
    return c


_OTHERS: Final[dict[Kind, Callable[[Device, Numbers, Numbers, Numbers], Columns]]] = {
    Kind.RECORDER: _recorder,
    Kind.ROUTER: _router,
    Kind.SWITCH: _switch,
}
