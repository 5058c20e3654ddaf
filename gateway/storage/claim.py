"""One gateway at a time on a database: two would judge every report twice, and forget each other's.

The claim is a lock that ends with its process, however that ends: in PostgreSQL an advisory lock of a session, beside
SQLite a file that is held open. Commands that look at the database need none.
"""

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Protocol

from sqlalchemy import URL, Connection, NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from gateway.clock import Clock, every
from gateway.storage.engines import DatabaseAway, connect_args, explain, parse_url, prepare_directory

LOCK = 0x5369616761
"""The advisory lock's number: "Siaga"."""
LOOK_S = 5.0
_GONE = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
"""A server forgets a machine that vanished, and its lock, after 25 seconds instead of two hours."""


_END_OURS = """
SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s AND application_name = %s
"""


class Taken(DatabaseAway):
    """Another gateway runs on the database."""


class Superseded(OSError):
    """The claim was lost while the database was away, and another gateway has it now."""


class Claim(Protocol):
    """The right to run on a database."""

    async def keep(self, clock: Clock) -> None:
        """Look after it for as long as the gateway runs. Superseded when another has it."""


class _File:
    """Beside a SQLite file. The system gives it back with the process, so there is nothing to look after."""

    def __init__(self, url: URL, where: str) -> None:
        prepare_directory(url)
        with ExitStack() as unless_held:
            try:
                self._held = sqlite3.connect(f"{url.database}-running", timeout=0, isolation_level=None)
                unless_held.callback(self._held.close)
                self._held.execute("PRAGMA locking_mode=EXCLUSIVE")
                self._held.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if "locked" in str(error):
                    raise Taken(_taken(where)) from None
                raise DatabaseAway(f"{where}-running: {error}") from None
            unless_held.pop_all()

    async def keep(self, clock: Clock) -> None:
        """Nothing to do."""

    def release(self) -> None:
        self._held.close()


class _Session:
    """An advisory lock of PostgreSQL on a connection of its own."""

    def __init__(self, url: URL, where: str) -> None:
        self._where = where
        arguments = connect_args(url)
        self._name = f"siaga {secrets.token_hex(8)}"
        arguments |= {"options": f"{arguments['options']} {_GONE}", "application_name": self._name}
        self._engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=arguments)
        self._connection: Connection | None = None

    def take(self) -> None:
        """DatabaseAway if another gateway has it, or nobody answers."""
        try:
            connection = self._engine.connect()
            try:
                if connection.exec_driver_sql("SELECT pg_try_advisory_lock(%s)", (LOCK,)).scalar():
                    self._connection = connection
                    return
                # What is left of a session of ours that broke: the server may not know yet.
                ours = connection.exec_driver_sql(_END_OURS, (LOCK >> 32, LOCK & 0xFFFFFFFF, self._name)).scalar()
            finally:
                if self._connection is not connection:
                    connection.close()
        except DBAPIError as error:
            raise DatabaseAway(f"{self._where}: {explain(error)}") from error
        raise DatabaseAway(f"{self._where}: ending a session of ours") if ours else Taken(_taken(self._where))

    async def keep(self, clock: Clock) -> None:
        """Ask every few seconds whether the session lives; take the lock anew when the database is back."""
        async for _ in every(clock, LOOK_S):
            await asyncio.to_thread(self._look)

    def _look(self) -> None:
        if self._connection is not None:
            try:
                self._connection.exec_driver_sql("SELECT 1")
            except DBAPIError:
                self.drop()
            else:
                return
        try:
            self.take()
        except Taken:
            raise Superseded(f"{self._where}: another gateway took over while the database was away") from None
        except DatabaseAway:
            return  # looked at again

    def drop(self) -> None:
        """End the session, and with it the lock."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError):
                connection.close()


def _taken(where: str) -> str:
    return f"{where}: another gateway runs on it; waiting for it to end"


@asynccontextmanager
async def claimed(url: str) -> AsyncIterator[Claim]:
    """Hold the claim on a database. DatabaseAway (an OSError) while another gateway has it: try again.

    DatabaseUnusable: the URL is wrong.
    """
    parsed = parse_url(url)
    where = parsed.render_as_string(hide_password=True).replace("+psycopg", "")
    if parsed.get_backend_name() == "sqlite":
        file = _File(parsed, where)
        try:
            yield file
        finally:
            file.release()
        return
    session = _Session(parsed, where)
    await asyncio.to_thread(session.take)
    try:
        yield session
    finally:
        await asyncio.to_thread(session.drop)
