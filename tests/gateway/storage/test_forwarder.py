"""From the journal to the history: nothing lost or doubled while stores come and go."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

import pytest

from gateway.clock import ManualClock
from gateway.ports.history import HistoryAway, Sample
from gateway.ports.ledger import Backlog, Effects, JournalEntry, JournalKind, Ledger
from gateway.storage.forwarder import Fill, Forwarder, Limits, Pace, judge_fill, wait_after
from gateway.storage.history_memory import MemoryHistory
from tests.parts.stores import memory_stores

NOW = 1_763_700_000.0
PACE = Pace(linger_seconds=0, catch_up_per_second=1e9, poll_seconds=30)


def pack(samples: Sequence[Sample]) -> bytes:
    return json.dumps([[s.device_id, s.at, s.metrics] for s in samples]).encode()


def unpack(entry: JournalEntry) -> list[Sample]:
    return [Sample.of(*fields) for fields in json.loads(entry.payload)]


class FailingHistory(MemoryHistory):
    """A history whose store can be away, and which counts what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.retry_after = 0.0
        self.lazy = False  # as an embedded history: kept later than taken
        self.taken = 0
        self.written: list[tuple[int, int]] = []

    async def append(self, position: int, samples: Sequence[Sample]) -> int:
        if self.away:
            raise HistoryAway("store is away", self.retry_after)
        await super().append(position, samples)
        self.written.append((position, len(samples)))
        if not self.lazy:
            return 0
        self.taken += 1
        return self.taken


class Bench:
    """A forwarder at work over a ledger and a history, in virtual time."""

    def __init__(self, ledger: Ledger, pace: Pace, limits: Limits | None) -> None:
        self.ledger, self.clock, self.history = ledger, ManualClock(NOW), FailingHistory()
        self.told: list[Fill] = []
        self.unpacked = 0
        self.number = 0
        self.pace, self.limits = pace, limits
        self.start()

    def start(self) -> None:
        self.forwarder = Forwarder(
            self.ledger,
            self.history,
            self._unpack,
            self.clock,
            pace=self.pace,
            limits=self.limits,
            tell=self.told.append,
            random=Random(1),
        )

    def _unpack(self, entry: JournalEntry) -> list[Sample]:
        self.unpacked += 1
        return unpack(entry)

    async def commit(self, size: int = 1, *, offered: bool = True, kind: JournalKind = JournalKind.BATCH) -> None:
        samples = [Sample.of("cam-1", NOW + self.number + i, {"t": float(i)}) for i in range(size)]
        self.number += size
        payload = pack(samples) if kind is JournalKind.BATCH else b"tick"
        done = await self.ledger.commit(Effects(kind, self.clock.now(), size, payload))
        if offered:
            self.forwarder.offer(done.position, samples if kind is JournalKind.BATCH else ())

    async def turn(self, seconds: float = 0.0) -> None:
        """Let everything run that can, then move the clock."""
        for _ in range(60):
            await asyncio.sleep(0)
        if seconds:
            self.clock.move(seconds)
            await self.turn()

    async def stored(self) -> int:
        return len(await self.history.raw("cam-1", "t", 0, 2e9, 10**9))


@asynccontextmanager
async def bench(pace: Pace = PACE, limits: Limits | None = None, missed: int = 0) -> AsyncIterator[Bench]:
    made = Bench(memory_stores().ledger, pace, limits)
    for _ in range(missed):
        await made.commit(offered=False)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(made.forwarder.run())
        await made.turn()
        yield made
        task.cancel()


async def test_a_forwarder_that_keeps_up_never_reads_or_parses_the_journal_again() -> None:
    async with bench() as b:
        for _ in range(20):
            await b.commit(5)
            await b.turn()

        assert await b.stored() == 100
        assert b.unpacked == 0
        assert await b.ledger.cursor("history") == 20
        assert b.forwarder.state.caught_up


async def test_batches_that_come_together_are_written_together() -> None:
    async with bench(Pace(linger_seconds=0.25)) as b:
        for _ in range(10):
            await b.commit(5)
            await b.turn(0.01)
        await b.turn(0.5)

        assert await b.stored() == 50
        assert len(b.history.written) == 1


async def test_what_was_committed_while_the_gateway_was_down_comes_from_the_journal() -> None:
    async with bench(missed=7) as b:
        await b.turn(1)

        assert await b.stored() == 7
        assert await b.ledger.cursor("history") == 7


async def test_the_journal_keeps_what_the_history_has_only_in_memory() -> None:
    async with bench() as b:
        b.history.lazy = True
        for _ in range(3):
            await b.commit(5)
            await b.turn()
        assert await b.stored() == 15
        assert await b.ledger.cursor("history") == 0

        b.history.kept = 2
        await b.commit(kind=JournalKind.TICK)
        await b.turn()
        assert await b.ledger.cursor("history") == 2

        b.history.kept = b.history.taken
        await b.turn(PACE.poll_seconds)
        assert await b.ledger.cursor("history") == 4
        assert b.forwarder.state.caught_up


async def test_a_cursor_never_passes_live_batches_that_overtook_it_and_are_not_kept_yet() -> None:
    async with bench(Pace(linger_seconds=0, catch_up_per_second=1, journal_bytes=1), missed=3) as b:
        b.history.lazy = True
        await b.commit(2)
        for _ in range(20):
            await b.turn(2)
            assert await b.ledger.cursor("history") <= 1  # the first was kept at once
        assert await b.stored() == 5

        b.history.kept = b.history.taken
        await b.turn(30)
        assert await b.ledger.cursor("history") == 4


async def test_ticks_are_passed_over() -> None:
    async with bench() as b:
        await b.commit(kind=JournalKind.TICK)
        await b.commit()
        await b.turn()
        await b.commit(kind=JournalKind.TICK, offered=False)
        await b.turn(40)

        assert await b.stored() == 1
        assert await b.ledger.cursor("history") == 3


async def test_while_the_store_is_away_tries_get_rarer_and_afterwards_everything_arrives() -> None:
    async with bench() as b:
        b.history.away = True
        for _ in range(30):
            await b.commit(3)
            await b.turn(10)
        assert "away" in b.forwarder.state.trouble
        assert 5 < b.forwarder.state.failures < 15
        with pytest.raises(OSError, match="store is away"):
            await b.forwarder.ready()

        b.history.away = False
        for _ in range(10):
            await b.turn(30)

        assert await b.stored() == 90
        assert await b.ledger.cursor("history") == 30
        assert b.forwarder.state.trouble == ""
        await b.forwarder.ready()


async def test_after_an_outage_live_data_is_charted_at_once_and_the_backlog_follows_at_its_rate() -> None:
    pace = Pace(linger_seconds=0, catch_up_per_second=10, journal_bytes=1, poll_seconds=30)
    async with bench(pace, missed=100) as b:
        newest = NOW + b.number
        await b.commit()
        await b.turn()

        assert (await b.history.latest("cam-1"))["t"].at == newest
        assert await b.stored() < 10

        await b.turn(1)
        for _ in range(20):
            await b.turn(0.1)
        assert 15 < await b.stored() < 40

        for _ in range(120):
            await b.turn(0.1)
        assert await b.stored() == 101
        assert await b.ledger.cursor("history") == 101


async def test_memory_stays_bounded_while_the_store_is_away() -> None:
    async with bench(Pace(queue=50, linger_seconds=0)) as b:
        b.history.away = True
        for _ in range(100):
            await b.commit(5)
            await b.turn(0.001)
            assert b.forwarder.state.queued <= 50


async def test_a_full_outbox_is_said_once_and_so_is_room() -> None:
    async with bench(limits=Limits(max_bytes=2000)) as b:
        b.history.away = True
        for _ in range(20):
            await b.commit(5)
            await b.turn(5)
        assert b.told == [Fill.FULL]
        assert b.forwarder.full
        with pytest.raises(OSError, match="outbox full"):
            await b.forwarder.ready()

        b.history.away = False
        for _ in range(10):
            await b.turn(30)
        assert b.told == [Fill.FULL, Fill.ROOM]
        assert not b.forwarder.full


async def test_an_entry_that_nobody_offered_is_found_in_the_journal_after_a_while() -> None:
    async with bench() as b:
        await b.commit(offered=False)
        await b.turn(60)
        assert await b.stored() == 1


async def test_a_gap_between_offers_is_closed_from_the_journal() -> None:
    async with bench() as b:
        await b.commit()
        await b.turn()
        await b.commit(offered=False)
        await b.commit()
        await b.turn(1)

        assert await b.stored() == 3
        assert await b.ledger.cursor("history") == 3


async def test_a_store_that_says_when_to_come_back_is_left_alone_until_then() -> None:
    async with bench() as b:
        b.history.away = True
        b.history.retry_after = 300
        await b.commit()
        await b.turn(299)
        assert b.forwarder.state.failures == 1
        await b.turn(2)
        assert b.forwarder.state.failures == 2


@pytest.mark.parametrize(
    ("bytes_", "age", "was", "is_now"),
    [(99, 0, False, False), (100, 0, False, True), (81, 0, True, True), (79, 0, True, False), (0, 10, False, True)],
)
def test_an_outbox_is_full_by_bytes_or_age_and_has_room_again_at_four_fifths(
    bytes_: int, age: float, was: bool, is_now: bool
) -> None:
    backlog = Backlog(1, bytes_, NOW - age if age else None)
    assert judge_fill(backlog, NOW, Limits(100, 10), was) is is_now


def test_waits_double_up_to_a_limit_and_differ_between_gateways() -> None:
    pace = Pace(first_wait_seconds=1, longest_wait_seconds=60)
    waits = [wait_after(n, pace, Random(5)) for n in range(1, 2000)]
    assert 0.5 <= waits[0] <= 1
    assert 30 <= waits[-1] <= 60
    assert waits[0] < waits[2] < waits[4]
    assert wait_after(3, pace, Random(1)) != wait_after(3, pace, Random(2))
