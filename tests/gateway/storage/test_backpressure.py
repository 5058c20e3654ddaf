"""A full outbox: nothing is acknowledged, one incident says so, and everything goes on by itself when there is room."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from diagnostics.catalogue import load_catalogue
from diagnostics.engine import Engine
from diagnostics.fleet import Fleet
from diagnostics.rule_file import load_default_rules
from gateway import metrics
from gateway.clock import SystemClock
from gateway.ingest import journal
from gateway.ingest.digest import Digest
from gateway.ingest.pipeline import Limits as Window
from gateway.ingest.pipeline import Pipeline
from gateway.ingest.recovery import recover
from gateway.live import FleetMemory, resume_hearing
from gateway.ports.history import HistoryAway, Sample
from gateway.ports.ingest import Inbound
from gateway.ports.registry import RegisteredDevice
from gateway.serving import flowing
from gateway.storage.database import Database, Durability, open_database
from gateway.storage.forwarder import Forwarder, Limits, Pace
from gateway.storage.history_memory import MemoryHistory
from gateway.storage.ledger import SqlLedger
from gateway.storage.schema.tickets import tickets
from tests.parts.stores import time_to_act

CATALOGUE = load_catalogue()
INCIDENT = "gateway:gateway:F40"


class AwayHistory(MemoryHistory):
    """A store that can be away."""

    away = False

    async def append(self, position: int, samples: Sequence[Sample]) -> int:
        if self.away:
            raise HistoryAway("the store is away")
        return await super().append(position, samples)


class Gateway:
    """Everything between a message and its store, small and quick; the ledger is SQLite. Also the devices' link."""

    def __init__(self, database: Database, history: AwayHistory) -> None:
        self.clock, self.history, self.database = SystemClock(), history, database
        self.ledger = SqlLedger(database, time_to_act)
        self.memory = FleetMemory(Fleet(Engine(load_default_rules(CATALOGUE), CATALOGUE), (), self.clock.now()))
        self.memory.put(RegisteredDevice("cam-1", "Door", "camera", "C200", "shop"))
        self.acknowledged: list[int] = []
        self.sent = 0
        pace = Pace(linger_seconds=0.01, first_wait_seconds=0.05, longest_wait_seconds=0.1, measure_seconds=0.05)
        unpack = partial(journal.samples, possible=CATALOGUE.possible)
        self.forwarder = Forwarder(self.ledger, history, unpack, self.clock, pace=pace, limits=Limits(max_bytes=20_000))
        digest = Digest(self.memory.fleet, self.memory.registered)
        self.digest = digest
        self.pipeline = Pipeline(
            digest, self.ledger, self.memory, self.forwarder, self.clock, limits=Window(batch=20, tick_s=0.02)
        )

    def acknowledge(self, receipts: Sequence[int]) -> None:
        self.acknowledged += receipts

    def send(self, count: int) -> None:
        made = []
        for _ in range(count):
            self.sent += 1
            at = self.clock.now()
            body = json.dumps({"v": 1, "boot": 1, "seq": self.sent, "metrics": {"soc_temp_c": 50}}).encode()
            made.append(Inbound("cam-1", "telemetry", body, at, self, self.sent))
        self.pipeline.take(made)

    async def send_until_full(self) -> None:
        self.history.away = True
        async with asyncio.timeout(60):
            while not self.forwarder.full:
                self.send(10)
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # what was under way is committed

    async def incidents(self) -> list[tuple[str, str, str]]:
        """Key, state and the evidence's sentence of every ticket."""
        found = await self.database.read(
            lambda c: c.execute(select(tickets.c.key, tickets.c.state, tickets.c.evidence)).all()
        )
        return [(key, state, json.loads(evidence)["note"]) for key, state, evidence in found]

    async def until_incident(self, *states: str) -> None:
        """Until there is one incident, in one of these states."""

        async def so() -> bool:
            found = await self.incidents()
            return len(found) == 1 and found[0][0] == INCIDENT and found[0][1] in states

        await until(so)

    async def until_all_is_stored(self) -> None:
        async def so() -> bool:
            return len(await self.history.raw("cam-1", "soc_temp_c", 0, 9e9, 10**6)) >= self.sent

        await until(so)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 - a database has no event for it
            await asyncio.sleep(0.02)


def figure(gateway: Gateway, name: str) -> float:
    families = [
        *metrics.outflow_metrics(gateway.forwarder, gateway.history, 0.0),
        *metrics.fleet_metrics(gateway.memory),
    ]
    return next(sample.value for family in families for sample in family.samples if sample.name == name)


@asynccontextmanager
async def running(folder: Path, history: AwayHistory) -> AsyncIterator[Gateway]:
    async with open_database(f"sqlite:///{folder}/siaga.db", durability=Durability.PROCESS_CRASH) as database:
        gateway = Gateway(database, history)
        gateway.pipeline._position, _ = await recover(gateway.ledger, gateway.memory.fleet, gateway.digest)
        await resume_hearing(
            gateway.memory, gateway.forwarder, gateway.pipeline.hearing, gateway.clock, by_ourselves=True
        )
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(gateway.forwarder.run()), group.create_task(gateway.pipeline.run())]
            yield gateway
            for task in tasks:
                task.cancel()


async def test_a_full_outbox_stops_acknowledging_says_so_and_recovers_by_itself(tmp_path: Path) -> None:
    history = AwayHistory()
    async with running(tmp_path, history) as gateway:
        await gateway.send_until_full()
        acknowledged = len(gateway.acknowledged)
        gateway.send(30)
        await asyncio.sleep(0.2)
        assert len(gateway.acknowledged) == acknowledged < gateway.sent
        with pytest.raises(OSError, match="outbox is full"):
            await flowing(gateway.forwarder)
        await gateway.until_incident("new")
        assert [note for *_, note in await gateway.incidents()] == [
            "The outbox is full: telemetry waits for the history store."
        ]
        assert (figure(gateway, "siaga_outbox_full"), figure(gateway, "siaga_blind")) == (1.0, 1.0)

        history.away = False
        await gateway.until_all_is_stored()
        await gateway.until_incident("solved")
        await flowing(gateway.forwarder)
        assert sorted(gateway.acknowledged) == list(range(1, gateway.sent + 1))
        assert (figure(gateway, "siaga_outbox_full"), figure(gateway, "siaga_blind")) == (0.0, 0.0)


async def test_an_outbox_that_fills_again_and_again_is_one_incident(tmp_path: Path) -> None:
    history = AwayHistory()
    async with running(tmp_path, history) as gateway:
        for _ in range(3):
            await gateway.send_until_full()
            await gateway.until_incident("new", "open")
            history.away = False
            await gateway.until_all_is_stored()
            await gateway.until_incident("solved")
        assert len(await gateway.incidents()) == 1


async def test_a_gateway_killed_while_its_outbox_was_full_hears_again_after_its_start(tmp_path: Path) -> None:
    history = AwayHistory()
    async with running(tmp_path, history) as gateway:
        await gateway.send_until_full()
        await gateway.until_incident("new")
        sent = gateway.sent
    history.away = False
    async with running(tmp_path, history) as again:
        assert again.memory.told_deaf
        await again.until_incident("solved")
        assert not again.memory.told_deaf
        again.sent = sent
        again.send(1)

        async def acknowledged() -> bool:
            return again.acknowledged == [sent + 1]

        await until(acknowledged)
