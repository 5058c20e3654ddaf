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


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What a copy of the benchmark holds, and what of it could not be judged."""

    series: tuple[Series, ...]
    unlabelled: tuple[str, ...]
    """Files of which the labels say nothing: not gone through."""
    absent: tuple[str, ...]
    """Labelled series that have no file."""
    empty_windows: int
    """Windows that hold no row of their series: nothing could be found there."""


def read_series(data: Path, labels: Path | None) -> list[Series]:
    """Every labelled series there is; ValueError as `read_benchmark`."""
    return list(read_benchmark(data, labels).series)


def read_benchmark(data: Path, labels: Path | None) -> Benchmark:
    """All there is, in the layout of the benchmark: `data/<group>/<file>.csv`, `labels/*windows*.json`.

    ValueError with one line for what is missing or malformed.
    """
    file = labels or next((f for f in sorted((data / "labels").glob("*windows*.json"))), None)
    if file is None or not file.is_file():
        raise ValueError(f"no labels: {file or data / 'labels'} is missing")
    try:
        windows = json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{file}: no JSON ({error})") from error
    if not isinstance(windows, dict):
        raise ValueError(f"{file}: needs an object of series, each a list of windows")  # noqa: TRY004 - of the file
    folder = data / "data"
    present = {path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.csv")) if path.is_file()}
    labelled = {name: _spans(file.name, name, spans) for name, spans in windows.items()}
    found = [_read_one(folder, name, spans) for name, spans in sorted(labelled.items()) if name in present]
    if not found:
        raise ValueError(f"none of the {len(windows)} labelled series is in {folder}")
    return Benchmark(
        tuple(found),
        tuple(sorted(present - labelled.keys())),
        tuple(sorted(labelled.keys() - present)),
        sum(len(labelled[one.name]) - len(one.windows) for one in found),
    )


Span = tuple[float, float]


def _spans(file: str, name: str, windows: object) -> list[Span]:
    """First and last moment of each window, in order."""
    if not isinstance(windows, list):
        raise ValueError(f"{file}: {name} needs a list of windows")  # noqa: TRY004 - of the file
    spans = []
    for window in windows:
        try:
            first, last = map(_epoch, window)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{file}: {name} needs windows of two moments ({error})") from error
        if last < first:
            raise ValueError(f"{file}: {name} has a window that ends before it begins ({window[0]})")
        spans.append((first, last))
    return sorted(spans)


def _read_one(folder: Path, name: str, spans: list[Span]) -> Series:
    times: list[float] = []
    values: list[float] = []
    line = 1
    try:
        with (folder / name).open(newline="", encoding="utf-8-sig") as lines:
            for row in csv.DictReader(lines):
                line += 1
                times.append(_epoch(row["timestamp"]))
                values.append(float(row["value"]))
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise ValueError(f"{name} line {line}: needs timestamp,value ({error})") from error
    if not times:
        raise ValueError(f"{name} holds no row")
    bounds = [(_first_row(times, first), _last_row(times, last)) for first, last in spans]
    return Series(name, times, values, tuple((first, last) for first, last in bounds if first <= last))


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _first_row(times: list[float], moment: float) -> int:
    """The first row of that time, or the one after it where there is none."""
    return times.index(moment) if moment in times else bisect_left(times, moment)


def _last_row(times: list[float], moment: float) -> int:
    """The first row of that time, or the one before it where there is none."""
    return times.index(moment) if moment in times else bisect_left(times, moment) - 1
