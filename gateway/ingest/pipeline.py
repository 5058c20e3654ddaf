"""From batches of messages to committed effects: digest, commit, remember, acknowledge. In that order, always.

Two stages, so that the loop digests the next batch while the writer thread commits this one; but while a commit runs
only a full batch is begun, so that batches grow with the load instead of commits with the messages. A message is
acknowledged only after the transaction that holds all its effects has committed; while the database is away the window
fills, the ways in stop reading, and nothing is lost.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

import structlog

from gateway.clock import Clock, every
from gateway.ingest.checkpoint import Checkpoint, Memory
from gateway.ingest.digest import INGEST, INTERNAL, Digest, Digested
from gateway.ports.history import Sample
from gateway.ports.ingest import Inbound, Link
from gateway.ports.ledger import Committed, Effects, Ledger

log = structlog.get_logger()
T = TypeVar("T")


class Outflow(Protocol):
    """Who takes committed samples on to the history store."""

    @property
    def full(self) -> bool:
        """The outbox is beyond its limit: stop acknowledging until it has drained."""

    def offer(self, position: int, samples: Sequence[Sample]) -> None:
        """These samples are committed at this journal position. Never blocks; may drop them (the journal has them)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`window`: unacknowledged messages held at most (four batches: more only leaves the processor's cache, which costs
    a tenth of the speed). `batch`: messages a transaction. Times in seconds.

    A checkpoint comes after `checkpoint_s` or `checkpoint_messages`: it bounds what a crash has to replay (at 20 us a
    message, 200,000 are four seconds) and how long journal entries are kept. An outage of the ledger longer than
    `deaf_s` is our own silence, not the devices'.
    """

    window: int = 2000
    batch: int = 500
    tick_s: float = 1.0
    checkpoint_s: float = 60.0
    checkpoint_messages: int = 200_000
    deaf_s: float = 10.0


@dataclass(slots=True)
class Counts:
    """What the pipeline has done since it started; /metrics reads it."""

    received: int = 0
    committed: int = 0
    batches: int = 0
    retries: int = 0
    changes: int = 0
    rejected: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    last_commit_at: float = 0.0
    commit_s: float = 0.0  # spent waiting for transactions, all together
    trouble: str = ""  # why commits fail at the moment, in one line


@dataclass(slots=True)
class _Step:
    """What the committing stage does next: a batch or tick with the messages to acknowledge, or (None) a checkpoint."""

    digested: Digested | None
    messages: Sequence[Inbound] = ()
    shared: bytes = b""
    last: bool = False  # a checkpoint that is waited for


class Pipeline:
    """The Intake of all ways in. `run()` is its life; call `take` on the event loop only.

    Invariant: `pending` counts the messages taken and not yet acknowledged; at most `window` plus one hand-over.
    """

    def __init__(
        self,
        digest: Digest,
        ledger: Ledger,
        memory: Memory,
        outflow: Outflow,
        clock: Clock,
        *,
        position: int = 0,
        limits: Limits | None = None,
        committed: Callable[[Committed, Effects], None] = lambda _done, _effects: None,
    ) -> None:
        self._digest, self._ledger, self._outflow = digest, ledger, outflow
        self.checkpoint = Checkpoint(memory, ledger, clock)
        self._clock, self._committed = clock, committed
        self.limits = limits or Limits()
        self.counts = Counts()
        self.pending = 0
        self._position = position
        self._inbox: deque[Inbound] = deque()
        self._arrived = asyncio.Event()
        self._waiting: list[Callable[[], None]] = []
        self._steps: asyncio.Queue[_Step | None] = asyncio.Queue(maxsize=1)
        self._checkpoint_at = clock.monotonic() + self.limits.checkpoint_s
        self._checkpoint_after = self.limits.checkpoint_messages
        self._tick_due = False
        self._deaf: list[Inbound] = []
        self._under_way = 0
        self._draining = False
        self._drained = asyncio.Event()

    def take(self, messages: Sequence[Inbound]) -> bool:
        """See `Intake.take`."""
        self._inbox.extend(messages)
        self.pending += len(messages)
        self.counts.received += len(messages)
        if not self._under_way or len(self._inbox) >= self.limits.batch:
            self._arrived.set()
        return self.pending < self.limits.window

    def when_room(self, resume: Callable[[], None]) -> None:
        """See `Intake.when_room`."""
        self._waiting.append(resume)

    async def run(self) -> None:
        """Work until `drain`ed, then return with everything committed and the memory checkpointed."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._digest_stage(), name="pipeline: digest")
            tasks.create_task(self._commit_stage(tasks), name="pipeline: commit")
            ticking = tasks.create_task(self._ticks(), name="pipeline: ticks")
            await self._drained.wait()
            ticking.cancel()

    def drain(self) -> None:
        """Take no more; `run` returns once all that was taken is committed."""
        self._draining = True
        self._arrived.set()

    async def _ticks(self) -> None:
        async for _ in every(self._clock, self.limits.tick_s):
            self._tick_due = True
            self._arrived.set()

    async def _digest_stage(self) -> None:
        inbox, size = self._inbox, self.limits.batch
        while True:
            if not self._due():
                self._arrived.clear()
                await self._arrived.wait()
                continue
            if self._outflow.full and not self._draining:
                await self._wait_for_outflow()
            # The clock is read once a batch; messages carry their own receive times.
            now = self._clock.now()
            if self._deaf:
                # Before any tick: what we could not hear is not the devices' silence.
                deaf, self._deaf = self._deaf, []
                await self._commission(_Step(self._digest.batch(deaf, now)))
            if inbox:
                messages = [inbox.popleft() for _ in range(min(size, len(inbox)))]
                await self._commission(_Step(self._digest.batch(messages, now), messages))
            if self._tick_due:
                self._tick_due = False
                ticked = self._digest.tick(now)
                if ticked:
                    await self._commission(_Step(ticked))
            done = self._draining and not inbox
            elapsed = self._clock.monotonic()
            due = elapsed >= self._checkpoint_at or self.counts.received >= self._checkpoint_after
            if done:
                await self.checkpoint.idle.wait()
            if done or (due and self._position and self.checkpoint.idle.is_set()):
                self._checkpoint_at = elapsed + self.limits.checkpoint_s
                self._checkpoint_after = self.counts.received + self.limits.checkpoint_messages
                # Memory as of all that was digested so far: the queue keeps it behind those commits.
                await self._commission(_Step(None, shared=self.checkpoint.begin(), last=done))
            if done:
                await self._steps.put(None)
                return

    def _due(self) -> bool:
        """Whether there is a batch to begin: whatever has come while nothing is under way, else only a full one."""
        if self._draining or self._tick_due or self._deaf:
            return True
        return len(self._inbox) >= (self.limits.batch if self._under_way else 1)

    async def _commission(self, step: _Step) -> None:
        self._under_way += 1
        await self._steps.put(step)

    async def _wait_for_outflow(self) -> None:
        log.warning("outbox full: not acknowledging until the history store has caught up")
        self.hearing(False, self._clock.now(), "The outbox is full: telemetry waits for the history store.")
        deaf, self._deaf = self._deaf, []
        await self._commission(_Step(self._digest.batch(deaf, self._clock.now())))
        while self._outflow.full and not self._draining:
            if self._tick_due:
                self._tick_due = False
                ticked = self._digest.tick(self._clock.now())
                if ticked:
                    await self._commission(_Step(ticked))
            await self._clock.sleep(self.limits.tick_s)
        self.hearing(True, self._clock.now())

    def hearing(self, can_hear: bool, at: float, why: str = "The broker is away.") -> None:
        """Tell the fleet that we cannot hear since `at` (our own outage), or can again. It goes through the journal."""
        word = b"restored" if can_hear else f"lost {why}".encode()
        self._deaf.append(Inbound("", INGEST, word, at, INTERNAL, 0))
        self._arrived.set()

    async def _commit_stage(self, tasks: asyncio.TaskGroup) -> None:
        while (step := await self._steps.get()) is not None:
            began = self._clock.monotonic()
            if step.digested is None:
                writing = tasks.create_task(self.checkpoint.write(self._position, step.shared), name="checkpoint")
                if step.last:
                    await writing
                self._finish()
                continue
            committed = await self._persist(partial(self._ledger.commit, step.digested.effects))
            self.counts.commit_s += self._clock.monotonic() - began
            self._position = committed.position
            self._outflow.offer(committed.position, step.digested.samples)
            self._count(step.digested, committed)
            self._committed(committed, step.digested.effects)
            self._acknowledge(step.messages)
            self._finish()
        self._drained.set()

    def _finish(self) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._arrived.set()

    async def _persist(self, work: Callable[[], Awaitable[T]]) -> T:
        """Try again and again while the database is away: 0.1 s doubling to 5 s. Nothing overtakes."""
        delay, began, since = 0.1, 0.0, 0.0
        while True:
            try:
                done = await work()
            except OSError as error:
                self.counts.retries += 1
                if not self.counts.trouble:
                    began, since = self._clock.now(), self._clock.monotonic()
                    log.error("the ledger is away; retrying", reason=str(error))
                self.counts.trouble = str(error) or type(error).__name__
                await self._clock.sleep(delay)
                delay = min(delay * 2, 5.0)
            else:
                if self.counts.trouble:
                    log.info("the ledger is back")
                    if self._clock.monotonic() - since > self.limits.deaf_s:
                        self.hearing(False, began, "The database was away.")
                        self.hearing(True, self._clock.now())
                self.counts.trouble = ""
                return done

    def _count(self, digested: Digested, committed: Committed) -> None:
        counts, effects = self.counts, digested.effects
        counts.batches += 1
        counts.committed += effects.count
        counts.changes += len(effects.changes)
        counts.last_commit_at = effects.at
        for reject in (*effects.rejects, *committed.rejects):
            counts.rejected[reject.reason.value] += 1

    def _acknowledge(self, messages: Sequence[Inbound]) -> None:
        receipts: dict[Link, list[int]] = defaultdict(list)
        for message in messages:
            if message.receipt:
                receipts[message.link].append(message.receipt)
        for link, ids in receipts.items():
            link.acknowledge(ids)
        self.pending -= len(messages)
        if self._waiting and self.pending < self.limits.window // 2:
            waiting, self._waiting = self._waiting, []
            for resume in waiting:
                resume()
