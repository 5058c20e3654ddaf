"""Which tickets a page shows, in which order, found by index."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select, tuple_

from gateway.ports.tickets import Page, View
from gateway.storage.rejects import storable
from gateway.storage.schema.base import FIRST_SERIAL, counters
from gateway.storage.schema.tickets import ticket_devices, ticket_ratings, tickets
from gateway.storage.subject import DONE_SHOWN_S, parse_cursor
from gateway.storage.ticket_rows import ticket_of
from gateway.tickets.ticket import UNRESOLVED, State, Ticket

CLOSED_AT_ONCE = 500

_STATES = sorted(state.value for state in UNRESOLVED)
_LAST_SERIAL = select(counters.c.value).where(counters.c.name == "ticket")
_IS_UNRESOLVED = tickets.c.state.in_(_STATES)


def page(connection: Connection, view: View, actor: str, search: str, cursor: str, limit: int) -> Page:
    """One page. ValueError for a cursor that is not ours."""
    done = view is View.DONE
    order = tickets.c.solved_at if done else tickets.c.priority_at
    statement = select(tickets).where(_of_view(view, actor)).limit(limit + 1)
    statement = (
        statement.order_by(order.desc(), tickets.c.serial.desc())
        if done
        else statement.order_by(order, tickets.c.serial)
    )
    if cursor:
        here, at = tuple_(order, tickets.c.serial), tuple_(*parse_cursor(cursor))
        statement = statement.where(here < at if done else here > at)
    if search.strip():
        statement = statement.where(tickets.c.words.contains(storable(search.strip()).lower(), autoescape=True))
    rows = connection.execute(statement).all()
    shown = [ticket_of(row) for row in rows[:limit]]
    last = rows[limit - 1] if len(rows) > limit else None
    next_cursor = f"{last.solved_at if done else last.priority_at!r}_{last.serial}" if last else ""
    return Page(shown, next_cursor, _counts(connection, actor))


def of_customer(connection: Connection, customer_id: str, limit: int, now: float) -> Sequence[Ticket]:
    """Unresolved first, most urgent first; then those solved lately, newest first."""
    mine = select(tickets).where(tickets.c.customer_id == customer_id)
    found = _all(connection, mine.where(_IS_UNRESOLVED).order_by(tickets.c.priority_at, tickets.c.serial).limit(limit))
    lately = mine.where(tickets.c.solved_at >= now - DONE_SHOWN_S)
    lately = lately.order_by(tickets.c.solved_at.desc(), tickets.c.serial.desc()).limit(max(0, limit - len(found)))
    return [*found, *_all(connection, lately)]


def of_device(connection: Connection, device_id: str, limit: int) -> Sequence[Ticket]:
    """Its own, and those of its site or the fleet that name it; newest first."""
    statement = select(tickets).where(_concerns(device_id))
    return _all(connection, statement.order_by(tickets.c.serial.desc()).limit(limit))


def unresolved_of_device(connection: Connection, device_id: str) -> Ticket | None:
    """The worst unresolved ticket that concerns a device."""
    statement = select(tickets).where(_concerns(device_id), _IS_UNRESOLVED)
    statement = statement.order_by(tickets.c.severity.desc(), tickets.c.serial.desc()).limit(1)
    if connection.dialect.name == "postgresql":
        statement = statement.with_for_update()
    return next(iter(_all(connection, statement)), None)


def solved_before(connection: Connection, before: float) -> Sequence[Ticket]:
    """Some tickets that have been solved since before that time."""
    statement = select(tickets).where(tickets.c.state == State.SOLVED.value, tickets.c.solved_at < before)
    if connection.dialect.name == "postgresql":
        statement = statement.with_for_update(skip_locked=True)
    return _all(connection, statement.order_by(tickets.c.solved_at).limit(CLOSED_AT_ONCE))


def rating(connection: Connection, ticket_id: str) -> int | None:
    """The stars that a ticket was given."""
    found = select(ticket_ratings.c.stars).where(ticket_ratings.c.ticket_id == storable(ticket_id))
    return connection.execute(found).scalar_one_or_none()


def _concerns(device_id: str) -> ColumnElement[bool]:
    named = select(ticket_devices.c.ticket_id).where(ticket_devices.c.device_id == device_id)
    return or_(tickets.c.device_id == device_id, tickets.c.ticket_id.in_(named))


def _of_view(view: View, actor: str) -> ColumnElement[bool]:
    match view:
        case View.INBOX:
            return and_(_IS_UNRESOLVED, tickets.c.owner == "")
        case View.MINE:
            return and_(_IS_UNRESOLVED, tickets.c.owner == actor)
        case View.WAITING:
            return tickets.c.state == State.PENDING.value
        case View.UNRESOLVED:
            return _IS_UNRESOLVED
        case View.DONE:
            return tickets.c.solved_at.is_not(None)  # the same as its states, and in the index that orders the view


def _counts(connection: Connection, actor: str) -> dict[View, int]:
    """How many each view has, from the unresolved ones in the index on (state, owner) and the last serial alone."""
    rows = connection.execute(
        select(tickets.c.state, tickets.c.owner, func.count())
        .where(_IS_UNRESOLVED)
        .group_by(tickets.c.state, tickets.c.owner)
    )
    counts = dict.fromkeys(View, 0)
    for state, owner, count in rows:
        counts[View.UNRESOLVED] += count
        counts[View.INBOX] += count * (owner == "")
        counts[View.MINE] += count * (owner == actor)
        counts[View.WAITING] += count * (state == State.PENDING.value)
    counts[View.DONE] = connection.execute(_LAST_SERIAL).scalar_one() - FIRST_SERIAL + 1 - counts[View.UNRESOLVED]
    return counts


def _all(connection: Connection, statement: Select[*tuple[Any, ...]]) -> list[Ticket]:
    return [ticket_of(row) for row in connection.execute(statement)]
