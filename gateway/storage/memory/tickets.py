"""Tickets in memory."""

from collections.abc import Callable, Sequence
from functools import partial
from uuid import uuid4

from diagnostics.changes import Change, Scope
from gateway.clock import Clock
from gateway.ports.tickets import Conflict, NotAllowed, Page, View
from gateway.storage.memory.outboxes import MemoryNotificationOutbox
from gateway.storage.memory.registry import MemoryRegistry
from gateway.storage.memory.ticket_views import of_customer, of_device, page
from gateway.storage.subject import ANNOUNCED, Applied, PolicyFor, Subject, TimeToAct, covering, no_promise
from gateway.tickets import edits
from gateway.tickets.edits import Edit, Identity, IllegalStep, announcement, carry_out
from gateway.tickets.entitlement import entitlement
from gateway.tickets.policy import Advise, Episode, Known, Link, Open, decide, episodes_after, priority_at
from gateway.tickets.sla import Milestone, Sla, begin, step, tell
from gateway.tickets.ticket import UNRESOLVED, CloseCode, Entry, HistoryEntry, State, Ticket, WaitingFor


class MemoryTickets:
    """See `gateway.ports.tickets.Tickets`."""

    def __init__(
        self,
        registry: MemoryRegistry,
        notifications: MemoryNotificationOutbox,
        clock: Clock,
        policy_for: PolicyFor = no_promise,
    ) -> None:
        self._registry, self._notifications, self._clock = registry, notifications, clock
        self._policy_for = policy_for
        self._slas: dict[str, Sla] = {}
        self._tickets: dict[str, Ticket] = {}  # by id, in the order of their numbers
        self._words: dict[str, str] = {}
        self._episodes: dict[str, tuple[Episode, ...]] = {}
        self._latest: dict[str, str] = {}  # key -> id
        self._history: dict[str, list[HistoryEntry]] = {}
        self._ratings: dict[str, int] = {}
        self._serial = 1000

    async def page(self, view: View, actor: str, search: str = "", cursor: str = "", limit: int = 50) -> Page:
        """See the port."""
        return page(self._tickets.values(), self._words, view, actor, search, cursor, limit)

    async def get(self, ticket_id: str) -> Ticket | None:
        """See the port."""
        return self._find(ticket_id)

    async def history(self, ticket_id: str) -> Sequence[HistoryEntry]:
        """See the port."""
        return tuple(self._history.get(ticket_id, ()))

    async def of_customer(self, customer_id: str, limit: int = 100) -> Sequence[Ticket]:
        """See the port."""
        return of_customer(self._tickets.values(), customer_id, limit, self._clock.now())

    async def of_device(self, device_id: str, limit: int = 20) -> Sequence[Ticket]:
        """See the port."""
        return of_device(self._tickets.values(), device_id)[:limit]

    async def take(self, ticket_id: str, version: int, actor: str, now: float) -> Ticket:
        """See the port."""
        return self._edit(ticket_id, version, lambda ticket: edits.take(ticket, actor, now))

    async def note(self, ticket_id: str, actor: str, text: str, now: float, *, to_customer: bool = False) -> Ticket:
        """See the port."""
        return self._edit(ticket_id, None, lambda t: edits.note(t, actor, text, now, to_customer=to_customer))

    async def hear(self, ticket_id: str, actor: str, text: str, now: float) -> Ticket:
        """See the port."""
        return self._edit(ticket_id, None, lambda ticket: edits.from_customer(ticket, actor, "wrote", text, now))

    async def wait(self, ticket_id: str, version: int, actor: str, reason: WaitingFor, now: float) -> Ticket:
        """See the port."""
        return self._edit(ticket_id, version, lambda ticket: edits.wait(ticket, actor, reason, now))

    async def promise(self, ticket_id: str, version: int, actor: str, promise_at: float, now: float) -> Ticket:
        """See the port."""
        return self._edit(ticket_id, version, lambda ticket: edits.promise(ticket, actor, promise_at, now))

    async def solve(self, ticket_id: str, version: int, actor: str, code: CloseCode, text: str, now: float) -> Ticket:
        """See the port."""
        return self._edit(ticket_id, version, lambda ticket: edits.solve(ticket, actor, code, text, now))

    async def reopen(self, ticket_id: str, actor: str, text: str, now: float) -> Ticket:
        """See the port."""
        return self._edit(ticket_id, None, lambda t: edits.reopen(t, self._successor(t), actor, text, now))

    async def report_problem(self, customer_id: str, device_id: str, category: str, text: str, now: float) -> Ticket:
        """See the port."""
        subject = self._subject(Scope.DEVICE, device_id, now)
        if subject.customer_id != customer_id or not customer_id:
            raise KeyError(device_id)
        unresolved = [t for t in of_device(self._tickets.values(), device_id) if t.state in UNRESOLVED]
        if unresolved:
            worst = max(unresolved, key=lambda ticket: ticket.severity)
            return self._edit(worst.ticket_id, None, lambda t: edits.from_customer(t, customer_id, category, text, now))
        advisory = not subject.entitlement.covered
        ticket, line = edits.reported(self._identity(subject), category, text, customer_id, advisory, now)
        ticket = self._insert(ticket, line, (), f"{device_id} {subject.words}")
        self._notifications.announce("ticket.advised" if advisory else "ticket.opened", ticket, category, now, text)
        return ticket

    async def rate(self, ticket_id: str, customer_id: str, stars: int, text: str, now: float) -> None:
        """See the port."""
        ticket = self._find(ticket_id)
        if ticket is None or ticket.customer_id != customer_id:
            raise KeyError(ticket_id)
        if refusal := edits.rating_refused(ticket, stars, self._ratings.get(ticket.ticket_id)):
            raise NotAllowed(refusal)
        self._ratings[ticket.ticket_id] = stars
        self._history[ticket.ticket_id].append(HistoryEntry(now, Entry.RATED, customer_id, str(stars), text))

    async def rating(self, ticket_id: str) -> int | None:
        """See the port."""
        return self._ratings.get(ticket_id)

    async def service_level(self, ticket_id: str) -> Sla | None:
        """See the port."""
        return self._slas.get(ticket_id)

    async def tell_due(self, now: float) -> int:
        """See the port."""
        told = 0
        for ticket_id, sla in list(self._slas.items()):
            found, self._slas[ticket_id] = tell(sla, now)
            self._tell(self._tickets[ticket_id], found)
            told += len(found)
        return told

    async def close_solved(self, before: float, now: float) -> int:
        """See the port."""
        solved = [t for t in self._tickets.values() if t.state is State.SOLVED and (t.solved_at or 0.0) < before]
        for ticket in solved:
            episodes = () if self._successor(ticket) else self._episodes[ticket.ticket_id]
            self._edit(ticket.ticket_id, None, partial(edits.settle, episodes=episodes, now=now))
        return len(solved)

    def everything(self) -> Sequence[Ticket]:
        """Every ticket, in the order of their numbers."""
        return tuple(self._tickets.values())

    def apply(self, change: Change, time_to_act: TimeToAct, now: float) -> Applied:
        """What `apply_change` is in SQL."""
        latest = self._latest.get(change.key)
        known = Known(self._tickets[latest], self._episodes[latest]) if latest else None
        subject = self._subject(change.scope, change.scope_id, now)
        decision = decide(known, change, subject.entitlement, now)
        episodes = episodes_after(known, change, decision)
        opens = isinstance(decision, Open | Advise | Link)
        identity = self._identity(subject) if opens else Identity("", "", "", "", "")
        urgency = priority_at(change, time_to_act(change.fault_class))
        edit = carry_out(decision, known.ticket if known else None, identity, change, urgency, now)
        if latest and not opens:
            self._episodes[latest] = episodes
        if edit is None:
            return Applied()
        ticket, line = edit
        if opens:
            ticket = self._insert(ticket, line, episodes, f"{change.scope_id} {subject.words}")
        else:
            ticket = self._update(ticket, line)
        kind = announcement(decision)
        if kind:
            self._notifications.announce(kind, ticket, line.reason, now)
        return Applied(ticket.ticket_id, kind is not None)

    def _edit(self, name: str, version: int | None, change: Callable[[Ticket], Edit]) -> Ticket:
        ticket = self._find(name)
        if ticket is None:
            raise KeyError(name)
        if version is not None and version != ticket.version:
            raise Conflict(ticket)
        try:
            edited, line = change(ticket)
        except IllegalStep as refusal:
            raise NotAllowed(str(refusal)) from None
        edited = self._update(edited, line)
        if line.kind in ANNOUNCED:
            self._notifications.announce(ANNOUNCED[line.kind], edited, line.reason, line.at, line.text)
        return edited

    def _successor(self, ticket: Ticket) -> str:
        latest = self._tickets[self._latest[ticket.key]]
        return "" if latest.ticket_id == ticket.ticket_id else latest.number

    def _insert(self, ticket: Ticket, line: HistoryEntry, episodes: tuple[Episode, ...], words: str) -> Ticket:
        sla, ticket = begin(self._policy_for(ticket), ticket, line.at)
        if sla is not None:
            self._slas[ticket.ticket_id] = sla
        self._tickets[ticket.ticket_id] = ticket
        self._history[ticket.ticket_id] = [line]
        self._episodes[ticket.ticket_id] = episodes
        self._latest[ticket.key] = ticket.ticket_id
        self._words[ticket.ticket_id] = f"{ticket.number} {words}".lower()
        return ticket

    def _update(self, ticket: Ticket, line: HistoryEntry) -> Ticket:
        sla = self._slas.get(ticket.ticket_id)
        if sla is not None:
            found, self._slas[ticket.ticket_id], ticket = step(sla, ticket, line.kind, line.at)
            self._tell(ticket, found)
        self._tickets[ticket.ticket_id] = ticket
        self._history[ticket.ticket_id].append(line)
        return ticket

    def _tell(self, ticket: Ticket, found: Sequence[Milestone]) -> None:
        for milestone in found:
            self._notifications.announce(milestone.kind, ticket, milestone.reason, milestone.at)

    def _identity(self, subject: Subject) -> Identity:
        self._serial += 1
        return Identity(uuid4().hex, f"SG-{self._serial}", subject.device_id, subject.site_id, subject.customer_id)

    def _find(self, name: str) -> Ticket | None:
        number = name.strip().upper()
        return self._tickets.get(name) or next((t for t in self._tickets.values() if t.number == number), None)

    def _subject(self, scope: Scope, scope_id: str, now: float) -> Subject:
        if scope is Scope.DEVICE:
            device = self._registry.find(scope_id)
            place = self._registry.place(device.site_id) if device else None
            if device is None or place is None:
                return Subject(device_id=scope_id)
            site, customer = place
            owed = entitlement(device.warranty_until, device.contract_until, site.zone, now)
            return Subject(
                scope_id, site.site_id, customer.customer_id, f"{device.name} {site.name} {customer.name}", owed
            )
        place = self._registry.place(scope_id) if scope is Scope.SITE else None
        if place is None:
            return Subject()
        site, customer = place
        owed = covering(
            [entitlement(d.warranty_until, d.contract_until, site.zone, now) for d in self._registry.at_site(scope_id)]
        )
        return Subject("", site.site_id, customer.customer_id, f"{site.name} {customer.name}", owed)
