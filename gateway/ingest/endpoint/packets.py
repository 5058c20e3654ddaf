"""What a client can say, parsed. Limits and rights are judged elsewhere."""

from dataclasses import dataclass, field
from enum import IntEnum

from gateway.ingest.endpoint.reasons import Reason
from gateway.ports.endpoint import Subscription


class Kind(IntEnum):
    """Control packet types (table 2-1)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


V311 = 4
V5 = 5


@dataclass(frozen=True, slots=True)
class Will:
    """The message to publish when the connection ends without DISCONNECT. `properties` are passed on, encoded."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    delay_s: int = 0
    expiry_s: int | None = None
    properties: bytes = b""


@dataclass(frozen=True, slots=True)
class Connect:
    """The first packet. For 3.1.1, `session_expiry_s` is 0 with a clean session and for ever without."""

    version: int
    client_id: str
    clean_start: bool
    keep_alive_s: int
    username: str | None
    password: bytes | None = field(repr=False)
    will: Will | None
    session_expiry_s: int
    receive_maximum: int = 65535
    maximum_packet: int | None = None
    topic_alias_maximum: int = 0
    problem_information: bool = True
    authentication_method: str | None = None


@dataclass(frozen=True, slots=True)
class Publish:
    """A message. `topic` may be empty where `alias` stands for it. `packet_id` is 0 for QoS 0."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    packet_id: int
    alias: int = 0
    expiry_s: int | None = None
    properties: bytes = b""


@dataclass(frozen=True, slots=True)
class Ack:
    """PUBACK, PUBREC, PUBREL or PUBCOMP."""

    kind: Kind
    packet_id: int
    reason: Reason = Reason.SUCCESS


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Filters as the client wrote them, valid or not."""

    packet_id: int
    subscriptions: tuple[Subscription, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Filters to drop."""

    packet_id: int
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ping:
    """PINGREQ."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The client leaves. `session_expiry_s` None = as it was."""

    reason: Reason = Reason.SUCCESS
    session_expiry_s: int | None = None


@dataclass(frozen=True, slots=True)
class Auth:
    """Extended authentication, which this server does not offer."""

    reason: Reason = Reason.SUCCESS


Packet = Connect | Publish | Ack | Subscribe | Unsubscribe | Ping | Disconnect | Auth
