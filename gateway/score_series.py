"""The Numenta Anomaly Benchmark (NAB v1.1) as it is defined: series, labelled windows, and what an alert is worth.

Own implementation of the published definition (Lavin and Ahmad 2015, arXiv:1510.03336). The first
min(15 % of the rows, 750) are for learning and count for nothing. An alert in a window is worth more the earlier it
comes (the earliest counts); outside it costs, less when it comes shortly after a window. 0 is what silence scores,
100 every window found at its first row without a false alert.
"""

import csv
import json
import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

PROFILES = {"standard": (1.0, 0.11), "low-FP": (1.0, 0.22), "low-FN": (2.0, 0.11)}
"""Name: (cost of a missed window, cost of a false alert); a window found at once is worth 1."""


@dataclass(frozen=True, slots=True)
class Series:
    """One file: times (epoch seconds, its clock read as UTC), values, windows as (first row, last row)."""

    name: str
    times: Sequence[float]
    values: Sequence[float]
    windows: tuple[tuple[int, int], ...]

    @property
    def group(self) -> str:
        """The folder: the kind of data."""
        return self.name.split("/", maxsplit=1)[0]

    @property
    def learning_rows(self) -> int:
        """Rows at the start that count for nothing."""
        return min(len(self.values) * 15 // 100, 750)


@dataclass(frozen=True, slots=True)
class Tally:
    """What the alerts on some series came to."""

    windows: int = 0
    found: int = 0
    earned: float = 0.0
    """Sum over the windows found of 0 (last moment) to 1 (first row)."""
    false_alerts: int = 0
    false_weight: float = 0.0
    """Sum over the false alerts of 0 (right after a window) to 1 (far from any)."""
    quiet_rows: int = 0
    """Rows that count and lie in no window."""

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.windows + other.windows,
            self.found + other.found,
            self.earned + other.earned,
            self.false_alerts + other.false_alerts,
            self.false_weight + other.false_weight,
            self.quiet_rows + other.quiet_rows,
        )

    def score(self, profile: str) -> float | None:
        """0 to 100 (below 0: worse than silence); None where nothing was to be found."""
        miss_cost, false_cost = PROFILES[profile]
        if not self.windows:
            return None
        gained = self.earned + miss_cost * self.found - false_cost * self.false_weight
        return 100.0 * gained / ((1.0 + miss_cost) * self.windows)

    @property
    def false_per_1000_rows(self) -> float:
        """False alerts in 1,000 rows that count and lie in no window."""
        return 1000.0 * self.false_alerts / max(1, self.quiet_rows)


def tally(series: Series, alerts: Iterable[int]) -> Tally:
    """Weigh the alerts (row numbers) on a series."""
    learning = series.learning_rows
    live = [window for window in series.windows if window[1] >= learning]
    worth: dict[tuple[int, int], float] = {}
    false_alerts = 0
    false_weight = 0.0
    for row in alerts:
        if row < learning:
            continue
        window = next((w for w in live if w[0] <= row <= w[1]), None)
        if window is None:
            false_alerts += 1
            false_weight += _far(row, [w for w in series.windows if w[1] < row])
        else:
            worth[window] = max(worth.get(window, 0.0), _early(row, window))
    inside = sum(window[1] - max(window[0], learning) + 1 for window in live)
    quiet = len(series.values) - learning - inside
    return Tally(len(live), len(worth), sum(worth.values()), false_alerts, false_weight, quiet)


def _sigma(position: float) -> float:
    return 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def _early(row: int, window: tuple[int, int]) -> float:
    """1 at the first row of the window, about 0 at its last."""
    first, last = window
    return _sigma(-(last - row + 1) / (last - first + 1)) / _sigma(-1.0)


def _far(row: int, earlier: list[tuple[int, int]]) -> float:
    """1 far after the last window before this row, about 0 right after it."""
    if not earlier:
        return 1.0
    first, last = earlier[-1]
    position = (row - last) / max(1, last - first)
    return 1.0 if position > 3.0 else -_sigma(position)


def read_series(data: Path, labels: Path | None) -> list[Series]:
    """Every labelled series there is, in the layout of the benchmark: `data/<group>/<file>.csv`, `labels/*.json`.

    ValueError with one line for what is missing or malformed.
    """
    file = labels or next((f for f in sorted((data / "labels").glob("*windows*.json"))), None)
    if file is None or not file.is_file():
        raise ValueError(f"no labels: {file or data / 'labels'} is missing")
    try:
        windows = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"{file}: no JSON ({error})") from error
    found = [
        _read_one(data / "data", name, windows[name]) for name in sorted(windows) if (data / "data" / name).exists()
    ]
    if not found:
        raise ValueError(f"none of the {len(windows)} labelled series is in {data / 'data'}")
    return found


def _read_one(folder: Path, name: str, windows: list[list[str]]) -> Series:
    times: list[float] = []
    values: list[float] = []
    with (folder / name).open(newline="") as lines:
        for line, row in enumerate(csv.DictReader(lines), start=2):
            try:
                times.append(_epoch(row["timestamp"]))
                values.append(float(row["value"]))
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{name} line {line}: needs timestamp,value ({error})") from error
    bounds = sorted((_row_of(times, first), _row_of(times, last)) for first, last in windows)
    return Series(name, times, values, tuple(bounds))


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _row_of(times: list[float], moment: str) -> int:
    """The first row of that time, or the one after it where there is none."""
    at = _epoch(moment)
    return times.index(at) if at in times else min(bisect_left(times, at), len(times) - 1)
