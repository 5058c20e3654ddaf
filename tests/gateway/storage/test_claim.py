"""One gateway at a time on a database: who comes second waits, and takes over when the first is gone."""

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest

from gateway.clock import ManualClock, SystemClock
from gateway.opening import opened_database
from gateway.settings import Settings
from gateway.storage.claim import LOOK_S, Superseded, Taken, claimed
from gateway.storage.database import DatabaseAway, DatabaseUnusable
from tests.parts.mosquitto import free_port
from tests.parts.postgresql import PostgreSql


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/deep/er/siaga.db"
    server: PostgreSql = request.getfixturevalue("postgresql")
    return server.new_database()


async def test_a_second_gateway_on_a_database_is_told_so(url: str) -> None:
    async with claimed(url):
        with pytest.raises(Taken, match="another gateway runs on it; waiting for it to end"):
            async with claimed(url):
                pass
    async with claimed(url):
        pass  # free again


async def test_a_killed_gateway_leaves_no_claim_behind(url: str) -> None:
    program = (
        "import asyncio, sys\n"
        "from gateway.storage.claim import claimed\n"
        "async def hold():\n"
        "    async with claimed(sys.argv[1]):\n"
        "        print('held', flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(hold())\n"
    )
    holder = await asyncio.create_subprocess_exec(sys.executable, "-c", program, url, stdout=asyncio.subprocess.PIPE)
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    with pytest.raises(Taken):
        async with claimed(url):
            pass
    holder.kill()
    await holder.wait()
    await _free(url)


async def _free(url: str) -> None:
    """Return once nobody has the claim."""
    async with asyncio.timeout(20):
        while True:
            try:
                async with claimed(url):
                    return
            except DatabaseAway:
                await asyncio.sleep(0.05)


async def test_who_comes_second_waits_and_takes_over(url: str, tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {"data_dir": str(tmp_path), "database": {"url": url}, "http": {"host": "127.0.0.1", "port": free_port()}}
    )
    async with AsyncExitStack() as second, asyncio.timeout(20):
        async with claimed(url):
            waiting = asyncio.create_task(opened_database(second, settings, SystemClock()))
            await asyncio.sleep(0.3)
            assert not waiting.done()
        database, _ = await waiting
        await database.ready()


async def test_a_wrong_address_is_no_reason_to_wait() -> None:
    with pytest.raises(DatabaseUnusable, match="not supported"):
        async with claimed("mysql://root@host/x"):
            pass


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "siaga.db-running").mkdir()
    with pytest.raises(DatabaseAway, match=r"siaga\.db-running: unable to open"):
        async with claimed(f"sqlite:///{tmp_path}/siaga.db"):
            pass


def _sessions(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return [pid for (pid,) in rows.fetchall()]


def _end(url: str, pid: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", (pid,))


async def _looked(clock: ManualClock) -> None:
    """Let the claim be looked at once."""
    await asyncio.sleep(0.05)
    clock.move(LOOK_S)
    await asyncio.sleep(0.3)


@pytest.mark.real
async def test_a_claim_that_broke_is_taken_anew(postgresql: PostgreSql) -> None:
    url, clock = postgresql.new_database(), ManualClock(0.0)
    async with claimed(url) as claim:
        keeping = asyncio.create_task(claim.keep(clock))
        (first,) = _sessions(url)
        await _looked(clock)
        assert _sessions(url) == [first]
        _end(url, first)
        for _ in range(2):
            await _looked(clock)
        assert len(_sessions(url)) == 1
        assert _sessions(url) != [first]
        keeping.cancel()


@pytest.mark.real
async def test_a_gateway_whose_claim_another_has_taken_ends(postgresql: PostgreSql) -> None:
    url, clock = postgresql.new_database(), ManualClock(0.0)
    async with claimed(url) as claim:
        await asyncio.sleep(0)
        _end(url, _sessions(url)[0])
        await _free(url)
        async with claimed(url):
            keeping = asyncio.create_task(claim.keep(clock))
            await _looked(clock)
            with pytest.raises(Superseded, match="another gateway took over while the database was away"):
                await keeping


@pytest.mark.real
async def test_a_claim_waits_for_its_database_to_come_back(postgresql: PostgreSql) -> None:
    url, clock = postgresql.new_database(), ManualClock(0.0)
    async with claimed(url) as claim:
        keeping = asyncio.create_task(claim.keep(clock))
        postgresql.stop()
        try:
            for _ in range(2):
                await _looked(clock)
            assert not keeping.done()
        finally:
            postgresql.start()
        async with asyncio.timeout(20):
            while not _sessions(url):
                await _looked(clock)
        keeping.cancel()
