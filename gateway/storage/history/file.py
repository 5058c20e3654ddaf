"""The SQLite file of the embedded history: its tables, its transactions, and its errors as OSError."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.ports.history import HistoryAway
from gateway.storage.history.block import Table, encode_block
from gateway.storage.history.merge import Span
from gateway.storage.history.rollup import encode_rollups

RAW = 0
"""The tier of samples; a rollup's tier is its width in milliseconds."""
FORMAT = 2
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE loose (id INTEGER PRIMARY KEY, device TEXT NOT NULL, first_ms INTEGER NOT NULL, rows INTEGER NOT NULL,
                    data BLOB NOT NULL);
CREATE INDEX loose_device ON loose (device);
CREATE TABLE block (device TEXT NOT NULL, tier INTEGER NOT NULL, first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,
                    rows INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (device, tier, first_ms));
CREATE INDEX block_age ON block (tier, last_ms);
CREATE TABLE shape (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE);
CREATE TABLE latest (device TEXT NOT NULL, shape INTEGER NOT NULL, at_ms INTEGER NOT NULL, written INTEGER NOT NULL,
                     data BLOB NOT NULL, PRIMARY KEY (device, shape)) WITHOUT ROWID;
"""


_DAMAGED = "it is damaged; restore it from a backup, or move it away and a new one is begun (siaga doctor looks closer)"
_ADVICE = {
    sqlite3.SQLITE_BUSY: "it is in use; another gateway runs on this data_dir",
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
}


class HistoryFile:
    """One open file, used from one thread. Invariant: between calls no transaction is open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=2.0)
        except sqlite3.Error as error:
            raise HistoryAway(f"history file {path}: {error}") from error
        try:
            with self._errors():
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        run = self._connection.execute
        run("PRAGMA auto_vacuum=INCREMENTAL")
        run("PRAGMA locking_mode=EXCLUSIVE")  # the tail in memory has one owner
        run("PRAGMA journal_mode=WAL")
        run("PRAGMA wal_autocheckpoint=2000")
        run("BEGIN IMMEDIATE")
        (version,) = run("PRAGMA user_version").fetchone()
        if version == 0:
            for statement in _SCHEMA.split(";"):
                run(statement)
            run(f"PRAGMA user_version={FORMAT}")
        run("COMMIT")
        if version not in (0, FORMAT):
            raise HistoryAway(
                f"history file {self.path} has format {version}, this program writes {FORMAT}: upgrade Siaga or move it"
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.ProgrammingError:
            raise  # ours, not the disk's
        except sqlite3.Error as error:
            said = _ADVICE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, str(error))
            raise HistoryAway(f"history file {self.path}: {said}") from error

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """All statements within take effect, or none; then they survive the power too, not only the process.

        `durable` False is for moving rows that are already safe: should the power fail, the move may be undone, and
        the rows are where they were.
        """
        with self._errors():
            self._connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def run(self, statement: str, *parameters: Any) -> int:
        """One statement; how many rows it changed."""
        with self._errors():
            return self._connection.execute(statement, parameters).rowcount

    def run_many(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """One statement for each row."""
        with self._errors():
            self._connection.executemany(statement, rows)

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._errors():
            return self._connection.execute(statement, parameters).fetchall()

    def rows_named(self, statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        """All rows of a query with named parameters."""
        with self._errors():
            return self._connection.execute(statement, parameters).fetchall()

    def number(self, statement: str, *parameters: Any) -> int:
        """The one number of a query (0 for none)."""
        found = self.rows(statement, *parameters)
        return int(found[0][0] or 0) if found else 0

    def meta(self, name: str) -> int:
        """A number kept by name (0 if it never was)."""
        return self.number("SELECT value FROM meta WHERE name = ?", name)

    def set_meta(self, name: str, value: int) -> None:
        """Keep a number by name."""
        self.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", name, value)

    def shape_id(self, names: tuple[str, ...]) -> int:
        """The number of a tuple of metric names, made if new."""
        text = json.dumps(names, separators=(",", ":"))
        self.run("INSERT OR IGNORE INTO shape (names) VALUES (?)", text)
        return self.number("SELECT id FROM shape WHERE names = ?", text)

    def spans(self, device: str, low_ms: int, high_ms: int) -> list[Span]:
        """Raw blocks that touch [low, high], and the one before, in order."""
        before = self.rows(
            "SELECT max(first_ms) FROM block WHERE device = ? AND tier = ? AND first_ms <= ?", device, RAW, low_ms
        )[0][0]
        found = self.rows(
            "SELECT first_ms, last_ms, rows FROM block WHERE device = ? AND tier = ? AND first_ms BETWEEN ? AND ?"
            " ORDER BY first_ms",
            *(device, RAW, low_ms if before is None else before, high_ms),
        )
        return [Span(*row) for row in found]

    def block(self, device: str, tier: int, first_ms: int) -> bytes | None:
        """A block's bytes, or None if it is not (or no longer) there."""
        query = "SELECT data FROM block WHERE device = ? AND tier = ? AND first_ms = ?"
        found = self.rows(query, device, tier, first_ms)
        return bytes(found[0][0]) if found else None

    def delete_block(self, device: str, first_ms: int) -> None:
        """A block with its rollups."""
        self.run("DELETE FROM block WHERE device = ? AND first_ms = ?", device, first_ms)

    def write_block(self, device: str, table: Table, rollups: Sequence[int]) -> None:
        """A block and its rollups."""
        data, decimals = encode_block(table)
        first, last, count = int(table.times[0]), int(table.times[-1]), len(table.times)
        tiers = [(device, RAW, first, last, count, data)]
        coarse = encode_rollups(table, decimals, rollups)
        tiers += [(device, width, first, last, 0, rollup) for width, rollup in zip(rollups, coarse, strict=True)]
        self.run_many("INSERT INTO block VALUES (?, ?, ?, ?, ?, ?)", tiers)

    def used_bytes(self) -> int:
        """Pages in use, in bytes (free pages are used again or given back to the disk)."""
        pages = self.number("PRAGMA page_count") - self.number("PRAGMA freelist_count")
        return pages * self.number("PRAGMA page_size")

    def give_back(self, pages: int) -> None:
        """Return up to so many free pages to the disk."""
        with self._errors():  # as a script: run as a statement it stops after the first page
            self._connection.executescript(f"PRAGMA incremental_vacuum({pages})")

    def close(self) -> None:
        """Give the file up."""
        self._connection.close()
