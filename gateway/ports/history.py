"""Telemetry history: what charts read. Filled by the forwarder from the journal; support works while it is away."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True, eq=False)
class Sample:
    """The metrics of one report. `at` is effective time, epoch seconds; `metrics` in catalogue units."""

    device_id: str
    at: float
    metrics: dict[str, float]


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


class History(Protocol):
    """Append is idempotent: the same (device, at, metric) written twice is there once. All raise OSError when away."""

    async def append(self, position: int, samples: Sequence[Sample]) -> None:
        """Keep these samples durably. `position` is the journal position they come from (it grows)."""

    async def series(self, device_id: str, metric: str, start: float, end: float, columns: int) -> Sequence[Column]:
        """At most `columns` equal columns over [start, end); columns without a sample are left out."""

    async def raw(self, device_id: str, metric: str, start: float, end: float, limit: int) -> Sequence[Latest]:
        """The samples themselves, oldest first, at most `limit` (for evidence and backtests)."""

    async def latest(self, device_id: str) -> dict[str, Latest]:
        """The newest value of each metric of a device (empty for an unknown device)."""

    async def fleet_latest(self, metric: str) -> dict[str, Latest]:
        """The newest value of one metric over all devices."""

    async def forget(self, device_id: str) -> None:
        """Delete a device's history (a customer's right)."""

    async def ready(self) -> None:
        """Answer within two seconds, or raise OSError with one readable line."""
