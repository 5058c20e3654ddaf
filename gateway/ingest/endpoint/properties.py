"""MQTT 5 properties (section 2.2.2): bytes to a dictionary and back, each checked against its packet.

Strings, integers and pairs are read here for the whole codec. Every flaw raises ProtocolError.
"""

from enum import IntEnum
from typing import Any, Final

from gateway.ingest.endpoint.reasons import ProtocolError, Reason


class Property(IntEnum):
    """Property identifiers (table 2-4)."""

    PAYLOAD_FORMAT = 1
    MESSAGE_EXPIRY = 2
    CONTENT_TYPE = 3
    RESPONSE_TOPIC = 8
    CORRELATION_DATA = 9
    SUBSCRIPTION_IDENTIFIER = 11
    SESSION_EXPIRY = 17
    ASSIGNED_CLIENT_ID = 18
    SERVER_KEEP_ALIVE = 19
    AUTHENTICATION_METHOD = 21
    AUTHENTICATION_DATA = 22
    REQUEST_PROBLEM_INFORMATION = 23
    WILL_DELAY = 24
    REQUEST_RESPONSE_INFORMATION = 25
    RESPONSE_INFORMATION = 26
    SERVER_REFERENCE = 28
    REASON_STRING = 31
    RECEIVE_MAXIMUM = 33
    TOPIC_ALIAS_MAXIMUM = 34
    TOPIC_ALIAS = 35
    MAXIMUM_QOS = 36
    RETAIN_AVAILABLE = 37
    USER_PROPERTY = 38
    MAXIMUM_PACKET_SIZE = 39
    WILDCARD_AVAILABLE = 40
    IDENTIFIERS_AVAILABLE = 41
    SHARED_AVAILABLE = 42


Properties = dict[Property, Any]

_P = Property
_FLAG: Final = frozenset({23, 25, 36, 37, 40, 41, 42})
_BYTE: Final = _FLAG | {1}
"""A payload format other than 0 and 1 is nothing to the server: it passes them on unaltered (MQTT-3.3.2-4)."""
_TWO: Final = frozenset({19, 33, 34, 35})
_FOUR: Final = frozenset({2, 17, 24, 39})
_TEXT: Final = frozenset({3, 8, 18, 21, 26, 28, 31})
_BINARY: Final = frozenset({9, 22})
_NOT_ZERO: Final = frozenset({_P.RECEIVE_MAXIMUM, _P.MAXIMUM_PACKET_SIZE, _P.SUBSCRIPTION_IDENTIFIER})

WILL: Final = frozenset({1, 2, 3, 8, 9, 24, 38})
CONNECT: Final = frozenset({17, 21, 22, 23, 25, 33, 34, 38, 39})
PUBLISH: Final = frozenset({1, 2, 3, 8, 9, 35, 38})
"""What a client may send: a Subscription Identifier goes from server to client only (MQTT-3.3.4-6)."""
ACK: Final = frozenset({31, 38})
SUBSCRIBE: Final = frozenset({11, 38})
UNSUBSCRIBE: Final = frozenset({38})
DISCONNECT: Final = frozenset({17, 31, 38})
AUTH: Final = frozenset({21, 22, 31, 38})
_FORWARDED: Final = frozenset({1, 3, 8, 9, 38})


def malformed(text: str) -> ProtocolError:
    """The error for bytes that cannot be read."""
    return ProtocolError(Reason.MALFORMED_PACKET, text)


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A variable byte integer in its shortest form (1.5.5) and the offset after it."""
    value = 0
    for step in range(4):
        if at >= end:
            raise malformed("variable byte integer is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << (7 * step)
        if byte < 0x80:
            if byte == 0 and step:
                raise malformed("variable byte integer is longer than needed")
            return value, at
    raise malformed("variable byte integer has more than four bytes")


def read_two(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A two byte integer and the offset after it."""
    if at + 2 > end:
        raise malformed("packet is cut off")
    return data[at] << 8 | data[at + 1], at + 2


def read_binary(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    """Bytes with a two byte length before them and the offset after them."""
    length, at = read_two(data, at, end)
    if at + length > end:
        raise malformed("a field is longer than its packet")
    return data[at : at + length], at + length


def read_text(data: bytes, at: int, end: int) -> tuple[str, int]:
    """A UTF-8 string (1.5.4): well-formed, without U+0000."""
    raw, at = read_binary(data, at, end)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise malformed("a string is not UTF-8") from None
    if "\0" in text:
        raise malformed("a string holds U+0000")
    return text, at


def _read_value(identifier: int, data: bytes, at: int, end: int) -> tuple[Any, int]:
    if identifier in _TEXT:
        return read_text(data, at, end)
    if identifier in _BINARY:
        return read_binary(data, at, end)
    if identifier in _TWO:
        return read_two(data, at, end)
    if identifier == _P.SUBSCRIPTION_IDENTIFIER:
        return read_varint(data, at, end)
    size = 1 if identifier in _BYTE else 4
    if at + size > end:
        raise malformed("a property is cut off")
    return int.from_bytes(data[at : at + size], "big"), at + size


def read_properties(data: bytes, at: int, end: int, allowed: frozenset[int]) -> tuple[Properties, int]:
    """The properties of a packet and the offset after them. User properties come as a list of pairs."""
    found, _, at = read_message(data, at, end, allowed)
    return found, at


def read_message(data: bytes, at: int, end: int, allowed: frozenset[int]) -> tuple[Properties, bytes, int]:
    """The properties of a message; those that every receiver gets unaltered, encoded, in the order in which they came;
    and the offset after them.
    """
    length, at = read_varint(data, at, end)
    stop = at + length
    if stop > end:
        raise malformed("properties are longer than their packet")
    found: Properties = {}
    passed_on = []
    while at < stop:
        begin = at
        identifier, at = read_varint(data, at, stop)
        if identifier not in allowed:
            known = identifier in Property.__members__.values()
            reason = Reason.PROTOCOL_ERROR if known else Reason.MALFORMED_PACKET
            raise ProtocolError(reason, f"property {identifier} does not belong here")
        if identifier == _P.USER_PROPERTY:
            name, at = read_text(data, at, stop)
            value, at = read_text(data, at, stop)
            found.setdefault(_P.USER_PROPERTY, []).append((name, value))
        else:
            key = Property(identifier)
            if key in found:
                raise ProtocolError(Reason.PROTOCOL_ERROR, f"property {identifier} is given twice")
            found[key], at = _read_value(identifier, data, at, stop)
            _check(key, found[key])
        if identifier in _FORWARDED:
            passed_on.append(data[begin:at])
    return found, b"".join(passed_on), at


def _check(key: Property, value: Any) -> None:
    if key in _NOT_ZERO and value == 0:
        raise ProtocolError(Reason.PROTOCOL_ERROR, f"property {key.value} is zero")
    if key is _P.TOPIC_ALIAS and value == 0:
        raise ProtocolError(Reason.TOPIC_ALIAS_INVALID, "topic alias is zero")
    if key in _FLAG and value > 1:
        raise ProtocolError(Reason.PROTOCOL_ERROR, f"property {key.value} is neither 0 nor 1")
    if key is _P.RESPONSE_TOPIC and ("#" in value or "+" in value or not value):
        raise ProtocolError(Reason.PROTOCOL_ERROR, "response topic is not a topic name")


def varint(value: int) -> bytes:
    """Encode a variable byte integer, at most 268,435,455."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def text(value: str) -> bytes:
    """Encode a string with its length."""
    raw = value.encode()
    return len(raw).to_bytes(2, "big") + raw


def _write_value(key: Property, value: Any) -> bytes:
    if key in _TEXT:
        return text(value)
    if key in _BINARY:
        return len(value).to_bytes(2, "big") + bytes(value)
    if key in _TWO:
        return int(value).to_bytes(2, "big")
    if key is _P.SUBSCRIPTION_IDENTIFIER:
        return varint(value)
    return int(value).to_bytes(1 if key in _BYTE else 4, "big")


def write_properties(properties: Properties) -> bytes:
    """Encode properties without the length before them."""
    out = []
    for key, value in properties.items():
        if key is _P.USER_PROPERTY:
            out += [b"\x26" + text(name) + text(word) for name, word in value]
        else:
            out.append(bytes((key,)) + _write_value(key, value))
    return b"".join(out)
