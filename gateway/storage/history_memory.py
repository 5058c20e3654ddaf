"""A history in memory: for tests and virtual time. Bounded by samples a metric, the oldest fall out."""

from bisect import bisect_left, insort
from collections.abc import Sequence

from gateway.ports.history import Column, Latest, Sample, chart_grid, to_ms
from gateway.storage.chart import Chart


class _Series:
    """One metric of one device. Invariant: `times` is sorted and has exactly the keys of `values`."""

    __slots__ = ("times", "values")

    def __init__(self) -> None:
        self.times: list[int] = []
        self.values: dict[int, float] = {}

    def put(self, at_ms: int, value: float, limit: int) -> None:
        """Keep the value, the last one written for its time; drop the oldest beyond the limit."""
        if at_ms not in self.values:
            insort(self.times, at_ms)
        self.values[at_ms] = value
        if len(self.times) > limit:
            for old in self.times[: limit // 10 + 1]:
                del self.values[old]
            del self.times[: limit // 10 + 1]

    def between(self, start_ms: float, end_ms: float) -> list[int]:
        """The times in [start, end)."""
        return self.times[bisect_left(self.times, start_ms) : bisect_left(self.times, end_ms)]


class MemoryHistory:
    """The History port without a disk: durable as long as the process."""

    def __init__(self, samples_per_metric: int = 100_000) -> None:
        self._limit = samples_per_metric
        self._devices: dict[str, dict[str, _Series]] = {}
        self.kept = 0

    async def append(self, position: int, samples: Sequence[Sample]) -> int:  # noqa: ARG002 - nothing to resume
        """Keep these samples."""
        for sample in samples:
            if sample.metrics:
                metrics = self._devices.setdefault(sample.device_id, {})
                for name, value in sample.metrics.items():
                    metrics.setdefault(name, _Series()).put(to_ms(sample.at), value, self._limit)
        return 0

    async def series(self, device_id: str, metric: str, start: float, end: float, columns: int) -> Sequence[Column]:
        """The metric in columns."""
        grid = chart_grid(start, end, columns)
        chart = Chart(grid)
        if (series := self._series(device_id, metric)) is not None:
            times = series.between(grid.start_ms, grid.end_ms)
            chart.add_samples(times, [series.values[at_ms] for at_ms in times])
        return chart.columns()

    async def raw(self, device_id: str, metric: str, start: float, end: float, limit: int) -> Sequence[Latest]:
        """The samples themselves."""
        series = self._series(device_id, metric)
        if series is None:
            return []
        times = series.between(to_ms(start), to_ms(end))[:limit]
        return [Latest(at_ms / 1000, series.values[at_ms]) for at_ms in times]

    async def latest(self, device_id: str) -> dict[str, Latest]:
        """The newest value of each metric of a device."""
        return {name: _newest(series) for name, series in self._devices.get(device_id, {}).items()}

    async def fleet_latest(self, metric: str) -> dict[str, Latest]:
        """The newest value of one metric over all devices."""
        return {device: _newest(metrics[metric]) for device, metrics in self._devices.items() if metric in metrics}

    async def forget(self, device_id: str) -> None:
        """Delete a device's history."""
        self._devices.pop(device_id, None)

    async def ready(self) -> None:
        """Memory is always there."""

    def _series(self, device_id: str, metric: str) -> _Series | None:
        return self._devices.get(device_id, {}).get(metric)


def _newest(series: _Series) -> Latest:
    at_ms = series.times[-1]
    return Latest(at_ms / 1000, series.values[at_ms])
