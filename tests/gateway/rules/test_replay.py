"""Other rules in the middle of the journal: whatever is killed, a replay judges each report by its time's rules."""

import asyncio
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnostics.engine import Engine
from diagnostics.fleet import Fleet
from diagnostics.topology import Device
from gateway.clock import ManualClock
from gateway.ingest.digest import Digest
from gateway.ingest.recovery import recover
from gateway.live import FleetMemory, sealed, unsealed
from gateway.ports.ingest import Inbound
from gateway.rules.engines import Engines
from gateway.rules.follow import RuleFollower
from gateway.rules.part import message
from gateway.storage.memory import MemoryDownlinkOutbox, MemoryLedger
from tests.gateway.rules.desks import CATALOGUE, HOTTER, NOW, Room

DEVICES = [Device(f"cam-{number}", "camera", "m", f"site-{number}") for number in range(4)]
RULES = (HOTTER, HOTTER.replace("limit = 83", "limit = 60").replace("clear = 70", "clear = 55"))
VERSION = re.compile(r"version = \d+")
# A value that one device or (above 70) each reports, or an edition that somebody makes, a checkpoint, a tick.
STEPS = st.lists(
    st.one_of(st.floats(40, 95), st.sampled_from(["edition", "watch", "back", "save", "tick"])), max_size=30
)


class Gate:
    """One life of a gateway over a ledger and a book that outlive it."""

    def __init__(self, room: Room, ledger: MemoryLedger, engines: Engines) -> None:
        self.room, self.ledger, self.engines = room, ledger, engines
        self.memory = FleetMemory(Fleet(Engine(engines(0).rules, CATALOGUE), DEVICES, NOW), engines)
        self.memory.registered = {device.device_id for device in DEVICES}
        self.digest = Digest(self.memory.fleet, self.memory.registered, self.memory.adopt)
        self.position = 0
        self.memory.fleet._handover.a_tick = 1

    async def tick(self, at: float) -> None:
        digested = self.digest.tick(at) or self.digest.batch([], at)  # an idle tick is kept with the next entry
        self.position = (await self.ledger.commit(digested.effects)).position

    async def tell(self, messages: list[Inbound], at: float) -> None:
        done = await self.ledger.commit(self.digest.batch(messages, at).effects)
        self.position = done.position

    async def save(self) -> None:
        shared = self.memory.begin_checkpoint()
        await self.ledger.checkpoint(self.position, self.memory.some_of_checkpoint(10**6), shared)

    def state(self) -> list[object]:
        kept = [self.memory.fleet.save(device.device_id).partition(b"{") for device in DEVICES]
        kept = [(head, json.loads(b"{" + rest) if rest else 0) for head, _, rest in kept]
        return [self.memory.edition, self.memory.save_shared(), *kept]


async def live(steps: list[object]) -> None:
    room = Room()
    first = await room.start()
    ledger = MemoryLedger(room.tickets, MemoryDownlinkOutbox(), lambda _: 0.0)
    engines = Engines(room.desk.rules_of(first), CATALOGUE)
    engines.learn([first])
    gate = Gate(room, ledger, engines)
    await gate.tell([message(1, NOW)], NOW)
    for number, step in enumerate(steps, 1):
        at = NOW + 60.0 * number
        newest = await room.desk.newest()
        if step == "save":
            await gate.save()
        elif step == "tick":
            await gate.tick(at)
        elif isinstance(step, float):
            body = json.dumps({"v": 1, "boot": 1, "seq": number, "metrics": {"soc_temp_c": step}}).encode()
            heard = DEVICES if step > 70 else DEVICES[:1]
            sent = [Inbound(device.device_id, "telemetry", body, at, gate, 0) for device in heard]  # type: ignore[arg-type]
            await gate.tell(sent, at)
        else:
            try:
                if step == "edition":
                    text = VERSION.sub(f"version = {number + 9}", RULES[number % 2])
                    made = await room.desk.activate(text, 0, "dewi", "", at)
                elif step == "watch":
                    made = await room.desk.watch("hot", 0, "dewi", "", at)
                else:
                    made = await room.desk.roll_back(1, "", 0, "dewi", "", at)
            except ValueError:
                made = newest
            if made.number != newest.number:
                engines.learn([made])
                await gate.tell([message(made.number, at)], at)
        # Killed here, another life must be where this one is.
        after_engines = Engines(engines(0).rules, CATALOGUE)
        after = Gate(room, ledger, after_engines)
        known, _ = unsealed((await ledger.recover()).shared)
        after_engines.learn(await room.book.since(min(known)))
        await recover(ledger, after.memory, after.digest)
        assert after.state() == gate.state()


@given(STEPS)
@settings(max_examples=15)
def test_a_kill_anywhere_around_an_activation_replays_to_the_same_memory(steps) -> None:
    asyncio.run(live(steps))


def test_a_checkpoint_says_the_edition_it_belongs_to_and_older_ones_are_read() -> None:
    assert unsealed(sealed((11, 12), b'{"v":1}\n')) == ((11, 12), b'{"v":1}\n')
    assert unsealed(b'R12\n{"v":1}') == ((12,), b'{"v":1}')
    assert unsealed(sealed((0,), b'{"v":1}')) == ((0,), b'{"v":1}')
    assert unsealed(b"") == ((0,), b"")


async def test_without_a_rule_book_an_edition_is_refused_in_one_line() -> None:
    fleet = Fleet(Engine(Room().desk.rules_of(await Room().start()), CATALOGUE), DEVICES, NOW)
    with pytest.raises(ValueError, match="no rule book"):
        FleetMemory(fleet).adopt(3, NOW)
    with pytest.raises(ValueError, match="no rule book"):
        Digest(fleet, ()).batch([message(3, NOW)], NOW)


async def test_a_gateway_follows_the_book_and_tells_the_pipeline_of_each_edition_once() -> None:
    room, told = Room(), []
    first = await room.start()
    engines = Engines(room.desk.rules_of(first), CATALOGUE)
    follower = RuleFollower(room.book, engines, told.append, message, ManualClock(NOW))
    follower.tell(first)
    follower.tell(first)
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(follower.run())
        await room.desk.activate(HOTTER, 1, "dewi", "", NOW)
        follower.wake()
        for _ in range(5):
            await asyncio.sleep(0)
        following.cancel()
    assert [batch[0].payload for batch in told] == [b"1", b"2"]
    assert engines(2).rules.by_name()["hot"].version == 2
    assert replace(first, number=1) == first
