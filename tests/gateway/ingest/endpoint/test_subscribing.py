"""SUBSCRIBE, UNSUBSCRIBE and what reaches a subscriber: sections 3.3, 3.8 to 3.11, 4.7."""

import pytest


async def _say(mqtt, broker, topic, payload=b"x", qos=0, version=4, **how):
    peer = await broker.client(version, "talker")
    await peer.send(mqtt.publish(topic, payload, qos, 1, version=version, **how))
    if qos == 2:
        await peer.expect(mqtt.ack(0x50, 1))
        await peer.send(mqtt.ack(0x62, 1))
        await peer.expect(mqtt.ack(0x70, 1))
    elif qos:
        await peer.expect(mqtt.ack(0x40, 1))
    await peer.silence()
    return peer


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("granted", [0, 1, 2])
async def test_a_message_arrives_with_the_lower_of_both_qos(mqtt, version, qos, granted):
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("a/+", granted, version)
        await _say(mqtt, broker, "a/b", b"x", qos, version)
        message = await sub.message()
        assert (message.topic, message.payload, message.qos) == ("a/b", b"x", min(qos, granted))
        assert (message.retain, message.dup) == (False, False)
        assert bool(message.packet_id) == bool(message.qos)
        if message.qos == 1:
            await sub.send(mqtt.ack(0x40, message.packet_id))
        elif message.qos == 2:
            await sub.send(mqtt.ack(0x50, message.packet_id))
            await sub.expect(mqtt.ack(0x62, message.packet_id))
            await sub.send(mqtt.ack(0x70, message.packet_id))
        await sub.silence()


async def test_suback_has_a_code_for_each_filter_in_order(mqtt, version):
    async with mqtt.serve(max_subscriptions=4) as broker:
        peer = await broker.client(version)
        filters = [("a", 0), ("b/#", 1), ("c/+", 2), ("/" * 300, 1), ("d", 1), ("e", 0), ("a", 2)]
        await peer.send(mqtt.subscribe(*filters, version=version, packet_id=77))
        first, body = await peer.read()
        codes = body[3:] if version == 5 else body[2:]
        assert (first, body[:2]) == (0x90, b"\x00\x4d")
        deep, full = (0x8F, 0x97) if version == 5 else (0x80, 0x80)
        assert list(codes) == [0, 1, 2, deep, 1, full, 2]


@pytest.mark.parametrize("wrong", ["bad#", "x/+y", "#/x", "", "a\0b", b"\xc3\x28", "$share/g/a#", "$share/g/#/a"])
async def test_a_malformed_filter_ends_the_connection_and_subscribes_nothing(mqtt, version, wrong):
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
        await peer.send(mqtt.subscribe(("good", 1), (wrong, 1), version=version))
        await peer.ended_with(0x81)
        assert not broker.endpoint._hub.router.anyone_for("good")


@pytest.mark.parametrize("wrong", ["$share/g", "$share//t", "$share/g/", "$share/+/t", "$share/g#/t", "$share/"])
async def test_a_share_without_a_name_or_a_filter_is_refused_and_the_others_are_granted(mqtt, version, wrong):
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
        await peer.send(mqtt.subscribe((wrong, 1), ("good", 1), version=version))
        first, body = await peer.read()
        assert (first, list(body[-2:])) == (0x90, [0x8F if version == 5 else 0x80, 1])
        await peer.send(mqtt.unsubscribe(wrong, version=version))
        first, body = await peer.read()
        assert first == 0xB0
        assert version == 4 or body[-1] == 0x11
        await peer.silence()


async def test_a_shared_subscription_gives_each_message_to_one_member(mqtt, version):
    async with mqtt.serve() as broker:
        members = [await broker.subscriber("$share/g/t/+", 1, version, name) for name in "ab"]
        alone = await broker.subscriber("$share/h/t/#", 1, version, "c")
        plain = await broker.subscriber("t/1", 0, version, "d")
        peer = await broker.client(version, "talker")
        await peer.send(*[mqtt.publish("t/1", b"%d" % n, 1, n, version=version) for n in range(1, 11)])
        shares = [[(await member.message()).payload for _ in range(5)] for member in members]
        everything = [b"%d" % n for n in range(1, 11)]
        assert sorted(shares[0] + shares[1], key=int) == everything
        assert [(await alone.message()).payload for _ in everything] == everything
        assert [(await plain.message()).payload for _ in everything] == everything
        await members[0].send(mqtt.unsubscribe("$share/g/t/+", version=version))
        await members[0].read()
        await members[1].close()
        await broker.until(lambda: broker.endpoint.connections == 4)
        await _say(mqtt, broker, "t/1", b"last", 1, version)
        for peer in (alone, plain):
            assert (await peer.message()).payload == b"last"
        await members[0].silence()


async def test_a_sleeping_member_of_a_group_gets_messages_only_if_nobody_is_awake(mqtt, version):
    how = {"clean": False} if version == 4 else {"clean": False, "expiry": 60}
    async with mqtt.serve() as broker:
        sleeper = await broker.client(version, "sleeper", **how)
        await sleeper.send(mqtt.subscribe(("$share/g/t", 1), version=version))
        await sleeper.read()
        await sleeper.close()
        awake = await broker.subscriber("$share/g/t", 1, version)
        await _say(mqtt, broker, "t", b"1", 1, version)
        assert (await awake.message()).payload == b"1"
        await awake.close()
        await broker.until(lambda: "/sub" not in broker.endpoint._hub.sessions)
        await _say(mqtt, broker, "t", b"2", 1, version)
        sleeper = await broker.client(version, "sleeper", **how)
        assert (await sleeper.message()).payload == b"2"
        await sleeper.silence()


async def test_a_message_given_to_a_member_of_a_group_is_given_to_nobody_else(mqtt, version):
    async with mqtt.serve() as broker:
        members = {name: await broker.subscriber("$share/g/t", 2, version, name) for name in "ab"}
        await _say(mqtt, broker, "t", b"1", 2, version)
        assert (await members["a"].message()).payload == b"1"
        await members["a"].close()  # its session ends before it has acknowledged
        await members["b"].silence()
        if version == 5:
            await _say(mqtt, broker, "t", b"2", 2, version)
            refused = (await members["b"].message()).packet_id
            late = await broker.subscriber("$share/g/t", 2, version, "late")
            await members["b"].send(b"\x50\x03\x00" + bytes([refused]) + b"\x83")
            await members["b"].silence()
            await late.silence()


async def test_a_shared_subscription_gets_no_retained_messages(mqtt, version):
    async with mqtt.serve() as broker:
        await _say(mqtt, broker, "t", b"kept", 1, version, retain=True)
        sub = await broker.subscriber("$share/g/t", 1, version)
        await sub.silence()


async def test_a_shared_subscription_survives_a_restart(mqtt, version):
    how = {"clean": False} if version == 4 else {"clean": False, "expiry": 60}
    store = mqtt.AwayStore()
    async with mqtt.serve(store=store) as broker:
        sub = await broker.client(version, "sub", **how)
        await sub.send(mqtt.subscribe(("$share/g/t", 1), version=version))
        await sub.read()
    async with mqtt.serve(store=store) as broker:
        sub = await broker.client(version, "sub", **how)
        await _say(mqtt, broker, "t", b"x", 1, version)
        assert (await sub.message()).payload == b"x"


async def test_no_local_on_a_shared_subscription_is_a_protocol_error(mqtt):
    async with mqtt.serve() as broker:
        peer = await broker.client(5)
        await peer.send(mqtt.subscribe(("$share/g/t", 5), version=5))
        await peer.ended_with(0x82)


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [("no filter", 0x82), ("qos 3", 0x81), ("no options", 0x81), ("reserved", 0x81), ("id 0", 0x82), ("utf-8", 0x81)],
)
async def test_a_malformed_subscribe_ends_the_connection(mqtt, version, flaw, reason):
    raw = {
        "no filter": mqtt.subscribe(version=version),
        "qos 3": mqtt.subscribe(("a", 3), version=version),
        "no options": mqtt.packet(0x82, b"\0\x01", b"\0" * (version == 5), b"\0\x01a"),
        "reserved": mqtt.subscribe(("a", 0xC0), version=version),
        "id 0": mqtt.subscribe(("a", 0), version=version, packet_id=0),
        "utf-8": mqtt.subscribe((b"\xff", 0), version=version),
    }[flaw]
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
        await peer.send(raw)
        await peer.ended_with(reason)


async def test_retain_handling_3_is_malformed(mqtt):
    async with mqtt.serve() as broker:
        peer = await broker.client(5)
        await peer.send(mqtt.subscribe(("a", 0x30), version=5))
        await peer.ended_with(0x81)


async def test_options_of_mqtt_5_are_reserved_in_311(mqtt):
    async with mqtt.serve() as broker:
        peer = await broker.client(4)
        await peer.send(mqtt.subscribe(("a", 4)))
        await peer.ended_with(0)


@pytest.mark.parametrize(
    ("filters", "reason"),
    [((), 0x82), ((b"\xc3\x28",), 0x81), (("a\0b",), 0x81), (("good", ""), 0x81), (("a#",), 0x81)],
)
async def test_a_malformed_unsubscribe_ends_the_connection(mqtt, version, filters, reason):
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
        await peer.send(mqtt.unsubscribe(*filters, version=version))
        await peer.ended_with(reason)


async def test_unsubscribing_is_always_answered_and_stops_delivery(mqtt, version):
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("a/b", 1, version)
        await sub.send(mqtt.unsubscribe("a/b", "never", version=version))
        await sub.expect(b"\xb0\x05\x00\x0b\x00\x00\x11" if version == 5 else b"\xb0\x02\x00\x0b")
        await _say(mqtt, broker, "a/b", b"x", 1, version)
        await sub.silence()


async def test_begun_deliveries_are_completed_after_unsubscribing(mqtt, version):
    how = {"clean": False} if version == 4 else {"clean": False, "expiry": 60}
    async with mqtt.serve() as broker:
        sub = await broker.client(version, "sub", **how)
        await sub.send(mqtt.subscribe(("t", 2), version=version))
        await sub.read()
        await _say(mqtt, broker, "t", b"x", 2, version)
        first = await sub.message()
        await sub.send(mqtt.unsubscribe("t", version=version))
        assert (await sub.read())[0] == 0xB0
        await sub.close()
        sub = await broker.client(version, "sub", **how)
        again = await sub.message()
        assert (again.packet_id, again.dup) == (first.packet_id, True)
        await sub.send(mqtt.ack(0x50, first.packet_id))
        await sub.expect(mqtt.ack(0x62, first.packet_id))
        await sub.send(mqtt.ack(0x70, first.packet_id))
        await sub.silence()


async def test_filters_are_compared_character_by_character(mqtt, version):
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("a/b", 0, version)
        await sub.send(mqtt.unsubscribe("a/+", "A/b", version=version))
        await sub.read()
        for topic in ("A/b", "a/b/", "/a/b", "a/b"):
            await _say(mqtt, broker, topic, topic.encode(), 0, version)
        assert (await sub.message()).topic == "a/b"
        await sub.silence()


async def test_a_new_subscription_replaces_the_old_one(mqtt, version):
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("t", 2, version)
        await sub.send(mqtt.subscribe(("t", 0), version=version))
        await sub.read()
        await _say(mqtt, broker, "t", b"x", 1, version)
        assert (await sub.message()).qos == 0
        await sub.silence()


async def test_overlapping_subscriptions_give_one_copy_at_the_highest_qos(mqtt, version):
    async with mqtt.serve() as broker:
        peer = await broker.client(version, "sub")
        await peer.send(mqtt.subscribe(("t/#", 0), ("t/+", 2), ("t/a", 1), version=version))
        await peer.read()
        await _say(mqtt, broker, "t/a", b"x", 2, version)
        assert (await peer.message()).qos == 2
        await peer.silence()


async def test_wildcards_do_not_match_topics_of_the_server(mqtt, version):
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("#", 0, version)
        peer = await broker.client(version, "talker")
        await peer.send(mqtt.publish("$SYS/x", b"x", 1, 1, version=version), mqtt.publish("s", version=version))
        assert (await sub.message()).topic == "s"
        first, body = await peer.read()  # nobody but the server speaks there
        assert first == 0x40 and (version == 4 or body[2] == 0x87)


async def test_order_is_kept(mqtt, version):
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("t", 1, version)
        peer = await broker.client(version)
        await peer.send(*[mqtt.publish("t", b"%d" % n, n % 2, n, version=version) for n in range(1, 101)])
        got = [await sub.message() for _ in range(100)]
        assert [m.payload for m in got] == [b"%d" % n for n in range(1, 101)]
        assert len({m.packet_id for m in got if m.qos}) == 50


# --- retained ---------------------------------------------------------------------------------------------------------


async def test_a_retained_message_greets_new_subscribers(mqtt, version):
    async with mqtt.serve() as broker:
        live = await broker.subscriber("r/+", 1, version, "live")
        await _say(mqtt, broker, "r/a", b"first", 1, version, retain=True)
        await _say(mqtt, broker, "r/a", b"second", 1, version, retain=True)
        assert [(m.payload, m.retain) for m in [await live.message(), await live.message()]] == [
            (b"first", False),
            (b"second", False),
        ]
        for topic_filter in ("r/a", "r/+", "r/#", "#", "+/a"):
            late = await broker.client(version, topic_filter)
            await late.send(mqtt.subscribe((topic_filter, 1), version=version))
            assert (await late.read())[0] == 0x90
            message = await late.message()
            assert (message.topic, message.payload, message.retain, message.qos) == ("r/a", b"second", True, 1)
            await late.silence()


async def test_an_empty_payload_clears_the_retained_message(mqtt, version):
    async with mqtt.serve() as broker:
        await _say(mqtt, broker, "r", b"x", 0, version, retain=True)
        assert broker.endpoint.retained == 1
        live = await broker.subscriber("r", 0, version)
        assert (await live.message()).retain
        await _say(mqtt, broker, "r", b"", 0, version, retain=True)
        assert (await live.message()).payload == b""
        assert broker.endpoint.retained == 0
        late = await broker.subscriber("r", 0, version, "late")
        await late.silence()
        assert (await broker.store.load()).retained == ()


async def test_retained_messages_of_qos_0_replace_others(mqtt, version):
    async with mqtt.serve() as broker:
        await _say(mqtt, broker, "r", b"old", 1, version, retain=True)
        await _say(mqtt, broker, "r", b"new", 0, version, retain=True)
        late = await broker.subscriber("r", 1, version)
        message = await late.message()
        assert (message.payload, message.qos) == (b"new", 0)


async def test_a_message_without_retain_leaves_the_retained_one_alone(mqtt, version):
    async with mqtt.serve() as broker:
        await _say(mqtt, broker, "r", b"kept", 1, version, retain=True)
        await _say(mqtt, broker, "r", b"passing", 1, version)
        late = await broker.subscriber("r", 1, version)
        assert (await late.message()).payload == b"kept"
        await late.silence()


async def test_subscribing_again_sends_retained_messages_again(mqtt, version):
    async with mqtt.serve() as broker:
        await _say(mqtt, broker, "r", b"x", 0, version, retain=True)
        sub = await broker.subscriber("r", 0, version)
        assert (await sub.message()).retain
        await sub.send(mqtt.subscribe(("r", 0), version=version))
        await sub.read()
        assert (await sub.message()).retain


@pytest.mark.parametrize(("handling", "first", "again"), [(0, True, True), (1, True, False), (2, False, False)])
async def test_retain_handling_is_as_asked_for(mqtt, handling, first, again):
    async with mqtt.serve() as broker:
        await _say(mqtt, broker, "r", b"x", 0, 5, retain=True)
        sub = await broker.client(5, "sub")
        for expected in (first, again):
            await sub.send(mqtt.subscribe(("r", handling << 4), version=5))
            await sub.read()
            if expected:
                assert (await sub.message()).payload == b"x"
            await sub.silence()


async def test_retain_as_published_keeps_the_flag(mqtt):
    async with mqtt.serve() as broker:
        keeps = await broker.subscriber("r", 0x08, 5, "keeps")
        clears = await broker.subscriber("r", 0, 5, "clears")
        await _say(mqtt, broker, "r", b"x", 0, 5, retain=True)
        await _say(mqtt, broker, "r", b"y", 0, 5)
        assert [(await keeps.message()).retain for _ in range(2)] == [True, False]
        assert [(await clears.message()).retain for _ in range(2)] == [False, False]


async def test_retained_messages_survive_a_restart(mqtt, version):
    store = mqtt.AwayStore()
    async with mqtt.serve(store=store) as broker:
        await _say(mqtt, broker, "r/1", b"x", 1, version, retain=True)
        await _say(mqtt, broker, "r/2", b"y", 1, version, retain=True)
        await _say(mqtt, broker, "r/2", b"", 1, version, retain=True)
    async with mqtt.serve(store=store) as broker:
        sub = await broker.subscriber("r/#", 1, version)
        assert (await sub.message()).payload == b"x"
        await sub.silence()


# --- MQTT 5 -----------------------------------------------------------------------------------------------------------


async def test_no_local_keeps_own_messages_away(mqtt):
    async with mqtt.serve() as broker:
        peer = await broker.client(5, "me")
        await peer.send(mqtt.subscribe(("t", 0x04), version=5))
        await peer.read()
        await peer.send(mqtt.publish("t", version=5))
        await peer.silence()
        await _say(mqtt, broker, "t", b"theirs", 0, 5)
        assert (await peer.message()).payload == b"theirs"


async def test_subscription_identifiers_come_with_the_message(mqtt):
    async with mqtt.serve() as broker:
        sub = await broker.client(5, "sub")
        await sub.send(mqtt.subscribe(("t/#", 0), version=5, properties=b"\x0b\x05"))
        await sub.read()
        await sub.send(mqtt.subscribe(("t/a", 0), version=5, properties=b"\x0b\x80\x01"))
        await sub.read()
        await _say(mqtt, broker, "t/a", b"x", 0, 5)
        assert sorted((await sub.message()).properties.replace(b"\x0b", b"|").split(b"|")) == [
            b"",
            b"\x05",
            b"\x80\x01",
        ]
        await _say(mqtt, broker, "t/b", b"x", 0, 5)
        assert (await sub.message()).properties == b"\x0b\x05"
        await sub.send(mqtt.subscribe(("t/#", 0), version=5))  # replaced without one
        await sub.read()
        await _say(mqtt, broker, "t/b", b"x", 0, 5)
        assert (await sub.message()).properties == b""
        await sub.send(mqtt.subscribe(("t", 0), version=5, properties=b"\x0b\x00"))
        await sub.ended_with(0x82)


@pytest.mark.parametrize("payload_format", [b"\x00", b"\x01", b"\xed"])
async def test_properties_of_a_message_are_passed_on_unaltered(mqtt, payload_format):
    raw = (
        b"\x01" + payload_format + b"\x03\x00\x04json\x08\x00\x03a/b\x09\x00\x02\x00\xff"
        b"\x26\x00\x01k\x00\x01v\x26\x00\x01k\x00\x01w\x26\x00\x01a\x00\x00"
    )
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("t", 0, 5)
        old = await broker.subscriber("t", 0, 4, "old")
        await _say(mqtt, broker, "t", b"x", 0, 5, properties=raw, retain=True)
        assert (await sub.message()).properties == raw
        assert (await old.message()).payload == b"x"
        late = await broker.subscriber("t", 0, 5, "late")
        assert (await late.message()).properties == raw


async def test_a_message_expires_and_says_how_long_it_has_left(mqtt):
    async with mqtt.serve() as broker:
        how = {"clean": False, "expiry": 1000}
        sub = await broker.client(5, "sub", **how)
        await sub.send(mqtt.subscribe(("t", 1), version=5))
        await sub.read()
        await sub.close()
        await broker.until(lambda: broker.endpoint.connections == 0)
        await _say(mqtt, broker, "t", b"short", 1, 5, properties=b"\x02\x00\x00\x00\x0a")
        await _say(mqtt, broker, "t", b"long", 1, 5, properties=b"\x02\x00\x00\x00\x64", retain=True)
        broker.clock.move(40)
        sub = await broker.client(5, "sub", **how)
        message = await sub.message()
        assert (message.payload, message.properties) == (b"long", b"\x02\x00\x00\x00\x3c")
        await sub.silence()
        late = await broker.subscriber("t", 0, 5, "late")
        assert (await late.message()).properties == b"\x02\x00\x00\x00\x3c"
        broker.clock.move(60)
        later = await broker.subscriber("t", 0, 5, "later")
        await later.silence()
        assert broker.endpoint.counters.dropped["expired_or_too_large"] == 1


async def test_a_message_larger_than_the_client_accepts_is_not_sent(mqtt):
    async with mqtt.serve() as broker:
        sub = await broker.client(5, "sub", properties=b"\x27\x00\x00\x00\x14")
        await sub.send(mqtt.subscribe(("t", 1), version=5))
        await sub.read()
        await _say(mqtt, broker, "t", b"x" * 30, 1, 5)
        await _say(mqtt, broker, "t", b"y" * 11, 1, 5)
        assert (await sub.message()).payload == b"y" * 11
        await sub.silence()


async def test_a_client_that_accepts_no_connack_is_told_so(mqtt):
    async with mqtt.serve() as broker:
        peer = await broker.dial(5)
        await peer.send(mqtt.connect(5, properties=b"\x27\x00\x00\x00\x0a"))
        assert await peer.closed() == b"\x20\x03\x00\x95\x00"


async def test_an_answer_larger_than_the_client_accepts_is_not_sent(mqtt):
    async with mqtt.serve() as broker:
        peer = await broker.client(5, properties=b"\x27\x00\x00\x00\x14")
        await peer.send(mqtt.subscribe(*[("t", 0)] * 30, version=5))
        await peer.silence()


async def test_no_more_messages_are_in_flight_than_the_client_accepts(mqtt):
    async with mqtt.serve() as broker:
        sub = await broker.client(5, "sub", properties=b"\x21\x00\x02")
        await sub.send(mqtt.subscribe(("t", 2), version=5))
        await sub.read()
        peer = await broker.client(5)
        await peer.send(*[mqtt.publish("t", b"%d" % n, 1 + n % 2, n, version=5) for n in (1, 2, 3, 4)])
        first, second = await sub.message(), await sub.message()
        await sub.silence()
        await sub.send(mqtt.ack(0x50, first.packet_id))
        await sub.expect(mqtt.ack(0x62, first.packet_id))
        await sub.silence()  # released, but not completed
        await sub.send(mqtt.ack(0x70, first.packet_id))
        assert (await sub.message()).payload == b"3"
        await sub.silence()
        await sub.send(mqtt.ack(0x40, second.packet_id))
        assert (await sub.message()).payload == b"4"


async def test_topics_are_aliased_as_far_as_the_client_allows(mqtt):
    async with mqtt.serve() as broker:
        sub = await broker.client(5, "sub", properties=b"\x22\x00\x01")
        await sub.send(mqtt.subscribe(("#", 0), version=5))
        await sub.read()
        peer = await broker.client(5)
        await peer.send(*[mqtt.publish(t, version=5) for t in ("a", "b", "a", "b")])
        got = [await sub.message() for _ in range(4)]
        assert [(m.topic, m.properties) for m in got] == [
            ("a", b"\x23\x00\x01"),
            ("b", b""),
            ("", b"\x23\x00\x01"),
            ("b", b""),
        ]


async def test_a_qos_2_message_carries_its_topic_in_full_beside_the_alias(mqtt):
    async with mqtt.serve() as broker:
        sub = await broker.client(5, "sub", properties=b"\x22\x00\x09")
        await sub.send(mqtt.subscribe(("#", 2), version=5))
        await sub.read()
        peer = await broker.client(5)
        await peer.send(*[mqtt.publish("t", b"x", qos, qos, version=5) for qos in (1, 2)], mqtt.publish("t", version=5))
        got = [await sub.message() for _ in range(3)]
        assert [(m.topic, m.properties) for m in got] == [
            ("t", b"\x23\x00\x01"),
            ("t", b"\x23\x00\x01"),
            ("", b"\x23\x00\x01"),
        ]


async def test_a_message_that_fits_without_an_alias_is_sent_without(mqtt):
    async with mqtt.serve() as broker:
        sub = await broker.client(5, "sub", properties=b"\x22\x00\x09\x27\x00\x00\x00\x20")
        await sub.send(mqtt.subscribe(("#", 0), version=5))
        await sub.read()
        peer = await broker.client(5)
        await peer.send(*[mqtt.publish("t", b"x" * size, version=5) for size in (26, 27, 23)])
        got = [await sub.message() for _ in range(2)]
        assert [(m.topic, m.properties, len(m.payload)) for m in got] == [("t", b"", 26), ("t", b"\x23\x00\x01", 23)]


async def test_a_client_that_allows_no_alias_gets_none(mqtt, version):
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("#", 0, version)
        await _say(mqtt, broker, "t", b"x", 0, version)
        message = await sub.message()
        assert (message.topic, message.properties) == ("t", b"")


async def test_reason_strings_are_left_out_where_they_are_not_wanted_or_do_not_fit(mqtt):
    async with mqtt.serve() as broker:
        wants = await broker.client(5, "wants")
        no = await broker.client(5, "no", properties=b"\x17\x00")
        small = await broker.client(5, "small", properties=b"\x27\x00\x00\x00\x14")
        for peer in (wants, no, small):
            await peer.send(mqtt.publish("$x", b"x", 1, 1, version=5))
        first, body = await wants.read()
        assert first == 0x40 and body[2] == 0x87 and b"\x1f" in body
        await no.expect(b"\x40\x03\x00\x01\x87")
        await small.expect(b"\x40\x03\x00\x01\x87")
        await small.send(b"\x00\x00")
        assert await small.closed() == b"\xe0\x02\x82\x00"


@pytest.mark.parametrize(
    ("qos", "released", "wrong"),
    [(1, False, 0x50), (1, False, 0x70), (2, False, 0x40), (2, False, 0x70), (2, True, 0x40)],
)
async def test_an_acknowledgement_of_the_wrong_kind_ends_the_connection(mqtt, version, qos, released, wrong):
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("a", qos, version)
        await _say(mqtt, broker, "a", b"x", qos, version)
        message = await sub.message()
        if released:
            await sub.send(mqtt.ack(0x50, message.packet_id))
            await sub.expect(mqtt.ack(0x62, message.packet_id))
        await sub.send(mqtt.ack(wrong, message.packet_id))
        await sub.ended_with(0x82)


@pytest.mark.parametrize("kind", [0x40, 0x70])
async def test_an_acknowledgement_of_an_unknown_message_is_let_pass(mqtt, version, kind):
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("a", 2, version)
        await sub.send(mqtt.ack(kind, 77))
        await sub.silence()


@pytest.mark.parametrize(("kind", "reason"), [(0x40, 0x11), (0x40, 0x92), (0x50, 0x8E), (0x62, 0x10), (0x70, 0x80)])
async def test_an_acknowledgement_has_a_reason_of_its_table(mqtt, kind, reason):
    async with mqtt.serve() as broker:
        peer = await broker.client(5)
        await peer.send(bytes([kind, 3, 0, 2, reason]))
        await peer.ended_with(0x81)
