"""Each contract suite runs on every adapter: memory, SQLite, a real PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.parts.postgresql import PostgreSql
from tests.parts.stores import Stores, memory_stores, postgresql_stores, sqlite_stores


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    match request.param:
        case "memory":
            yield memory_stores()
        case "sqlite":
            async with sqlite_stores(tmp_path) as opened:
                yield opened
        case _:
            server: PostgreSql = request.getfixturevalue("postgresql")
            async with postgresql_stores(server.new_database()) as opened:
                yield opened
