"""What an admitted client's packets mean. Order of answers, rights and limits are judged here; bytes are not."""

from typing import TYPE_CHECKING

from gateway.ingest import topics as device_topics
from gateway.ingest.endpoint import encode, guests
from gateway.ingest.endpoint.access import publish_refusal, subscribe_refusal
from gateway.ingest.endpoint.acks import hear_ack
from gateway.ingest.endpoint.packets import (
    V5,
    Ack,
    Auth,
    Connect,
    Disconnect,
    Kind,
    Packet,
    Ping,
    Publish,
    Subscribe,
    Unsubscribe,
)
from gateway.ingest.endpoint.reasons import ProtocolError, Reason
from gateway.ingest.endpoint.receipts import Answer
from gateway.ingest.endpoint.session import Message, Session
from gateway.ingest.endpoint.topics import MAX_LEVELS, split_share, valid_filter, valid_share
from gateway.ports.endpoint import Receive, Rights, SaveSession, Subscription
from gateway.ports.ingest import Inbound

if TYPE_CHECKING:
    from gateway.ingest.endpoint.connection import Connection
    from gateway.ingest.endpoint.line import Line

_REFUSED_311 = 0x80


def hear(connection: "Connection", packet: Packet, batch: list[Inbound], now: float) -> None:
    """Act on one packet. A message for the pipeline goes into `batch`. `now` is epoch seconds."""
    if isinstance(packet, Publish):
        _publish(connection, packet, batch, now)
    elif isinstance(packet, Ack):
        hear_ack(connection, packet)
    elif isinstance(packet, Ping):
        connection.write(encode.PINGRESP)
    elif isinstance(packet, Subscribe):
        _subscribe(connection, packet, now)
    elif isinstance(packet, Unsubscribe):
        _unsubscribe(connection, packet)
    elif isinstance(packet, Disconnect):
        _disconnect(connection, packet)
    else:
        assert isinstance(packet, Connect | Auth)
        raise ProtocolError(Reason.PROTOCOL_ERROR, f"{type(packet).__name__.upper()} is out of place")


def _session(connection: "Connection") -> "Session[Line]":
    session = connection.session
    assert session is not None
    return session


# --- messages from the client -----------------------------------------------------------------------------------------


def _publish(connection: "Connection", packet: Publish, batch: list[Inbound], now: float) -> None:
    hub = connection.hub
    topic = _topic(connection, packet)
    if packet.qos == 2 and _seen_before(connection, packet.packet_id):
        return
    kind = Kind.PUBREC if packet.qos == 2 else Kind.PUBACK
    answer = Answer(kind, packet.packet_id)
    if connection.principal.rights is Rights.GUEST:
        waits = guests.forward(connection, packet, _message(packet, topic, now), answer)
        guests.acknowledge(connection, _promise(connection, packet, answer, waits=waits))
        return
    waits = False
    known = connection.routes.fresh(hub.router.version).get(topic.encode())
    device_id, channel = known or device_topics.parse(topic)
    if known is None or packet.retain:  # else judged before: allowed, and nobody subscribed
        refusal = publish_refusal(connection.principal, topic, hub.settings.closed)
        if refusal is None:
            waits = _spread(connection, packet, topic, (device_id, channel), answer, now)
        else:
            hub.counters.publishes_refused += 1
            device_id, channel = "", topic
            answer.refuse(refusal, "this client may not publish there")
    receipt = _promise(connection, packet, answer, waits=waits)
    batch.append(Inbound(device_id, channel, packet.payload, now, connection, receipt))


def _promise(connection: "Connection", packet: Publish, answer: Answer, *, waits: bool) -> int:
    """The receipt that brings the answer on its way, 0 at QoS 0. If it `waits`, it also needs the journal's word."""
    receipt = 0
    if packet.qos:
        connection.unacknowledged += 1
        if packet.qos == 1 and not waits and answer.reason is Reason.SUCCESS:
            receipt = packet.packet_id
        else:
            receipt = connection.await_answer(answer)
    if packet.qos == 2:
        waits |= _note(connection, packet.packet_id, answer)
    if waits and receipt:
        answer.durable = False
        connection.hub.journal.after(lambda: _now_durable(connection, answer))
    return receipt


def _now_durable(connection: "Connection", answer: Answer) -> None:
    answer.durable = True
    connection.answer()


def _topic(connection: "Connection", packet: Publish) -> str:
    """The topic, through the client's aliases (MQTT 5, 3.3.2.3.4)."""
    if not packet.alias:
        return packet.topic
    aliases = connection.aliases
    if aliases is None:
        aliases = connection.aliases = {}
    if packet.alias > connection.hub.settings.topic_alias_maximum:
        raise ProtocolError(Reason.TOPIC_ALIAS_INVALID, f"topic alias {packet.alias} is above the maximum")
    if packet.topic:
        aliases[packet.alias] = packet.topic
    elif packet.alias not in aliases:
        raise ProtocolError(Reason.PROTOCOL_ERROR, f"topic alias {packet.alias} was never set")
    return aliases[packet.alias]


def _spread(
    connection: "Connection", packet: Publish, topic: str, route: tuple[str, str], answer: Answer, now: float
) -> bool:
    """Retain and route an allowed message; True if the journal has something of it to write."""
    router = connection.hub.router
    if not packet.retain and not router.anyone_for(topic):
        connection.routes.learn(topic, route, router.version)
        return False
    waits, kept = router.spread(_message(packet, topic, now), connection.principal, _session(connection).key)
    if not kept:
        answer.refuse(Reason.QUOTA_EXCEEDED, "too many retained topics, or too many levels")
    return waits


def _message(packet: Publish, topic: str, now: float) -> Message:
    expires_at = None if packet.expiry_s is None else now + packet.expiry_s
    return Message(topic, packet.payload, packet.qos, packet.retain, expires_at, packet.properties)


def _seen_before(connection: "Connection", packet_id: int) -> bool:
    """Whether a QoS 2 message was taken already: then only PUBREC is due, now or when the first is committed."""
    received = _session(connection).received
    if packet_id not in received:
        return False
    if received[packet_id]:
        connection.write(encode.ack(Kind.PUBREC, packet_id))
    return True


def _note(connection: "Connection", packet_id: int, answer: Answer) -> bool:
    """Remember the packet identifier of a QoS 2 message until PUBREL; True if the journal has to. MQTT 3.1.1 sets no
    bound but 65,535; a device has one all the same.
    """
    session = _session(connection)
    if answer.reason >= Reason.UNSPECIFIED_ERROR and connection.version == V5:
        return False
    bound = connection.version == V5 or connection.principal.rights is Rights.DEVICE
    if bound and len(session.received) >= connection.hub.settings.receive_maximum:
        raise ProtocolError(Reason.RECEIVE_MAXIMUM_EXCEEDED, "too many messages wait for PUBREL")
    session.received[packet_id] = False
    if session.durable:
        connection.hub.journal.add(Receive(session.key, packet_id))
    return session.durable


# --- subscriptions ----------------------------------------------------------------------------------------------------


def _subscribe(connection: "Connection", packet: Subscribe, now: float) -> None:
    session, router = _session(connection), connection.hub.router
    codes: list[int] = []
    for wanted in packet.subscriptions:
        _check_filter(wanted)
    for wanted in packet.subscriptions:
        refusal = _refusal(connection, wanted)
        if refusal is None:
            router.subscribe(session, wanted, now)
            codes.append(wanted.qos)
        else:
            codes.append(refusal if connection.version == V5 else _REFUSED_311)
    if session.durable:
        connection.hub.journal.add(SaveSession(session.stored()))
    _answer_durably(connection, encode.suback(connection.version, packet.packet_id, codes))


def _check_filter(wanted: Subscription) -> None:
    """A filter that no server could accept ends the connection (MQTT-4.7.1-1, -2, 4.7.3-1, 3.8.3-4)."""
    _check_form(wanted.topic_filter)
    if wanted.no_local and split_share(wanted.topic_filter)[0]:
        raise ProtocolError(Reason.PROTOCOL_ERROR, "no local on a shared subscription")


def _check_form(topic_filter: str) -> None:
    """A share without a name or a filter is refused (see `_refusal`): to MQTT 3.1.1 `$share/` is like other topics."""
    if not valid_filter(topic_filter) and valid_share(topic_filter):
        raise ProtocolError(Reason.MALFORMED_PACKET, "a topic filter is malformed")


def _refusal(connection: "Connection", wanted: Subscription) -> Reason | None:
    session = _session(connection)
    topic_filter = wanted.topic_filter
    if topic_filter.count("/") >= MAX_LEVELS or not valid_share(topic_filter):
        return Reason.TOPIC_FILTER_INVALID
    settings = connection.hub.settings
    refusal = subscribe_refusal(connection.principal, split_share(topic_filter)[1], settings.closed)
    if refusal is not None:
        return refusal
    most = settings.max_subscriptions
    if topic_filter not in session.subscriptions and len(session.subscriptions) >= most:
        return Reason.QUOTA_EXCEEDED
    return None


def _unsubscribe(connection: "Connection", packet: Unsubscribe) -> None:
    session = _session(connection)
    codes = []
    for topic_filter in packet.filters:
        _check_form(topic_filter)
    for topic_filter in packet.filters:
        known = connection.hub.router.unsubscribe(session, topic_filter)
        codes.append(Reason.SUCCESS if known else Reason.NO_SUBSCRIPTION_EXISTED)
    if session.durable:
        connection.hub.journal.add(SaveSession(session.stored()))
    _answer_durably(connection, encode.unsuback(connection.version, packet.packet_id, codes))


def _answer_durably(connection: "Connection", answer: bytes) -> None:
    """Answer once the session is written; deliveries wait, so that retained messages follow SUBACK."""
    connection.holding += 1

    def done() -> None:
        connection.holding -= 1
        if connection.is_open:
            if connection.outlet.fits(answer):
                connection.write(answer)
            connection.pump()

    connection.hub.journal.after(done)


# --- farewell ---------------------------------------------------------------------------------------------------------


def _disconnect(connection: "Connection", packet: Disconnect) -> None:
    session = _session(connection)
    if packet.session_expiry_s is not None:
        if session.expiry_s == 0 and packet.session_expiry_s:
            raise ProtocolError(Reason.PROTOCOL_ERROR, "a session that ends with its connection cannot be prolonged")
        was_durable = session.durable
        session.expiry_s = min(packet.session_expiry_s, connection.hub.settings.max_session_expiry_s)
        if was_durable and not session.durable:
            connection.hub.forget(session)
    if packet.reason is Reason.SUCCESS:
        connection.will = None
    connection.close()
