"""PUBLISH and its acknowledgements: sections 3.3 to 3.7, 4.3, 4.6, 4.9."""

import asyncio

import pytest

from gateway.ports.endpoint import Principal, Rights

UNROUTED = "siaga/v1/cam-1/telemetry"


@pytest.mark.parametrize("topic", [UNROUTED, "other/topic"])
async def test_a_message_reaches_the_pipeline(mqtt, version, topic):
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
        for number in (1, 2, 3):  # the second and third take the fast path
            await peer.send(mqtt.publish(topic, b"%d" % number, 1, number, version=version))
            await peer.expect(mqtt.ack(0x40, number))
        await peer.send(mqtt.publish(topic, b"zero", 0, version=version))
        await peer.silence()
        expected = ("cam-1", "telemetry") if topic == UNROUTED else ("", topic)
        assert [(m.device_id, m.channel) for m in broker.intake.taken] == [expected] * 4
        assert [m.payload for m in broker.intake.taken] == [b"1", b"2", b"3", b"zero"]
        assert [m.receipt for m in broker.intake.taken] == [1, 2, 3, 0]
        assert {m.received_at for m in broker.intake.taken} == {mqtt.START}


async def test_nothing_is_acknowledged_before_the_pipeline_has_committed(mqtt, version):
    intake = mqtt.HeldIntake()
    async with mqtt.serve(intake=intake) as broker:
        peer = await broker.client(version)
        await peer.send(mqtt.publish(UNROUTED, b"a", 1, 5, version=version))
        await peer.send(mqtt.publish(UNROUTED, b"b", 2, 6, version=version))
        await intake.has(2)
        await peer.silence()
        intake.commit()
        await peer.expect(mqtt.ack(0x40, 5) + mqtt.ack(0x50, 6))


async def test_acknowledgements_come_in_the_order_of_the_messages(mqtt, version):
    """Also where one of them waits for the store and the next does not."""
    store = mqtt.AwayStore()
    async with mqtt.serve(store=store) as broker:
        peer = await broker.client(version)
        store.away = True
        await peer.send(
            mqtt.publish(UNROUTED, b"1", 1, 1, version=version),
            mqtt.publish(UNROUTED, b"2", 1, 2, version=version, retain=True),
            mqtt.publish(UNROUTED, b"3", 1, 3, version=version),
        )
        await peer.expect(mqtt.ack(0x40, 1))
        await peer.silence()
        store.away = False
        await peer.expect(mqtt.ack(0x40, 2) + mqtt.ack(0x40, 3))


async def test_a_message_split_over_many_reads_is_one_message(mqtt, version):
    raw = mqtt.publish(UNROUTED, b"y" * 300, 1, 9, version=version)
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
        for _ in range(2):
            for at in range(0, len(raw), 7):
                await peer.send(raw[at : at + 7])
                await asyncio.sleep(0)
            await peer.expect(mqtt.ack(0x40, 9))
        assert [m.payload for m in broker.intake.taken] == [b"y" * 300] * 2


async def test_many_messages_in_one_read_are_all_taken(mqtt, version):
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
        await peer.send(*[mqtt.publish(UNROUTED, b"%d" % n, 1, n, version=version) for n in range(1, 901)])
        await peer.expect(b"".join(mqtt.ack(0x40, n) for n in range(1, 901)))
        assert [m.payload for m in broker.intake.taken] == [b"%d" % n for n in range(1, 901)]


@pytest.mark.parametrize("payload", [b"", b"\x00", b"z" * 127, b"z" * 16_500])
async def test_a_payload_of_any_length_arrives_unaltered(mqtt, version, payload):
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
        for number in (1, 2):
            await peer.send(mqtt.publish("t", payload, 1, number, version=version))
            await peer.expect(mqtt.ack(0x40, number))
            await peer.send(mqtt.publish("t", payload, 0, version=version))
        await peer.silence()
        assert [m.payload for m in broker.intake.taken] == [payload] * 4


async def test_a_message_that_is_sent_again_is_a_new_message_once_it_was_acknowledged(mqtt, version):
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
        for _ in range(2):
            await peer.send(mqtt.publish("t", b"x", 1, 3, version=version, dup=True))
            await peer.expect(mqtt.ack(0x40, 3))
        assert len(broker.intake.taken) == 2


async def test_a_qos_2_message_is_taken_once(mqtt, version):
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("t", 0, version)
        peer = await broker.client(version)
        await peer.send(mqtt.publish("t", b"x", 2, 3, version=version))
        await peer.expect(mqtt.ack(0x50, 3))
        await peer.send(mqtt.publish("t", b"x", 2, 3, version=version, dup=True))
        await peer.expect(mqtt.ack(0x50, 3))
        await peer.send(mqtt.ack(0x62, 3))
        await peer.expect(mqtt.ack(0x70, 3))
        # released, the identifier stands for a new message
        await peer.send(mqtt.publish("t", b"y", 2, 3, version=version))
        await peer.expect(mqtt.ack(0x50, 3))
        assert [m.payload for m in broker.intake.taken] == [b"x", b"y"]
        assert [(await sub.message()).payload for _ in range(2)] == [b"x", b"y"]


async def test_a_qos_2_message_is_taken_once_across_connections(mqtt, version):
    how = {"clean": False} if version == 4 else {"clean": False, "expiry": 60}
    intake = mqtt.HeldIntake()
    async with mqtt.serve(intake=intake) as broker:
        peer = await broker.client(version, **how)
        await peer.send(mqtt.publish("t", b"x", 2, 3, version=version))
        await intake.has(1)
        await peer.close()
        peer = await broker.client(version, **how)
        await peer.send(mqtt.publish("t", b"x", 2, 3, version=version, dup=True))
        await peer.silence()
        intake.commit()  # the old connection's message: the new one is told
        await peer.expect(mqtt.ack(0x50, 3))
        await peer.send(mqtt.ack(0x62, 3))
        await peer.expect(mqtt.ack(0x70, 3))
        assert len(intake.taken) == 1


async def test_an_unknown_pubrel_is_answered(mqtt):
    async with mqtt.serve() as broker:
        peer = await broker.client(4)
        await peer.send(mqtt.ack(0x62, 3))
        await peer.expect(mqtt.ack(0x70, 3))
        peer = await broker.client(5)
        await peer.send(mqtt.ack(0x62, 3))
        await peer.expect(b"\x70\x03\x00\x03\x92")


async def test_an_unknown_pubrec_is_answered(mqtt):
    async with mqtt.serve() as broker:
        peer = await broker.client(5)
        await peer.send(mqtt.ack(0x50, 3))
        await peer.expect(b"\x62\x03\x00\x03\x92")
        await peer.send(mqtt.ack(0x40, 3), mqtt.ack(0x70, 3))  # nothing is due for these
        await peer.silence()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("qos 3", 0x81),
        ("dup at qos 0", 0x81),
        ("packet id 0", 0x82),
        ("packet id 0 on a known topic", 0x82),
        ("wildcard", 0x90),
        ("plus", 0x90),
        ("no topic", 0x90),
        ("bad utf-8", 0x81),
        ("nul", 0x81),
        ("topic too long", 0x81),
        ("cut off", 0x81),
        ("length of five bytes", 0x81),
    ],
)
async def test_a_malformed_publish_ends_the_connection(mqtt, version, name, reason):
    raw = {
        "qos 3": b"\x36" + mqtt.publish("t", b"x", 1, version=version)[1:],
        "dup at qos 0": b"\x38" + mqtt.publish("t", version=version)[1:],
        "packet id 0": mqtt.publish("t", b"x", 1, 0, version=version),
        "packet id 0 on a known topic": mqtt.publish("known", b"x", 1, 0, version=version),
        "wildcard": mqtt.publish("a/#", version=version),
        "plus": mqtt.publish("a/+", version=version),
        "no topic": mqtt.publish("", version=version),
        "bad utf-8": mqtt.publish(b"\xc3\x28", version=version),
        "nul": mqtt.publish("a\0", version=version),
        "topic too long": b"\x30\x06\x00\x09abcd",
        "cut off": b"\x32\x04\x00\x01a\x00",
        "length of five bytes": b"\x30\xff\xff\xff\xff\x01",
    }[name]
    async with mqtt.serve() as broker:
        other = await broker.client(version, "other")
        peer = await broker.client(version)
        await peer.send(mqtt.publish("known", b"", 0, version=version), raw)
        await peer.ended_with(reason)
        await other.silence()
        assert [m.channel for m in broker.intake.taken] == ["known"]


async def test_a_packet_above_the_limit_ends_the_connection(mqtt, version):
    async with mqtt.serve(max_packet_bytes=200) as broker:
        peer = await broker.client(version)
        fits = mqtt.publish("t", b"x" * (195 - (version == 5) - 3), 1, version=version)
        assert len(fits) <= 200
        for _ in range(2):
            await peer.send(fits)
            await peer.expect(mqtt.ack(0x40, 1))
        await peer.send(mqtt.publish("t", b"x" * 199, 1, version=version))
        await peer.ended_with(0x95)


@pytest.mark.parametrize(
    "raw", [b"\x00\x00", b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x00", b"\xb0\x02\x00\x01", b"\xd0\x00"]
)
async def test_packets_a_client_must_not_send_end_the_connection(mqtt, version, raw):
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
        await peer.send(raw)
        await peer.ended_with(0x82)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xc1\x00",
        b"\x41\x02\x00\x01",
        b"\x60\x02\x00\x01",
        b"\x80\x06\x00\x01\x00\x01a\x00",
        b"\xa0\x05\x00\x01\x00\x01a",
        b"\xe1\x00",
        b"\xf1\x00",
    ],
)
async def test_wrong_reserved_flags_end_the_connection(mqtt, version, raw):
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
        await peer.send(raw)
        await peer.ended_with(0x81)


async def test_reason_codes_and_properties_of_acknowledgements_are_read(mqtt):
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("t", 2, 5)
        peer = await broker.client(5)
        await peer.send(mqtt.publish("t", b"1", 1, 1, version=5), mqtt.publish("t", b"2", 2, 2, version=5))
        number = (await sub.message()).packet_id
        await sub.send(b"\x40\x0b\x00" + bytes([number]) + b"\x10\x07\x26\x00\x01a\x00\x01b")
        number = (await sub.message()).packet_id
        await sub.send(b"\x50\x04\x00" + bytes([number]) + b"\x97\x00")  # refused: the flight is over
        await sub.silence()
        await sub.send(b"\x40\x03\x00\x01\x07")  # no such reason
        await sub.ended_with(0x81)


async def test_a_topic_alias_stands_for_a_topic(mqtt):
    async with mqtt.serve(topic_alias_maximum=4) as broker:
        peer = await broker.client(5)
        await peer.send(mqtt.publish("long/topic", b"1", 1, 1, version=5, properties=b"\x23\x00\x04"))
        await peer.send(mqtt.publish("", b"2", 1, 2, version=5, properties=b"\x23\x00\x04"))
        await peer.send(mqtt.publish("other", b"3", 1, 3, version=5, properties=b"\x23\x00\x04"))
        await peer.send(mqtt.publish("", b"4", 0, version=5, properties=b"\x23\x00\x04"))
        await peer.expect(b"".join(mqtt.ack(0x40, n) for n in (1, 2, 3)))
        await peer.silence()
        assert [m.channel for m in broker.intake.taken] == ["long/topic", "long/topic", "other", "other"]


@pytest.mark.parametrize(
    ("alias", "topic", "reason"), [(b"\x00\x00", "t", 0x94), (b"\x00\x05", "t", 0x94), (b"\x00\x01", "", 0x82)]
)
async def test_a_wrong_topic_alias_ends_the_connection(mqtt, alias, topic, reason):
    async with mqtt.serve(topic_alias_maximum=4) as broker:
        peer = await broker.client(5)
        await peer.send(mqtt.publish(topic, version=5, properties=b"\x23" + alias))
        await peer.ended_with(reason)


async def test_aliases_end_with_their_connection(mqtt):
    async with mqtt.serve() as broker:
        peer = await broker.client(5, clean=False, expiry=60)
        await peer.send(mqtt.publish("t", version=5, properties=b"\x23\x00\x01"))
        await peer.silence()
        peer = await broker.client(5, clean=False, expiry=60)
        assert peer.session_present
        await peer.send(mqtt.publish("", version=5, properties=b"\x23\x00\x01"))
        await peer.ended_with(0x82)


@pytest.mark.parametrize(
    "properties",
    [b"\x0b\x01", b"\x01\x00\x01\x00", b"\x11\x00\x00\x00\x01", b"\x08\x00\x03a/#", b"\x08\x00\x00"],
    ids=["identifier", "twice", "foreign", "wildcard response", "empty response"],
)
async def test_a_wrong_property_is_a_protocol_error(mqtt, properties):
    async with mqtt.serve() as broker:
        peer = await broker.client(5)
        await peer.send(mqtt.publish("t", version=5, properties=properties))
        await peer.ended_with(0x82)


@pytest.mark.parametrize(
    "properties", [b"\x7f\x00", b"\x26\x00\x01a", b"\x02\x00", b"\x03\x00\x02\xff\xfe", b"\x81\x00\x00"]
)
async def test_an_unreadable_property_is_a_malformed_packet(mqtt, properties):
    async with mqtt.serve() as broker:
        peer = await broker.client(5)
        await peer.send(mqtt.publish("t", version=5, properties=properties))
        await peer.ended_with(0x81)


async def test_a_client_that_exceeds_the_receive_maximum_is_disconnected(mqtt):
    intake = mqtt.HeldIntake()
    async with mqtt.serve(intake=intake, receive_maximum=2) as broker:
        peer = await broker.client(5)
        await peer.send(*[mqtt.publish("t", b"x", 1, n, version=5) for n in (1, 2)])
        await peer.silence()
        intake.commit()
        await peer.expect(mqtt.ack(0x40, 1) + mqtt.ack(0x40, 2))
        await peer.send(*[mqtt.publish("t", b"x", 1, n, version=5) for n in (3, 4, 5)])
        await peer.ended_with(0x93)


async def test_messages_that_wait_for_pubrel_count_as_in_flight(mqtt):
    async with mqtt.serve(receive_maximum=2) as broker:
        peer = await broker.client(5)
        for number in (1, 2):
            await peer.send(mqtt.publish("t", b"x", 2, number, version=5))
            await peer.expect(mqtt.ack(0x50, number))
        await peer.send(mqtt.publish("t", b"x", 2, 3, version=5))
        await peer.ended_with(0x93)


async def test_a_311_client_may_have_many_messages_that_wait_for_its_release(mqtt):
    """But for a device, which never has."""

    async def doors(credentials):
        return Principal(credentials.username, Rights.DEVICE if credentials.username == "cam-1" else Rights.GENERAL)

    async with mqtt.serve(receive_maximum=3, authenticate=doors) as broker:
        for name, most in (("cam-1", 3), ("other", 20)):
            peer = await broker.client(4, name, username=name)
            for number in range(1, most + 1):
                await peer.send(mqtt.publish("siaga/v1/cam-1/x", b"x", 2, number))
                await peer.expect(mqtt.ack(0x50, number))
            if name == "cam-1":
                await peer.send(mqtt.publish("siaga/v1/cam-1/x", b"x", 2, most + 1))
                assert await peer.closed() == b""
            else:
                await peer.send(*[mqtt.ack(0x62, number) for number in range(1, most + 1)])
                await peer.expect(b"".join(mqtt.ack(0x70, number) for number in range(1, most + 1)))


async def test_a_311_client_with_too_many_in_flight_is_read_no_further_until_some_are_acknowledged(mqtt):
    intake = mqtt.HeldIntake()
    async with mqtt.serve(intake=intake, receive_maximum=4) as broker:
        peer = await broker.client(4)
        await peer.send(*[mqtt.publish("t", b"x", 1, n) for n in range(1, 5)])
        await intake.has(4)
        await peer.send(mqtt.publish("t", b"late", 1, 5))
        other = await broker.client(4, "other")
        await other.silence()
        assert len(intake.taken) == 4
        intake.commit(2)
        await intake.has(5)
        intake.commit()
        await peer.expect(b"".join(mqtt.ack(0x40, n) for n in range(1, 6)))
        assert broker.endpoint.counters.paused_for_window == 1


async def test_acknowledgements_after_the_connection_are_ignored(mqtt, version):
    intake = mqtt.HeldIntake()
    async with mqtt.serve(intake=intake) as broker:
        peer = await broker.client(version)
        await peer.send(mqtt.publish("t", b"x", 1, 1, version=version), mqtt.publish("t", b"y", 2, 2, version=version))
        await intake.has(2)
        await peer.close()
        await broker.until(lambda: broker.endpoint.connections == 0)
        intake.commit()
