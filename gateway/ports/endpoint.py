"""What the embedded MQTT endpoint asks of the rest: who may connect, and what is kept across restarts.

The endpoint holds all of this in memory while it runs; the store is its journal. What a restart must not lose is
written before the sender is told that it is safe.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

NEVER_EXPIRES: Final = 0xFFFF_FFFF
"""The session expiry interval that means for ever (MQTT 5, 3.1.2.11.2)."""


class Rights(Enum):
    """Which topics a principal may use."""

    DEVICE = "device"
    """Publish and subscribe under `siaga/v1/{identity}/` alone."""
    GENERAL = "general"
    """Every topic: staff tools, bridges, tests. Its messages are also routed to other clients that subscribed."""
    GUEST = "guest"
    """Every topic outside the devices' tree, as on any broker. Nothing it says reaches the pipeline."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a connection is. For a device, `identity` is its device id."""

    identity: str
    rights: Rights = Rights.DEVICE


class AuthRefusal(Enum):
    """Why a connection is turned away."""

    BAD_CREDENTIALS = "bad_credentials"
    NOT_AUTHORIZED = "not_authorized"
    BANNED = "banned"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client says of itself. `certificate_cn` is the common name of a verified client certificate."""

    client_id: str
    username: str | None
    password: bytes | None = field(repr=False)
    certificate_cn: str | None
    peer: str


Authenticate = Callable[[Credentials], Awaitable[Principal | AuthRefusal]]
"""Judge one CONNECT. An OSError means that the answer cannot be had now: the client is told to come back."""


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
    """A QoS 1 or 2 message that a session has not acknowledged. `position` grows by one a session and orders it.

    `properties` are the MQTT 5 properties to pass on, encoded; `expires_at` is epoch seconds; `released` says that the
    receiver has the message (PUBREC came) and only PUBREL and PUBCOMP are left; `identifiers` are those of the
    subscriptions that matched.
    """

    position: int
    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    expires_at: float | None = None
    properties: bytes = b""
    identifiers: tuple[int, ...] = ()
    released: bool = False


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session that outlives its connection.

    `key` names it (client ids are unique only within one identity). `expiry_s` counts from the end of the connection;
    `expires_at` is epoch seconds, None while connected or for ever. `connected` tells the two apart: found at the
    start, it means that the process died under the connection. Messages up to position `sent_up_to` may have been sent
    before. `received` are the packet identifiers of QoS 2 messages taken and not yet released by the client.
    """

    key: str
    client_id: str
    identity: str
    expiry_s: int
    expires_at: float | None
    connected: bool = False
    sent_up_to: int = 0
    subscriptions: tuple[Subscription, ...] = ()
    queue: tuple[QueuedMessage, ...] = ()
    received: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RetainedMessage:
    """The last retained message of a topic and who set it. An empty payload clears it and is never stored."""

    topic: str
    payload: bytes
    identity: str
    qos: int = 1
    expires_at: float | None = None
    properties: bytes = b""


@dataclass(frozen=True, slots=True)
class SaveSession:
    """Write the session and its subscriptions, but neither its queue nor `received`."""

    session: StoredSession


@dataclass(frozen=True, slots=True)
class DeleteSession:
    """Forget the session with its queue and `received`; nothing happens if it is unknown."""

    key: str


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Append to the queue of a session."""

    key: str
    message: QueuedMessage


@dataclass(frozen=True, slots=True)
class Release:
    """Mark a queued message as released; nothing happens if it is gone."""

    key: str
    position: int


@dataclass(frozen=True, slots=True)
class Dequeue:
    """Remove a message that was acknowledged, expired or cannot be delivered; nothing happens if it is gone."""

    key: str
    position: int


@dataclass(frozen=True, slots=True)
class Receive:
    """A QoS 2 message with this packet identifier was taken from the client."""

    key: str
    packet_id: int


@dataclass(frozen=True, slots=True)
class Forget:
    """The client released that packet identifier."""

    key: str
    packet_id: int


@dataclass(frozen=True, slots=True)
class Retain:
    """Replace the retained message of its topic; an empty payload removes it."""

    message: RetainedMessage


Change = SaveSession | DeleteSession | Enqueue | Release | Dequeue | Receive | Forget | Retain


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that was kept, for the start of the endpoint. Queues are in order of position."""

    sessions: tuple[StoredSession, ...] = ()
    retained: tuple[RetainedMessage, ...] = ()


class EndpointStore(Protocol):
    """The endpoint's journal. Both raise OSError while the store is away."""

    async def load(self) -> Snapshot:
        """Read all sessions and retained messages."""

    async def commit(self, changes: Sequence[Change]) -> None:
        """Apply the changes in their order, all or none. Durable when it returns."""
