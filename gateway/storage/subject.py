"""What the ticket adapters share: whom a change concerns, what is announced, how a queue is paged. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.ports.ingest import Outbound
from gateway.ports.ledger import Reject
from gateway.tickets.entitlement import Entitlement
from gateway.tickets.sla import Policy
from gateway.tickets.ticket import Entry, Ticket

TimeToAct = Callable[[str], float]
"""Seconds that parts, a visit and the next window take for a fault class."""

PolicyFor = Callable[[Ticket], Policy | None]
"""The service level that a new ticket's customer has, if any."""


def no_promise(_ticket: Ticket) -> Policy | None:
    """For installations without service levels."""
    return None


DONE_SHOWN_S = 30 * 86400.0
"""How long a customer still sees a solved ticket."""

ANNOUNCED = {
    Entry.REPLY: "ticket.replied",
    Entry.CUSTOMER: "ticket.customer_wrote",
    Entry.SOLVED: "ticket.solved",
    Entry.REOPENED: "ticket.reopened",
}
"""What people do to a ticket that others are told about."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a change did. `ticket_id` is "" where it was left alone."""

    ticket_id: str = ""
    notified: bool = False


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of messages from devices: answers to send, tickets touched, messages refused.

    `updates`: the update part has recorded messages to publish.
    """

    down: Sequence[Outbound] = ()
    tickets: Sequence[str] = ()
    rejects: Sequence[Reject] = ()
    notified: bool = False
    updates: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a change concerns. `words` are names that people search for."""

    device_id: str = ""
    site_id: str = ""
    customer_id: str = ""
    words: str = ""
    entitlement: Entitlement = Entitlement.UNKNOWN


def covering(of_devices: Sequence[Entitlement]) -> Entitlement:
    """A site is covered while any of its devices is."""
    return next((one for one in of_devices if one.covered), Entitlement.ENDED if of_devices else Entitlement.UNKNOWN)


def parse_cursor(cursor: str) -> tuple[float, int]:
    """Where a page ended: its last ticket's place in the order, and its serial. ValueError if it is not ours."""
    order, _, serial = cursor.partition("_")
    try:
        return float(order), int(serial)
    except ValueError:
        raise ValueError(f"{cursor!r} is not a cursor of this list") from None
