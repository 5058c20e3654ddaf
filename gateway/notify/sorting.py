"""Makes deliveries of events: a webhook's at once, a customer's letter when its time has come (see `grouping`)."""

import json
from collections.abc import Sequence
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from gateway.notify.grouping import SPAN_S, TOLD, QuietHours, Wait, next_letter, worth_telling
from gateway.notify.mail import TARGET, payload_of
from gateway.notify.signing import body_of
from gateway.notify.webhook import Endpoint
from gateway.ports.notifications import Deliveries, Delivery, Line, Notification, NotificationOutbox, Writer
from gateway.ports.registry import Customer, Registry

AT_ONCE: Final = 200


def delivery_id(what: str, target: str) -> str:
    """Follows from what it is made of: whoever makes it again makes the same."""
    return uuid5(NAMESPACE_URL, f"siaga:delivery:{what}:{target}").hex


def for_endpoint(event: Notification, endpoint: Endpoint) -> Delivery:
    """An event for one webhook, due at once."""
    customer = str(json.loads(event.payload).get("customer_id", ""))
    return Delivery(
        delivery_id(event.event_id, endpoint.target),
        endpoint.target,
        str(endpoint.url),
        customer,
        (event.ticket_id,) if event.ticket_id else (),
        event.type,
        body_of(event),
        event.at,
        next_try=event.at,
    )


def for_customer(event: Notification) -> Line | None:
    """An event as a line of a letter; None where no customer is to be told."""
    customer = str(json.loads(event.payload).get("customer_id", ""))
    if not customer or event.type not in TOLD:
        return None
    return Line(event.event_id, customer, event.type, event.at, event.ticket_id, event.payload)


class Sorter:
    """`step` is called again and again. With nobody to tell, events are taken away all the same."""

    def __init__(
        self,
        outbox: NotificationOutbox,
        deliveries: Deliveries,
        registry: Registry,
        writer: Writer,
        endpoints: Sequence[Endpoint],
        *,
        mail: bool,
        quiet: QuietHours | None,
    ) -> None:
        self._outbox, self._deliveries, self._registry = outbox, deliveries, registry
        self._writer, self._endpoints = writer, endpoints
        self._mail, self._quiet = mail, quiet

    async def step(self, now: float) -> bool:
        """Sort what has happened and write what is ripe; whether there may be more at once."""
        events = await self._outbox.due(now, AT_ONCE)
        if events:
            gone = await self._deliveries.gone()
            endpoints = [one for one in self._endpoints if gone.get(one.target) != str(one.url)]
            made = [for_endpoint(event, one) for event in events for one in endpoints if one.wants(event)]
            lines = [line for event in events if self._mail and (line := for_customer(event))]
            await self._deliveries.sort([event.id for event in events], lines, made)
        if self._mail:
            await self._write_ripe(now)
        return len(events) == AT_ONCE

    async def _write_ripe(self, now: float) -> None:
        waiting = await self._deliveries.lines()
        if not waiting:
            return
        mailed = await self._deliveries.mailed(list(waiting), now - SPAN_S)
        for customer_id, lines in waiting.items():
            customer = await self._registry.customer(customer_id)
            if customer is None or not customer.email or not await self._deliveries.wants_mail(customer_id):
                await self._deliveries.write(lines, None)
                continue
            moment = next_letter(lines, mailed.get(customer_id, ()), customer.zone, self._quiet, now)
            if moment.wait is Wait.NOTHING:
                await self._deliveries.write(lines, await self._letter(customer, lines, now))

    async def _letter(self, customer: Customer, lines: Sequence[Line], now: float) -> Delivery | None:
        told = worth_telling(lines)
        if not told:
            return None
        letter = await self._writer.write(customer, told, now)
        tickets = tuple(dict.fromkeys(line.ticket_id for line in told if line.ticket_id))
        return Delivery(
            delivery_id(" ".join(line.event_id for line in lines), TARGET),
            TARGET,
            customer.email,
            customer.customer_id,
            tickets,
            told[0].type if len(told) == 1 else "digest",
            payload_of(letter),
            now,
            next_try=now,
        )
