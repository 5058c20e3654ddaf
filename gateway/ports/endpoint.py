"""What the embedded MQTT endpoint keeps across restarts: sessions, their queued messages, retained messages."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Subscription:
    """One topic filter of a session. `identifier` 0 = none (MQTT 5, 3.8.2.1.2)."""

    topic_filter: str
    qos: int
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0
    identifier: int = 0


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A QoS 1 message that a session has not acknowledged. `position` grows by one a session and orders it.

    `properties` are the MQTT 5 properties to pass on, encoded; `expires_at` is epoch seconds.
    """

    position: int
    topic: str
    payload: bytes
    retain: bool = False
    expires_at: float | None = None
    properties: bytes = b""


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session that outlives its connection. `expires_at` is epoch seconds, None while connected or for ever."""

    client_id: str
    username: str
    expires_at: float | None
    subscriptions: tuple[Subscription, ...] = ()
    queue: tuple[QueuedMessage, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class RetainedMessage:
    """The last retained message of a topic. An empty payload clears it and is never stored."""

    topic: str
    payload: bytes
    expires_at: float | None = None
    properties: bytes = b""


class EndpointStore(Protocol):
    """Sessions and retained messages. Every write is durable when it returns; all raise OSError when the store is away."""

    async def sessions(self) -> Sequence[StoredSession]:
        """Every stored session, queue included, for the start of the endpoint."""

    async def save_session(self, session: StoredSession) -> None:
        """Write the session and its subscriptions (not its queue)."""

    async def delete_session(self, client_id: str) -> None:
        """Forget the session and its queue."""

    async def enqueue(self, messages: Sequence[tuple[str, QueuedMessage]]) -> None:
        """Append (client_id, message) pairs in one transaction."""

    async def dequeue(self, positions: Sequence[tuple[str, int]]) -> None:
        """Remove acknowledged or expired (client_id, position) pairs in one transaction."""

    async def retained(self) -> Sequence[RetainedMessage]:
        """Every retained message, for the start of the endpoint."""

    async def retain(self, messages: Sequence[RetainedMessage]) -> None:
        """Replace the retained messages of these topics; an empty payload removes."""
