"""The world around a site: air, light, rain, fog and people, by local time, in steps of 15 minutes.

Everything follows from the seed and the instant, so that any two runs see the same weather whatever order they ask in.
Sun: elevation from latitude, day of the year and solar time (Cooper's declination, 23.45 deg). Air: a seasonal mean, a
daily swing with its top two hours after noon, and a slow random term that joins the days without steps. Heat waves,
fog, rain and cloudy weeks come by chance and can be added by a scenario.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

DAY_S: Final = 86400
STEP_S: Final = 900
STEPS_A_DAY: Final = DAY_S // STEP_S
_KEPT_DAYS: Final = 4
_BLOCK_S: Final = 60 * DAY_S
_WORKDAY: Final = (2, 2, 2, 2, 3, 6, 15, 45, 80, 90, 95, 100, 100, 95, 95, 95, 95, 90, 75, 55, 40, 25, 12, 5)
_WEEKEND: Final = (5, 4, 2, 2, 2, 3, 6, 12, 25, 40, 55, 60, 65, 65, 60, 60, 55, 50, 45, 40, 35, 25, 15, 8)


class Slot(NamedTuple):
    """The world in one step of 15 minutes."""

    outdoor_c: float
    indoor_c: float
    lux: float
    rh_pct: float
    rain: float  # 0..1
    fog: float  # 0..1
    activity: float  # 0..1, people and traffic
    wind: float  # 0..1
    hour: float  # local wall clock, 0..24
    weekday: int  # local, Monday is 0


@dataclass(frozen=True, slots=True)
class Climate:
    """Where a site is. Temperatures in Celsius; `season_c` is half the difference between summer and winter."""

    zone: str
    latitude: float
    longitude: float
    mean_c: float
    season_c: float
    swing_c: float
    rainy: float  # chance of rain on a day


@dataclass(frozen=True, slots=True)
class WeatherSpell:
    """Weather that a scenario orders: kind is heat, fog, rain or cloud; strength in C for heat, else 0..1."""

    kind: str
    start: float
    end: float
    strength: float


class World:
    """The weather and the habits of one site; keeps only the last few days it was asked for."""

    def __init__(self, climate: Climate, seed: str, spells: tuple[WeatherSpell, ...] = ()) -> None:
        self._climate = climate
        self.zone = climate.zone
        self._seed = seed
        self._spells = spells
        self._zone = ZoneInfo(climate.zone)
        self._days: dict[int, tuple[list[Slot], Numbers]] = {}
        self._waves: dict[int, tuple[float, float, float]] = {}

    def at(self, now: float) -> Slot:
        """The world at an instant (seconds since 1970)."""
        return self._table(int(now // DAY_S))[0][int(now % DAY_S) // STEP_S]

    def over(self, times: Numbers) -> Numbers:
        """The world at several rising instants: the numbers of a `Slot` a row."""
        steps = (times // STEP_S).astype(np.int64)
        first, last = int(steps[0]) // STEPS_A_DAY, int(steps[-1]) // STEPS_A_DAY
        tables = [self._table(day)[1] for day in range(first, last + 1)]
        rows: Numbers = (np.concatenate(tables) if len(tables) > 1 else tables[0])[steps - first * STEPS_A_DAY]
        return rows

    def _table(self, day: int) -> tuple[list[Slot], Numbers]:
        known = self._days.get(day)
        if known is None:
            slots = self._day(day)
            known = self._days[day] = slots, np.array(slots)
            while len(self._days) > _KEPT_DAYS:
                del self._days[next(iter(self._days))]
        return known

    def _chance(self, day: int) -> tuple[float, ...]:
        random = Random(f"{self._seed}/day/{day}").random
        return tuple(random() for _ in range(12))

    def _mood(self, day: int) -> tuple[float, float]:
        """The slow parts at the start of a day: warmer or colder (C), cloud cover 0..1."""
        chance = self._chance(day)
        week = Random(f"{self._seed}/week/{day // 7}").random()
        return (sum(chance[:4]) - 2.0) * 3.2, min(1.0, 0.7 * chance[4] ** 2 + (0.6 if week < 0.12 else 0.0))

    def _heat(self, now: float) -> float:
        """Extra degrees of a heat wave: about one in 60 days, 4-7 days long, 5-9 C, with a soft start and end."""
        block = int(now // _BLOCK_S)
        extra = 0.0
        for number in (block - 1, block):
            if number not in self._waves:
                random = Random(f"{self._seed}/heat/{number}").random
                start = number * _BLOCK_S + 55 * DAY_S * random()
                self._waves[number] = (start, start + (4 + 3 * random()) * DAY_S, 5 + 4 * random())
            start, end, strength = self._waves[number]
            extra += _bump(now, start, end, DAY_S) * strength
        return extra

    def _ahead_of_utc(self, day: int) -> Callable[[float], float]:
        """How far the wall clock is ahead of UTC at an instant of the day, in seconds."""

        def at(now: float) -> float:
            offset = datetime.fromtimestamp(now, self._zone).utcoffset()
            assert offset is not None  # it has a zone
            return offset.total_seconds()

        first = at(day * DAY_S)
        return at if first != at((day + 1) * DAY_S) else lambda _: first

    def _day(self, day: int) -> list[Slot]:
        climate = self._climate
        here, there = self._mood(day), self._mood(day + 1)
        chance = self._chance(day)
        rain_at, rain_for, raining = chance[5] * 20, 1 + 4 * chance[6], 0.3 + 0.7 * chance[8]
        rains = chance[7] < climate.rainy
        foggy = chance[9] < 0.04
        windy = chance[10] ** 3
        year_angle = 2 * math.pi * ((day - 20) % 365.25) / 365.25
        declination = math.radians(23.45) * -math.cos(year_angle + 2 * math.pi * 30 / 365.25)
        latitude = math.radians(climate.latitude)
        season = -math.cos(year_angle) * climate.season_c * (1 if climate.latitude >= 0 else -1)
        slots = []
        ahead_s = self._ahead_of_utc(day)
        hot = self._heat(day * DAY_S) or self._heat((day + 1) * DAY_S)  # a wave lasts for days
        for step in range(STEPS_A_DAY):
            now = day * DAY_S + step * STEP_S + STEP_S / 2
            part = step * STEP_S / DAY_S
            minutes = int(now + ahead_s(now)) // 60
            hour = minutes % 1440 / 60
            solar = (now / 3600 + climate.longitude / 15) % 24
            height = math.sin(latitude) * math.sin(declination) - math.cos(latitude) * math.cos(declination) * math.cos(
                2 * math.pi * solar / 24
            )
            cloud = here[1] * (1 - part) + there[1] * part
            rain = raining if rains and rain_at <= hour < rain_at + rain_for else 0.0
            fog = 0.8 * _bump(hour, 4.0, 8.5, 1.0) if foggy else 0.0
            heat = self._heat(now) if hot else 0.0
            wind = windy * (0.5 + 0.5 * math.sin(math.pi * hour / 24))
            for spell in self._spells:
                if spell.start <= now < spell.end:
                    edge = _bump(now, spell.start, spell.end, min(DAY_S / 2, (spell.end - spell.start) / 4))
                    if spell.kind == "heat":
                        heat += spell.strength * edge
                    elif spell.kind == "fog":
                        fog = max(fog, spell.strength * edge)
                    elif spell.kind == "rain":
                        rain = max(rain, spell.strength)
                    else:
                        cloud = max(cloud, spell.strength)
            warm = climate.swing_c * math.cos(2 * math.pi * (solar - 14) / 24) * (1 - 0.5 * cloud)
            outdoor = climate.mean_c + season + here[0] * (1 - part) + there[0] * part + warm + heat - 3 * rain
            daylight = 100_000 * max(0.0, height) * (1 - 0.75 * cloud) * (1 - 0.6 * fog) * (1 - 0.5 * rain)
            dusk = 400 * math.exp(min(0.0, height) * 40)
            weekday = (minutes // 1440 + 3) % 7  # 1 January 1970 was a Thursday
            crowd = (_WEEKEND if weekday >= 5 else _WORKDAY)[int(hour)] / 100
            slots.append(
                Slot(
                    outdoor,
                    23.0 + 0.3 * (outdoor - 23.0),
                    daylight + dusk,
                    min(100.0, max(15.0, 62 - 1.6 * warm - 0.8 * heat + 25 * rain + 30 * fog)),
                    rain,
                    fog,
                    crowd * (1 - 0.3 * rain),
                    wind,
                    hour,
                    weekday,
                )
            )
        return slots


def _bump(at: float, start: float, end: float, edge: float) -> float:
    """0 outside [start, end], 1 inside, with ramps of `edge` on both sides."""
    if at <= start or at >= end:
        return 0.0
    return min(1.0, (at - start) / edge, (end - at) / edge)
