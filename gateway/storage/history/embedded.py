"""The History port over one SQLite file: its thread, its upkeep, its life."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

from gateway.clock import Clock, SystemClock, every
from gateway.ports.history import Column, HistoryAway, Latest, Sample, chart_grid, to_ms
from gateway.storage.history import queries
from gateway.storage.history.file import HistoryFile
from gateway.storage.history.retention import Retention, retain, settle
from gateway.storage.history.store import FLUSH_ROWS, Progress, Store

_log = logging.getLogger(__name__)
_READY_SECONDS = 2.0
_UPKEEP_SECONDS = 600.0
_PAUSE_SECONDS = 30.0
_TAIL_SECONDS = 6 * 3600.0  # a small fleet's rows wait so long for company, in memory and in the journal
_REST = 3.0  # times as long as a step took: at most a quarter of one processor
Answer = TypeVar("Answer")


class EmbeddedHistory:
    """One history file, its statements run one after another on a thread of its own.

    Made by `open_history`. Samples older than the retention are dropped and counted in `too_old`.
    """

    def __init__(self, store: Store, thread: ThreadPoolExecutor, retention: Retention, clock: Clock) -> None:
        self._store = store
        self._thread = thread
        self._retention = retention
        self._clock = clock
        self._wake = asyncio.Event()
        self._trouble = ""  # why the tail cannot be put on disk

    @property
    def too_old(self) -> int:
        """Samples dropped since start because they were past the retention."""
        return self._store.too_old

    @property
    def position(self) -> int:
        """The highest journal position of an append so far."""
        return self._store.position

    @property
    def kept(self) -> int:
        """The number of appends, in their order, that are on disk: the tail goes there when it is large, every six
        hours, and at the end.
        """
        return self._store.kept

    @property
    def bytes_on_disk(self) -> int:
        """The size of the file and its write-ahead log, for /metrics: no statement is run."""
        path = self._store.file.path
        sizes = (each.stat().st_size for each in (path, path.with_name(path.name + "-wal")) if each.exists())
        return sum(sizes)

    async def bytes_used(self) -> int:
        """The file's pages in use, in bytes."""
        return await self._run(self._store.file.used_bytes)

    async def append(self, position: int, samples: Sequence[Sample]) -> int:
        """Take these samples."""
        mark = await self._run(lambda: self._store.append(position, samples))
        if self._store.tail.rows >= FLUSH_ROWS:
            self._wake.set()
        return mark

    async def series(self, device_id: str, metric: str, start: float, end: float, columns: int) -> Sequence[Column]:
        """The metric in columns."""
        grid = chart_grid(start, end, columns)
        return await self._run(lambda: queries.series(self._store, device_id, metric, grid))

    async def raw(self, device_id: str, metric: str, start: float, end: float, limit: int) -> Sequence[Latest]:
        """The samples themselves."""
        return await self._run(lambda: queries.raw(self._store, device_id, metric, to_ms(start), to_ms(end), limit))

    async def latest(self, device_id: str) -> dict[str, Latest]:
        """The newest value of each metric of a device."""
        return await self._run(lambda: queries.latest(self._store, device_id))

    async def fleet_latest(self, metric: str) -> dict[str, Latest]:
        """The newest value of one metric over all devices."""
        return await self._run(lambda: queries.fleet_latest(self._store, metric))

    async def forget(self, device_id: str) -> None:
        """Delete a device's history and overwrite it on the disk."""
        await self._run(lambda: self._store.forget(device_id))

    async def ready(self) -> None:
        """Answer within two seconds, or raise OSError; also while what is in memory cannot be put on disk."""
        if self._trouble:
            raise HistoryAway(self._trouble)
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await self._run(lambda: self._store.file.meta("position"))
        except TimeoutError:
            raise HistoryAway(
                f"history file {self._store.file.path} has not answered for {_READY_SECONDS:.0f} s"
            ) from None

    async def settle(self) -> None:
        """Put everything into its final place now: for the bench, tests and before a backup."""
        await self._run(self._store.flush)
        while device := await self._run(self._store.next_pending):
            await self._run(lambda device=device: self._store.compact(device))  # type: ignore[misc]
        await self._retain()

    async def compact_when_due(self) -> None:
        """Empty the tail whenever it is large; put rows into blocks a step at a time, so that appends wait for one step
        at most, and with rests, so that a burst of messages has the processor for itself.
        """
        while True:
            try:
                if self._store.tail.rows >= FLUSH_ROWS:
                    await self._run(self._store.flush)
                    self._trouble = ""
                started = self._clock.monotonic()
                if (progress := await self._run(self._store.compact_next)) is not Progress.NONE:
                    if progress is Progress.SOME:
                        await self._clock.sleep(_REST * (self._clock.monotonic() - started))
                    continue
            except OSError as error:
                self._trouble = str(error)
                _log.warning("history upkeep waits %.0f s: %s", _PAUSE_SECONDS, error)
                await self._clock.sleep(_PAUSE_SECONDS)
                continue
            await self._wake.wait()
            self._wake.clear()

    async def keep_bounded(self) -> None:
        """Apply the retention, at start and every ten minutes; empty the tail every six hours."""
        flush_at = self._clock.monotonic() + _TAIL_SECONDS
        async for _ in every(self._clock, _UPKEEP_SECONDS):
            try:
                if self._clock.monotonic() >= flush_at:
                    await self._run(self._store.flush)
                    flush_at = self._clock.monotonic() + _TAIL_SECONDS
                await self._retain()
            except OSError as error:
                _log.warning("history retention failed, tried again in %.0f s: %s", _UPKEEP_SECONDS, error)

    async def _retain(self) -> None:
        now_ms = to_ms(self._clock.now())
        while (device := await self._run(lambda: settle(self._store, now_ms))) is not None:
            await self._run(lambda device=device: self._store.compact(device))  # type: ignore[misc]
        while await self._run(lambda: retain(self._store, self._retention, now_ms)):
            pass

    async def _run(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


@asynccontextmanager
async def open_history(
    path: Path, retention: Retention | None = None, clock: Clock | None = None
) -> AsyncIterator[EmbeddedHistory]:
    """Open or create a history file. HistoryAway (an OSError) if it cannot be: in use, damaged, no disk."""
    with ThreadPoolExecutor(1, thread_name_prefix="history") as thread:
        run = asyncio.get_running_loop().run_in_executor
        store = await run(thread, lambda: Store(HistoryFile(path)))
        history = EmbeddedHistory(store, thread, retention or Retention(), clock or SystemClock())
        failure: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                upkeep = [group.create_task(history.compact_when_due()), group.create_task(history.keep_bounded())]
                try:
                    yield history
                except Exception as error:  # noqa: BLE001 - handed on below as it is, not in a group
                    failure = error
                for task in upkeep:
                    task.cancel()
        finally:
            with suppress(OSError):  # the journal still has what is in the tail
                await run(thread, store.flush)
            await run(thread, store.file.close)
        if failure is not None:
            raise failure
