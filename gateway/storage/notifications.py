"""What people are to be told, as an outbox in SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from gateway.ports.notifications import Notification
from gateway.storage.database import Database
from gateway.storage.rejects import storable
from gateway.storage.schema.notifications import notifications
from gateway.tickets.announcements import announced
from gateway.tickets.ticket import Ticket

_INSERT = insert(notifications)
_DONE = delete(notifications).where(notifications.c.id == bindparam("done"))
_FAILED = (
    update(notifications)
    .where(notifications.c.id == bindparam("failed"))
    .values(attempts=notifications.c.attempts + 1, next_try=bindparam("again"), error=bindparam("said"))
)


def announce(connection: Connection, kind: str, ticket: Ticket, reason: str, now: float, text: str = "") -> None:
    """Record an event about a ticket, due now. Part of the caller's transaction."""
    event = announced(kind, ticket, reason, text)
    connection.execute(
        _INSERT,
        {
            "event_id": event.event_id,
            "type": kind,
            "at": now,
            "ticket_id": ticket.ticket_id,
            "payload": storable(event.payload),
            "attempts": 0,
            "next_try": now,
            "error": "",
        },
    )


class SqlNotificationOutbox:
    """See `gateway.ports.notifications.NotificationOutbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, now: float, limit: int) -> Sequence[Notification]:
        """See the port."""
        found = select(notifications).where(notifications.c.next_try <= now).order_by(notifications.c.id).limit(limit)
        return await self._database.read(lambda connection: [_notification(row) for row in connection.execute(found)])

    async def done(self, ids: Sequence[int]) -> None:
        """See the port."""
        rows = [{"done": sent} for sent in ids]
        if rows:
            await self._database.transact(lambda connection: _run(connection, _DONE, rows))

    async def failed(self, ids: Sequence[int], next_try: float | None, error: str) -> None:
        """See the port."""
        rows = [{"failed": sent, "again": next_try, "said": storable(error)} for sent in ids]
        if rows:
            await self._database.transact(lambda connection: _run(connection, _FAILED, rows))

    async def dead(self, limit: int) -> Sequence[Notification]:
        """See the port."""
        found = (
            select(notifications)
            .where(notifications.c.next_try.is_(None))
            .order_by(notifications.c.id.desc())
            .limit(limit)
        )
        return await self._database.read(lambda connection: [_notification(row) for row in connection.execute(found)])

    async def waiting(self) -> int:
        """See the port."""
        count = select(func.count()).select_from(notifications).where(notifications.c.next_try.is_not(None))
        return await self._database.read(lambda connection: connection.execute(count).scalar_one())


def _run(connection: Connection, statement: Any, rows: Sequence[dict[str, Any]]) -> None:
    connection.execute(statement, rows)


def _notification(row: Row[Any]) -> Notification:
    return Notification(
        row.id, row.event_id, row.type, row.at, row.ticket_id, row.payload, row.attempts, row.next_try, row.error
    )
