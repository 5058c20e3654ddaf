"""Messages for devices that are decided and recorded, and still to be published."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.ports.ingest import Outbound


@dataclass(frozen=True, slots=True)
class Pending:
    """One recorded message. `id` grows in the order of recording."""

    id: int
    message: Outbound


class DownlinkOutbox(Protocol):
    """Recorded first, published second: after a crash in between a message is published again, never lost.

    Of the retained messages that wait for one topic only the newest is kept. All raise OSError while the store is away.
    """

    async def pending(self, limit: int) -> Sequence[Pending]:
        """The oldest messages that are not done, in the order of recording."""

    async def done(self, ids: Sequence[int]) -> None:
        """These are published (or had expired): forget them. Unknown ids are ignored."""

    async def send(self, messages: Sequence[Outbound]) -> None:
        """Record messages in a transaction of their own (staff's commands)."""
