"""Packets from the server to bytes, MQTT 3.1.1 and 5. Pure; the other half of the codec."""

from collections.abc import Sequence

from gateway.ingest.endpoint.packets import V5, Kind
from gateway.ingest.endpoint.properties import Properties, Property, text, varint, write_properties
from gateway.ingest.endpoint.reasons import Reason, connect_return_code

PINGRESP = b"\xd0\x00"


def _packet(first: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes((first,)) + varint(len(body)) + body


def _properties(found: Properties) -> bytes:
    raw = write_properties(found)
    return varint(len(raw)) + raw


def connack(version: int, reason: Reason, found: Properties, *, session_present: bool = False) -> bytes:
    """CONNACK; empty where MQTT 3.1.1 has no return code for the reason."""
    if version == V5:
        return _packet(0x20, bytes((session_present, reason)), _properties(found))
    code = connect_return_code(reason)
    return b"" if code is None else bytes((0x20, 2, session_present, code))


def ack(kind: Kind, packet_id: int, reason: Reason = Reason.SUCCESS, why: str = "") -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP. A reason other than success is MQTT 5's."""
    first = kind << 4 | (2 if kind is Kind.PUBREL else 0)
    number = packet_id.to_bytes(2, "big")
    if reason is Reason.SUCCESS:
        return bytes((first, 2)) + number
    if not why:
        return bytes((first, 3)) + number + bytes((reason,))
    return _packet(first, number, bytes((reason,)), _properties({Property.REASON_STRING: why}))


def suback(version: int, packet_id: int, codes: Sequence[int]) -> bytes:
    """SUBACK; codes are already those of the version."""
    return _packet(0x90, packet_id.to_bytes(2, "big"), b"\0" if version == V5 else b"", bytes(codes))


def unsuback(version: int, packet_id: int, codes: Sequence[int]) -> bytes:
    """UNSUBACK; MQTT 3.1.1 carries no codes."""
    if version == V5:
        return _packet(0xB0, packet_id.to_bytes(2, "big"), b"\0", bytes(codes))
    return b"\xb0\x02" + packet_id.to_bytes(2, "big")


def disconnect(reason: Reason, why: str = "") -> bytes:
    """DISCONNECT from the server, MQTT 5 only."""
    return _packet(0xE0, bytes((reason,)), _properties({Property.REASON_STRING: why} if why else {}))


def publish(
    version: int,
    topic: str,
    payload: bytes,
    *,
    qos: int,
    retain: bool,
    dup: bool,
    packet_id: int,
    properties: bytes = b"",
    expiry_s: int | None = None,
    identifiers: Sequence[int] = (),
    alias: int = 0,
) -> bytes:
    """PUBLISH. `properties` are those passed on as they are; an empty topic needs an alias."""
    first = 0x30 | dup << 3 | qos << 1 | retain
    head = text(topic)
    if qos:
        head += packet_id.to_bytes(2, "big")
    if version == V5:
        if expiry_s is not None:
            properties = b"\x02" + expiry_s.to_bytes(4, "big") + properties
        if identifiers:
            properties += b"".join([b"\x0b" + varint(number) for number in identifiers])
        if alias:
            properties += b"\x23" + alias.to_bytes(2, "big")
        head += varint(len(properties)) + properties
    return bytes((first,)) + varint(len(head) + len(payload)) + head + payload
