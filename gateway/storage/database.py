"""One relational database, SQLite or PostgreSQL, used synchronously off the event loop.

Does: threads, transactions, retries, reconnecting, one readable line when it is away. Leaves what is stored to its
siblings: every transaction is a function of the connection that runs to its end on the one writer thread, so an adapter
is plain synchronous SQL and commits never interleave. Reads have threads of their own and never wait behind a commit.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError

from gateway.storage.engines import (
    CommitUncertain,
    DatabaseAway,
    DatabaseUnusable,
    Durability,
    OutdatedSchema,
    explain,
    parse_url,
    reader_engine,
    writer_engine,
)
from gateway.storage.migrations import migrate

__all__ = [
    "CommitUncertain",
    "Database",
    "DatabaseAway",
    "DatabaseUnusable",
    "Durability",
    "OutdatedSchema",
    "open_database",
]

T = TypeVar("T")

READERS = 3
ATTEMPTS = 8
# PostgreSQL: serialization failure, deadlock, and a unique key that someone else took after we looked. In each case a
# second run of the same function sees the other's commit and decides anew.
AGAIN = frozenset({"40001", "40P01", "23505"})
READ_ONLY = "25006"  # a PostgreSQL that became a standby


class Database:
    """An open database whose schema is current. Made by `open_database`."""

    def __init__(self, where: str, writer: Engine, reader: Engine) -> None:
        self.where = where
        self.dialect = writer.dialect.name
        self._writer_engine = writer
        self._reader_engine = reader
        self._writer = ThreadPoolExecutor(1, "siaga-writer")
        self._readers = ThreadPoolExecutor(READERS, "siaga-reader")
        self._connection: Connection | None = None  # the writer thread's alone
        self._write_failed = False

    async def transact(self, work: Callable[[Connection], T], *, serializable: bool = False) -> T:
        """Run `work` in one durable transaction and return what it returned.

        It may run more than once (each time from a clean transaction) when PostgreSQL asks for that, so it must have no
        effect but on the connection and its result. DatabaseAway when the store is away: nothing took effect;
        CommitUncertain when it went away during the commit itself. What `work` raises rolls back and comes out.
        """
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._transact, work, serializable)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a snapshot of the committed state. It cannot write. DatabaseAway when the store is away."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def ready(self) -> None:
        """Answer within a second or raise DatabaseAway. After a failed write it tries a write, not only a read."""
        try:
            async with asyncio.timeout(1.0):
                await self.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())
                if self._write_failed:
                    await self.transact(_probe)
        except TimeoutError:
            raise DatabaseAway(f"{self.where}: no answer within a second") from None

    async def close(self) -> None:
        """Finish what was asked for, then let go of every connection."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._writer, self._drop)
        await loop.run_in_executor(self._readers, self._reader_engine.dispose)
        self._writer.shutdown()
        self._readers.shutdown()
        self._reader_engine.dispose()
        self._writer_engine.dispose()

    def _transact(self, work: Callable[[Connection], T], serializable: bool) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                result = self._once(work, serializable)
            except DBAPIError as error:
                if attempt < ATTEMPTS and _state(error) in AGAIN:
                    time.sleep(random.uniform(0.0, 0.002 * 2**attempt))
                    continue
                if attempt == 1 and error.connection_invalidated:
                    continue  # the kept connection had died meanwhile: one new connection before giving up
                raise self._judged(error) from error
            except OSError:
                self._write_failed = True
                raise
            self._write_failed = False
            return result

    def _once(self, work: Callable[[Connection], T], serializable: bool) -> T:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._writer_engine.connect()
        try:
            transaction = connection.begin()
            if serializable and self.dialect == "postgresql":
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            result = work(connection)
        except BaseException:
            self._roll_back()
            raise
        try:
            transaction.commit()
        except DBAPIError as error:
            if _state(error) in AGAIN:
                raise  # PostgreSQL has rolled back
            self._drop()  # SQLAlchemy holds it for over, SQLite may not: a new connection knows of nothing
            if isinstance(error, IntegrityError):
                raise  # refused for certain, and a fault of ours
            raise CommitUncertain(f"{self.where}: {explain(error)} (during a commit)") from error
        return result

    def _roll_back(self) -> None:
        """Leave the connection clean, or drop it when it cannot be cleaned."""
        connection = self._connection
        if connection is None:
            return
        try:
            connection.rollback()
        except DBAPIError:
            self._drop()
            return
        if connection.invalidated:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError):
                connection.close()

    def _read(self, work: Callable[[Connection], T]) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                with self._reader_engine.connect() as connection:
                    return work(connection)
            except DBAPIError as error:
                if attempt == 1 and error.connection_invalidated:
                    continue
                raise _away(self.where, error) from error

    def _judged(self, error: DBAPIError) -> Exception:
        judged = _away(self.where, error)
        self._write_failed = isinstance(judged, OSError)
        return judged


@asynccontextmanager
async def open_database(
    url: str, *, durability: Durability = Durability.POWER_CUT, upgrade: bool = True
) -> AsyncIterator[Database]:
    """Connect, bring the schema up to date and hold the database open.

    DatabaseAway (an OSError): it cannot be reached now, try again. DatabaseUnusable: wrong URL, file or schema, or
    (with `upgrade` False) a schema that is behind; waiting will not help.
    """
    parsed = parse_url(url)
    where = parsed.render_as_string(hide_password=True).replace("+psycopg", "")
    database = Database(where, writer_engine(parsed, durability), reader_engine(parsed, READERS))
    try:
        await database.transact(lambda connection: migrate(connection, where, upgrade=upgrade))
        yield database
    finally:
        await database.close()


def _probe(connection: Connection) -> None:
    connection.execute(text("UPDATE counters SET value = value + 1 WHERE name = 'probe'"))


def _state(error: DBAPIError) -> str | None:
    state: Any = getattr(error.orig, "sqlstate", None)
    return state if isinstance(state, str) else None


def _away(where: str, error: DBAPIError) -> Exception:
    """What the caller gets: the world's fault as DatabaseAway, ours as it is."""
    said = explain(error)
    if "not a database" in said or "malformed" in said:
        return DatabaseUnusable(f"{where}: {said}: restore it from a backup or point the database url elsewhere")
    worldly = isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated
    if worldly or _state(error) == READ_ONLY:
        return DatabaseAway(f"{where}: {said}")
    return error
