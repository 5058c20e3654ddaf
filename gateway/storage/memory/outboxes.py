"""The two outboxes in memory."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.ports.downlink import Pending
from gateway.ports.ingest import Outbound
from gateway.ports.notifications import Notification
from gateway.tickets.announcements import announced
from gateway.tickets.ticket import Ticket


class MemoryDownlinkOutbox:
    """See `gateway.ports.downlink.DownlinkOutbox`."""

    def __init__(self) -> None:
        self._pending: dict[int, Pending] = {}
        self._last = 0

    async def pending(self, limit: int) -> Sequence[Pending]:
        """See the port."""
        return list(self._pending.values())[:limit]

    async def done(self, ids: Sequence[int]) -> None:
        """See the port."""
        for published in ids:
            self._pending.pop(published, None)

    async def send(self, messages: Sequence[Outbound]) -> None:
        """See the port."""
        self.record(messages)

    def record(self, messages: Sequence[Outbound]) -> None:
        """Add to the outbox as part of a commit."""
        for message in messages:
            if message.retain:
                old = [key for key, p in self._pending.items() if p.message.retain and p.message.topic == message.topic]
                for key in old:
                    del self._pending[key]
            self._last += 1
            self._pending[self._last] = Pending(self._last, message)


class MemoryNotificationOutbox:
    """See `gateway.ports.notifications.NotificationOutbox`."""

    def __init__(self) -> None:
        self._rows: dict[int, Notification] = {}
        self._last = 0

    async def due(self, now: float, limit: int) -> Sequence[Notification]:
        """See the port."""
        return [row for row in self._rows.values() if row.next_try is not None and row.next_try <= now][:limit]

    async def done(self, ids: Sequence[int]) -> None:
        """See the port."""
        for sent in ids:
            self._rows.pop(sent, None)

    async def failed(self, ids: Sequence[int], next_try: float | None, error: str) -> None:
        """See the port."""
        for sent in ids:
            if sent in self._rows:
                row = self._rows[sent]
                self._rows[sent] = replace(row, attempts=row.attempts + 1, next_try=next_try, error=error)

    async def dead(self, limit: int) -> Sequence[Notification]:
        """See the port."""
        return [row for row in reversed(self._rows.values()) if row.next_try is None][:limit]

    async def waiting(self) -> int:
        """See the port."""
        return sum(row.next_try is not None for row in self._rows.values())

    def holds(self, notification_id: int) -> bool:
        """Whether an event is still here."""
        return notification_id in self._rows

    def announce(self, kind: str, ticket: Ticket, reason: str, now: float, text: str = "") -> None:
        """Record an event about a ticket as part of a commit."""
        self._last += 1
        event = announced(kind, ticket, reason, text)
        self._rows[self._last] = Notification(
            self._last, event.event_id, kind, now, ticket.ticket_id, event.payload, 0, now
        )
