"""A guest's messages: served as by any broker, and unheard by the pipeline, as no device has spoken."""

from typing import TYPE_CHECKING

from gateway.ingest.endpoint.access import publish_refusal
from gateway.ingest.endpoint.packets import V5, Publish
from gateway.ingest.endpoint.reasons import ProtocolError, Reason
from gateway.ingest.endpoint.receipts import Answer
from gateway.ingest.endpoint.session import Message

if TYPE_CHECKING:
    from gateway.ingest.endpoint.connection import Connection


def forward(connection: "Connection", packet: Publish, message: Message, answer: Answer) -> bool:
    """Retain and route a guest's message, or hold it; says in `answer` what became of it. True if the journal has
    something of it to write.

    At QoS 2 a message goes on when it is released, as most brokers do it. A lasting session's goes on at once: what
    is held is in memory, and such a client counts on PUBREC across our restarts. Held is half of what a subscriber's
    queue takes, so that what goes on at once finds room there.
    """
    hub, session = connection.hub, connection.session
    assert session is not None
    refusal = publish_refusal(connection.principal, message.topic, hub.settings.closed)
    if refusal is not None:
        hub.counters.publishes_refused += 1
        answer.refuse(refusal, "this client may not publish there")
        return False
    if packet.qos == 2 and not session.durable:
        if session.hold(packet.packet_id, message, hub.settings.max_queued_bytes // 2):
            return False
        hub.let_go(session, connection.principal)  # more is not held: all goes on now, in order
    nobody = packet.qos == 1 and not hub.router.anyone_for(message.topic)
    waits, kept = hub.router.spread(message, connection.principal, session.key)
    if not kept:
        answer.refuse(Reason.QUOTA_EXCEEDED, "too many retained topics, or too many levels")
    elif nobody:
        answer.reason = Reason.NO_MATCHING_SUBSCRIBERS
    return waits


def acknowledge(connection: "Connection", receipt: int) -> None:
    """Answer a message that is on its way to whom it concerns. Raises ProtocolError if too many are in flight."""
    hub = connection.hub
    hub.counters.publishes_in += 1
    connection.acknowledge([receipt])
    hub.mind_backlog()
    if connection.version == V5 and connection.unacknowledged > hub.settings.receive_maximum:
        raise ProtocolError(Reason.RECEIVE_MAXIMUM_EXCEEDED, "more messages in flight than allowed")


def release(connection: "Connection", packet_id: int) -> bool:
    """PUBREL came: the message, if it is held, goes on. True if the journal has something of it to write."""
    session = connection.session
    assert session is not None
    message = session.release(packet_id)
    return message is not None and connection.hub.router.spread(message, connection.principal, session.key)[0]
