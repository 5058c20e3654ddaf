"""Checkpoints of rule memory in SQL: written in chunks so that commits are not held up, and yet whole or not at all.

Each memory is kept with the position of its checkpoint. Until that position is recorded, which happens last, the rows
of the checkpoint before it are the ones that count; then they are deleted. So a crash anywhere leaves a whole one.
"""

from collections.abc import AsyncIterator, Sequence

from sqlalchemy import Connection, Delete, bindparam, delete, func, select

from gateway.storage.database import Database
from gateway.storage.schema.journal import checkpoint, device_memory
from gateway.storage.upsert import upsert

CHUNK = 1000

_OLDER = delete(device_memory).where(
    device_memory.c.device_id == bindparam("device"), device_memory.c.as_of < bindparam("position")
)


async def stage(
    database: Database, position: int, memories: Sequence[tuple[str, bytes]]
) -> AsyncIterator[Sequence[str]]:
    """Write memories of the checkpoint to come; yields the devices of each chunk. Raises DatabaseAway."""
    for start in range(0, len(memories), CHUNK):
        chunk = memories[start : start + CHUNK]
        rows = [{"device_id": device, "as_of": position, "memory": memory} for device, memory in chunk]
        await database.transact(lambda connection, rows=rows: upsert(connection, device_memory, rows))  # type: ignore[misc]
        yield [device for device, _ in chunk]


async def complete(database: Database, position: int, shared: bytes, staged: Sequence[Sequence[str]]) -> None:
    """From now on the checkpoint at that position counts. Raises DatabaseAway; the one before it then still holds."""
    row = {"id": 1, "position": position, "shared": shared}
    await database.transact(lambda connection: upsert(connection, checkpoint, [row]))
    for chunk in staged:
        old = [{"device": device, "position": position} for device in chunk]
        await database.transact(lambda connection, old=old: _run(connection, _OLDER, old))  # type: ignore[misc]


def _run(connection: Connection, statement: Delete, rows: Sequence[dict[str, object]]) -> None:
    connection.execute(statement, rows)


async def load(database: Database) -> tuple[int, bytes, AsyncIterator[tuple[str, bytes]]]:
    """The position, the shared memory and a stream of the devices' memories of the last whole checkpoint."""
    row = await database.read(lambda connection: connection.execute(select(checkpoint)).one_or_none())
    position, shared = (row.position, bytes(row.shared)) if row else (0, b"")
    return position, shared, _stream(database, position)


async def _stream(database: Database, position: int) -> AsyncIterator[tuple[str, bytes]]:
    after = ""
    while chunk := await database.read(lambda connection, after=after: _chunk(connection, position, after)):  # type: ignore[misc]
        for device_id, memory in chunk:
            yield device_id, memory
        after = chunk[-1][0]


def _chunk(connection: Connection, position: int, after: str) -> list[tuple[str, bytes]]:
    """The next devices in id order, each with its newest memory that is not newer than the checkpoint."""
    newest = (
        select(device_memory.c.device_id, func.max(device_memory.c.as_of).label("as_of"))
        .where(device_memory.c.device_id > after, device_memory.c.as_of <= position)
        .group_by(device_memory.c.device_id)
        .order_by(device_memory.c.device_id)
        .limit(CHUNK)
        .subquery()
    )
    rows = connection.execute(
        select(device_memory.c.device_id, device_memory.c.memory)
        .join(newest, (newest.c.device_id == device_memory.c.device_id) & (newest.c.as_of == device_memory.c.as_of))
        .order_by(device_memory.c.device_id)
    )
    return [(device_id, bytes(memory)) for device_id, memory in rows]
