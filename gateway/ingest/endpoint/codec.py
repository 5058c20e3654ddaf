"""Bytes from a client to packets, MQTT 3.1.1 and 5. Pure; every malformed packet raises one exception, ProtocolError.

`frame` finds a packet in a buffer, `decode` reads it. Writing is `encode`'s.
"""

from gateway.ingest.endpoint import properties as p
from gateway.ingest.endpoint.packets import (
    V5,
    V311,
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
    Will,
)
from gateway.ingest.endpoint.properties import Property, malformed, read_binary, read_properties, read_text, read_two
from gateway.ingest.endpoint.reasons import AUTHENTICATIONS, FAREWELLS, RECEIPTS, RELEASES, ProtocolError, Reason
from gateway.ports.endpoint import NEVER_EXPIRES, Subscription


def frame(data: bytes, at: int, limit: int) -> tuple[int, int] | None:
    """Where the body of the packet at `at` begins and ends, None while more bytes are needed.

    `limit` bounds the whole packet in bytes. A length written longer than needed is tolerated: MQTT 3.1.1 allows it.
    """
    size = len(data)
    length = 0
    for step in range(4):
        head = at + 1 + step
        if head >= size:
            return None
        byte = data[head]
        length |= (byte & 0x7F) << (7 * step)
        if byte < 0x80:
            end = head + 1 + length
            if end - at > limit:
                raise ProtocolError(Reason.PACKET_TOO_LARGE, f"a packet of {end - at} bytes exceeds {limit}")
            return (head + 1, end) if end <= size else None
    raise malformed("remaining length has more than four bytes")


def wanted(data: bytes, at: int) -> int:
    """How many bytes the incomplete packet at `at` takes in all, 0 if that cannot be said yet."""
    length = 0
    for step in range(4):
        head = at + 1 + step
        if head >= len(data):
            return 0
        length |= (data[head] & 0x7F) << (7 * step)
        if data[head] < 0x80:
            return head + 1 + length - at
    return 0


def peek_level(data: bytes, at: int, end: int) -> int:
    """How to answer a CONNECT that may turn out to be malformed: 5 from level 5 on, 4 for everything else."""
    level_at = at + 2 + int.from_bytes(data[at : at + 2], "big")
    return V5 if level_at < end and data[level_at] >= V5 else V311


def decode(first: int, data: bytes, at: int, end: int, version: int) -> Packet:
    """The packet whose fixed header begins with byte `first` and whose body is data[at:end].

    `version` is the level of the connection (4 or 5); CONNECT brings its own.
    """
    kind = first >> 4
    flags = first & 0x0F
    if kind == Kind.PUBLISH:
        return _publish(flags, data, at, end, version)
    if flags != (2 if kind in (Kind.PUBREL, Kind.SUBSCRIBE, Kind.UNSUBSCRIBE) else 0):
        raise malformed("reserved flags are wrong")
    if kind in (Kind.PUBACK, Kind.PUBREC, Kind.PUBREL, Kind.PUBCOMP):
        return _ack(Kind(kind), data, at, end, version)
    if kind == Kind.PINGREQ:
        if at != end:
            raise malformed("PINGREQ with a body")
        return Ping()
    if kind == Kind.SUBSCRIBE:
        return _subscribe(data, at, end, version)
    if kind == Kind.UNSUBSCRIBE:
        return _unsubscribe(data, at, end, version)
    if kind == Kind.DISCONNECT:
        return _disconnect(data, at, end, version)
    if kind == Kind.CONNECT:
        return _connect(data, at, end)
    if kind == Kind.AUTH and version == V5:
        return _auth(data, at, end)
    raise ProtocolError(Reason.PROTOCOL_ERROR, f"a client does not send packets of type {kind}")


def _reason(code: int, possible: frozenset[int], kind: Kind) -> Reason:
    if code not in possible:
        raise malformed(f"{kind.name} has no reason code {code}")
    return Reason(code)


def _connect(data: bytes, at: int, end: int) -> Connect:
    name, at = read_text(data, at, end)
    if at >= end:
        raise malformed("CONNECT is cut off")
    version = data[at]
    at += 1
    if name != "MQTT" or version not in (V311, V5):
        raise ProtocolError(Reason.UNSUPPORTED_PROTOCOL_VERSION, f"protocol {name!r} level {version} is not served")
    if at >= end:
        raise malformed("CONNECT is cut off")
    flags = data[at]
    keep_alive_s, at = read_two(data, at + 1, end)
    if flags & 1:
        raise malformed("reserved connect flag is set")
    found: p.Properties = {}
    if version == V5:
        found, at = read_properties(data, at, end, p.CONNECT)
        if Property.AUTHENTICATION_DATA in found and Property.AUTHENTICATION_METHOD not in found:
            raise ProtocolError(Reason.PROTOCOL_ERROR, "authentication data without a method")
    client_id, at = read_text(data, at, end)
    will, at = _will(flags, data, at, end, version)
    username = password = None
    if flags & 0x80:
        username, at = read_text(data, at, end)
    if flags & 0x40:
        if version == V311 and username is None:
            raise malformed("a password without a user name")
        password, at = read_binary(data, at, end)
    if at != end:
        raise malformed("CONNECT has bytes left over")
    clean = bool(flags & 2)
    return Connect(
        version=version,
        client_id=client_id,
        clean_start=clean,
        keep_alive_s=keep_alive_s,
        username=username,
        password=password,
        will=will,
        session_expiry_s=found.get(Property.SESSION_EXPIRY, 0) if version == V5 else (0 if clean else NEVER_EXPIRES),
        receive_maximum=found.get(Property.RECEIVE_MAXIMUM, 65535),
        maximum_packet=found.get(Property.MAXIMUM_PACKET_SIZE),
        topic_alias_maximum=found.get(Property.TOPIC_ALIAS_MAXIMUM, 0),
        problem_information=bool(found.get(Property.REQUEST_PROBLEM_INFORMATION, 1)),
        authentication_method=found.get(Property.AUTHENTICATION_METHOD),
    )


def _will(flags: int, data: bytes, at: int, end: int, version: int) -> tuple[Will | None, int]:
    qos = flags >> 3 & 3
    retain = bool(flags & 0x20)
    if not flags & 4:
        if qos or retain:
            raise malformed("will flags without a will")
        return None, at
    if qos == 3:
        raise malformed("will QoS 3")
    found: p.Properties = {}
    passed_on = b""
    if version == V5:
        found, passed_on, at = p.read_message(data, at, end, p.WILL)
    topic, at = read_text(data, at, end)
    payload, at = read_binary(data, at, end)
    _check_topic(topic)
    will = Will(
        topic,
        payload,
        qos,
        retain,
        found.get(Property.WILL_DELAY, 0),
        found.get(Property.MESSAGE_EXPIRY),
        passed_on,
    )
    return will, at


def _check_topic(topic: str) -> None:
    if not topic or "#" in topic or "+" in topic:
        raise ProtocolError(Reason.TOPIC_NAME_INVALID, "a topic name is empty or holds a wildcard")


def _publish(flags: int, data: bytes, at: int, end: int, version: int) -> Publish:
    qos = flags >> 1 & 3
    dup = bool(flags & 8)
    if qos == 3:
        raise malformed("QoS 3")
    if dup and not qos:
        raise malformed("DUP with QoS 0")
    topic, at = read_text(data, at, end)
    packet_id = 0
    if qos:
        packet_id, at = _packet_id(data, at, end)
    found: p.Properties = {}
    passed_on = b""
    if version == V5:
        if data[at : at + 1] == b"\0":
            at += 1
        else:
            found, passed_on, at = p.read_message(data, at, end, p.PUBLISH)
    alias = found.get(Property.TOPIC_ALIAS, 0)
    if topic or not alias:
        _check_topic(topic)
    return Publish(
        topic,
        data[at:end],
        qos,
        bool(flags & 1),
        dup,
        packet_id,
        alias,
        found.get(Property.MESSAGE_EXPIRY),
        passed_on,
    )


def _packet_id(data: bytes, at: int, end: int) -> tuple[int, int]:
    packet_id, at = read_two(data, at, end)
    if packet_id == 0:
        raise ProtocolError(Reason.PROTOCOL_ERROR, "packet identifier 0")
    return packet_id, at


def _ack(kind: Kind, data: bytes, at: int, end: int, version: int) -> Ack:
    packet_id, at = _packet_id(data, at, end)
    reason = Reason.SUCCESS
    if version == V5 and at < end:
        reason = _reason(data[at], RECEIPTS if kind in (Kind.PUBACK, Kind.PUBREC) else RELEASES, kind)
        at += 1
        if at < end:
            _, at = read_properties(data, at, end, p.ACK)
    if at != end:
        raise malformed("an acknowledgement has bytes left over")
    return Ack(kind, packet_id, reason)


def _subscribe(data: bytes, at: int, end: int, version: int) -> Subscribe:
    packet_id, at = _packet_id(data, at, end)
    found: p.Properties = {}
    if version == V5:
        found, at = read_properties(data, at, end, p.SUBSCRIBE)
    identifier = found.get(Property.SUBSCRIPTION_IDENTIFIER, 0)
    wanted = []
    while at < end:
        topic_filter, at = read_text(data, at, end)
        if at >= end:
            raise malformed("a subscription has no options")
        options = data[at]
        at += 1
        qos = options & 3
        handling = options >> 4 & 3
        if qos == 3 or options & (0xC0 if version == V5 else 0xFC) or handling == 3:
            raise malformed("subscription options are wrong")
        no_local, as_published = bool(options & 4), bool(options & 8)
        wanted.append(Subscription(topic_filter, qos, no_local, as_published, handling, identifier))
    if not wanted:
        raise ProtocolError(Reason.PROTOCOL_ERROR, "SUBSCRIBE without a filter")
    return Subscribe(packet_id, tuple(wanted))


def _unsubscribe(data: bytes, at: int, end: int, version: int) -> Unsubscribe:
    packet_id, at = _packet_id(data, at, end)
    if version == V5:
        _, at = read_properties(data, at, end, p.UNSUBSCRIBE)
    filters = []
    while at < end:
        topic_filter, at = read_text(data, at, end)
        filters.append(topic_filter)
    if not filters:
        raise ProtocolError(Reason.PROTOCOL_ERROR, "UNSUBSCRIBE without a filter")
    return Unsubscribe(packet_id, tuple(filters))


def _disconnect(data: bytes, at: int, end: int, version: int) -> Disconnect:
    if at == end:
        return Disconnect()
    if version != V5:
        raise malformed("DISCONNECT with a body")
    reason = _reason(data[at], FAREWELLS, Kind.DISCONNECT)
    at += 1
    found: p.Properties = {}
    if at < end:
        found, at = read_properties(data, at, end, p.DISCONNECT)
    if at != end:
        raise malformed("DISCONNECT has bytes left over")
    return Disconnect(reason, found.get(Property.SESSION_EXPIRY))


def _auth(data: bytes, at: int, end: int) -> Auth:
    if at == end:
        return Auth()
    reason = _reason(data[at], AUTHENTICATIONS, Kind.AUTH)
    if at + 1 < end:
        read_properties(data, at + 1, end, p.AUTH)
    return Auth(reason)
