"""Messages read past paho are those that paho would have read, in their order, however the bytes come."""

import socket
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from gateway.ingest.broker_link import BufferedClient, Heard, plain_publishes


class Fed(BufferedClient):
    """Reads pieces instead of a socket, and remembers what it wrote."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5, manual_ack=True)
        self._pieces = list(pieces)
        self._sock = socket.socket()  # paho reads only while it has one
        self.heard: list[Heard] = []
        self.past_paho = 0
        self.on_message = self._by_paho

    def _receive(self) -> bytes:
        if not self._pieces:
            raise BlockingIOError
        return self._pieces.pop(0)

    def _by_paho(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        receipt = message.mid if message.qos else 0
        self.heard.append((message.topic.encode(), bytes(message.payload), receipt, message.retain))

    def read(self) -> None:
        """As `BrokerClient` does, until nothing is left."""
        while self._pieces or self.has_unread():
            found = self.publishes()
            self.past_paho += len(found)
            self.heard += found
            assert self.loop_read() is MQTTErrorCode.MQTT_ERR_SUCCESS

    def _easy_log(self, *_words: object) -> None:
        """Say nothing."""


def length(size: int) -> bytes:
    out = bytearray()
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((*out, size))


def publish(heard: Heard, properties: bytes = b"", *, dup: bool = False) -> bytes:
    topic, payload, receipt, retained = heard
    first = 0x30 | (0x02 if receipt else 0) | (0x08 if dup and receipt else 0) | retained
    body = len(topic).to_bytes(2, "big") + topic + (receipt.to_bytes(2, "big") if receipt else b"")
    body += length(len(properties)) + properties + payload
    return bytes((first,)) + length(len(body)) + body


PINGRESP = b"\xd0\x00"
PUBACK = b"\x40\x02\x00\x07"
EXPIRY = b"\x02\x00\x00\x00\x3c"
LONG = b"\x26\x00\x01k\x00\xc8" + b"v" * 200  # a user property: more than 127 bytes
messages = st.tuples(
    st.text("abc/0é", min_size=1, max_size=40).map(str.encode),
    st.binary(max_size=400),
    st.integers(0, 0xFFFF),
    st.booleans(),
)
packets = st.lists(
    st.one_of(
        st.tuples(messages, st.sampled_from([b"", EXPIRY, LONG]), st.booleans()),
        st.sampled_from([PINGRESP, PUBACK]),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=150)
@given(packets, st.lists(st.integers(1, 700), max_size=40))
def test_however_a_stream_is_cut_each_message_is_heard_once_in_its_order(packets: list[Any], cuts: list[int]) -> None:
    stream = b"".join(it if isinstance(it, bytes) else publish(it[0], it[1], dup=it[2]) for it in packets)
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(stream[at : at + cut])
        at += cut
    client = Fed([piece for piece in (*pieces, stream[at:]) if piece])
    client.read()
    assert client.heard == [it[0] for it in packets if not isinstance(it, bytes)]


def test_whole_plain_messages_never_pass_through_paho() -> None:
    many: list[Heard] = [(b"siaga/v1/cam-1/telemetry", b"x" * 350, number, False) for number in range(1, 101)]
    client = Fed([b"".join(map(publish, many))])
    client.read()
    assert (client.heard, client.past_paho) == (many, 100)


@given(st.binary(max_size=60))
def test_no_bytes_are_taken_for_a_message_that_is_not_whole(data: bytes) -> None:
    found, at = plain_publishes(b"\x32" + data, 0)
    assert 0 <= at <= len(data) + 1
    assert all(topic and receipt for topic, _, receipt, _ in found)


@given(messages, st.data())
def test_a_message_that_is_cut_short_waits_for_its_rest(message: Heard, data: st.DataObject) -> None:
    whole = publish(message)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert plain_publishes(whole[:cut], 0) == ([], 0)
    assert plain_publishes(whole, 0) == ([message], len(whole))


def test_acknowledgements_leave_in_one_write() -> None:
    client = Fed([])
    client.acknowledge([1, 258, 65535])
    [packet] = client._out_packet
    assert packet["packet"] == b"\x40\x02\x00\x01\x40\x02\x01\x02\x40\x02\xff\xff"


def test_what_tls_has_decrypted_already_is_unread_too() -> None:
    class Decrypted(socket.socket):
        def pending(self) -> int:
            return 5

    client = Fed([])
    assert not client.has_unread()
    client.hang_up()
    client._sock = Decrypted()
    assert client.has_unread()
