"""Acknowledgements from the client: of what it was sent, and the release of what it sent at QoS 2."""

from typing import TYPE_CHECKING

from gateway.ingest.endpoint import encode, guests
from gateway.ingest.endpoint.packets import Ack, Kind
from gateway.ingest.endpoint.reasons import ProtocolError, Reason
from gateway.ingest.endpoint.receipts import Answer
from gateway.ingest.endpoint.session import Delivery
from gateway.ports.endpoint import Forget, Release

if TYPE_CHECKING:
    from gateway.ingest.endpoint.connection import Connection


def hear_ack(connection: "Connection", packet: Ack) -> None:
    """Act on a PUBACK, PUBREC, PUBREL or PUBCOMP. One that the message of its identifier does not wait for is an error;
    one of an unknown identifier is not, as the client may have been away.
    """
    session = connection.session
    assert session is not None
    number = packet.packet_id
    if packet.kind is Kind.PUBREL:
        known = session.received.pop(number, None) is not None
        if known and session.durable:
            connection.hub.journal.add(Forget(session.key, number))
        reason = Reason.SUCCESS if known else Reason.PACKET_IDENTIFIER_NOT_FOUND
        pubcomp = connection.encode(Answer(Kind.PUBCOMP, number, reason))
        if guests.release(connection, number):
            connection.hub.journal.after(lambda: connection.write(pubcomp))
        else:
            connection.write(pubcomp)
        return
    delivery = session.flight.get(number)
    if delivery is not None and packet.kind not in _due(delivery):
        raise ProtocolError(Reason.PROTOCOL_ERROR, f"{packet.kind.name} is not what packet {number} waits for")
    if packet.kind is Kind.PUBREC and packet.reason < Reason.UNSPECIFIED_ERROR:
        _release(connection, number)
        return
    connection.done(session.acknowledged(number, 1 if packet.kind is Kind.PUBACK else 2))
    connection.pump()


def _due(delivery: Delivery) -> tuple[Kind, ...]:
    """The acknowledgements that a delivery in flight may get now (MQTT-4.3.2-1, MQTT-4.3.3-1)."""
    if delivery.qos == 1:
        return (Kind.PUBACK,)
    return (Kind.PUBREC, Kind.PUBCOMP) if delivery.released else (Kind.PUBREC,)


def _release(connection: "Connection", packet_id: int) -> None:
    """PUBREC came: the client has the message, so from now on only PUBREL is sent."""
    session = connection.session
    assert session is not None
    delivery = session.flight.get(packet_id)
    if delivery is None:
        connection.write(connection.encode(Answer(Kind.PUBREL, packet_id, Reason.PACKET_IDENTIFIER_NOT_FOUND)))
        return
    pubrel = encode.ack(Kind.PUBREL, packet_id)
    if session.durable and not delivery.released:
        delivery.released = True
        connection.hub.journal.add(Release(session.key, delivery.position))
        connection.hub.journal.after(lambda: connection.write(pubrel))
    else:
        delivery.released = True
        connection.write(pubrel)
