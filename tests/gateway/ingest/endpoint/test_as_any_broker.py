"""What people expect of any broker, as whole stories: two ordinary clients with every topic, and time that passes."""

import asyncio
import sys

import pytest

from gateway.bench.processes import process
from tests.gateway.ingest.endpoint.conftest import Peer

EXPIRY = b"\x11"


def four(value: int) -> bytes:
    return value.to_bytes(4, "big")


async def granted(mqtt, peer, topic_filter, options=2, properties=b"", packet_id=10):
    await peer.send(
        mqtt.subscribe((topic_filter, options), version=peer.version, packet_id=packet_id, properties=properties)
    )
    first, body = await peer.read()
    assert (first, body[-1]) == (0x90, options & 3)


async def said(mqtt, peer, topic, payload, qos=0, packet_id=1, **how):
    """Publish and see the exchange through to its end."""
    await peer.send(mqtt.publish(topic, payload, qos, packet_id, version=peer.version, **how))
    if qos == 1:
        first, body = await peer.read()
        assert (first, body[:2]) == (0x40, packet_id.to_bytes(2, "big"))
    elif qos == 2:
        await peer.expect(mqtt.ack(0x50, packet_id))
        await peer.send(mqtt.ack(0x62, packet_id))
        await peer.expect(mqtt.ack(0x70, packet_id))


async def heard(mqtt, peer, count):
    """So many messages, each acknowledged as its QoS wants."""
    got = [await peer.message() for _ in range(count)]
    for message in got:
        if message.qos == 1:
            await peer.send(mqtt.ack(0x40, message.packet_id))
        elif message.qos == 2:
            await peer.send(mqtt.ack(0x50, message.packet_id))
            await peer.expect(mqtt.ack(0x62, message.packet_id))
            await peer.send(mqtt.ack(0x70, message.packet_id))
    await peer.silence()
    return got


async def test_a_client_hears_itself_at_every_qos(mqtt, version):
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
        await granted(mqtt, peer, "TopicA")
        await peer.send(mqtt.publish("TopicA", b"0", 0, version=version))
        assert (await heard(mqtt, peer, 1))[0].qos == 0
        await peer.send(mqtt.publish("TopicA", b"1", 1, 7, version=version))
        packets = sorted([await peer.read(), await peer.read()])
        assert [first >> 4 for first, _ in packets] == [3, 4]


async def test_retained_messages_of_every_qos_greet_a_wildcard_with_their_user_properties_in_order(mqtt, version):
    pairs = b"\x26\x00\x01a\x00\x012\x26\x00\x01c\x00\x013\x26\x00\x01a\x00\x011" if version == 5 else b""
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
        for qos, topic in enumerate(("TopicA/B", "Topic/C", "TopicA/C")):
            await said(mqtt, peer, topic, b"qos %d" % qos, qos, 20 + qos, retain=True, properties=pairs)
        late = await broker.client(version, "late")
        await granted(mqtt, late, "+/+")
        got = {m.topic: (m.payload, m.qos, m.retain, m.properties) for m in await heard(mqtt, late, 3)}
        assert got == {
            "TopicA/B": (b"qos 0", 0, True, pairs),
            "Topic/C": (b"qos 1", 1, True, pairs),
            "TopicA/C": (b"qos 2", 2, True, pairs),
        }
        for qos, topic in enumerate(("TopicA/B", "Topic/C", "TopicA/C")):
            await said(mqtt, peer, topic, b"", qos, 30 + qos, retain=True)
        last = await broker.client(version, "last")
        await granted(mqtt, last, "+/+")
        await last.silence()


async def test_what_came_while_a_client_was_away_waits_for_it(mqtt, version):
    async with mqtt.serve() as broker:
        lasting = {"clean": False, "expiry": 99_999 if version == 5 else None}
        peer = await broker.client(version, "sleeper", **lasting)
        await granted(mqtt, peer, "+/+")
        await peer.send(b"\xe0\x00")
        await peer.closed()
        other = await broker.client(version, "other")
        for qos, topic in enumerate(("TopicA/B", "Topic/C", "TopicA/C")):
            await said(mqtt, other, topic, b"qos %d" % qos, qos, 20 + qos)
        peer = await broker.client(version, "sleeper", **lasting)
        assert peer.session_present
        assert [m.payload for m in await heard(mqtt, peer, 2)] == [b"qos 1", b"qos 2"]


async def test_what_was_not_acknowledged_comes_again_after_a_reconnect(mqtt, version):
    async with mqtt.serve() as broker:
        lasting = {"clean": False, "expiry": 99_999 if version == 5 else None}
        peer = await broker.client(version, "deaf", **lasting)
        await granted(mqtt, peer, "TopicA/#")
        other = await broker.client(version, "other")
        await said(mqtt, other, "TopicA/B", b"", 1, 5)
        await said(mqtt, other, "TopicA/C", b"", 2, 6)
        assert [(await peer.message()).dup for _ in range(2)] == [False, False]
        await peer.send(b"\xe0\x00")
        peer = await broker.client(version, "deaf", **lasting)
        again = await heard(mqtt, peer, 2)
        assert [(m.topic, m.dup) for m in again] == [("TopicA/B", True), ("TopicA/C", True)]


async def test_a_topic_of_the_server_reaches_no_wildcard(mqtt, version):
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
        for topic_filter in ("#", "+/+"):
            await granted(mqtt, peer, topic_filter)
        await peer.send(mqtt.publish("$TopicA/B", b"", 1, 3, version=version))
        first, body = await peer.read()
        assert (first, body[:2]) == (0x40, b"\x00\x03")
        await peer.silence()


async def test_a_session_lives_exactly_as_long_as_was_said_last(mqtt):
    async with mqtt.serve() as broker:

        async def comes(expiry, clean=False):
            peer = await broker.client(5, "c", clean=clean, expiry=expiry)
            return peer, peer.session_present

        async def goes(peer, properties=b""):
            said_last = (
                mqtt.packet(0xE0, b"\x00" + bytes([len(properties)]) + properties) if properties else b"\xe0\x00"
            )
            await peer.send(said_last)
            await peer.closed()

        peer, _ = await comes(0, clean=True)
        await goes(peer)
        peer, there = await comes(0)
        assert not there
        await goes(peer)
        peer, _ = await comes(5, clean=True)
        await goes(peer)
        broker.clock.move(2)
        peer, there = await comes(5)
        assert there
        await goes(peer)
        broker.clock.move(6)
        broker.endpoint._hub.tick()
        peer, there = await comes(1)
        assert not there
        await goes(peer, EXPIRY + four(5))
        broker.clock.move(3)
        broker.endpoint._hub.tick()
        peer, there = await comes(1)
        assert there
        await goes(peer, EXPIRY + four(0))
        _, there = await comes(1)
        assert not there


@pytest.mark.parametrize(("delay", "expiry", "due"), [(3, 5, 3), (5, 0, 0), (5, 2, 2)])
async def test_a_will_comes_after_its_delay_or_with_the_end_of_the_session(mqtt, delay, expiry, due):
    async with mqtt.serve() as broker:
        witness = await broker.subscriber("w", 2, 5, "witness")
        peer = await broker.client(5, "c", expiry=expiry, will=("w", b"gone"), will_properties=b"\x18" + four(delay))
        await peer.close()
        await broker.until(lambda: broker.endpoint.connections == 1)
        if due:
            broker.clock.move(due - 0.01)
            broker.endpoint._hub.tick()
            await witness.silence()
            broker.clock.move(0.02)
            broker.endpoint._hub.tick()
            broker.endpoint._hub.flush()
        assert (await witness.message()).payload == b"gone"


async def test_a_request_finds_its_responder_and_the_response_its_requester(mqtt):
    async with mqtt.serve() as broker:
        asker, answerer = await broker.client(5, "asker"), await broker.client(5, "answerer")
        for peer in (asker, answerer):
            await granted(mqtt, peer, "TopicA", 2 | 4)
        asked = b"\x08\x00\x06TopicA" + b"\x09\x00\x03334"
        await said(mqtt, asker, "TopicA", b"request", 1, 4, properties=asked)
        [request] = await heard(mqtt, answerer, 1)
        assert (request.payload, request.properties) == (b"request", asked)
        await said(mqtt, answerer, "TopicA", b"response", 1, 4, properties=request.properties)
        assert [m.payload for m in await heard(mqtt, asker, 1)] == [b"response"]


async def test_each_subscriber_gets_its_own_subscription_identifiers(mqtt):
    async with mqtt.serve() as broker:
        one, other = await broker.client(5, "one"), await broker.client(5, "other")
        await granted(mqtt, one, "TopicA", properties=b"\x0b\xc8\xf0\x1b")  # 456,776
        await granted(mqtt, other, "TopicA", properties=b"\x0b\x02")
        await granted(mqtt, other, "TopicA/#", properties=b"\x0b\x03", packet_id=11)
        await said(mqtt, await broker.client(5, "pub"), "TopicA", b"x", 1)
        assert [m.properties for m in await heard(mqtt, one, 1)] == [b"\x0b\xc8\xf0\x1b"]
        [message] = await heard(mqtt, other, 1)
        assert sorted(message.properties.split(b"\x0b")) == [b"", b"\x02", b"\x03"]


async def test_a_client_that_floods_at_qos_2_reads_why_it_was_cut_off(mqtt):
    """Though it goes on answering what it got before."""
    async with mqtt.serve(receive_maximum=20) as broker:
        peer = await broker.client(5)
        await peer.send(*[mqtt.publish("t", b"x", 2, n, version=5) for n in range(1, 22)])
        first, body = 0, b""
        while first != 0xE0:
            first, body = await peer.read()
            if first == 0x50:
                await peer.send(mqtt.ack(0x62, int.from_bytes(body[:2], "big")))
        assert body[0] == 0x93


async def test_each_message_of_a_shared_topic_is_received_once_and_of_a_common_one_by_all(mqtt, version):
    async with mqtt.serve() as broker:
        peers = [await broker.client(version, name) for name in ("a", "b")]
        for peer in peers:
            await granted(mqtt, peer, "$share/sharename/x")
            await granted(mqtt, peer, "TopicA")
        pub = await broker.client(version, "pub")
        await said(mqtt, pub, "TopicA", b"all")
        assert [(await peer.message()).payload for peer in peers] == [b"all", b"all"]
        await said(mqtt, pub, "x", b"one")
        await said(mqtt, pub, "x", b"two")
        assert {(await peer.message()).payload for peer in peers} == {b"one", b"two"}
        for peer in peers:
            await peer.silence()


async def test_the_endpoint_alone_serves_strangers_and_shortens_long_keep_alives(mqtt):
    command = [sys.executable, "-m", "gateway.bench.endpoint_alone", "--port", "0", "--general"]
    with process(*command, core=0, quiet=False) as child:
        line = await asyncio.to_thread(child.stdout.readline)
        port = int(line.rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        peer = Peer(reader, writer, 5)
        await peer.send(mqtt.connect(5, "", keep_alive=120))
        first, body = await peer.read()
        assert (first, body[:2]) == (0x20, b"\x00\x00")
        assert b"\x13\x00\x3c" in body  # server keep alive 60
        assert b"\x12" in body  # assigned client identifier
        await granted(mqtt, peer, "TopicA", 2 | 4)
        await said(mqtt, peer, "TopicA", b"x", 2, 9)
        await peer.silence()
