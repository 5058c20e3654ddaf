"""From a batch of messages to committed effects: nothing acknowledged too early, nothing lost, nothing twice."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from hypothesis import given, settings
from hypothesis import strategies as st

from diagnostics.catalogue import load_catalogue
from diagnostics.engine import Engine
from diagnostics.fleet import Fleet
from diagnostics.rule_file import load_default_rules
from diagnostics.topology import Device
from gateway.clock import ManualClock, SystemClock
from gateway.ingest import journal
from gateway.ingest.digest import Digest
from gateway.ingest.pipeline import Limits, Pipeline
from gateway.ingest.recovery import recover
from gateway.live import FleetMemory
from gateway.ports.history import Sample
from gateway.ports.ingest import Inbound
from gateway.ports.ledger import Committed, Effects, RejectReason
from gateway.storage.memory.ledger import MemoryLedger
from gateway.storage.memory.outboxes import MemoryDownlinkOutbox, MemoryNotificationOutbox
from gateway.storage.memory.registry import MemoryRegistry
from gateway.storage.memory.tickets import MemoryTickets

CATALOGUE = load_catalogue()
RULES = load_default_rules(CATALOGUE)
START = 1_795_255_200.0


class Sender:
    """A link that remembers what was acknowledged."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []

    def acknowledge(self, receipts: Sequence[int]) -> None:
        self.acknowledged += receipts


class History:
    """An outflow that keeps what it was offered."""

    def __init__(self) -> None:
        self.full = False
        self.samples: list[Sample] = []
        self.positions: list[int] = []

    def offer(self, position: int, samples: Sequence[Sample]) -> None:
        self.positions.append(position)
        self.samples += samples


class FlakyLedger(MemoryLedger):
    """A ledger whose database is away for the first so many commits."""

    def __init__(self, away: int = 0) -> None:
        tickets = MemoryTickets(MemoryRegistry(), MemoryNotificationOutbox(), SystemClock())
        super().__init__(tickets, MemoryDownlinkOutbox(), lambda _: 0.0)
        self.away = away
        self.effects: list[Effects] = []

    async def commit(self, effects: Effects) -> Committed:
        if self.away:
            self.away -= 1
            raise ConnectionError("the database is away")
        self.effects.append(effects)
        return await super().commit(effects)


def fleet_of(*devices: str) -> FleetMemory:
    memory = FleetMemory(Fleet(Engine(RULES, CATALOGUE), (), START))
    for device_id in devices:
        memory.fleet.register(Device(device_id, "camera", "m", "site"))
        memory.registered.add(device_id)
    return memory


def report(seq: int, boot: int = 1, **metrics: float) -> bytes:
    return json.dumps({"v": 1, "boot": boot, "seq": seq, "metrics": metrics}).encode()


def message(
    payload: bytes, link: Sender, receipt: int = 1, device: str = "cam-1", channel: str = "telemetry", at: float = START
) -> Inbound:
    return Inbound(device, channel, payload, at, link, receipt)


@asynccontextmanager
async def running(pipeline: Pipeline) -> AsyncIterator[Pipeline]:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pipeline.run())
        yield pipeline
        pipeline.drain()


async def test_a_message_is_acknowledged_after_its_effects_are_committed() -> None:
    memory, ledger, history, link = fleet_of("cam-1"), FlakyLedger(), History(), Sender()
    pipeline = Pipeline(Digest(memory.fleet, memory.registered), ledger, memory, history, SystemClock())
    async with running(pipeline):
        assert pipeline.take([message(report(n, soc_temp_c=50 + n), link, n) for n in range(1, 4)])
        assert link.acknowledged == []
    assert link.acknowledged == [1, 2, 3]
    assert [sample.metrics["soc_temp_c"] for sample in history.samples] == [51, 52, 53]
    assert pipeline.pending == 0
    recovery = await ledger.recover()
    assert [device async for device, _ in recovery.memories] == ["cam-1"]


async def test_while_the_database_is_away_nothing_is_acknowledged_and_then_all_of_it_in_order() -> None:
    memory, ledger, link = fleet_of("cam-1"), FlakyLedger(away=3), Sender()
    pipeline = Pipeline(Digest(memory.fleet, memory.registered), ledger, memory, History(), SystemClock())
    async with running(pipeline):
        pipeline.take([message(report(1), link, 1)])
        await asyncio.sleep(0.15)
        assert link.acknowledged == []
        assert pipeline.counts.trouble == "the database is away"
        pipeline.take([message(report(2), link, 2)])
    assert link.acknowledged == [1, 2]
    assert pipeline.counts.retries == 3
    assert pipeline.counts.trouble == ""


class SlowLedger(FlakyLedger):
    """A ledger that takes its time with checkpoints, and is away for a moment in one."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.refusals = asyncio.Event(), 1

    async def stage(self, position: int, memories: Sequence[tuple[str, bytes]]) -> None:
        await self.gate.wait()
        if self.refusals:
            self.refusals -= 1
            raise ConnectionError("the database is away")
        await super().stage(position, memories)


async def test_messages_go_on_while_a_checkpoint_is_written_and_it_is_as_of_its_beginning() -> None:
    memory, ledger, link = fleet_of("cam-1", "cam-2"), SlowLedger(), Sender()
    clock = ManualClock(START)
    limits = Limits(checkpoint_messages=3)
    pipeline = Pipeline(Digest(memory.fleet, memory.registered), ledger, memory, History(), clock, limits=limits)

    async def arrive(seq: int) -> None:
        pipeline.take([message(report(seq, soc_temp_c=50.0 + seq), link, seq)])
        for _ in range(20):
            await asyncio.sleep(0)

    async with running(pipeline):
        for seq in range(1, 4):
            await arrive(seq)
        assert not pipeline.checkpoint.idle.is_set()
        began_at = len(ledger.effects)
        memory_then = {"cam-1": memory.fleet.save("cam-1")}
        await arrive(4)
        await arrive(5)
        assert link.acknowledged == [1, 2, 3, 4, 5]
        assert (await ledger.recover()).position == 0

        ledger.gate.set()
        for _ in range(3):
            clock.move(1.0)
            for _ in range(20):
                await asyncio.sleep(0)
        recovery = await ledger.recover()
        assert recovery.position <= began_at
        assert dict([kept async for kept in recovery.memories]) == memory_then
        assert pipeline.checkpoint.written == 1
    assert pipeline.checkpoint.written == 2
    assert dict([kept async for kept in (await ledger.recover()).memories])["cam-1"] == memory.fleet.save("cam-1")


async def test_a_full_window_says_stop_and_calls_back_when_there_is_room() -> None:
    memory, link = fleet_of("cam-1"), Sender()
    limits = Limits(window=10)
    pipeline = Pipeline(
        Digest(memory.fleet, memory.registered), FlakyLedger(), memory, History(), SystemClock(), limits=limits
    )
    called: list[int] = []
    assert not pipeline.take([message(report(n), link, n) for n in range(1, 11)])
    pipeline.when_room(lambda: called.append(pipeline.pending))
    async with running(pipeline):
        pass
    assert called == [0]


async def test_while_the_outbox_is_full_nothing_is_acknowledged() -> None:
    memory, history, link = fleet_of("cam-1"), History(), Sender()
    limits = Limits(tick_s=0.01)
    pipeline = Pipeline(
        Digest(memory.fleet, memory.registered), FlakyLedger(), memory, history, SystemClock(), limits=limits
    )
    history.full = True
    async with running(pipeline):
        pipeline.take([message(report(1), link, 1)])
        await asyncio.sleep(0.1)
        assert link.acknowledged == []
        history.full = False
        await asyncio.sleep(0.1)
        assert link.acknowledged == [1]


async def test_each_kind_of_bad_message_is_acknowledged_and_kept_with_its_reason_and_disturbs_nothing() -> None:
    memory, ledger, history, link = fleet_of("cam-1"), FlakyLedger(), History(), Sender()
    pipeline = Pipeline(Digest(memory.fleet, memory.registered), ledger, memory, history, SystemClock())
    bad = [
        (message(b"garbage", link, 1), RejectReason.NOT_JSON),
        (message(b'{"v":1}', link, 2), RejectReason.SCHEMA),
        (message(b"[" + b" " * 70_000 + b"]", link, 3), RejectReason.TOO_LARGE),
        (message(report(1), link, 4, channel="command"), RejectReason.UNKNOWN_TOPIC),
        (message(report(1), link, 5, device="stranger"), RejectReason.UNREGISTERED),
        (message(report(1), link, 6, device="", channel="zigbee2mqtt/lamp"), RejectReason.UNKNOWN_TOPIC),
        (message(b'{"v":1,"boot":1,"seq":1,"metrics":{"soc_temp_c":NaN}}', link, 7), RejectReason.SCHEMA),
        (message(b"x" * 20_000, link, 8, channel="update/status"), RejectReason.TOO_LARGE),
    ]
    async with running(pipeline):
        pipeline.take([*(inbound for inbound, _ in bad), message(report(1, soc_temp_c=50), link, 9)])
    assert link.acknowledged == list(range(1, 10))
    kept = await ledger.rejects(None, 100)
    assert sorted(reject.reason.value for reject in kept) == sorted(reason.value for _, reason in bad)
    assert all(reject.detail and "\n" not in reject.detail for reject in kept)
    assert [sample.device_id for sample in history.samples] == ["cam-1"]
    assert pipeline.counts.rejected["schema"] == 2


async def test_a_catch_up_array_keeps_its_good_reports_and_rejects_the_bad_one_alone() -> None:
    memory, ledger, history, link = fleet_of("cam-1"), FlakyLedger(), History(), Sender()
    pipeline = Pipeline(Digest(memory.fleet, memory.registered), ledger, memory, history, SystemClock())
    payload = b"[" + report(1, soc_temp_c=50) + b',{"v":1},' + report(2, soc_temp_c=51) + b"]"
    async with running(pipeline):
        pipeline.take([message(payload, link, 1)])
    assert len(history.samples) == 2
    assert [reject.detail for reject in await ledger.rejects("cam-1", 9)] == [
        "report 1 of the array: boot: Field required"
    ]


async def test_a_duplicate_changes_nothing_and_never_reaches_history() -> None:
    memory, history, link = fleet_of("cam-1"), History(), Sender()
    pipeline = Pipeline(Digest(memory.fleet, memory.registered), FlakyLedger(), memory, history, SystemClock())
    async with running(pipeline):
        pipeline.take([message(report(5, soc_temp_c=50), link, n) for n in (1, 2, 3)])
    assert len(history.samples) == 1
    assert link.acknowledged == [1, 2, 3]


steps = st.lists(
    st.tuples(
        st.sampled_from(["cam-1", "cam-2"]),
        st.integers(1, 2),
        st.integers(1, 12),
        st.floats(30, 120),
        st.floats(0, 400),
    ),
    max_size=60,
)


@given(rows=steps, cuts=st.sets(st.integers(0, 59)), checkpoint=st.integers(0, 60), batch=st.integers(1, 9))
@settings(max_examples=40)
def test_a_crash_at_any_point_leaves_the_same_memory_as_no_crash(
    rows: list[tuple[str, int, int, float, float]], cuts: set[int], checkpoint: int, batch: int
) -> None:
    """What a restarted gateway remembers is what it would remember had it not stopped."""

    async def run() -> None:
        ledger, link = FlakyLedger(), Sender()
        memory = fleet_of("cam-1", "cam-2")
        digest = Digest(memory.fleet, memory.registered)
        clock, at, position = ManualClock(START), START, 0
        waiting: list[Inbound] = []
        checkpointed = False
        for number, (device, boot, seq, value, wait) in enumerate(rows):
            at += wait
            waiting.append(message(report(seq, boot, soc_temp_c=value), link, device=device, at=at))
            if number in cuts and (ticked := digest.tick(at)):
                position = (await ledger.commit(ticked.effects)).position
            if len(waiting) >= batch or number == len(rows) - 1:
                position = (await ledger.commit(digest.batch(waiting, at).effects)).position
                waiting = []
                if number >= checkpoint and not checkpointed:
                    shared = memory.begin_checkpoint()
                    await ledger.checkpoint(position, memory.some_of_checkpoint(10**6), shared)
                    checkpointed = True
        crashed = fleet_of("cam-1", "cam-2")
        again = Digest(crashed.fleet, crashed.registered)
        reached, _ = await recover(ledger, crashed.fleet, again)
        assert reached == position
        for device in ("cam-1", "cam-2"):
            assert crashed.fleet.save(device) == memory.fleet.save(device)
        later = at + 4000.0
        assert list(crashed.fleet.tick(later)) == list(memory.fleet.tick(later))
        assert clock.now() == START

    asyncio.run(run())


async def test_history_read_back_from_the_journal_is_what_was_offered_after_the_commit() -> None:
    memory, ledger, history, link = fleet_of("cam-1"), FlakyLedger(), History(), Sender()
    pipeline = Pipeline(Digest(memory.fleet, memory.registered), ledger, memory, history, SystemClock())
    payload = b"[" + report(1, soc_temp_c=50) + b"," + report(1, soc_temp_c=50) + b"," + report(2, rssi_dbm=-60) + b"]"
    async with running(pipeline):
        pipeline.take([message(payload, link, 1), message(report(3, soc_temp_c=1e9), link, 2)])
    entries = await ledger.read_journal(0, 10**9)
    read = [sample for entry in entries for sample in journal.samples(entry, CATALOGUE.possible)]
    assert [(s.device_id, s.at, s.metrics) for s in read] == [(s.device_id, s.at, s.metrics) for s in history.samples]


class FastClock(SystemClock):
    """Two hundred seconds a second."""

    def __init__(self) -> None:
        self._began = super().now()

    def now(self) -> float:
        return START + (super().now() - self._began) * 200

    def monotonic(self) -> float:
        return self.now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 200)


async def test_our_own_outage_opens_no_ticket_about_a_devices_silence() -> None:
    """The database is away for longer than the timeout; one device's messages wait with us, the other's elsewhere."""
    memory, ledger, link, clock = fleet_of("cam-1", "cam-2"), FlakyLedger(), Sender(), FastClock()
    pipeline = Pipeline(Digest(memory.fleet, memory.registered), ledger, memory, History(), clock)
    async with running(pipeline):
        pipeline.take([message(report(1), link, n, device=f"cam-{n}", at=clock.now()) for n in (1, 2)])
        await asyncio.sleep(0.2)
        ledger.away = 60  # 0.1 s doubling to 5 s: almost five minutes
        pipeline.take([message(report(2), link, 3, device="cam-2", at=clock.now())])
        while ledger.away:
            pipeline.take([message(report(3 + ledger.away), link, 4, device="cam-2", at=clock.now())])
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.1)  # twenty seconds of ticks before the broker delivers the rest
        pipeline.take([message(report(2), link, 5, device="cam-1", at=clock.now())])
        await asyncio.sleep(0.1)
    scopes = [change.scope.value for effects in ledger.effects for change in effects.changes]
    assert not {"device", "site"} & set(scopes)


async def test_a_device_that_stays_silent_after_our_outage_still_gets_its_ticket() -> None:
    memory, ledger, link, clock = fleet_of("cam-1"), FlakyLedger(), Sender(), FastClock()
    pipeline = Pipeline(Digest(memory.fleet, memory.registered), ledger, memory, History(), clock)
    async with running(pipeline):
        pipeline.take([message(report(1), link, 1, at=clock.now())])
        for _ in range(200):
            await asyncio.sleep(0.05)
            if any(effects.changes for effects in ledger.effects):
                break
    opened = [change for effects in ledger.effects for change in effects.changes]
    assert opened
