"""The ledger when things go wrong: commits of unknown outcome, half a checkpoint, kill -9, a server that goes away."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from gateway.ports.ledger import DeviceMessage, JournalEntry
from gateway.storage.database import CommitUncertain, Database, DatabaseAway, Durability, open_database
from gateway.storage.ledger import SqlLedger
from gateway.storage.registry import SqlRegistry
from gateway.storage.subject import Handled
from tests.parts.postgresql import PostgreSql
from tests.parts.stores import NOW, batch, change, register, sql_stores, time_to_act


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite:///{tmp_path}/siaga.db") as opened:
        yield opened


class BreakingDatabase(Database):
    """Loses the answer of its next commit: after the commit took effect, or before."""

    breaks: str = ""

    def _once(self, work, serializable):  # type: ignore[no-untyped-def]
        how, self.breaks = self.breaks, ""
        if how == "before":
            self._roll_back()
            work_result: list[object] = []

            def then_fail(connection: Connection) -> None:
                work_result.append(work(connection))
                raise OperationalError("COMMIT", {}, Exception("server closed the connection"))

            try:
                super()._once(then_fail, serializable)
            except OperationalError as error:
                raise CommitUncertain("server closed the connection (during a commit)") from error
        result = super()._once(work, serializable)
        if how == "after":
            raise CommitUncertain("server closed the connection (during a commit)")
        return result


@pytest.mark.parametrize("lost", ["before", "after"])
async def test_a_commit_of_unknown_outcome_has_its_effects_once(database: Database, lost: str) -> None:
    database.__class__ = BreakingDatabase
    assert isinstance(database, BreakingDatabase)
    stores = sql_stores(database)
    await register(stores.registry)
    effects = batch(change(), messages=[DeviceMessage("cam-1", "event", b"hello", NOW)])
    database.breaks = lost
    with pytest.raises(CommitUncertain, match="closed the connection"):
        await stores.ledger.commit(effects)
    committed = await stores.ledger.commit(effects)
    assert (committed.downlink, committed.notifications, len(committed.tickets)) == (True, True, 1)
    assert len(await stores.ledger.read_journal(0, 1_000_000)) == 1
    assert len(await stores.downlink.pending(10)) == 1
    assert await stores.notifications.waiting() == 1
    await stores.ledger.commit(batch())
    assert len(await stores.ledger.read_journal(0, 1_000_000)) == 2


async def test_a_checkpoint_that_breaks_in_its_middle_leaves_the_one_before_it_whole(database: Database) -> None:
    ledger = sql_stores(database).ledger
    devices = [f"cam-{n:04}" for n in range(2500)]
    await ledger.checkpoint(10, [(device, b"old") for device in devices], b"old")
    await database.transact(
        lambda c: c.exec_driver_sql(
            "CREATE TRIGGER trip BEFORE INSERT ON device_memory WHEN NEW.device_id = 'cam-1500' AND NEW.as_of = 20 "
            "BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
        ).close()
    )
    with pytest.raises(Exception, match="disk I/O error"):
        await ledger.checkpoint(20, [(device, b"new") for device in devices], b"new")
    recovery = await ledger.recover()
    assert (recovery.position, recovery.shared) == (10, b"old")
    assert {memory async for memory in recovery.memories} == {(device, b"old") for device in devices}
    await database.transact(lambda c: c.exec_driver_sql("DROP TRIGGER trip").close())
    await ledger.checkpoint(30, [(device, b"new") for device in devices[:2]], b"new")
    recovery = await ledger.recover()
    memories = dict([memory async for memory in recovery.memories])
    assert (recovery.position, len(memories), memories[devices[0]]) == (30, 2500, b"new")


async def test_commits_go_on_while_a_large_checkpoint_is_written(database: Database) -> None:
    ledger = sql_stores(database).ledger
    order: list[str] = []

    async def checkpoint() -> None:
        await ledger.checkpoint(1, [(f"cam-{n:05}", b"x" * 200) for n in range(10_000)], b"")
        order.append("checkpoint")

    async def commit() -> None:
        for _ in range(5):
            await ledger.commit(batch())
        order.append("commits")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(checkpoint())
        tasks.create_task(commit())
    assert order == ["commits", "checkpoint"]


async def test_an_unregistered_reader_holds_nothing_back(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path}/siaga.db") as database:
        ledger = sql_stores(database, readers=()).ledger
        for _ in range(3):
            last = await ledger.commit(batch())
        await ledger.checkpoint(last.position, [], b"")
        assert [entry.position for entry in await ledger.read_journal(0, 1_000_000)] == [last.position]


async def test_the_disk_that_a_backlog_took_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.storage.journal.SPARE_PAGES", 100)
    async with open_database(f"sqlite:///{tmp_path}/siaga.db", durability=Durability.PROCESS_CRASH) as database:
        ledger = sql_stores(database).ledger

        async def pages() -> int:
            return await database.read(lambda c: int(c.exec_driver_sql("PRAGMA page_count").scalar_one()))

        empty = await pages()
        for _ in range(160):
            last = await ledger.commit(batch(journal=bytes(100_000)))
        assert await pages() > empty + 160 * 24
        await ledger.checkpoint(last.position, [], b"")
        await ledger.advance("history", last.position)
        assert await pages() < empty + 2500
        assert (await ledger.commit(batch())).position == last.position + 1


COMMIT_FOR_EVER = """
import asyncio, sys
from gateway.ports.ledger import Effects, JournalKind
from gateway.storage.database import open_database
from gateway.storage.ledger import SqlLedger

async def main():
    async with open_database(sys.argv[1]) as database:
        ledger = SqlLedger(database, lambda fault_class: 0.0)
        number = int(sys.argv[2])
        while True:
            await ledger.commit(Effects(JournalKind.BATCH, 0.0, 1, str(number).encode() * 1000))
            print(number, flush=True)
            number += 1

asyncio.run(main())
"""


def numbers(entries: Sequence[JournalEntry]) -> list[int]:
    return [int(entry.payload[: len(entry.payload) // 1000]) for entry in entries]


def commit_until_killed(url: str, number: int, answers: int) -> int:
    """Start a process that commits numbers, kill it after so many answers; the last number it answered for."""
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", COMMIT_FOR_EVER, url, str(number)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as process:
        assert process.stdout is not None
        answered = [int(process.stdout.readline()) for _ in range(answers)]
        process.send_signal(signal.SIGKILL)
        return [*answered, *map(int, process.stdout.read().split())][-1]


async def test_a_killed_process_loses_nothing_that_it_had_answered_for(tmp_path: Path) -> None:
    url, number = f"sqlite:///{tmp_path}/siaga.db", 0
    for answers in (1, 7, 20):
        answered = await asyncio.to_thread(commit_until_killed, url, number, answers)
        async with open_database(url) as database:
            kept = numbers(await sql_stores(database).ledger.read_journal(0, 100_000_000))
        assert kept == list(range(len(kept)))  # in order, none twice, none missing
        assert answered < len(kept) <= answered + 2
        number = len(kept)


@pytest.mark.real
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
async def test_a_server_that_goes_away_under_load_loses_nothing(postgresql: PostgreSql, how: signal.Signals) -> None:
    """Two gateways commit; the server stops or crashes and comes back; each batch is in the journal once."""
    url = postgresql.new_database()
    down, stop = asyncio.Event(), asyncio.Event()

    async def gateway(name: str, ledger: SqlLedger) -> int:
        sent = 0
        while not stop.is_set():
            effects = batch(change(scope_id=f"cam-{sent % 3}"), journal=f"{name}-{sent}".encode())
            while True:
                try:
                    await ledger.commit(effects)
                    break
                except OSError as error:
                    assert "\n" not in str(error)
                    down.set()
                    await asyncio.sleep(0.01)
            sent += 1
        return sent

    async with open_database(url) as one, open_database(url) as other:
        ledgers = [SqlLedger(database, time_to_act) for database in (one, other)]
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(gateway(name, ledger)) for name, ledger in zip("ab", ledgers, strict=True)]
            for _ in range(2):
                await asyncio.sleep(0.3)
                down.clear()
                await asyncio.to_thread(postgresql.stop, how)
                await down.wait()
                with pytest.raises(DatabaseAway):
                    await one.ready()
                await asyncio.to_thread(postgresql.start)
            await asyncio.sleep(0.3)
            stop.set()
        entries = await ledgers[0].read_journal(0, 100_000_000)
        while more := await ledgers[0].read_journal(entries[-1].position, 100_000_000):
            entries = [*entries, *more]
        await one.ready()
        tickets = await one.read(lambda c: c.execute(text("SELECT key FROM tickets")).scalars().all())
    for name, task in zip("ab", running, strict=True):
        kept = [entry.payload.decode() for entry in entries if entry.payload.startswith(name.encode())]
        assert kept == [f"{name}-{number}" for number in range(task.result())]
    assert len(tickets) == len(set(tickets)) == 3


async def tickets_by_two_gateways(url: str) -> list[tuple[str, int]]:
    """Both say the same of the same devices at the same moment."""
    async with open_database(url) as one, open_database(url) as other:
        await register(SqlRegistry(one))
        ledgers = [SqlLedger(database, time_to_act, say_nothing) for database in (one, other)]

        async def gateway(number: int, ledger: SqlLedger) -> None:
            for n in range(15):
                begin = NOW + n
                opened = [change(scope_id=f"cam-{device}", rule=f"hot-{number}@1", since=begin) for device in range(4)]
                asked = [DeviceMessage("cam-0", "update/request", b"may I?", begin)] * (n % 2)  # serialisable
                await ledger.commit(batch(*opened, at=begin, messages=asked))

        async with asyncio.TaskGroup() as tasks:
            for number, ledger in enumerate(ledgers):
                tasks.create_task(gateway(number, ledger))
        return await one.read(
            lambda c: [tuple(row) for row in c.execute(text("SELECT key, episodes FROM tickets ORDER BY key"))]
        )


def say_nothing(_c: Connection, _m: Sequence[DeviceMessage], _now: float) -> Handled:
    return Handled()


EXPECTED = [(f"device:cam-{device}:SENSOR_HOT", 30) for device in range(4)]


async def test_two_gateways_on_one_file_open_one_ticket_a_key(tmp_path: Path) -> None:
    assert await tickets_by_two_gateways(f"sqlite:///{tmp_path}/siaga.db") == EXPECTED


@pytest.mark.real
async def test_two_gateways_on_one_server_open_one_ticket_a_key(postgresql: PostgreSql) -> None:
    assert await tickets_by_two_gateways(postgresql.new_database()) == EXPECTED


@pytest.mark.real
async def test_two_customers_clicks_report_one_problem_once(postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    async with open_database(url) as one, open_database(url) as other:
        stores = [sql_stores(one), sql_stores(other)]
        await register(stores[0].registry)
        async with asyncio.TaskGroup() as tasks:
            reports = [
                tasks.create_task(stores[n % 2].tickets.report_problem("toko", "cam-1", "picture", str(n), NOW))
                for n in range(20)
            ]
        assert len({task.result().ticket_id for task in reports}) == 1
        history = await stores[0].tickets.history(reports[0].result().ticket_id)
        assert sorted(line.text for line in history) == sorted(str(n) for n in range(20))
