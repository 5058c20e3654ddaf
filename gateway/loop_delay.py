"""How long the event loop keeps everybody waiting: devices and people's pages take turns on it."""

from collections.abc import Iterator

from prometheus_client.core import HistogramMetricFamily, Metric

from gateway.clock import Clock

LOOK_S = 0.25
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class LoopDelay:
    """Sleeps a quarter of a second again and again, and counts how much later than asked it was woken."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0

    async def watch(self) -> None:
        """Look for as long as the gateway runs."""
        while True:
            before = self._clock.monotonic()
            await self._clock.sleep(LOOK_S)
            self.note(max(0.0, self._clock.monotonic() - before - LOOK_S))

    def note(self, late_s: float) -> None:
        """Count one look, so many seconds late."""
        self._counts[sum(late_s > bound for bound in BOUNDS_S)] += 1
        self._sum_s += late_s

    def metrics(self) -> Iterator[Metric]:
        """For /metrics: a histogram."""
        below, buckets = 0, []
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), self._counts, strict=True):
            below += count
            buckets.append((bound, float(below)))
        yield HistogramMetricFamily(
            "siaga_event_loop_delay_seconds",
            "How late the event loop came to what was due, looked at four times a second.",
            buckets=buckets,
            sum_value=self._sum_s,
        )
