"""Engines: what a database URL means, and how SQLite and PostgreSQL are set so that a commit is a commit.

Decides pragmas and connection options; leaves threads, transactions and retries to database.py.
"""

import sqlite3
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

BUSY_S = 5.0  # how long one process waits for another's commit on the same SQLite file
CONNECT_S = 5
_FILE = ("auto_vacuum=INCREMENTAL", "journal_mode=WAL")  # the first before there is a table, so that it can shrink
_USE = "use sqlite:///file or postgresql://host/name"
OLDEST_SQLITE = (3, 35, 0)  # RETURNING


class DatabaseAway(OSError):
    """The store cannot answer now (stopped, unreachable, locked, disk full). One readable line; try again later."""


class CommitUncertain(DatabaseAway):
    """The store went away while it committed: the transaction may or may not have taken effect."""


class DatabaseUnusable(ValueError):
    """The URL, file or schema is wrong and waiting will not help. One line that says where and what to do."""


class OutdatedSchema(DatabaseUnusable):
    """An older program made the schema, or nobody yet: a start brings it up to date."""


class Durability(Enum):
    """What a SQLite commit survives. PostgreSQL follows its server's `synchronous_commit`."""

    POWER_CUT = "FULL"  # the log is flushed to the disk at each commit
    PROCESS_CRASH = "NORMAL"  # kill -9 loses nothing; a power cut may lose the last commits (never consistency)


def parse_url(text: str) -> URL:
    """A URL that Siaga supports, its driver filled in. DatabaseUnusable otherwise."""
    try:
        url = make_url(text)
    except ArgumentError:
        shown = text.rpartition("@")[2]
        raise DatabaseUnusable(f"database url {shown!r} is not a URL: {_USE}") from None
    match url.get_backend_name():
        case "sqlite":
            if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
                raise DatabaseUnusable("database url names no file: use sqlite:///path/to/siaga.sqlite")
            if sqlite3.sqlite_version_info < OLDEST_SQLITE:
                raise DatabaseUnusable(f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or newer is needed")
            return url.set(drivername="sqlite")
        case "postgresql":
            if find_spec("psycopg") is None:
                raise DatabaseUnusable('PostgreSQL needs its driver: pip install "siaga[postgresql]"')
            return url.set(drivername="postgresql+psycopg")
        case other:
            raise DatabaseUnusable(f"database url: {other!r} is not supported: {_USE}")


def writer_engine(url: URL, durability: Durability) -> Engine:
    """The engine whose one connection the writer thread keeps. SQLite transactions take the write lock at once."""
    engine = create_engine(url, poolclass=NullPool, connect_args=connect_args(url))
    if engine.dialect.name == "sqlite":
        prepare_directory(url)
        _sqlite(engine, "BEGIN IMMEDIATE", (*_FILE, f"synchronous={durability.value}", "foreign_keys=ON"))
    return engine


def reader_engine(url: URL, connections: int) -> Engine:
    """The engine of the reader threads: snapshots that neither wait for a commit nor can write."""
    engine = create_engine(
        url, poolclass=QueuePool, pool_size=connections, max_overflow=0, connect_args=connect_args(url)
    )
    if engine.dialect.name == "sqlite":
        _sqlite(engine, "BEGIN", ("query_only=ON",))
        return engine
    return engine.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")


def explain(error: DBAPIError) -> str:
    """The first line of what the driver said."""
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__


def connect_args(url: URL) -> dict[str, Any]:
    """What a connection is made with."""
    if url.get_backend_name() == "sqlite":
        # isolation_level None: the driver starts no transactions of its own, so BEGIN is ours (see _sqlite).
        return {"check_same_thread": False, "isolation_level": None, "timeout": BUSY_S}
    asked = url.query.get("options", "")
    return {
        "connect_timeout": CONNECT_S,
        "application_name": "siaga",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
        "options": f"{asked} -c idle_in_transaction_session_timeout=30000",
    }


def prepare_directory(url: URL) -> None:
    """Make the folder of a SQLite file. DatabaseAway if that cannot be."""
    directory = Path(url.database or "").parent
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseAway(f"database directory {directory}: {error.strerror}") from None


def _sqlite(engine: Engine, begin: str, pragmas: tuple[str, ...]) -> None:
    # A 16 MiB log before it is folded back: large batches would otherwise fold (and flush) every few commits.
    settings = (*pragmas, "wal_autocheckpoint=4000", "secure_delete=FAST", "temp_store=MEMORY", "cache_size=-16000")

    @event.listens_for(engine, "connect")
    def _set(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in settings:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)
