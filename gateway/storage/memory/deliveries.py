"""Deliveries in memory: see `gateway.ports.notifications.Deliveries`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.ports.notifications import Delivery, DeliveryState, Line, Standing
from gateway.storage.memory.outboxes import MemoryNotificationOutbox


class MemoryDeliveries:
    """Takes its events from the outbox in memory, as the tables stand beside each other."""

    def __init__(self, outbox: MemoryNotificationOutbox) -> None:
        self._outbox = outbox
        self._lines: dict[str, Line] = {}
        self._made: dict[str, Delivery] = {}
        self._unwanted: set[str] = set()
        self._gone: dict[str, str] = {}

    async def sort(self, consumed: Sequence[int], lines: Sequence[Line], made: Sequence[Delivery]) -> None:
        """See the port."""
        if not all(self._outbox.holds(one) for one in consumed):
            return
        await self._outbox.done(consumed)
        for line in lines:
            self._lines.setdefault(line.event_id, line)
        for delivery in made:
            self._made.setdefault(delivery.delivery_id, delivery)

    async def lines(self) -> Mapping[str, Sequence[Line]]:
        """See the port."""
        by_customer: dict[str, list[Line]] = {}
        for line in sorted(self._lines.values(), key=lambda one: (one.at, one.event_id))[:1000]:
            by_customer.setdefault(line.customer_id, []).append(line)
        return by_customer

    async def mailed(self, customer_ids: Sequence[str], since: float) -> Mapping[str, Sequence[float]]:
        """See the port."""
        times: dict[str, list[float]] = {}
        for one in self._made.values():
            if one.target == "mail" and one.customer_id in customer_ids and one.created_at >= since:
                times.setdefault(one.customer_id, []).append(one.created_at)
        return times

    async def write(self, told: Sequence[Line], letter: Delivery | None) -> None:
        """See the port."""
        if not all(line.event_id in self._lines for line in told):
            return
        for line in told:
            del self._lines[line.event_id]
        if letter is not None:
            self._made.setdefault(letter.delivery_id, letter)

    async def claim(self, target: str, now: float, limit: int, lease_s: float) -> Sequence[Delivery]:
        """See the port."""
        due = [it for it in self._made.values() if it.target == target and it.next_try is not None]
        due = sorted((it for it in due if (it.next_try or 0.0) <= now), key=lambda it: (it.created_at, it.delivery_id))
        for one in due[:limit]:
            self._made[one.delivery_id] = replace(one, next_try=now + lease_s)
        return due[:limit]

    async def sent(self, delivery_id: str, now: float) -> None:
        """See the port."""
        if one := self._made.get(delivery_id):
            self._made[delivery_id] = replace(one, sent_at=now, next_try=None, error="")

    async def failed(self, delivery_id: str, next_try: float | None, error: str, *, tried: bool = True) -> None:
        """See the port."""
        if one := self._made.get(delivery_id):
            self._made[delivery_id] = replace(one, next_try=next_try, error=error[:500], attempts=one.attempts + tried)

    async def of_ticket(self, ticket_id: str, limit: int = 20) -> Sequence[Delivery]:
        """See the port."""
        return self._newest([it for it in self._made.values() if ticket_id in it.ticket_ids], limit)

    async def given_up(self, limit: int) -> Sequence[Delivery]:
        """See the port."""
        return self._newest([it for it in self._made.values() if it.state is DeliveryState.DEAD], limit)

    async def revive(self, now: float, delivery_id: str = "") -> int:
        """See the port."""
        dead = [it for it in await self.given_up(len(self._made)) if delivery_id in ("", it.delivery_id)]
        for one in dead:
            self._made[one.delivery_id] = replace(one, next_try=now, attempts=0)
        return len(dead)

    async def standing(self) -> Standing:
        """See the port."""
        events = await self._outbox.due(float("inf"), 1_000_000)
        waiting = [it for it in self._made.values() if it.state is DeliveryState.WAITING]
        oldest = [*(it.at for it in events), *(it.created_at for it in waiting)]
        dead = len(await self.given_up(len(self._made)))
        return Standing(len(events) + len(self._lines) + len(waiting), dead, min(oldest) if oldest else None)

    async def forget(self, before: float) -> int:
        """See the port."""
        old = [it for it in self._made.values() if it.next_try is None and it.created_at < before]
        for one in old:
            del self._made[one.delivery_id]
        return len(old)

    async def gone(self) -> Mapping[str, str]:
        """See the port."""
        return dict(self._gone)

    async def went(self, target: str, address: str, now: float) -> None:
        """See the port."""
        del now
        self._gone[target] = address

    async def turn_on(self, target: str) -> bool:
        """See the port."""
        return self._gone.pop(target, None) is not None

    async def wants_mail(self, customer_id: str) -> bool:
        """See the port."""
        return customer_id not in self._unwanted

    async def choose_mail(self, customer_id: str, now: float, *, wanted: bool) -> None:
        """See the port."""
        del now
        (self._unwanted.discard if wanted else self._unwanted.add)(customer_id)

    @staticmethod
    def _newest(found: list[Delivery], limit: int) -> list[Delivery]:
        return sorted(found, key=lambda it: -it.created_at)[:limit]
