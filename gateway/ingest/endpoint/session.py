"""One client's session: its subscriptions and the messages on their way to it, across connections. Pure.

A message of QoS 1 or 2 has a position that grows by one; its packet identifier follows from it, so that a session
restored from the store redelivers under the identifiers it used before (MQTT-4.4.0-1).
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from gateway.ports.endpoint import NEVER_EXPIRES, QueuedMessage, StoredSession, Subscription

_PACKET_IDS = 65_535

Line = TypeVar("Line")
"""The connection a session is attached to; the session only holds it."""


@dataclass(frozen=True, slots=True)
class Message:
    """One application message inside the endpoint. `expires_at` is epoch seconds; `properties` go on unaltered."""

    topic: str
    payload: bytes
    qos: int
    retain: bool = False
    expires_at: float | None = None
    properties: bytes = b""


class Delivery:
    """A message on its way to one session. `position` is 0 for QoS 0. `sent` says that it may have been sent before."""

    __slots__ = ("identifiers", "message", "position", "qos", "released", "retain", "sent")

    def __init__(self, message: Message, qos: int, retain: bool, identifiers: tuple[int, ...], position: int) -> None:
        self.message = message
        self.qos = qos
        self.retain = retain
        self.identifiers = identifiers
        self.position = position
        self.sent = False
        self.released = False

    @property
    def packet_id(self) -> int:
        """The packet identifier, 1 to 65,535; 0 for QoS 0."""
        return (self.position - 1) % _PACKET_IDS + 1 if self.position else 0

    def stored(self) -> QueuedMessage:
        """The form the store keeps."""
        m = self.message
        return QueuedMessage(
            self.position,
            m.topic,
            m.payload,
            self.qos,
            self.retain,
            m.expires_at,
            m.properties,
            self.identifiers,
            self.released,
        )


class Session(Generic[Line]):
    """Invariants: `flight` holds the messages sent on this connection, or released, oldest first, by packet identifier;
    `queue` those still to be sent, in order; `received` the QoS 2 packet identifiers of the client that it has not
    released, True once PUBREC may be sent; `held` those of its messages that go on only when they are released.
    """

    __slots__ = (
        "_held_bytes",
        "_next_position",
        "_queued_bytes",
        "client_id",
        "expires_at",
        "expiry_s",
        "flight",
        "held",
        "identity",
        "key",
        "line",
        "queue",
        "received",
        "subscriptions",
    )

    def __init__(self, key: str, client_id: str, identity: str, expiry_s: int) -> None:
        self.key = key
        self.client_id = client_id
        self.identity = identity
        self.expiry_s = expiry_s
        self.expires_at: float | None = None
        self.line: Line | None = None
        self.subscriptions: dict[str, Subscription] = {}
        self.queue: deque[Delivery] | None = None
        self.flight: dict[int, Delivery] = {}
        self.received: dict[int, bool] = {}
        self.held: dict[int, Message] | None = None
        self._held_bytes = 0
        self._next_position = 1
        self._queued_bytes = 0

    @property
    def durable(self) -> bool:
        """Whether the session outlives its connection."""
        return self.expiry_s > 0

    def offer(
        self, message: Message, qos: int, retain: bool, identifiers: tuple[int, ...], most: int, most_bytes: int
    ) -> Delivery | None:
        """Append a message to the queue; None if that holds `most` messages or `most_bytes` of payload already."""
        queue = self.queue
        if queue is None:
            queue = self.queue = deque()
        if len(queue) >= most or (queue and self._queued_bytes + len(message.payload) > most_bytes):
            return None
        position = 0
        if qos:
            position = self._next_position
            self._next_position += 1
        delivery = Delivery(message, qos, retain, identifiers, position)
        queue.append(delivery)
        self._queued_bytes += len(message.payload)
        return delivery

    def hold(self, packet_id: int, message: Message, most_bytes: int) -> bool:
        """Keep a QoS 2 message of the client until its release; False if that would be more than `most_bytes` of
        payload.
        """
        if self._held_bytes + len(message.payload) > most_bytes:
            return False
        if self.held is None:
            self.held = {}
        self.held[packet_id] = message
        self._held_bytes += len(message.payload)
        return True

    def release(self, packet_id: int) -> Message | None:
        """Take a message that is held; None if there is none of this packet identifier."""
        message = self.held.pop(packet_id, None) if self.held else None
        if message is not None:
            self._held_bytes -= len(message.payload)
        return message

    def let_go(self) -> list[Message]:
        """Take all messages that are held, oldest first."""
        held, self.held = self.held, None
        self._held_bytes = 0
        return list(held.values()) if held else []

    def next(self, window: int) -> Delivery | None:
        """Take the next message to send now, with at most `window` in flight. QoS 1 and 2 go to `flight`."""
        queue = self.queue
        if not queue:
            return None
        delivery = queue[0]
        if delivery.qos:
            if len(self.flight) >= window:
                return None
            if self.flight and delivery.position - next(iter(self.flight.values())).position >= _PACKET_IDS:
                return None
            self.flight[delivery.packet_id] = delivery
        queue.popleft()
        if not queue:
            self.queue = None
        self._queued_bytes -= len(delivery.message.payload)
        return delivery

    def acknowledged(self, packet_id: int, qos: int) -> Delivery | None:
        """End the flight of a message of this QoS (PUBACK, PUBCOMP, refusing PUBREC); None if there is none such."""
        delivery = self.flight.get(packet_id)
        if delivery is None or delivery.qos != qos:
            return None
        return self.flight.pop(packet_id)

    def reconnected(self) -> Iterator[Delivery]:
        """Put what is unacknowledged back before the queue, as a new connection begins. Yields the released ones, which
        stay in flight and need only their PUBREL again.
        """
        released = [d for d in self.flight.values() if d.released]
        again = [d for d in self.flight.values() if not d.released]
        self.flight = {d.packet_id: d for d in released}
        waiting = deque(d for d in (*again, *(self.queue or ())) if d.qos)
        self.queue = waiting or None
        self._queued_bytes = sum(len(d.message.payload) for d in waiting)
        return iter(released)

    def outstanding(self) -> Iterator[Delivery]:
        """Every message of QoS 1 or 2 that is not acknowledged."""
        yield from self.flight.values()
        yield from (d for d in self.queue or () if d.qos)

    def stored(self) -> StoredSession:
        """The form the store keeps, without the queue."""
        sent = [d.position for d in self.outstanding() if d.sent]
        return StoredSession(
            self.key,
            self.client_id,
            self.identity,
            self.expiry_s,
            self.expires_at,
            self.line is not None,
            max(sent, default=0),
            tuple(self.subscriptions.values()),
        )


def restore(stored: StoredSession, now: float) -> Session[Line]:
    """The session as the store has it. One that was connected when the process died is disconnected from now on, and
    any of its messages may have been sent.
    """
    session: Session[Line] = Session(stored.key, stored.client_id, stored.identity, stored.expiry_s)
    crashed = stored.connected
    session.expires_at = stored.expires_at
    if crashed and stored.expiry_s != NEVER_EXPIRES:
        session.expires_at = now + stored.expiry_s
    session.subscriptions = {s.topic_filter: s for s in stored.subscriptions}
    session.received = dict.fromkeys(stored.received, True)
    waiting: deque[Delivery] = deque()
    for m in stored.queue:
        message = Message(m.topic, m.payload, m.qos, m.retain, m.expires_at, m.properties)
        delivery = Delivery(message, m.qos, m.retain, m.identifiers, m.position)
        delivery.sent = crashed or m.position <= stored.sent_up_to
        delivery.released = m.released
        session._next_position = m.position + 1
        if m.released:
            session.flight[delivery.packet_id] = delivery
        else:
            waiting.append(delivery)
            session._queued_bytes += len(m.payload)
    session.queue = waiting or None
    return session
