"""The journal in SQL: append under a lock, read in order, delete what everybody has passed.

Positions have no gaps and appear in the order in which they commit, also with several gateways on one PostgreSQL: a
reader that has seen position n has seen everything before it.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, func, select

from gateway.ports.ledger import Backlog, Effects, JournalEntry, JournalKind
from gateway.storage.schema.journal import checkpoint, journal, journal_readers

SPARE_PAGES = 16_384  # 64 MiB of free pages are kept for the batches to come
GIVE_BACK_PAGES = 1024  # at a time, so that commits are not held up
PRUNE_ENTRIES = 64  # entries deleted in one transaction, so that commits are not held up

# The hot path: one statement, written out, so that nothing is compiled or looked up per batch.
_APPEND = """
INSERT INTO journal (position, kind, at, count, size, bytes_total, payload) VALUES (
  1 + coalesce((SELECT position FROM journal ORDER BY position DESC LIMIT 1), 0), {0}, {0}, {0}, {0},
  {0} + coalesce((SELECT bytes_total FROM journal ORDER BY position DESC LIMIT 1), 0), {0})
RETURNING position
"""
_APPEND_SQL = {"sqlite": _APPEND.format("?"), "postgresql": _APPEND.format("%s")}

_SIZES = (
    select(journal.c.position, journal.c.size)
    .where(journal.c.position > bindparam("after"))
    .order_by(journal.c.position)
    .limit(1000)
)
_ENTRIES = (
    select(journal.c.position, journal.c.kind, journal.c.at, journal.c.count, journal.c.payload)
    .where(journal.c.position > bindparam("after"), journal.c.position <= bindparam("up_to"))
    .order_by(journal.c.position)
)


def lock(connection: Connection) -> None:
    """Let the gateways on one PostgreSQL commit one after the other. SQLite's write lock already does.

    It must be the transaction's first statement: unlike an advisory lock, LOCK TABLE is taken before the snapshot, so a
    serialisable transaction that had to wait sees what the one before it did.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE journal_turn IN EXCLUSIVE MODE")


def append(connection: Connection, effects: Effects) -> int:
    """Add the entry and return its position. `lock` comes first."""
    size = len(effects.journal)
    row = (effects.kind.value, effects.at, effects.count, size, size, effects.journal)
    position: int = connection.exec_driver_sql(_APPEND_SQL[connection.dialect.name], row).scalar_one()
    return position


def holds(connection: Connection, position: int, effects: Effects) -> bool:
    """Whether the entry at that position is this batch: the witness after a commit of unknown outcome."""
    row = connection.execute(_ENTRIES, {"after": position - 1, "up_to": position}).one_or_none()
    return row is not None and row.at == effects.at and bytes(row.payload) == effects.journal


def read(connection: Connection, after: int, max_bytes: int) -> Sequence[JournalEntry]:
    """The next entries, at least one if there is one, until `max_bytes` are reached."""
    up_to, total = None, 0
    for position, size in connection.execute(_SIZES, {"after": after}):
        total += size
        if up_to is not None and total > max_bytes:
            break
        up_to = position
    if up_to is None:
        return ()
    rows = connection.execute(_ENTRIES, {"after": after, "up_to": up_to})
    return [JournalEntry(p, JournalKind(kind), at, count, bytes(payload)) for p, kind, at, count, payload in rows]


def cursor(connection: Connection, reader: str) -> int:
    """Where that reader is; 0 for a new one."""
    found = select(journal_readers.c.position).where(journal_readers.c.reader == reader)
    return connection.execute(found).scalar() or 0


def move(connection: Connection, reader: str, position: int) -> None:
    """Move the reader forward (never back: a late answer of a slow store changes nothing)."""
    lock(connection)
    before = connection.execute(
        select(journal_readers.c.position).where(journal_readers.c.reader == reader)
    ).scalar_one_or_none()
    if before is None:
        connection.execute(journal_readers.insert().values(reader=reader, position=position))
    elif before < position:
        connection.execute(journal_readers.update().where(journal_readers.c.reader == reader).values(position=position))


def prune(connection: Connection, readers: Sequence[str]) -> bool:
    """Delete some entries that all readers and the checkpoint have passed. True: there may be more to delete.

    The newest entry stays, because the next position and the running sum of bytes come from it.
    """
    cursors: dict[str, int] = {
        row.reader: row.position
        for row in connection.execute(select(journal_readers).where(journal_readers.c.reader.in_(readers)))
    }
    kept_from = connection.execute(select(checkpoint.c.position)).scalar() or 0
    passed = min([kept_from, *(cursors.get(reader, 0) for reader in readers)])
    newest = select(func.max(journal.c.position)).scalar_subquery()
    doomed = (
        connection.execute(
            select(journal.c.position)
            .where(journal.c.position <= passed, journal.c.position < newest)
            .order_by(journal.c.position)
            .limit(PRUNE_ENTRIES)
        )
        .scalars()
        .all()
    )
    if doomed:
        connection.execute(delete(journal).where(journal.c.position <= doomed[-1]))
        _give_back(connection)
    return len(doomed) == PRUNE_ENTRIES


def _give_back(connection: Connection) -> None:
    """Return some disk that a long backlog took. PostgreSQL does so by itself; SQLite keeps free pages for ever."""
    if connection.dialect.name == "sqlite":
        free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
        if free > SPARE_PAGES:
            # The driver steps such a statement once, which frees one page, however many are asked for.
            execute = connection.connection.cursor().execute
            for _ in range(GIVE_BACK_PAGES):
                execute("PRAGMA incremental_vacuum")


def backlog(connection: Connection, reader: str) -> Backlog:
    """How far behind a reader is, from the first and the last entry alone."""
    ahead = select(journal.c.position, journal.c.at, journal.c.size, journal.c.bytes_total).where(
        journal.c.position > cursor(connection, reader)
    )
    first = connection.execute(ahead.order_by(journal.c.position).limit(1)).one_or_none()
    last = connection.execute(ahead.order_by(journal.c.position.desc()).limit(1)).one_or_none()
    if first is None or last is None:
        return Backlog(0, 0, None)
    return Backlog(last.position - first.position + 1, last.bytes_total - first.bytes_total + first.size, first.at)
