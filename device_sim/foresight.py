"""The next reports of a device worked out at once: a hundred sums over arrays cost a twentieth of the same sums one
report after another. Values are cut to the digits that firmware would send. What depends on what has happened meanwhile
is added in `physics.py`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
from msgspec.structs import asdict

from device_sim.columns import HOURLY, hourly, lux_here, moving, steady
from device_sim.environment import DAY_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from device_sim.columns import Columns
    from device_sim.device import Device

    Numbers = NDArray[np.float64]

_ROWS: Final = 192
_AHEAD_S: Final = 2 * DAY_S
_SAME_S: Final = 0.001
_DIGITS: Final = {
    "loss_pct": 100.0, "clock_offset_s": 1000.0, "ntp_age_s": 1.0, "crc_per_1e6": 100.0, "fps_actual": 100.0,
    "kbps": 1.0, "frame_repeat_s": 100.0, "noise_sd": 100.0, "red_green_ratio": 1000.0, "sharpness": 1000.0,
    "scene_sim": 1000.0, "motion_per_h": 1.0, "ir_ma": 1.0, "heater_ma": 1.0, "accel_rms_g": 10_000.0,
    "accel_peak_g": 1000.0, "poe_w": 100.0, "poe_v": 100.0, "vin_v": 100.0, "vin_ripple_mv": 1.0, "rssi_dbm": 1.0,
    "preset_ms": 1.0, "pos_err_deg": 1000.0, "motor_ma": 1.0, "gap_s_per_day": 1.0, "oldest_rec_age_d": 100.0,
    "fan_rpm": 1.0, "tx_queue_pkts": 1.0, "clients_cnt": 1.0, "port_err_per_h": 1.0, "hot_px_cnt": 1.0,
}  # fmt: skip
"""Parts of a unit that firmware sends; a tenth where nothing is said."""

Aside = tuple[float, ...]
"""What a report is made with beside its values: log_mb_per_d and hot_px_cnt (sent once an hour), the memory in use long
after a boot and uncut, 1 by night, lux and activity of the world, and two of the device's noise for its battery.
"""
_ASIDE: Final = Struct("8d")


class Shape:
    """What lies where in a row, and how to read it. Devices alike share one: it is at hand for every report."""

    __slots__ = ("aside", "aside_at", "digits", "names", "names_hourly", "record", "sent", "size")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.names_hourly: tuple[str, ...] = ()  # known after the first report of all
        sent = Struct(f"{len(names)}d")
        self.sent, self.aside = sent.unpack_from, _ASIDE.unpack_from
        self.aside_at, self.size = sent.size, sent.size + _ASIDE.size
        self.record = msgspec.defstruct("Sent", [(name, float) for name in names], gc=False)  # dictionaries made fast
        self.digits: Numbers = np.array([[_DIGITS.get(name, 10.0)] for name in (*names, *HOURLY)])


shape_of = lru_cache(maxsize=64)(Shape)


class Steadiness:
    """The steady values of one device, ready to be multiplied."""

    __slots__ = ("_centre", "_count", "_noise", "_spread", "shape")

    def __init__(self, d: Device, moving_names: Iterable[str]) -> None:
        found = (*steady(d), *hourly(d))
        self._count = len(found) - len(HOURLY)
        self._centre: Numbers = np.array([[one.centre] for one in found])
        self._spread: Numbers = np.array([[one.spread] for one in found])
        self._noise = np.array([one.noise for one in found])
        self.shape = shape_of((*(one.name for one in found[: self._count]), *moving_names))

    def pack(self, columns: Columns, world: Numbers, z: Numbers, nights: Numbers) -> bytes:
        """The rows of a foresight as doubles: what is sent, cut to its digits, and what stands aside."""
        calm = self._centre + self._spread * z[self._noise]
        digits, kept = self.shape.digits, self._count
        cut = len(digits)
        rows = np.empty((cut + 6, len(nights)))
        rows[:kept], rows[cut - len(HOURLY) : cut] = calm[:kept], calm[kept:]
        for row, column in enumerate(columns.values(), kept):
            rows[row] = column
        rows[cut], rows[cut + 1], rows[cut + 2], rows[cut + 3] = calm[0], nights, world[2], world[6]
        rows[cut + 4 :] = z[31:33]
        sent = rows[:cut]
        np.multiply(sent, digits, out=sent)
        np.floor(sent, out=sent)
        np.divide(sent, digits, out=sent)
        return rows.T.tobytes()


class Outlook:
    """What a device foresees, kept until two days are over. A report out of the rhythm is worked out by itself."""

    __slots__ = ("_due", "_missed_s", "_row", "_rows", "_steadiness", "_step_s", "_table", "shape")

    def __init__(self) -> None:
        self._table = b""
        self._steadiness: Steadiness | None = None
        self.shape: Shape  # known after the first report
        self._row = self._rows = 0
        self._due, self._step_s, self._missed_s = -math.inf, 0.0, 0.0

    def at(self, d: Device, now: float) -> tuple[dict[str, float], Aside]:
        """What it will measure at this instant while nothing happens to it. Noise must have moved on, `d.elapsed_s`
        must be known.
        """
        row, due = self._row + 1, self._due + self._step_s
        table = self._table
        if row < self._rows and -_SAME_S < now - due < _SAME_S:
            self._row, self._due = row, due
        elif row < self._rows and now < due:
            row, table = 0, self._foresee(d, now, 0.0, 1)
        else:
            missed_s, self._missed_s = self._missed_s, d.elapsed_s
            self._step_s = d.elapsed_s if -_SAME_S < d.elapsed_s - missed_s < _SAME_S else d.interval_s
            self._row, self._rows, self._due = 0, max(1, min(_ROWS, int(_AHEAD_S / self._step_s))), now
            row, table = 0, self._foresee(d, now, self._step_s, self._rows)
            self._table = table
        shape = self.shape
        place = row * shape.size
        return asdict(shape.record(*shape.sent(table, place))), shape.aside(table, place + shape.aside_at)

    def _foresee(self, d: Device, now: float, step_s: float, count: int) -> bytes:
        """`count` rows from now on, packed."""
        times: Numbers = now + step_s * np.arange(count, dtype=np.float64)
        world, z, nights = d.world.over(times).T, d.noise.coming(count), np.zeros(count)
        if d.camera:
            nights[:] = _nights(d, lux_here(d, world).tolist())
        columns = moving(d, times, world, z, nights)
        if self._steadiness is None:
            self._steadiness = Steadiness(d, columns)
            self.shape = self._steadiness.shape
        return self._steadiness.pack(columns, world, z, nights)


def _nights(d: Device, lux_seen: list[float]) -> list[bool]:
    """Day and night picture: at dusk below one brightness, at dawn above another."""
    night, nights = d.night, []
    for lux in lux_seen:
        night = lux <= d.dawn_lux if night else lux < d.dusk_lux
        nights.append(night)
    return nights
