"""Tickets in SQL, as pages and the API see them: reads on snapshots, edits with optimistic locking."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from diagnostics.changes import Scope
from gateway.clock import Clock
from gateway.ports.tickets import Conflict, NotAllowed, Page, View
from gateway.storage import ticket_queue, ticket_rows, ticket_sla
from gateway.storage.changes import subject_of
from gateway.storage.database import Database
from gateway.storage.notifications import announce
from gateway.storage.rejects import storable
from gateway.storage.schema.tickets import ticket_ratings
from gateway.storage.subject import ANNOUNCED, PolicyFor, Subject, no_promise
from gateway.tickets import edits
from gateway.tickets.edits import Edit, Identity, IllegalStep
from gateway.tickets.sla import Sla
from gateway.tickets.ticket import CloseCode, Entry, HistoryEntry, Ticket, WaitingFor


class SqlTickets:
    """See `gateway.ports.tickets.Tickets`."""

    def __init__(self, database: Database, clock: Clock, policy_for: PolicyFor = no_promise) -> None:
        self._database, self._clock, self._policy_for = database, clock, policy_for

    async def page(self, view: View, actor: str, search: str = "", cursor: str = "", limit: int = 50) -> Page:
        """See the port."""
        return await self._database.read(
            lambda connection: ticket_queue.page(connection, view, actor, search, cursor, limit)
        )

    async def get(self, ticket_id: str) -> Ticket | None:
        """See the port."""
        return await self._database.read(lambda connection: ticket_rows.by_name(connection, ticket_id))

    async def history(self, ticket_id: str) -> Sequence[HistoryEntry]:
        """See the port."""
        return await self._database.read(lambda connection: ticket_rows.history_of(connection, ticket_id))

    async def of_customer(self, customer_id: str, limit: int = 100) -> Sequence[Ticket]:
        """See the port."""
        now = self._clock.now()
        return await self._database.read(
            lambda connection: ticket_queue.of_customer(connection, customer_id, limit, now)
        )

    async def of_device(self, device_id: str, limit: int = 20) -> Sequence[Ticket]:
        """See the port."""
        return await self._database.read(lambda connection: ticket_queue.of_device(connection, device_id, limit))

    async def take(self, ticket_id: str, version: int, actor: str, now: float) -> Ticket:
        """See the port."""
        return await self._edit(ticket_id, version, lambda ticket: edits.take(ticket, actor, now))

    async def note(self, ticket_id: str, actor: str, text: str, now: float, *, to_customer: bool = False) -> Ticket:
        """See the port."""
        return await self._edit(
            ticket_id, None, lambda ticket: edits.note(ticket, actor, text, now, to_customer=to_customer)
        )

    async def hear(self, ticket_id: str, actor: str, text: str, now: float) -> Ticket:
        """See the port."""
        return await self._edit(ticket_id, None, lambda ticket: edits.from_customer(ticket, actor, "wrote", text, now))

    async def wait(self, ticket_id: str, version: int, actor: str, reason: WaitingFor, now: float) -> Ticket:
        """See the port."""
        return await self._edit(ticket_id, version, lambda ticket: edits.wait(ticket, actor, reason, now))

    async def promise(self, ticket_id: str, version: int, actor: str, promise_at: float, now: float) -> Ticket:
        """See the port."""
        return await self._edit(ticket_id, version, lambda ticket: edits.promise(ticket, actor, promise_at, now))

    async def solve(self, ticket_id: str, version: int, actor: str, code: CloseCode, text: str, now: float) -> Ticket:
        """See the port."""
        return await self._edit(ticket_id, version, lambda ticket: edits.solve(ticket, actor, code, text, now))

    async def reopen(self, ticket_id: str, actor: str, text: str, now: float) -> Ticket:
        """See the port."""
        return await self._database.transact(lambda connection: _reopen(connection, ticket_id, actor, text, now))

    async def report_problem(self, customer_id: str, device_id: str, category: str, text: str, now: float) -> Ticket:
        """See the port."""
        return await self._database.transact(
            lambda connection: _reported(connection, customer_id, device_id, category, text, now, self._policy_for)
        )

    async def rate(self, ticket_id: str, customer_id: str, stars: int, text: str, now: float) -> None:
        """See the port."""
        await self._database.transact(lambda connection: _rate(connection, ticket_id, customer_id, stars, text, now))

    async def rating(self, ticket_id: str) -> int | None:
        """See the port."""
        return await self._database.read(lambda connection: ticket_queue.rating(connection, ticket_id))

    async def service_level(self, ticket_id: str) -> Sla | None:
        """See the port."""
        return await self._database.read(lambda connection: ticket_sla.of_ticket(connection, ticket_id))

    async def tell_due(self, now: float) -> int:
        """See the port."""
        return await self._database.transact(lambda connection: ticket_sla.tell_due(connection, now))

    async def close_solved(self, before: float, now: float) -> int:
        """See the port."""
        return await self._database.transact(lambda connection: _close(connection, before, now))

    async def _edit(self, name: str, version: int | None, change: Callable[[Ticket], Edit]) -> Ticket:
        return await self._database.transact(lambda connection: _edit(connection, name, version, change))


def _edit(connection: Connection, name: str, version: int | None, change: Callable[[Ticket], Edit]) -> Ticket:
    ticket = _found(connection, name)
    if version is not None and version != ticket.version:
        raise Conflict(ticket)
    try:
        edited, line = change(ticket)
    except IllegalStep as refusal:
        raise NotAllowed(str(refusal)) from None
    return _write(connection, ticket, edited, line)


def _reopen(connection: Connection, name: str, actor: str, text: str, now: float) -> Ticket:
    latest = ticket_rows.latest(connection, _found(connection, name).key)

    def change(ticket: Ticket) -> Edit:
        successor = latest.ticket.number if latest and latest.ticket.ticket_id != ticket.ticket_id else ""
        return edits.reopen(ticket, successor, actor, text, now)

    return _edit(connection, name, None, change)


def _write(connection: Connection, before: Ticket, edited: Ticket, line: HistoryEntry) -> Ticket:
    edited = ticket_sla.edit_ticket(connection, before, edited, line)
    if line.kind in ANNOUNCED:
        announce(connection, ANNOUNCED[line.kind], edited, line.reason, line.at, line.text)
    return edited


def _reported(
    connection: Connection,
    customer_id: str,
    device_id: str,
    category: str,
    text: str,
    now: float,
    policy_for: PolicyFor,
) -> Ticket:
    subject = subject_of(connection, Scope.DEVICE, device_id, now)
    if subject.customer_id != customer_id or not customer_id:
        raise KeyError(device_id)
    open_one = ticket_queue.unresolved_of_device(connection, device_id)
    if open_one is None:
        return _open_reported(connection, subject, category, text, now, policy_for)
    edited, line = edits.from_customer(open_one, customer_id, category, text, now)
    return _write(connection, open_one, edited, line)


def _open_reported(
    connection: Connection, subject: Subject, category: str, text: str, now: float, policy_for: PolicyFor
) -> Ticket:
    ticket_id, number = ticket_rows.new_identity(connection)
    identity = Identity(ticket_id, number, subject.device_id, subject.site_id, subject.customer_id)
    advisory = not subject.entitlement.covered
    ticket, line = edits.reported(identity, category, text, subject.customer_id, advisory, now)
    words = f"{subject.device_id} {subject.words}"
    ticket = ticket_sla.open_ticket(connection, policy_for(ticket), ticket, (), line, words)
    announce(connection, "ticket.advised" if advisory else "ticket.opened", ticket, category, now, text)
    return ticket


def _rate(connection: Connection, name: str, customer_id: str, stars: int, text: str, now: float) -> None:
    ticket = _found(connection, name)
    if ticket.customer_id != customer_id:
        raise KeyError(name)
    if refusal := edits.rating_refused(ticket, stars, ticket_queue.rating(connection, ticket.ticket_id)):
        raise NotAllowed(refusal)
    connection.execute(
        ticket_ratings.insert().values(
            ticket_id=ticket.ticket_id, customer_id=customer_id, stars=stars, text=storable(text), at=now
        )
    )
    ticket_rows.add_history(connection, ticket.ticket_id, HistoryEntry(now, Entry.RATED, customer_id, str(stars), text))


def _close(connection: Connection, before: float, now: float) -> int:
    solved = ticket_queue.solved_before(connection, before)
    for ticket in solved:
        latest = ticket_rows.latest(connection, ticket.key)
        episodes = latest.episodes if latest and latest.ticket.ticket_id == ticket.ticket_id else ()
        _write(connection, ticket, *edits.settle(ticket, episodes, now))
    return len(solved)


def _found(connection: Connection, name: str) -> Ticket:
    ticket = ticket_rows.by_name(connection, name, lock=True)
    if ticket is None:
        raise KeyError(name)
    return ticket
