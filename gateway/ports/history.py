"""Telemetry history: what charts read. Filled by the forwarder from the journal; support works while it is away."""

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

ROLLUPS_MS = (300_000, 3_600_000)
"""Resolutions that long charts may be answered from: 5 minutes and an hour."""


class HistoryAway(OSError):
    """The store cannot take or answer now: try again, not before `retry_after` seconds if it named some."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Sample(msgspec.Struct, frozen=True, eq=False, gc=False):
    """The metrics of one report. `at` is effective time, epoch seconds; `values` are doubles, packed in native order,
    one a name: finite, in catalogue units. (So a report costs one object on its way to the store, not twenty-one.)
    """

    device_id: str
    at: float
    names: tuple[str, ...]
    values: bytes

    @staticmethod
    def of(device_id: str, at: float, metrics: Mapping[str, float]) -> "Sample":
        """A sample of values by name."""
        return Sample(device_id, at, tuple(metrics), array("d", metrics.values()).tobytes())

    @property
    def metrics(self) -> dict[str, float]:
        """The values by name."""
        return dict(zip(self.names, memoryview(self.values).cast("d"), strict=True))


@dataclass(frozen=True, slots=True)
class Column:
    """One pixel column of a chart: what the metric did in [start, start + width)."""

    start: float
    minimum: float
    mean: float
    maximum: float
    count: int


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest value of a metric."""

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Grid:
    """The columns of a chart: column i is [start_ms + i * width_ms, start_ms + (i + 1) * width_ms)."""

    start_ms: int
    width_ms: int
    columns: int
    resolution_ms: int

    @property
    def end_ms(self) -> int:
        """Where the last column ends."""
        return self.start_ms + self.width_ms * self.columns


def chart_grid(start: float, end: float, columns: int) -> Grid:
    """The grid that `History.series` answers on, the same for every adapter, from epoch seconds.

    Columns narrower than two rollups begin exactly at `start`. Wider ones are widened to a multiple of the rollup and
    begin on one, so that a year is read from rollups and yet every column is exact for the interval it names.
    """
    if columns < 1:
        raise ValueError(f"a chart needs at least one column, not {columns}")
    start_ms, end_ms = to_ms(start), to_ms(end)
    width = max(1, -(-(end_ms - start_ms) // columns))
    resolution = next((each for each in reversed(ROLLUPS_MS) if width >= 2 * each), 1)
    first = start_ms // resolution * resolution
    width = max(1, math.ceil(math.ceil((end_ms - first) / columns) / resolution)) * resolution
    return Grid(first, width, max(0, -(-(end_ms - first) // width)), resolution)


def to_ms(at: float) -> int:
    """Histories keep time to the millisecond."""
    return round(at * 1000)


class History(Protocol):
    """Append is idempotent: the same (device, at to the millisecond, metric) written twice is there once, as written
    last. Nothing older than the retention is kept. All raise OSError when the store is away.
    """

    @property
    def kept(self) -> int:
        """The highest mark of `append` that a crash or a power cut cannot take back."""

    async def append(self, position: int, samples: Sequence[Sample]) -> int:
        """Take these samples, which come from that journal position. Reads see them at once; they survive a crash when
        `kept` has reached the mark returned here (0 where the store keeps them before it answers). Until then the
        journal must not forget them.
        """

    async def series(self, device_id: str, metric: str, start: float, end: float, columns: int) -> Sequence[Column]:
        """The metric on `chart_grid(start, end, columns)`, oldest first; columns without a sample are left out."""

    async def raw(self, device_id: str, metric: str, start: float, end: float, limit: int) -> Sequence[Latest]:
        """The samples themselves in [start, end), oldest first, at most `limit` (for evidence and backtests)."""

    async def latest(self, device_id: str) -> dict[str, Latest]:
        """The newest value of each metric of a device (empty for an unknown device)."""

    async def fleet_latest(self, metric: str) -> dict[str, Latest]:
        """The newest value of one metric over all devices."""

    async def forget(self, device_id: str) -> None:
        """Delete a device's history (a customer's right)."""

    async def ready(self) -> None:
        """Answer within two seconds, or raise OSError with one readable line."""
