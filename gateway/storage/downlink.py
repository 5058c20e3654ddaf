"""The way down as an outbox in SQL: written in the transaction that decided, read by whoever publishes."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select

from gateway.ports.downlink import Pending
from gateway.ports.ingest import Outbound
from gateway.storage.database import Database
from gateway.storage.schema.downlink import downlink

_SUPERSEDED = delete(downlink).where(downlink.c.topic == bindparam("old"), downlink.c.retain.is_(True))
_DONE = delete(downlink).where(downlink.c.id == bindparam("done"))


def send(connection: Connection, messages: Sequence[Outbound]) -> None:
    """Add messages to the outbox. A retained one replaces what still waits for its topic: only the last counts."""
    if not messages:
        return
    last = {message.topic: message for message in messages if message.retain}
    if last:
        connection.execute(_SUPERSEDED, [{"old": topic} for topic in last])
    connection.execute(
        insert(downlink),
        [
            {"topic": m.topic, "payload": m.payload, "retain": m.retain, "expires_at": m.expires_at}
            for m in messages
            if not m.retain or last[m.topic] is m
        ],
    )


class SqlDownlinkOutbox:
    """See `gateway.ports.downlink.DownlinkOutbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, limit: int) -> Sequence[Pending]:
        """See the port."""
        return await self._database.read(lambda connection: _pending(connection, limit))

    async def done(self, ids: Sequence[int]) -> None:
        """See the port."""
        rows = [{"done": published} for published in ids]
        if rows:
            await self._database.transact(lambda connection: _done(connection, rows))

    async def send(self, messages: Sequence[Outbound]) -> None:
        """See the port."""
        await self._database.transact(lambda connection: send(connection, messages))


def _done(connection: Connection, rows: Sequence[dict[str, int]]) -> None:
    connection.execute(_DONE, rows)


def _pending(connection: Connection, limit: int) -> Sequence[Pending]:
    rows = connection.execute(select(downlink).order_by(downlink.c.id).limit(limit))
    return [Pending(row.id, Outbound(row.topic, bytes(row.payload), row.retain, row.expires_at)) for row in rows]
