"""Journal to history: every sample reaches the history exactly once in effect, whatever stops in between.

The cursor in the ledger moves only after the history has the samples for good (`History.kept`), and the history takes
the same sample any number of times; so a crash before that repeats work and nothing else. What is sent next is decided
in `outbox`.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random

from gateway.clock import Clock
from gateway.ports.history import History, HistoryAway, Sample
from gateway.ports.ledger import Backlog, JournalEntry, JournalKind, Ledger
from gateway.storage.outbox import Outbox

READER = "history"
"""The forwarder's name among the ledger's readers."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How the forwarder works. Sizes in samples (reports), bytes of the journal, and seconds."""

    batch: int = 5_000
    linger_seconds: float = 0.25  # a small batch waits for company: one commit of each store a quarter of a second
    queue: int = 20_000
    journal_bytes: int = 256 * 1024
    catch_up_per_second: float = 5_000
    poll_seconds: float = 5.0
    measure_seconds: float = 2.0
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """When the outbox is full. It has room again at four fifths of both."""

    max_bytes: int = 2 * 2**30
    max_age_seconds: float = 7 * 86400.0


class Fill(Enum):
    """What the forwarder tells about its outbox, once at each change."""

    FULL = "full"
    ROOM = "room"


@dataclass(frozen=True, slots=True)
class ForwarderState:
    """For /metrics and /readyz. `trouble` is why the store was not reached last time ("" if it was)."""

    cursor: int
    caught_up: bool
    queued: int
    forwarded: int
    failures: int
    trouble: str
    backlog: Backlog
    full: bool


def judge_fill(backlog: Backlog, now: float, limits: Limits, full: bool) -> bool:
    """Whether the outbox is full, with hysteresis."""
    age = 0.0 if backlog.oldest_at is None else now - backlog.oldest_at
    share = max(backlog.bytes / limits.max_bytes, age / limits.max_age_seconds)
    return share >= (0.8 if full else 1.0)


def wait_after(failures: int, pace: Pace, random: Random) -> float:
    """Seconds until the next try: doubling, with jitter so that gateways do not come back all at once."""
    longest = min(pace.longest_wait_seconds, pace.first_wait_seconds * 2.0 ** min(failures - 1, 30))
    return longest * random.uniform(0.5, 1.0)


class Forwarder:
    """Moves samples from journal to history. Call `offer` after each commit; run `run` in a task group.

    `unpack` gives the samples of a journal entry. `tell` hears of the outbox getting full and having room again.
    """

    def __init__(
        self,
        ledger: Ledger,
        history: History,
        unpack: Callable[[JournalEntry], Sequence[Sample]],
        clock: Clock,
        *,
        pace: Pace | None = None,
        limits: Limits | None = None,
        tell: Callable[[Fill], None] = lambda _: None,
        random: Random | None = None,
    ) -> None:
        self._ledger = ledger
        self._history = history
        self._unpack = unpack
        self._clock = clock
        self._pace = pace or Pace()
        self._limits = limits or Limits()
        self._tell = tell
        self._random = random or Random()
        self._outbox: Outbox | None = None
        self._offered = asyncio.Event()
        self._journal_due = 0.0
        self._measure_due = 0.0
        self._backlog = Backlog(0, 0, None)
        self._forwarded = 0
        self._failures = 0
        self._trouble = ""
        self._unkept: deque[tuple[int, int]] = deque()  # (mark of an append, where the cursor may go once it is kept)
        self._advanced = 0
        self.full = False

    def offer(self, position: int, samples: Sequence[Sample]) -> None:
        """A batch just committed at that position: each commit in order, ticks too (no samples), on the event loop."""
        if self._outbox is not None:
            self._outbox.offer(position, samples)
        self._offered.set()

    @property
    def state(self) -> ForwarderState:
        """How it stands."""
        outbox = self._outbox
        return ForwarderState(
            cursor=outbox.cursor if outbox else 0,
            caught_up=outbox is not None and outbox.caught_up,
            queued=outbox.queued if outbox else 0,
            forwarded=self._forwarded,
            failures=self._failures,
            trouble=self._trouble,
            backlog=self._backlog,
            full=self.full,
        )

    async def ready(self) -> None:
        """Return if samples reach the history, or raise OSError with one readable line."""
        if self.full:
            behind = self._backlog
            raise OSError(f"outbox full: {behind.bytes} bytes in {behind.entries} batches wait for the history store")
        if self._trouble:
            raise OSError(f"history store away since {self._failures} tries: {self._trouble}")
        await self._history.ready()

    async def look(self) -> None:
        """Measure the outbox before anything is taken in: it may be full from the start."""
        await self._measure()

    async def run(self) -> None:
        """Forward for ever. Returns never; raises only what is a mistake of ours."""
        while True:
            try:
                await self._step()
                self._failures, self._trouble = 0, ""
            except OSError as error:
                self._failures += 1
                self._trouble = str(error) or type(error).__name__
                if self._outbox is not None:
                    self._outbox.drop()
                named = error.retry_after if isinstance(error, HistoryAway) else 0.0
                wait = max(named, wait_after(self._failures, self._pace, self._random))
                _log.warning("history not reached, next try in %.1f s: %s", wait, self._trouble)
                await self._measure()
                await self._clock.sleep(wait)

    async def _step(self) -> None:
        if self._outbox is None:
            self._advanced = await self._ledger.cursor(READER)
            self._outbox = Outbox(self._advanced, self._pace.queue)
        outbox = self._outbox
        self._offered.clear()
        if outbox.waiting and outbox.queued < self._pace.batch and self._pace.linger_seconds:
            await self._clock.sleep(self._pace.linger_seconds)
        if (load := outbox.take(self._pace.batch)) is not None:
            mark = await self._history.append(load.last, load.samples)
            self._forwarded += len(load.samples)
            outbox.landed(load)
            self._note(mark, outbox.cursor)
        if not outbox.caught_up and self._clock.monotonic() >= self._journal_due:
            await self._catch_up(outbox)
        await self._advance()
        await self._measure()
        if not outbox.waiting:
            await self._idle(outbox)

    async def _catch_up(self, outbox: Outbox) -> None:
        """One bite of the journal, and then a pause that keeps the rate."""
        before = outbox.cursor
        entries = outbox.missing(await self._ledger.read_journal(before, self._pace.journal_bytes))
        samples: list[Sample] = []
        for entry in entries:
            if entry.kind is not JournalKind.BATCH:
                continue
            samples.extend(self._unpack(entry))
            await asyncio.sleep(0)  # unpacking is work of the loop: let live messages in between
        mark = self._history.kept
        if samples:
            mark = await self._history.append(entries[-1].position, samples)
            self._forwarded += len(samples)
            self._journal_due = self._clock.monotonic() + len(samples) / self._pace.catch_up_per_second
        if entries:
            outbox.reached(entries[-1].position)
        self._note(mark, outbox.cursor)

    def _note(self, mark: int, cursor: int) -> None:
        """The cursor may go so far once the append of that mark is kept; an append before it may be what is missing."""
        if self._unkept:
            mark = max(mark, self._unkept[-1][0])
            if self._unkept[-1][0] == mark:
                self._unkept.pop()
        self._unkept.append((mark, cursor))

    async def _advance(self) -> None:
        """Move the cursor in the ledger past what the history has for good."""
        cursor = self._advanced
        for mark, after in self._unkept:
            if mark > self._history.kept:
                break
            cursor = after
        if cursor > self._advanced:
            await self._ledger.advance(READER, cursor)
            self._advanced = cursor
        while self._unkept and self._unkept[0][1] <= self._advanced:
            self._unkept.popleft()

    async def _measure(self) -> None:
        """Look at the outbox, and tell once when it gets full or has room again."""
        outbox = self._outbox
        if outbox is not None and outbox.caught_up:
            self._backlog = Backlog(0, 0, None)
        elif self._clock.monotonic() < self._measure_due:
            return
        else:
            self._measure_due = self._clock.monotonic() + self._pace.measure_seconds
            try:
                self._backlog = await self._ledger.backlog(READER)
            except OSError:
                return  # then nothing is committed either; the last measure stands
        full = judge_fill(self._backlog, self._clock.now(), self._limits, self.full)
        if full != self.full:
            self.full = full
            self._tell(Fill.FULL if full else Fill.ROOM)

    async def _idle(self, outbox: Outbox) -> None:
        """Until there is something to do: an offer, the journal's turn, or time to look for entries nobody offered."""
        if outbox.caught_up:
            seconds = self._pace.poll_seconds
        else:
            seconds = self._journal_due - self._clock.monotonic()
            if seconds <= 0:
                return
        async with asyncio.TaskGroup() as group:
            waits = (group.create_task(self._offered.wait()), group.create_task(self._clock.sleep(seconds)))
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        if not outbox.waiting:
            outbox.caught_up = False
