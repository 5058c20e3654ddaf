"""Tickets as pages and the API see them. Opening and solving by rules happens inside `Ledger.commit`."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from gateway.tickets.sla import Sla
from gateway.tickets.ticket import CloseCode, HistoryEntry, Ticket, WaitingFor


class View(Enum):
    """The overviews at the left of the queue."""

    INBOX = "inbox"  # unresolved and nobody's
    MINE = "mine"
    WAITING = "waiting"
    UNRESOLVED = "unresolved"
    DONE = "done"


class Conflict(Exception):
    """Somebody else edited the ticket first; `current` is how it is now."""

    def __init__(self, current: Ticket) -> None:
        super().__init__(f"ticket {current.number} was changed meanwhile (now version {current.version})")
        self.current = current


class NotAllowed(Exception):
    """The life cycle does not allow this step; the message says which and why, for people."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some tickets of a view, most urgent first, and where to go on ("" = the end)."""

    tickets: Sequence[Ticket]
    next_cursor: str
    counts: dict[View, int]


class Tickets(Protocol):
    """Edits are transactions with optimistic locking. `actor` is a user name. All raise OSError when it is away."""

    async def page(self, view: View, actor: str, search: str = "", cursor: str = "", limit: int = 50) -> Page:
        """One page of a view; `search` matches ticket number, device, site, customer. ValueError: no cursor of ours."""

    async def get(self, ticket_id: str) -> Ticket | None:
        """By id or by number; None if there is none."""

    async def history(self, ticket_id: str) -> Sequence[HistoryEntry]:
        """Every line, oldest first."""

    async def of_customer(self, customer_id: str, limit: int = 100) -> Sequence[Ticket]:
        """Unresolved first, then those solved in the last 30 days."""

    async def of_device(self, device_id: str, limit: int = 20) -> Sequence[Ticket]:
        """Newest first."""

    async def take(self, ticket_id: str, version: int, actor: str, now: float) -> Ticket:
        """Make it the actor's; new becomes open. Raises Conflict, NotAllowed, KeyError."""

    async def note(self, ticket_id: str, actor: str, text: str, now: float, *, to_customer: bool = False) -> Ticket:
        """Add a note or a reply (never a conflict)."""

    async def hear(self, ticket_id: str, actor: str, text: str, now: float) -> Ticket:
        """The customer writes (never a conflict); a ticket that waited for the customer is open again. KeyError."""

    async def wait(self, ticket_id: str, version: int, actor: str, reason: WaitingFor, now: float) -> Ticket:
        """Pend it. Raises Conflict, NotAllowed, KeyError."""

    async def promise(self, ticket_id: str, version: int, actor: str, promise_at: float, now: float) -> Ticket:
        """Tell the customer by when they hear from us. Raises Conflict, KeyError."""

    async def solve(self, ticket_id: str, version: int, actor: str, code: CloseCode, text: str, now: float) -> Ticket:
        """Solve it. Raises Conflict, NotAllowed, KeyError."""

    async def reopen(self, ticket_id: str, actor: str, text: str, now: float) -> Ticket:
        """The customer says it is still bad, or staff does. Raises NotAllowed, KeyError."""

    async def report_problem(self, customer_id: str, device_id: str, category: str, text: str, now: float) -> Ticket:
        """A customer reports: joins the device's open ticket if there is one, else opens one of class "REPORTED"."""

    async def rate(self, ticket_id: str, customer_id: str, stars: int, text: str, now: float) -> None:
        """1-5 once a ticket, when it is solved. Raises NotAllowed on the second, KeyError."""

    async def rating(self, ticket_id: str) -> int | None:
        """The stars it was given, None before."""

    async def service_level(self, ticket_id: str) -> Sla | None:
        """What was promised for it, None for an advisory or where nothing is promised."""

    async def tell_due(self, now: float) -> int:
        """Record a notification for each service level that is half, three quarters, nine tenths used up or missed.

        Call it once a minute; how many were recorded (some at a time: call again until 0).
        """

    async def close_solved(self, before: float, now: float) -> int:
        """Settle some tickets that were solved before that time (the reopen window is over); how many.

        They are closed; those that a person called fixed and a rule still sees are open again.
        """
