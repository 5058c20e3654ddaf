"""The History port over InfluxDB: writes isolate what the server refuses, reads are InfluxQL."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from gateway.clock import Clock, SystemClock
from gateway.ports.history import Column, Grid, HistoryAway, Latest, Sample, chart_grid, to_ms
from gateway.storage.influx import influxql
from gateway.storage.influx.connection import Address, Connection, Patience
from gateway.storage.influx.writer import Writer

_log = logging.getLogger(__name__)
_DAY_MS = 86_400_000
_FIELDS_SECONDS = 60.0
Answer = TypeVar("Answer")


class InfluxHistory:
    """One InfluxDB 1.x, 2.x or 3.x. Made by `open_influx`; the server may be away then and later.

    Writes go through one thread, reads through two others: a slow chart delays no write and no readiness.
    """

    def __init__(
        self,
        connection: Connection,
        threads: tuple[ThreadPoolExecutor, ThreadPoolExecutor],
        clock: Clock,
        raw_days: float,
    ) -> None:
        self._connection = connection
        self._writing, self._reading = threads
        self._clock = clock
        self._raw_ms = int(raw_days * _DAY_MS)
        self._writer = Writer(connection, clock)
        self._fields: tuple[float, Sequence[str]] = (0.0, ())
        self.kept = 0

    @property
    def refused(self) -> int:
        """Values that the server would not take (another type, impossible name, past its retention), since start."""
        return self._writer.refused

    async def append(self, position: int, samples: Sequence[Sample]) -> int:  # noqa: ARG002 - the key makes it idempotent
        """Keep these samples; HistoryAway (with the server's own Retry-After) if it cannot take them now."""
        await self._run(self._writing, lambda: self._writer.write(samples))
        return 0

    async def series(self, device_id: str, metric: str, start: float, end: float, columns: int) -> Sequence[Column]:
        """The metric in columns: samples as far as they are kept, downsampled data before that."""
        grid = chart_grid(start, end, columns)
        return await self._read(lambda: self._series(device_id, metric, grid, to_ms(self._clock.now())))

    def _series(self, device: str, metric: str, grid: Grid, now_ms: int) -> list[Column]:
        if not grid.columns:
            return []
        kept_from = now_ms - self._raw_ms
        split = grid.start_ms
        if kept_from > grid.start_ms:
            split = min(grid.end_ms, grid.start_ms + -(-(kept_from - grid.start_ms) // grid.width_ms) * grid.width_ms)
        found: list[Column] = []
        if split > grid.start_ms:
            query = influxql.chart_of_rollups(device, metric, grid, grid.start_ms, split)
            found += influxql.read_columns(self._ask(query, self._connection.address.rollup_bucket))
        if split < grid.end_ms:
            query = influxql.chart_of_samples(device, metric, grid, split, grid.end_ms)
            found += influxql.read_columns(self._ask(query))
        return found

    async def raw(self, device_id: str, metric: str, start: float, end: float, limit: int) -> Sequence[Latest]:
        """The samples themselves."""
        query = influxql.samples(device_id, metric, to_ms(start), to_ms(end), limit)
        return influxql.read_samples(await self._read(lambda: self._ask(query)))

    async def latest(self, device_id: str) -> dict[str, Latest]:
        """The newest value of each metric of a device."""
        return await self._read(lambda: self._latest(device_id))

    def _latest(self, device: str) -> dict[str, Latest]:
        names = self._metrics()
        if not names:
            return {}
        statements = [influxql.newest(device, name) for name in names]
        results = self._connection.query_each(statements, self._connection.address.bucket)
        found = {name: influxql.read_samples(result) for name, result in zip(names, results, strict=True)}
        return {name: values[0] for name, values in found.items() if values}

    def _metrics(self) -> Sequence[str]:
        """The metrics there are, asked for once a minute."""
        asked_at, names = self._fields
        now = self._clock.now()
        if not names or now - asked_at >= _FIELDS_SECONDS or self._writer.new_metrics:
            self._writer.new_metrics = False
            names = influxql.read_names(self._ask(influxql.field_keys()))
            self._fields = (now, names)
        return names

    async def fleet_latest(self, metric: str) -> dict[str, Latest]:
        """The newest value of one metric over all devices."""
        return influxql.read_fleet(await self._read(lambda: self._ask(influxql.newest_of_fleet(metric))))

    async def forget(self, device_id: str) -> None:
        """Delete a device's history. HistoryAway on InfluxDB 3, which cannot delete rows."""
        await self._read(lambda: self._forget(device_id))

    def _forget(self, device: str) -> None:
        version = self._connection.ping()
        if version.startswith("3"):
            raise HistoryAway(f"InfluxDB {version} cannot delete the rows of one device; drop and refill the database")
        address = self._connection.address
        for database in (address.bucket, address.rollup_bucket):
            try:
                self._connection.query(influxql.delete(device), database, changes=True)
            except HistoryAway as error:
                if database == address.bucket or "not found" not in str(error):
                    raise

    async def ready(self) -> None:
        """The server answers within two seconds, or HistoryAway."""
        await self._run(self._reading, self._connection.ping)

    def _ask(self, query: str, database: str | None = None) -> dict[str, Any]:
        return self._connection.query(query, database or self._connection.address.bucket)[0]

    async def _read(self, work: Callable[[], Answer]) -> Answer:
        return await self._run(self._reading, work)

    @staticmethod
    async def _run(threads: ThreadPoolExecutor, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(threads, work)


@asynccontextmanager
async def open_influx(
    url: str,
    token: str,
    org: str,
    bucket: str,
    *,
    clock: Clock | None = None,
    raw_days: float = 30,
    patience: Patience | None = None,
) -> AsyncIterator[InfluxHistory]:
    """An InfluxDB, which need not be reachable yet. ValueError if the url cannot be one.

    `raw_days` is the bucket's retention: older charts are answered from `{bucket}_5m`.
    """
    connection = Connection(Address(url, token, org, bucket), patience)
    with (
        ThreadPoolExecutor(1, thread_name_prefix="influx-write") as writing,
        ThreadPoolExecutor(2, thread_name_prefix="influx-read") as reading,
    ):
        try:
            yield InfluxHistory(connection, (writing, reading), clock or SystemClock(), raw_days)
        finally:
            connection.close()
