"""The database as operators meet it: wrong, away, busy, full, newer; and as its callers meet it: all or nothing."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from gateway.storage.database import (
    READERS,
    CommitUncertain,
    Database,
    DatabaseAway,
    DatabaseUnusable,
    Durability,
    open_database,
)
from gateway.storage.schema import metadata
from tests.parts.postgresql import PostgreSql


def count(connection: Connection) -> int:
    return int(connection.execute(text("SELECT value FROM counters WHERE name = 'probe'")).scalar_one())


def increase(connection: Connection) -> int:
    connection.execute(text("UPDATE counters SET value = value + 1 WHERE name = 'probe'"))
    return count(connection)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/deep/er/siaga.db"
    server: PostgreSql = request.getfixturevalue("postgresql")
    return server.new_database()


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with open_database(url) as opened:
        yield opened


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "database url '' is not a URL"),
        ("siaga.db", "database url 'siaga.db' is not a URL"),
        ("secret:hunter2@host", "database url 'host' is not a URL"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("mysql://root@host/x", "'mysql' is not supported: use sqlite:///file or postgresql://host/name"),
    ],
)
async def test_a_wrong_url_is_one_line(url: str, said: str) -> None:
    with pytest.raises(DatabaseUnusable, match=said) as refused:
        async with open_database(url):
            pass
    assert "\n" not in str(refused.value)
    assert "hunter2" not in str(refused.value)


async def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "siaga.db").write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(DatabaseUnusable, match=r"siaga\.db: file is not a database"):
        async with open_database(f"sqlite:///{tmp_path}/siaga.db"):
            pass


async def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseAway, match=r"database directory .*/file/x: Not a directory"):
        async with open_database(f"sqlite:///{tmp_path}/file/x/siaga.db"):
            pass


async def test_a_server_that_is_away_at_the_start_is_one_line_without_the_password() -> None:
    with pytest.raises(DatabaseAway, match=r"127\.0\.0\.1:1/siaga: .*refused") as refused:
        async with open_database("postgresql://siaga:hunter2@127.0.0.1:1/siaga"):
            pass
    assert "\n" not in str(refused.value)
    assert "hunter2" not in str(refused.value)


async def test_the_migrations_make_exactly_the_schema(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    assert await database.read(differences) == []


async def test_a_second_opening_finds_the_schema_current(url: str) -> None:
    async with open_database(url) as database:
        await database.transact(increase)
    async with open_database(url, upgrade=False) as database:
        assert await database.read(count) == 1


async def test_an_empty_database_is_not_touched_when_upgrading_is_forbidden(url: str) -> None:
    with pytest.raises(DatabaseUnusable, match=r"schema empty is behind .*, and upgrading it is forbidden"):
        async with open_database(url, upgrade=False):
            pass


async def test_a_schema_of_a_newer_program_is_refused(url: str) -> None:
    async with open_database(url) as database:
        await database.transact(lambda c: c.execute(text("UPDATE alembic_version SET version_num = 'f00d'")).close())
    with pytest.raises(DatabaseUnusable, match="a newer Siaga wrote schema revision 'f00d': upgrade this one"):
        async with open_database(url):
            pass


async def test_tables_of_others_are_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE invoices (id INTEGER)")
    other.close()
    with pytest.raises(DatabaseUnusable, match=r"has tables \(invoices, \.\.\.\) but no schema revision"):
        async with open_database(f"sqlite:///{tmp_path}/other.db"):
            pass


async def test_a_transaction_is_all_or_nothing(database: Database) -> None:
    def fail(connection: Connection) -> None:
        increase(connection)
        raise LookupError("halfway")

    with pytest.raises(LookupError, match="halfway"):
        await database.transact(fail)
    assert await database.read(count) == 0
    assert await database.transact(increase) == 1
    assert await database.read(count) == 1


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises((DBAPIError, DatabaseAway), match=r"(?i)read-?only"):
        await database.read(increase)
    assert await database.read(count) == 0


async def test_a_fault_of_ours_stays_what_it_is(database: Database) -> None:
    with pytest.raises(DBAPIError):
        await database.transact(lambda c: c.execute(text("INSERT INTO counters VALUES ('probe', 1)")).close())
    assert await database.transact(increase) == 1


async def test_pages_are_read_while_a_transaction_is_open(database: Database) -> None:
    entered, leave = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(connection: Connection) -> None:
        increase(connection)
        loop.call_soon_threadsafe(entered.set)
        assert leave.wait(10)

    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(database.transact(slow))
        await entered.wait()
        assert await database.read(count) == 0
        leave.set()
        await writing
    assert await database.read(count) == 1


async def test_two_gateways_on_one_database_lose_no_increment(url: str) -> None:
    async with open_database(url) as one, open_database(url) as other, asyncio.TaskGroup() as tasks:
        for database in (one, other):
            for serializable in (False, True):
                tasks.create_task(many(database, 15, serializable=serializable))
    async with open_database(url) as database:
        assert await database.read(count) == 60


async def many(database: Database, times: int, *, serializable: bool) -> None:
    def read_then_write(connection: Connection) -> None:
        lock = " FOR UPDATE" if database.dialect == "postgresql" and not serializable else ""
        value = connection.execute(text(f"SELECT value FROM counters WHERE name = 'probe'{lock}")).scalar_one()
        connection.execute(text("UPDATE counters SET value = :v WHERE name = 'probe'"), {"v": value + 1})

    for _ in range(times):
        await database.transact(read_then_write, serializable=serializable)


async def test_a_full_disk_is_away_and_back_without_a_restart(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path}/siaga.db", durability=Durability.PROCESS_CRASH) as database:
        await database.transact(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 1").close())

        def fill(connection: Connection) -> None:
            connection.execute(text("INSERT INTO journal_readers VALUES (:name, 1)"), {"name": "x" * 500_000})

        with pytest.raises(DatabaseAway, match=r"siaga\.db: database or disk is full"):
            await database.transact(fill)
        await database.transact(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 1000000").close())
        await database.transact(fill)
        await database.ready()


async def test_a_file_locked_by_another_program_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.storage.engines.BUSY_S", 0.05)
    async with open_database(f"sqlite:///{tmp_path}/siaga.db") as database:
        other = sqlite3.connect(tmp_path / "siaga.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseAway, match="database is locked"):
            await database.transact(increase)
        with pytest.raises(DatabaseAway, match="database is locked"):
            await database.ready()
        assert await database.read(count) == 0
        other.execute("COMMIT")
        other.close()
        await database.ready()
        assert await database.transact(increase) >= 1


async def test_a_refusal_at_the_commit_is_certain_and_a_fault_of_ours(tmp_path: Path) -> None:
    def orphan(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.execute(text("INSERT INTO sites VALUES ('s', 'nobody', 'S', 'UTC')"))

    async with open_database(f"sqlite:///{tmp_path}/siaga.db") as database:
        with pytest.raises(IntegrityError, match="FOREIGN KEY"):
            await database.transact(orphan)
        assert await database.transact(increase) == 1


async def test_a_store_that_does_not_answer_is_not_ready(tmp_path: Path) -> None:
    leave = threading.Event()
    async with open_database(f"sqlite:///{tmp_path}/siaga.db") as database, asyncio.TaskGroup() as tasks:
        for _ in range(READERS):
            tasks.create_task(database.read(lambda _: leave.wait(10)))
        await asyncio.sleep(0)
        with pytest.raises(DatabaseAway, match="no answer within a second"):
            await database.ready()
        leave.set()


async def test_what_is_missing_on_the_machine_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.storage.engines.OLDEST_SQLITE", (99, 0, 0))
    with pytest.raises(DatabaseUnusable, match=r"SQLite 3\..* is too old"):
        async with open_database(f"sqlite:///{tmp_path}/siaga.db"):
            pass
    monkeypatch.setattr("gateway.storage.engines.find_spec", lambda _: None)
    with pytest.raises(DatabaseUnusable, match=r'PostgreSQL needs its driver: pip install "siaga\[postgresql\]"'):
        async with open_database("postgresql://siaga@127.0.0.1:1/siaga"):
            pass


def cut(url: str, pid: int) -> None:
    """What an administrator, a fail-over or a firewall does to a connection."""
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def backend(connection: Connection) -> int:
    return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


@pytest.mark.real
async def test_a_connection_cut_while_idle_is_replaced_unnoticed(postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    async with open_database(url) as database:
        cut(url, await database.transact(backend))
        assert await database.transact(increase) == 1
        cut(url, await database.read(backend))
        assert await database.read(count) == 1


@pytest.mark.real
async def test_a_connection_cut_at_the_commit_leaves_its_outcome_unknown(postgresql: PostgreSql) -> None:
    url = postgresql.new_database()

    def increase_and_lose(connection: Connection) -> None:
        increase(connection)
        cut(url, backend(connection))

    async with open_database(url) as database:
        with pytest.raises(CommitUncertain, match=r"\(during a commit\)$") as said:
            await database.transact(increase_and_lose)
        assert "\n" not in str(said.value)
        assert await database.transact(increase) == 1
        await database.ready()


@pytest.mark.real
async def test_a_connection_that_is_cut_each_time_is_away(postgresql: PostgreSql) -> None:
    url = postgresql.new_database()

    def lose(connection: Connection) -> None:
        cut(url, backend(connection))
        increase(connection)

    async with open_database(url) as database:
        with pytest.raises(DatabaseAway, match="terminating connection"):
            await database.transact(lose)
        assert await database.transact(increase) == 1
