"""What the client of an existing broker is made of: its address, paho with a read buffer, one connection's link."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from paho.mqtt import client as paho
from paho.mqtt.client import time_func
from paho.mqtt.enums import MessageType

from gateway.ingest.adapters import Adapter

READ_BYTES: Final = 64 * 1024
_PUBLISH: Final = 0x30
_QOS_1: Final = 0x02

Heard = tuple[bytes, bytes, int, bool]
"""A message: topic, payload, packet id (0: QoS 0), whether it was retained."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and who we are there. `receive_maximum`: unacknowledged messages it may send us.
    `patience_s`: how long it may take to answer our CONNECT and SUBSCRIBE.
    """

    host: str
    port: int = 1883
    client_id: str = "siaga-gateway"
    username: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None
    keepalive_s: int = 30
    receive_maximum: int = 2000
    patience_s: float = 10.0
    adapters: tuple[Adapter, ...] = ()


class BufferedClient(paho.Client):
    """paho with a read buffer, out of which whole PUBLISH packets are read without it. MQTT 5 only.

    One system call brings many packets (paho alone makes four a packet), and the one kind that comes in thousands costs
    3 us instead of 40; everything else, and a PUBLISH that is not plain or not whole, paho reads and judges.
    `_sock_recv`, `_in_packet` and `_packet_queue` are paho's own: pinned below 2.3 for that reason.
    """

    _unread: bytes = b""
    _at: int = 0

    def _receive(self) -> bytes:
        return super()._sock_recv(READ_BYTES)

    def _sock_recv(self, bufsize: int) -> bytes:
        if self._at >= len(self._unread):
            self._unread, self._at = self._receive(), 0
        taken = self._unread[self._at : self._at + bufsize]
        self._at += len(taken)
        return taken

    def publishes(self) -> Sequence[Heard]:
        """The messages at the head of what is unread, read now if there is nothing; paho's `loop_read` has the rest."""
        if self._in_packet["command"]:  # paho is in the midst of a packet
            return ()
        if self._at >= len(self._unread):
            try:
                self._unread, self._at = self._receive(), 0
            except OSError:  # nothing to read, or a broken connection: paho sees the same, and tells
                return ()
        found, self._at = plain_publishes(self._unread, self._at)
        if found:
            self._last_bytes_received = time_func()
        return found

    def has_unread(self) -> bool:
        """Whether bytes wait that the selector cannot see: in our buffer, or decrypted."""
        decrypted = getattr(self._sock, "pending", None)
        return self._at < len(self._unread) or bool(decrypted is not None and decrypted())

    def acknowledge(self, receipts: Sequence[int]) -> None:
        """PUBACK for all of them in one write; one write each is what they cost otherwise."""
        joined = b"".join([b"\x40\x02" + receipt.to_bytes(2, "big") for receipt in receipts])
        self._packet_queue(MessageType.PUBACK, joined, 0, 1)

    def hang_up(self) -> None:
        """Close the socket, if one is open: paho would do it within the next `connect`, in the midst of that one."""
        self._sock_close()

    def forget_unread(self) -> None:
        """A new connection starts with an empty buffer."""
        self._unread, self._at = b"", 0


def plain_publishes(data: bytes, at: int) -> tuple[list[Heard], int]:
    """Whole PUBLISH packets of MQTT 5 from a place on, QoS 0 and 1, and where the first other thing begins.

    One that is malformed, or has more than 127 bytes of properties, is another thing.
    """
    found: list[Heard] = []
    size = len(data)
    while at < size and data[at] & 0xF4 == _PUBLISH:
        first, head, length = data[at], at + 1, 0
        for shift in (0, 7, 14, 21):
            byte = data[head] if head < size else 0x80
            head += 1
            length |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        else:
            break
        end = head + length
        if end > size or length < 3:
            break
        topic_end = after = head + 2 + (data[head] << 8 | data[head + 1])
        receipt = 0
        if first & _QOS_1 and after + 2 <= end:
            receipt = data[after] << 8 | data[after + 1]
            after += 2
        properties = data[after] if after < end else 0x80
        after += 1 + properties
        if properties >= 0x80 or after > end or topic_end == head + 2 or (first & _QOS_1 and not receipt):
            break
        found.append((data[head + 2 : topic_end], data[after:end], receipt, bool(first & 1)))
        at = end
    return found, at


class Session:
    """The Link of one connection: packet ids are good only here, so a late acknowledgement of an old one is dropped."""

    def __init__(self, client: BufferedClient) -> None:
        self._client = client
        self.alive = True

    def acknowledge(self, receipts: Sequence[int]) -> None:
        """See `Link.acknowledge`."""
        if self.alive:
            self._client.acknowledge(receipts)
