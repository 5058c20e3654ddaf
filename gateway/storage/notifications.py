"""What people are to be told, as an outbox in SQL."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from gateway.ports.notifications import ASKS, SUPPORT_ENDS, Notification
from gateway.storage.database import Database
from gateway.storage.rejects import storable
from gateway.storage.schema.notifications import notifications
from gateway.storage.schema.registry import devices, sites
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


def announce_question(connection: Connection, attempt_id: str, device_id: str, version: str, now: float) -> bool:
    """Record that an update asks its owner, once an attempt. False for a device that nobody owns."""
    facts = {"device_id": device_id, "attempt_id": attempt_id, "version": version}
    return _announce_to_owner(connection, ASKS, attempt_id, facts, now)


def announce_end_of_support(connection: Connection, device_id: str, until: str, now: float) -> bool:
    """Record that a device's software updates end on a day. False for a device that nobody owns."""
    facts = {"device_id": device_id, "support_until": until}
    return _announce_to_owner(connection, SUPPORT_ENDS, f"{device_id}:{until}:{now}", facts, now)


def _announce_to_owner(connection: Connection, kind: str, what: str, facts: dict[str, str], now: float) -> bool:
    owner = select(sites.c.customer_id).join(devices, devices.c.site_id == sites.c.site_id)
    customer = connection.execute(owner.where(devices.c.device_id == facts["device_id"])).scalar_one_or_none()
    event_id = uuid5(NAMESPACE_URL, f"siaga:{kind}:{what}").hex
    known = select(notifications.c.id).where(notifications.c.event_id == event_id)
    if not customer or connection.execute(known).first() is not None:
        return False
    facts = {"customer_id": customer, **facts}
    row = {
        "event_id": event_id,
        "type": kind,
        "at": now,
        "ticket_id": "",
        "payload": storable(json.dumps(facts, ensure_ascii=False, separators=(",", ":"))),
        "attempts": 0,
        "next_try": now,
        "error": "",
    }
    connection.execute(_INSERT, row)
    return True


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
