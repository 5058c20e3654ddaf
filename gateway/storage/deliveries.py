"""Deliveries in SQL: see `gateway.ports.notifications.Deliveries`. Each step is one transaction."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any

from sqlalchemy import Column, Connection, Row, Select, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.ports.notifications import Delivery, Line, Standing
from gateway.storage.database import Database
from gateway.storage.rejects import storable
from gateway.storage.schema.deliveries import deliveries, delivery_tickets, gone_receivers, letter_lines, mail_choices
from gateway.storage.schema.notifications import notifications
from gateway.storage.upsert import upsert

LINES = 1000


class _Faster(Exception):
    """Another gateway has made something of these already; nothing of this transaction stays."""


DEAD = deliveries.c.next_try.is_(None) & deliveries.c.sent_at.is_(None)


class SqlDeliveries:
    """See the port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sort(self, consumed: Sequence[int], lines: Sequence[Line], made: Sequence[Delivery]) -> None:
        """See the port."""
        with suppress(_Faster):
            await self._database.transact(partial(_sort, consumed=consumed, lines=lines, made=made))

    async def lines(self) -> Mapping[str, Sequence[Line]]:
        """See the port."""
        found = select(letter_lines).order_by(letter_lines.c.at, letter_lines.c.event_id).limit(LINES)
        rows = await self._database.read(lambda connection: connection.execute(found).all())
        by_customer: dict[str, list[Line]] = {}
        for row in rows:
            line = Line(row.event_id, row.customer_id, row.type, row.at, row.ticket_id, row.payload)
            by_customer.setdefault(line.customer_id, []).append(line)
        return by_customer

    async def mailed(self, customer_ids: Sequence[str], since: float) -> Mapping[str, Sequence[float]]:
        """See the port."""
        found = select(deliveries.c.customer_id, deliveries.c.created_at).where(
            deliveries.c.target == "mail", deliveries.c.customer_id.in_(customer_ids), deliveries.c.created_at >= since
        )
        rows = await self._database.read(lambda connection: connection.execute(found).all())
        times: dict[str, list[float]] = {}
        for row in rows:
            times.setdefault(row.customer_id, []).append(row.created_at)
        return times

    async def write(self, told: Sequence[Line], letter: Delivery | None) -> None:
        """See the port."""
        with suppress(_Faster):
            await self._database.transact(partial(_write, told=told, letter=letter))

    async def claim(self, target: str, now: float, limit: int, lease_s: float) -> Sequence[Delivery]:
        """See the port."""
        return await self._database.transact(partial(_claim, target=target, now=now, limit=limit, lease_s=lease_s))

    async def sent(self, delivery_id: str, now: float) -> None:
        """See the port."""
        await self._settle(delivery_id, {"sent_at": now, "next_try": None, "error": ""})

    async def failed(self, delivery_id: str, next_try: float | None, error: str, *, tried: bool = True) -> None:
        """See the port."""
        attempts = deliveries.c.attempts + int(tried)
        values = {"next_try": next_try, "error": storable(error)[:500], "attempts": attempts}
        await self._settle(delivery_id, values)

    async def of_ticket(self, ticket_id: str, limit: int = 20) -> Sequence[Delivery]:
        """See the port."""
        found = select(deliveries).join(delivery_tickets).where(delivery_tickets.c.ticket_id == ticket_id)
        return await self._read(found.order_by(deliveries.c.created_at.desc()).limit(limit))

    async def given_up(self, limit: int) -> Sequence[Delivery]:
        """See the port."""
        return await self._read(select(deliveries).where(DEAD).order_by(deliveries.c.created_at.desc()).limit(limit))

    async def revive(self, now: float, delivery_id: str = "") -> int:
        """See the port."""
        wanted = DEAD & (deliveries.c.delivery_id == delivery_id) if delivery_id else DEAD
        again = update(deliveries).where(wanted).values(next_try=now, attempts=0)
        return await self._database.transact(lambda connection: connection.execute(again).rowcount)

    async def standing(self) -> Standing:
        """See the port."""
        return await self._database.read(_standing)

    async def forget(self, before: float) -> int:
        """See the port."""
        old = delete(deliveries).where(deliveries.c.next_try.is_(None), deliveries.c.created_at < before)
        return await self._database.transact(lambda connection: connection.execute(old).rowcount)

    async def gone(self) -> Mapping[str, str]:
        """See the port."""
        found = select(gone_receivers.c.target, gone_receivers.c.address)
        return await self._database.read(
            lambda connection: {row.target: row.address for row in connection.execute(found)}
        )

    async def went(self, target: str, address: str, now: float) -> None:
        """See the port."""
        row = {"target": target, "address": address, "at": now}
        await self._database.transact(lambda connection: upsert(connection, gone_receivers, [row]))

    async def turn_on(self, target: str) -> bool:
        """See the port."""
        back = delete(gone_receivers).where(gone_receivers.c.target == target)
        return await self._database.transact(lambda connection: connection.execute(back).rowcount > 0)

    async def wants_mail(self, customer_id: str) -> bool:
        """See the port."""
        found = select(mail_choices.c.wanted).where(mail_choices.c.customer_id == customer_id)
        choice = await self._database.read(lambda connection: connection.execute(found).scalar_one_or_none())
        return choice is not False

    async def choose_mail(self, customer_id: str, now: float, *, wanted: bool) -> None:
        """See the port."""
        row = {"customer_id": customer_id, "wanted": wanted, "at": now}
        await self._database.transact(lambda connection: upsert(connection, mail_choices, [row]))

    async def _settle(self, delivery_id: str, values: Mapping[str, Any]) -> None:
        change = update(deliveries).where(deliveries.c.delivery_id == delivery_id).values(**values)
        await self._database.transact(lambda connection: connection.execute(change).rowcount)

    async def _read(self, found: Select[Any]) -> Sequence[Delivery]:
        return await self._database.read(lambda connection: [_delivery(row) for row in connection.execute(found)])


def _sort(connection: Connection, consumed: Sequence[int], lines: Sequence[Line], made: Sequence[Delivery]) -> None:
    _take(connection, notifications.c.id, consumed)
    _add(connection, letter_lines, [asdict(line) for line in lines])
    _deliver(connection, made)


def _write(connection: Connection, told: Sequence[Line], letter: Delivery | None) -> None:
    _take(connection, letter_lines.c.event_id, [line.event_id for line in told])
    if letter is not None:
        _deliver(connection, [letter])


def _take(connection: Connection, key: Column[Any], values: Sequence[Any]) -> None:
    if values and connection.execute(delete(key.table).where(key.in_(values))).rowcount != len(values):
        raise _Faster


def _deliver(connection: Connection, made: Sequence[Delivery]) -> None:
    names = [column.name for column in deliveries.columns]
    rows = [{name: getattr(one, name) for name in names} | {"ticket_ids": json.dumps(one.ticket_ids)} for one in made]
    _add(connection, deliveries, rows)
    links = [{"ticket_id": it, "delivery_id": one.delivery_id} for one in made for it in one.ticket_ids if it]
    _add(connection, delivery_tickets, links)


def _add(connection: Connection, table: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert what is not there yet."""
    if rows:
        add = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        connection.execute(add(table).on_conflict_do_nothing(), rows)


def _claim(connection: Connection, target: str, now: float, limit: int, lease_s: float) -> list[Delivery]:
    due = select(deliveries).where(deliveries.c.target == target, deliveries.c.next_try <= now)
    due = due.order_by(deliveries.c.created_at, deliveries.c.delivery_id).limit(limit)
    if connection.dialect.name == "postgresql":
        due = due.with_for_update(skip_locked=True)
    found = [_delivery(row) for row in connection.execute(due)]
    if found:
        lease = update(deliveries).where(deliveries.c.delivery_id == bindparam("one")).values(next_try=now + lease_s)
        connection.execute(lease, [{"one": it.delivery_id} for it in found])
    return found


def _standing(connection: Connection) -> Standing:
    tables = (
        select(func.count(), func.min(notifications.c.at)).where(notifications.c.next_try.is_not(None)),
        select(func.count(), func.min(letter_lines.c.at)),
        select(func.count(), func.min(deliveries.c.created_at)).where(deliveries.c.next_try.is_not(None)),
    )
    found = [connection.execute(one).one() for one in tables]
    dead = connection.execute(select(func.count()).where(DEAD)).scalar_one()
    # Lines wait on purpose, for hours at night: only what should have gone out counts as old.
    oldest = [row[1] for row in (found[0], found[2]) if row[1] is not None]
    return Standing(sum(row[0] for row in found), dead, min(oldest) if oldest else None)


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        row.delivery_id,
        row.target,
        row.address,
        row.customer_id,
        tuple(json.loads(row.ticket_ids)),
        row.type,
        row.payload,
        row.created_at,
        row.attempts,
        row.next_try,
        row.sent_at,
        row.error,
    )
