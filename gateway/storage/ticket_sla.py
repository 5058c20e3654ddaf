"""Service levels of tickets in SQL: begun and followed in the transaction of each edit, told when they are due."""

import math
from collections.abc import Sequence

from pydantic import TypeAdapter
from sqlalchemy import Connection, bindparam, select

from gateway.storage import ticket_rows
from gateway.storage.notifications import announce
from gateway.storage.schema.tickets import ticket_sla, tickets
from gateway.storage.upsert import upsert
from gateway.tickets.policy import Episode
from gateway.tickets.sla import Milestone, Policy, Sla, begin, milestones, step, tell
from gateway.tickets.ticket import HistoryEntry, Ticket

AT_ONCE = 200

_SLA = TypeAdapter(Sla)
_OF = select(ticket_sla.c.sla).where(ticket_sla.c.ticket_id == bindparam("of"))
_DUE = (
    select(tickets, ticket_sla.c.sla)
    .join(ticket_sla, ticket_sla.c.ticket_id == tickets.c.ticket_id)
    .where(ticket_sla.c.next_at <= bindparam("now"))
    .order_by(ticket_sla.c.next_at)
    .limit(AT_ONCE)
)


def of_ticket(connection: Connection, ticket_id: str) -> Sla | None:
    """What was promised for a ticket."""
    text = connection.execute(_OF, {"of": ticket_id}).scalar_one_or_none()
    return _SLA.validate_json(text) if text else None


def open_ticket(
    connection: Connection,
    policy: Policy | None,
    ticket: Ticket,
    episodes: Sequence[Episode],
    line: HistoryEntry,
    words: str,
) -> Ticket:
    """Write a new ticket, its first line and what is promised for it; the ticket with that promise."""
    sla, ticket = begin(policy, ticket, line.at)
    ticket_rows.insert_ticket(connection, ticket, episodes, words)
    ticket_rows.add_history(connection, ticket.ticket_id, line)
    if sla is not None:
        _keep(connection, ticket.ticket_id, sla)
    return ticket


def edit_ticket(connection: Connection, before: Ticket, ticket: Ticket, line: HistoryEntry) -> Ticket:
    """Write an edited ticket and its line, and let the promise follow; the ticket with its next promise."""
    sla = of_ticket(connection, ticket.ticket_id)
    if sla is not None:
        found, sla, ticket = step(sla, ticket, line.kind, line.at)
        _tell(connection, ticket, found)
        _keep(connection, ticket.ticket_id, sla)
    ticket_rows.update_ticket(connection, before, ticket)
    ticket_rows.add_history(connection, ticket.ticket_id, line)
    return ticket


def tell_due(connection: Connection, now: float) -> int:
    """Record what is due now, of some tickets; how many notifications."""
    lock = _DUE.with_for_update(skip_locked=True) if connection.dialect.name == "postgresql" else _DUE
    told = 0
    for row in connection.execute(lock, {"now": now}).all():
        ticket = ticket_rows.ticket_of(row)
        found, sla = tell(_SLA.validate_json(row.sla), now)
        _tell(connection, ticket, found)
        _keep(connection, ticket.ticket_id, sla)
        told += len(found)
    return told


def _tell(connection: Connection, ticket: Ticket, found: Sequence[Milestone]) -> None:
    for milestone in found:
        announce(connection, milestone.kind, ticket, milestone.reason, milestone.at)


def _keep(connection: Connection, ticket_id: str, sla: Sla) -> None:
    ahead = milestones(sla)
    next_at = ahead[0].at if ahead and math.isfinite(ahead[0].at) else None
    row = {"ticket_id": ticket_id, "next_at": next_at, "sla": _SLA.dump_json(sla).decode()}
    upsert(connection, ticket_sla, [row])
