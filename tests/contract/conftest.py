"""Each contract suite runs on every adapter: memory, SQLite, a real PostgreSQL."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from gateway.storage.database import open_database
from gateway.storage.schema import metadata
from tests.parts.postgresql import PostgreSql
from tests.parts.stores import Stores, memory_stores, sql_stores, sqlite_stores


@pytest.fixture(scope="session")
def one_database(postgresql: PostgreSql) -> str:
    """Emptied before each test: making one and its schema takes PostgreSQL most of a second."""
    return postgresql.new_database()


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with its schema and nothing else, to copy."""
    folder = tmp_path_factory.mktemp("schema")

    async def make() -> None:
        async with sqlite_stores(folder):
            pass

    with ThreadPoolExecutor(1) as elsewhere:  # this thread may have a loop that runs
        elsewhere.submit(asyncio.run, make()).result()
    return folder / "siaga.db"


def empty(connection: Connection) -> None:
    for table in reversed(metadata.sorted_tables):
        if table.name != "counters":
            connection.execute(table.delete())
    connection.execute(text("UPDATE counters SET value = CASE name WHEN 'ticket' THEN 1000 ELSE 0 END"))


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    match request.param:
        case "memory":
            yield memory_stores()
        case "sqlite":
            shutil.copy(request.getfixturevalue("empty_file"), tmp_path / "siaga.db")
            async with sqlite_stores(tmp_path) as opened:
                yield opened
        case _:
            url: str = request.getfixturevalue("one_database")
            async with open_database(url) as database:
                await database.transact(empty)
                yield sql_stores(database)
