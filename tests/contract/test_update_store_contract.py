"""The update store in SQL, held to its contract, and its guards under two gateways."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from gateway.storage.database import open_database
from gateway.storage.updates import SqlUpdateStore
from tests.contract.conftest import empty
from tests.contract.update_store import UpdateStoreContract

EVERYWHERE = ["sqlite", pytest.param("postgresql", marks=pytest.mark.real)]


@pytest.fixture(params=EVERYWHERE)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    file = f"sqlite:///{tmp_path}/siaga.db"
    return file if request.param == "sqlite" else str(request.getfixturevalue("one_database"))


class TestSqlUpdateStore(UpdateStoreContract):
    @pytest.fixture
    async def store(self, url: str) -> AsyncIterator[SqlUpdateStore]:
        async with open_database(url) as database:
            await database.transact(empty)
            with database._writer_engine.connect() as connection, connection.begin() as transaction:
                yield SqlUpdateStore(connection)
                transaction.rollback()


async def test_two_gateways_never_pass_a_cap_that_each_looks_at_first(url: str) -> None:
    def grant(connection: Connection) -> bool:
        store = SqlUpdateStore(connection)
        if store.counts(["risk:site:shop"])[0] >= 3:
            return False
        store.add("risk:site:shop", 1)
        return True

    async with open_database(url) as one, open_database(url) as other:
        await one.transact(empty)
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(database.transact(grant, serializable=True)) for database in (one, other) * 8]
        assert sum(task.result() for task in asked) == 3
        assert await one.read(lambda connection: SqlUpdateStore(connection).counts(["risk:site:shop"])) == (3,)
