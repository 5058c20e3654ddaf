"""What people and other systems are to be told: events as they happen, and the deliveries that are made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from gateway.ports.registry import Customer

ASKS = "update.asks"
"""An update waits for its owner's answer."""
SUPPORT_ENDS = "update.support_ends"
"""A device comes to the end of its software updates: told 90, 30 and 7 days before."""

EVENT_TYPES = (
    "ticket.opened",
    "ticket.advised",
    "ticket.raised",
    "ticket.reopened",
    "ticket.solved",
    "ticket.replied",
    "ticket.customer_wrote",
    "ticket.sla_warning",
    "ticket.sla_missed",
    ASKS,
    SUPPORT_ENDS,
)


@dataclass(frozen=True, slots=True)
class Notification:
    """One event. `type` such as "ticket.opened"; `payload` is JSON text of the ticket's facts at that moment.

    `event_id` is unique for ever (receivers drop repetitions by it). `next_try` is epoch seconds; None: given up, kept
    as a dead letter with its `error`.
    """

    id: int
    event_id: str
    type: str
    at: float
    ticket_id: str
    payload: str
    attempts: int
    next_try: float | None
    error: str = ""


class NotificationOutbox(Protocol):
    """Recorded in the transaction that made it true. All raise OSError while the store is away."""

    async def due(self, now: float, limit: int) -> Sequence[Notification]:
        """Those whose time to try has come, oldest first."""

    async def done(self, ids: Sequence[int]) -> None:
        """Sent, or not worth sending (what opened and closed in between): forget them."""

    async def failed(self, ids: Sequence[int], next_try: float | None, error: str) -> None:
        """Count an attempt and try again at that time; None gives up and keeps them as dead letters."""

    async def dead(self, limit: int) -> Sequence[Notification]:
        """The newest dead letters."""

    async def waiting(self) -> int:
        """How many are still to be sent."""


@dataclass(frozen=True, slots=True)
class Line:
    """One event that waits to be told to a customer by mail, maybe together with others. `payload` as above."""

    event_id: str
    customer_id: str
    type: str
    at: float
    ticket_id: str
    payload: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail's words. `subject` is one line; `thread` names what it belongs to ("" = nothing)."""

    subject: str
    text: str
    html: str
    unsubscribe: str
    thread: str = ""


class Writer(Protocol):
    """Puts events into a customer's words, language and zone."""

    async def write(self, customer: Customer, lines: Sequence[Line], now: float) -> Letter:
        """One letter about all of them."""


class DeliveryState(Enum):
    """Where a delivery stands."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"  # given up: refused for good, or tried for too long


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one receiver. `target` is "mail" or "webhook:NAME"; `payload` is exactly what is sent.

    `delivery_id` stays the same however often it is tried: it is the Message-ID and the webhook-id by which a receiver
    drops what comes twice. `attempts` counts the failed ones; `next_try` None: sent, or given up.
    """

    delivery_id: str
    target: str
    address: str
    customer_id: str
    ticket_ids: tuple[str, ...]
    type: str
    payload: str
    created_at: float
    attempts: int = 0
    next_try: float | None = None
    sent_at: float | None = None
    error: str = ""

    @property
    def state(self) -> DeliveryState:
        """Where it stands."""
        if self.sent_at is not None:
            return DeliveryState.SENT
        return DeliveryState.DEAD if self.next_try is None else DeliveryState.WAITING


@dataclass(frozen=True, slots=True)
class Standing:
    """How much waits, what was given up, and since when the oldest waits (events and deliveries; None: nothing)."""

    waiting: int
    dead: int
    oldest_at: float | None


class Deliveries(Protocol):
    """What was made of events, for whom, and what became of it. All raise OSError while the store is away.

    What forms something also takes away what it is made of, in one transaction: nothing is lost or formed twice.
    """

    async def sort(self, consumed: Sequence[int], lines: Sequence[Line], made: Sequence[Delivery]) -> None:
        """Events become lines that wait for a letter, and deliveries. What is there already stays as it is."""

    async def lines(self) -> Mapping[str, Sequence[Line]]:
        """What waits to be told, by customer, oldest first (at most 1,000 lines in all)."""

    async def mailed(self, customer_ids: Sequence[str], since: float) -> Mapping[str, Sequence[float]]:
        """When letters to these customers were formed since then."""

    async def write(self, told: Sequence[Line], letter: Delivery | None) -> None:
        """Lines become a letter; None: they were not worth one."""

    async def claim(self, target: str, now: float, limit: int, lease_s: float) -> Sequence[Delivery]:
        """Take what is due for a target, oldest first. Who dies with it leaves it to be claimed again after that."""

    async def sent(self, delivery_id: str, now: float) -> None:
        """It was taken by its receiver."""

    async def failed(self, delivery_id: str, next_try: float | None, error: str, *, tried: bool = True) -> None:
        """Try again at that time; None gives up. It counts as an attempt unless it was not tried at all."""

    async def of_ticket(self, ticket_id: str, limit: int = 20) -> Sequence[Delivery]:
        """What was sent about a ticket, newest first."""

    async def given_up(self, limit: int) -> Sequence[Delivery]:
        """The newest dead letters."""

    async def revive(self, now: float, delivery_id: str = "") -> int:
        """Try one dead letter again, or all of them; how many."""

    async def standing(self) -> Standing:
        """In numbers."""

    async def forget(self, before: float) -> int:
        """Forget what was settled before that time; how many."""

    async def gone(self) -> Mapping[str, str]:
        """Receivers that have said that they are gone for good: the target, and its address then."""

    async def went(self, target: str, address: str, now: float) -> None:
        """A receiver has said so. It stays off until it has another address, or somebody turns it on."""

    async def turn_on(self, target: str) -> bool:
        """Try a receiver again. False: it was not off."""

    async def wants_mail(self, customer_id: str) -> bool:
        """Whether a customer wants mail: everybody who has not said no."""

    async def choose_mail(self, customer_id: str, now: float, *, wanted: bool) -> None:
        """The customer's choice."""
