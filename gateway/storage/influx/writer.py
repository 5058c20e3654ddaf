"""Batches to InfluxDB so that one bad line costs itself and nothing else."""

import logging
from collections.abc import Sequence

from gateway.clock import Clock
from gateway.ports.history import Sample
from gateway.storage.influx.connection import Connection, LinesRefused
from gateway.storage.influx.lines import LineWriter

BATCH_LINES = 5_000
"""InfluxData's advice; more gains nothing and makes a timeout dearer."""
_QUARANTINE_SECONDS = 3600.0
_log = logging.getLogger(__name__)


class Writer:
    """Writes samples; halves what the server refuses until the bad line, and in it the bad field, is alone.

    Halving is safe because the same line twice is one point, whatever part of a refused batch the server kept (1.x and
    2.x keep different parts of it). A field that has another type in the store is left out for an hour.
    """

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._lines = LineWriter()
        self._quarantine: dict[str, float] = {}
        self._seen: set[tuple[str, ...]] = set()
        self.refused = 0
        self.new_metrics = False

    def write(self, samples: Sequence[Sample]) -> None:
        """All samples are in the store, or refused for good and counted. HistoryAway: none, some or all are."""
        now = self._clock.now()
        self._quarantine = {metric: until for metric, until in self._quarantine.items() if until > now}
        for start in range(0, len(samples), BATCH_LINES):
            self._write(samples[start : start + BATCH_LINES])
        shapes = {sample.names for sample in samples}
        if not shapes <= self._seen:
            self.new_metrics = True
            self._seen = shapes if len(self._seen) > 10_000 else self._seen | shapes

    def _write(self, samples: Sequence[Sample]) -> None:
        lines = self._lines.write(samples, self._quarantine)
        if self._quarantine:
            self.refused += sum(name in self._quarantine for sample in samples for name in sample.names)
        if lines.texts:
            try:
                self._connection.write("\n".join(lines.texts))
            except LinesRefused as refusal:
                self._isolate(samples, refusal)
                return
        self._refuse(lines.unwritable, "a name or number that line protocol cannot carry")

    def _isolate(self, samples: Sequence[Sample], refusal: LinesRefused) -> None:
        if refusal.past_retention:
            self._refuse(refusal.past_retention, refusal.reason)  # the server has kept the rest
        elif len(samples) > 1:
            middle = len(samples) // 2
            self._write(samples[:middle])
            self._write(samples[middle:])
        elif len(samples[0].names) > 1:
            sample = samples[0]
            for name, value in sample.metrics.items():
                self._write([Sample.of(sample.device_id, sample.at, {name: value})])
        else:
            (metric,) = samples[0].names
            if refusal.field_conflict:
                self._quarantine[metric] = self._clock.now() + _QUARANTINE_SECONDS
            self._refuse(1, f"{samples[0].device_id} {metric}: {refusal.reason}")

    def _refuse(self, count: int, reason: str) -> None:
        if count:
            self.refused += count
            _log.warning("InfluxDB takes %d value(s) less: %s", count, reason)
