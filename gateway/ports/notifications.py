"""What people and other systems are to be told, and still to be sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


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
