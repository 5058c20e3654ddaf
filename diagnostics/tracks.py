"""Downsampled past of a device's metrics: one point a cycle and track, a few weeks deep, three bytes each.

What forecasts and "unlike its own usual value" look back on. A track is a metric, an aggregate and a guard; all tracks
with one cycle length share a block. 10 tracks of 28 days take about 1.1 KB.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import add
from typing import Any

from diagnostics.narrow import BYTES, NOT_A_NUMBER, column_of, last_of, narrow, without
from diagnostics.rule_parts import Guard, holding

NAN = float("nan")
DEPTH = 28


@dataclass(frozen=True, slots=True)
class Track:
    """One column. `aggregate` is mean, min or max over the cycle's samples while `when` holds."""

    metric: str
    aggregate: str
    cycle_s: float
    when: tuple[Guard, ...] = ()
    reset_on_boot: bool = False
    reset_drop: float | None = None
    rising: bool = True  # which way is worse: a fall the other way by more than reset_drop is a new part

    @property
    def source(self) -> tuple[str, str, tuple[Guard, ...]]:
        """What its points are made of, whatever the rules that look back on them do with them."""
        return self.metric, self.aggregate, self.when

    def holds(self, metrics: Mapping[str, float], states: Mapping[str, str]) -> bool:
        """Whether a report counts for this track."""
        return holding(self.when, metrics, states)


class Block:
    """The tracks of one cycle length. `cycle` is the number of the cycle being filled; `rows` are the last complete
    ones (narrow.py; `depth`: how many anybody looks back on). `filling`: for each track what its aggregate has come to
    (a sum for means), then for each the number of samples, then whatever `bounds` keeps until rows change. One array,
    because an array costs more than ten numbers.
    """

    __slots__ = ("cycle", "depth", "filling", "rows", "tracks")

    def __init__(self, tracks: tuple[Track, ...], depth: int = DEPTH) -> None:
        self.tracks = tracks
        self.depth = depth
        self.cycle = -1
        self.filling = array("f", [0.0]) * (2 * len(tracks))  # this way no room is left that costs memory
        self.rows = b""

    @property
    def length(self) -> int:
        """Complete cycles that are kept."""
        return len(self.rows) // (BYTES * len(self.tracks))

    def roll(self, at: float) -> bool:
        """Close the cycle if `at` lies past it. True if a row was completed. Time that went back changes nothing."""
        cycle = int(at // self.tracks[0].cycle_s)
        if cycle <= self.cycle:
            return False
        first = self.cycle < 0
        if not first:
            width = len(self.tracks)
            missed = cycle - self.cycle - 1
            if missed >= self.depth:  # nothing that anybody looks back on
                self.rows = b""
                self.filling = array("f", [0.0]) * (2 * width)
            else:
                rows = self.rows + narrow(self._close())
                if missed:
                    rows += b"".join([bytes([byte]) * width for byte in NOT_A_NUMBER]) * missed
                self.rows = rows[-self.depth * BYTES * width :]
        self.cycle = cycle
        return not first

    def _close(self) -> list[float]:
        """The row of the cycle that ends; the next one begins empty."""
        row = []
        width = len(self.tracks)
        for number, track in enumerate(self.tracks):
            count = self.filling[width + number]
            value = NAN
            if count:
                value = self.filling[number] / count if track.aggregate == "mean" else self.filling[number]
                self._watch_for_new_part(number, track, value)
            row.append(value)
        self.filling = array("f", [0.0]) * (2 * width)
        return row

    def _watch_for_new_part(self, number: int, track: Track, value: float) -> None:
        if track.reset_drop is None:
            return
        last = self.points(number)[-1:]
        if last and (last[0][1] - value if track.rising else value - last[0][1]) > track.reset_drop:
            self.clear(number)

    def feed(self, column: int, value: float) -> None:
        """Add a sample to the cycle being filled."""
        number = len(self.tracks) + column
        count = self.filling[number]
        kind = self.tracks[column].aggregate
        if kind == "mean":
            self.filling[column] += value
        elif not count or (value > self.filling[column] if kind == "max" else value < self.filling[column]):
            self.filling[column] = value
        self.filling[number] = count + 1.0

    def feed_all(self, row: Sequence[float], extremes: Sequence[tuple[int, int]], values: Sequence[float]) -> None:
        """Add one sample to many tracks at once. `row`: what each sum and each count grows by; `extremes`: columns of
        greatest and least values, with their positions in `values`.
        """
        filling = self.filling
        filling[: len(row)] = array("f", [*map(add, filling, row)])
        width = len(self.tracks)
        for column, position in extremes:
            value = values[position]
            first = filling[width + column] == 1.0
            if first or (
                value > filling[column] if self.tracks[column].aggregate == "max" else value < filling[column]
            ):
                filling[column] = value

    @property
    def bounds(self) -> array[float]:
        """What was kept here since rows changed last; empty: nothing."""
        return self.filling[2 * len(self.tracks) :]

    @bounds.setter
    def bounds(self, bounds: Sequence[float]) -> None:
        self.filling = array("f", [*self.filling[: 2 * len(self.tracks)], *bounds])

    def clear(self, number: int) -> None:
        """Forget the complete cycles of one track."""
        self.bounds = ()
        self.rows = without(self.rows, len(self.tracks), number)

    def restart(self) -> None:
        """The device restarted: tracks that end with a boot begin anew."""
        for column, track in enumerate(self.tracks):
            if track.reset_on_boot:
                self.clear(column)
                self.filling[column] = self.filling[len(self.tracks) + column] = 0.0

    def points(self, number: int, deepest: int = DEPTH) -> list[tuple[float, float]]:
        """Complete cycles of one track, oldest first, as (days before the open cycle's beginning, negative; value)."""
        days = self.tracks[0].cycle_s / 86_400.0
        values = column_of(self.rows, len(self.tracks), number, deepest)
        first = 0.5 - len(values)
        return [((row + first) * days, value) for row, value in enumerate(values) if value == value]  # noqa: PLR0124

    def newest(self, number: int) -> float | None:
        """The value of the last complete cycle; None without a sample in it."""
        if not self.rows:
            return None
        value = last_of(self.rows, len(self.tracks), number)
        return value if value == value else None  # noqa: PLR0124

    def usual(self, number: int, days: int, *, newest: bool) -> float | None:
        """The median of the last complete days, with or without the newest; None before three are known."""
        if not self.rows:
            return None
        kept = column_of(self.rows, len(self.tracks), number, days + (not newest))
        values = sorted([value for value in (kept if newest else kept[:-1]) if value == value])  # noqa: PLR0124
        count = len(values)
        return (values[(count - 1) // 2] + values[count // 2]) / 2 if count >= 3 else None

    def inherit(self, old: Block) -> None:
        """Take over what a block of the same cycle length knows of the same tracks. Other rules look back on them now.

        The rest of the past is unknown.
        """
        columns = {track.source: number for number, track in enumerate(old.tracks)}
        where = [columns.get(track.source) for track in self.tracks]
        width = len(old.tracks)
        self.cycle = old.cycle
        self.filling = array(
            "f",
            [
                0.0 if number is None else old.filling[first + number]
                for first in (0, len(old.tracks))
                for number in where
            ],
        )
        unknown = (NAN,) * min(old.length, self.depth)
        known = [unknown if number is None else column_of(old.rows, width, number, self.depth) for number in where]
        self.rows = b"".join(map(narrow, zip(*known, strict=True)))

    def export(self) -> list[Any]:
        """Everything, as JSON can carry it; exact."""
        width = len(self.tracks)
        return [
            self.cycle,
            self.filling[:width].tolist(),
            self.filling[width : 2 * width].tolist(),
            self.rows.hex(),
        ]

    def load(self, kept: list[Any], *, wide: bool) -> None:
        """Take back what `export` gave (`wide`: as floats of four bytes). A different number of tracks (other rules
        now): the past is gone.
        """
        cycle, filling, counts, rows = kept
        width = len(filling)
        if width == len(self.tracks):
            self.cycle, self.filling = cycle, array("f", [*filling, *counts])
            self.rows = bytes.fromhex(rows)
            if wide:
                values = memoryview(self.rows).cast("f").tolist()
                self.rows = b"".join([narrow(values[row : row + width]) for row in range(0, len(values), width)])
            self.rows = self.rows[-self.depth * BYTES * width :]
