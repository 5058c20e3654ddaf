"""Sessions that outlive connections and the process, redelivery, wills: sections 3.1.2, 3.1.3, 3.14, 4.1, 4.4."""

import pytest

NEVER = 0xFFFF_FFFF


def lasting(version, expiry=NEVER):
    return {"clean": False} if version == 4 else {"clean": False, "expiry": expiry}


async def _subscribe(mqtt, broker, version, topic_filter="t", qos=2, **how):
    peer = await broker.client(version, "sub", **lasting(version, **how))
    await peer.send(mqtt.subscribe((topic_filter, qos), version=version))
    await peer.read()
    return peer


async def _say(mqtt, broker, version, *messages, topic="t"):
    peer = await broker.client(version, "talker")
    for number, (payload, qos) in enumerate(messages, 1):
        await peer.send(mqtt.publish(topic, payload, qos, number, version=version))
        if qos:
            await peer.read()
    await peer.silence()
    await peer.close()


async def _gone(broker, count=0):
    await broker.until(lambda: broker.endpoint.connections == count)


async def test_a_lasting_session_keeps_subscriptions_and_queues_messages(mqtt, version):
    async with mqtt.serve() as broker:
        peer = await _subscribe(mqtt, broker, version)
        assert not peer.session_present
        await peer.send(b"\xe0\x00")
        await peer.closed()
        await _say(mqtt, broker, version, (b"0", 0), (b"1", 1), (b"2", 2))
        peer = await broker.client(version, "sub", **lasting(version))
        assert peer.session_present
        got = [await peer.message(), await peer.message()]
        assert [(m.payload, m.qos, m.dup) for m in got] == [(b"1", 1, False), (b"2", 2, False)]
        await peer.silence()


async def test_a_clean_session_ends_with_its_connection(mqtt, version):
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("t", 1, version)
        await sub.close()
        await _gone(broker)
        assert broker.endpoint.sessions == 0
        peer = await broker.client(version, "sub", **lasting(version))
        assert not peer.session_present
        await _say(mqtt, broker, version, (b"x", 1))
        await peer.silence()


async def test_a_clean_start_forgets_the_old_session(mqtt, version):
    store = mqtt.AwayStore()
    async with mqtt.serve(store=store) as broker:
        peer = await _subscribe(mqtt, broker, version)
        await peer.close()
        await _gone(broker)
        await _say(mqtt, broker, version, (b"x", 1))
        peer = await broker.client(version, "sub", clean=True)
        assert not peer.session_present
        await peer.silence()
        assert (await store.load()).sessions == ()


async def test_unacknowledged_messages_are_sent_again_in_order_with_dup(mqtt, version):
    async with mqtt.serve() as broker:
        peer = await _subscribe(mqtt, broker, version)
        await _say(mqtt, broker, version, (b"1", 1), (b"2", 2), (b"3", 1))
        first = [await peer.message() for _ in range(3)]
        await peer.send(mqtt.ack(0x40, first[0].packet_id))
        await peer.silence()
        await peer.close()
        await _gone(broker)
        await _say(mqtt, broker, version, (b"4", 1))
        peer = await broker.client(version, "sub", **lasting(version))
        again = [await peer.message() for _ in range(3)]
        assert [(m.payload, m.dup) for m in again] == [(b"2", True), (b"3", True), (b"4", False)]
        assert [m.packet_id for m in again[:2]] == [m.packet_id for m in first[1:]]


async def test_a_message_that_was_sent_does_not_expire_any_more(mqtt):
    async with mqtt.serve() as broker:
        peer = await _subscribe(mqtt, broker, 5)
        talker = await broker.client(5, "talker")
        for qos in (1, 2):
            await talker.send(mqtt.publish("t", b"x", qos, qos, version=5, properties=b"\x02\x00\x00\x00\x0a"))
        first = [await peer.message(), await peer.message()]
        await peer.close()
        await _gone(broker, 1)
        broker.clock.move(60)
        peer = await broker.client(5, "sub", **lasting(5))
        again = [await peer.message(), await peer.message()]
        assert [m.packet_id for m in again] == [m.packet_id for m in first]
        assert all(m.dup for m in again)


async def test_a_released_message_gets_its_pubrel_again_and_is_not_sent_again(mqtt, version):
    async with mqtt.serve() as broker:
        peer = await _subscribe(mqtt, broker, version)
        await _say(mqtt, broker, version, (b"2", 2))
        number = (await peer.message()).packet_id
        await peer.send(mqtt.ack(0x50, number))
        await peer.expect(mqtt.ack(0x62, number))
        await peer.close()
        await _gone(broker)
        peer = await broker.client(version, "sub", **lasting(version))
        await peer.expect(mqtt.ack(0x62, number))
        await peer.send(mqtt.ack(0x70, number))
        await peer.silence()
        await peer.close()
        await _gone(broker)
        await (await broker.client(version, "sub", **lasting(version))).silence()


async def test_sessions_and_queues_survive_a_crash(mqtt, version):
    """The second endpoint begins with what the first had written when it died."""
    store = mqtt.AwayStore()
    async with mqtt.serve(store=store) as broker:
        peer = await _subscribe(mqtt, broker, version)
        await _say(mqtt, broker, version, (b"1", 1), (b"2", 2), (b"3", 1), (b"4", 2))
        sent = [await peer.message() for _ in range(4)]
        await peer.send(mqtt.ack(0x40, sent[0].packet_id), mqtt.ack(0x50, sent[1].packet_id))
        await peer.expect(mqtt.ack(0x62, sent[1].packet_id))
        await peer.send(mqtt.publish("in", b"x", 2, 9, version=version))
        await peer.expect(mqtt.ack(0x50, 9))
        crashed = await store.load()
    survivor = mqtt.AwayStore()
    survivor._sessions = {s.key: s for s in crashed.sessions}
    survivor._queues = {s.key: {m.position: m for m in s.queue} for s in crashed.sessions}
    survivor._received = {s.key: dict.fromkeys(s.received) for s in crashed.sessions}
    async with mqtt.serve(store=survivor) as broker:
        peer = await broker.client(version, "sub", **lasting(version))
        assert peer.session_present
        await peer.expect(mqtt.ack(0x62, sent[1].packet_id))
        again = [await peer.message() for _ in range(2)]
        assert [(m.payload, m.dup, m.packet_id) for m in again] == [
            (b"3", True, sent[2].packet_id),
            (b"4", True, sent[3].packet_id),
        ]
        # the QoS 2 message that was taken before the crash is not taken again
        await peer.send(mqtt.publish("in", b"x", 2, 9, version=version, dup=True))
        await peer.expect(mqtt.ack(0x50, 9))
        assert broker.intake.taken == []
        await peer.send(mqtt.ack(0x62, 9))
        await peer.expect(mqtt.ack(0x70, 9))
        await _say(mqtt, broker, version, (b"5", 1))
        message = await peer.message()
        assert (message.payload, message.dup) == (b"5", False)
        assert message.packet_id not in {m.packet_id for m in sent}


async def test_messages_that_were_never_sent_have_no_dup_after_a_restart(mqtt, version):
    store = mqtt.AwayStore()
    async with mqtt.serve(store=store) as broker:
        peer = await _subscribe(mqtt, broker, version)
        await _say(mqtt, broker, version, (b"1", 1))
        await peer.message()
        await peer.close()
        await _gone(broker)
        await _say(mqtt, broker, version, (b"2", 1))
    async with mqtt.serve(store=store) as broker:
        peer = await broker.client(version, "sub", **lasting(version))
        assert [(m.payload, m.dup) for m in [await peer.message(), await peer.message()]] == [
            (b"1", True),
            (b"2", False),
        ]


async def test_suback_waits_until_a_lasting_subscription_is_written(mqtt, version):
    store = mqtt.AwayStore()
    async with mqtt.serve(store=store) as broker:
        peer = await broker.client(version, "sub", **lasting(version))
        store.away = True
        await peer.send(mqtt.subscribe(("t", 1), version=version))
        await peer.silence()
        store.away = False
        assert (await peer.read())[0] == 0x90
        assert broker.endpoint.counters.store_retries > 0
        (stored,) = (await store.load()).sessions
        assert stored.subscriptions[0].topic_filter == "t"


async def test_a_message_for_a_lasting_session_is_acknowledged_once_it_is_written(mqtt, version):
    store = mqtt.AwayStore()
    async with mqtt.serve(store=store) as broker:
        sub = await _subscribe(mqtt, broker, version)
        talker = await broker.client(version, "talker")
        store.away = True
        await talker.send(mqtt.publish("t", b"x", 1, 1, version=version))
        assert (await sub.message()).payload == b"x"  # a connected client need not wait
        await talker.silence()
        store.away = False
        await talker.expect(mqtt.ack(0x40, 1))


async def test_acknowledged_messages_leave_the_store(mqtt, version):
    store = mqtt.AwayStore()
    async with mqtt.serve(store=store) as broker:
        sub = await _subscribe(mqtt, broker, version)
        await _say(mqtt, broker, version, (b"1", 1), (b"2", 2))
        one, two = await sub.message(), await sub.message()
        await sub.send(mqtt.ack(0x40, one.packet_id), mqtt.ack(0x50, two.packet_id), mqtt.ack(0x70, two.packet_id))
        await sub.expect(mqtt.ack(0x62, two.packet_id))
        await sub.silence()
        await broker.until(lambda: not any(store._queues.values()))


async def test_a_session_is_kept_as_long_as_its_connection(mqtt, version):
    async with mqtt.serve(max_session_expiry_s=100) as broker:
        peer = await _subscribe(mqtt, broker, version, expiry=1)
        broker.clock.move(1000)
        broker.endpoint._hub.tick()
        await _say(mqtt, broker, version, (b"x", 1))
        assert (await peer.message()).payload == b"x"


async def test_a_session_expires(mqtt, version):
    store = mqtt.AwayStore()
    async with mqtt.serve(store=store, max_session_expiry_s=1000) as broker:
        peer = await _subscribe(mqtt, broker, version, expiry=1000)
        await peer.close()
        await _gone(broker)
        broker.clock.move(999)
        peer = await broker.client(version, "sub", **lasting(version, 1000))
        assert peer.session_present
        await peer.close()
        await _gone(broker)
        broker.clock.move(1001)
        await broker.until(lambda: broker.endpoint.sessions == 0)
        await broker.until(lambda: not store._sessions)


async def test_a_client_that_comes_and_goes_leaves_no_trail(mqtt, version, monkeypatch):
    monkeypatch.setattr("gateway.ingest.endpoint.hub._STALE_EXPIRIES", 3)
    async with mqtt.serve() as broker:
        for _ in range(20):
            await (await broker.client(version, "sub", **lasting(version, 100))).close()
            await _gone(broker)
        assert len(broker.endpoint._hub._expiries) <= 5
        broker.clock.move(40 * 86_400)
        await broker.until(lambda: broker.endpoint.sessions == 0)


async def test_a_session_expires_while_the_process_is_down(mqtt):
    store = mqtt.AwayStore()
    async with mqtt.serve(store=store) as broker:
        peer = await _subscribe(mqtt, broker, 5, expiry=100)
        await peer.close()
    async with mqtt.serve(store=store, now=mqtt.START + 99) as broker:
        assert broker.endpoint.sessions == 1
    async with mqtt.serve(store=store, now=mqtt.START + 101) as broker:
        assert broker.endpoint.sessions == 0


async def test_a_lasting_session_taken_up_for_one_connection_ends_with_it(mqtt):
    store = mqtt.AwayStore()
    async with mqtt.serve(store=store) as broker:
        peer = await _subscribe(mqtt, broker, 5, expiry=100)
        await peer.close()
        await _gone(broker)
        await _say(mqtt, broker, 5, (b"x", 1))
        peer = await broker.client(5, "sub", clean=False)
        assert peer.session_present
        assert (await peer.message()).payload == b"x"
        await broker.until(lambda: not store._sessions)
        await peer.close()
        await broker.until(lambda: broker.endpoint.sessions == 0)


async def test_disconnect_may_change_the_session_expiry(mqtt):
    store = mqtt.AwayStore()
    async with mqtt.serve(store=store) as broker:
        peer = await _subscribe(mqtt, broker, 5, expiry=100)
        await peer.send(b"\xe0\x07\x00\x05\x11\x00\x00\x00\x00")
        await peer.closed()
        await broker.until(lambda: broker.endpoint.sessions == 0 and not store._sessions)
        peer = await _subscribe(mqtt, broker, 5, expiry=100)
        await peer.send(b"\xe0\x07\x00\x05\x11\x00\x00\x01\x00")
        await peer.closed()
        broker.clock.move(200)
        peer = await broker.client(5, "sub", **lasting(5, 100))
        assert peer.session_present


async def test_disconnect_cannot_prolong_a_session_that_ends_with_its_connection(mqtt):
    async with mqtt.serve() as broker:
        peer = await broker.client(5)
        await peer.send(b"\xe0\x07\x00\x05\x11\x00\x00\x00\x01")
        await peer.ended_with(0x82)


async def test_a_queue_is_bounded(mqtt, version):
    async with mqtt.serve(max_queued=3, max_queued_bytes=25) as broker:
        peer = await _subscribe(mqtt, broker, version)
        await peer.close()
        await _gone(broker)
        await _say(mqtt, broker, version, *[(b"%d" % n, 1) for n in range(5)])
        assert broker.endpoint.counters.dropped["queue_full"] == 2
        peer = await broker.client(version, "sub", **lasting(version))
        got = [await peer.message() for _ in range(3)]
        assert [m.payload for m in got] == [b"0", b"1", b"2"]
        await peer.send(*[mqtt.ack(0x40, m.packet_id) for m in got])
        await peer.silence()
        await peer.close()
        await _gone(broker)
        await _say(mqtt, broker, version, (b"x" * 20, 1), (b"y" * 20, 1))
        assert broker.endpoint.counters.dropped["queue_full"] == 3


# --- wills ------------------------------------------------------------------------------------------------------------


async def test_a_will_is_published_when_the_connection_is_cut(mqtt, version):
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("w", 1, version)
        peer = await broker.client(version, will=("w", b"gone"), will_qos=1)
        await peer.close()
        message = await sub.message()
        assert (message.payload, message.qos, message.retain) == (b"gone", 1, False)
        assert [(m.channel, m.payload, m.receipt) for m in broker.intake.taken] == [("w", b"gone", 0)]


async def test_a_client_without_a_will_leaves_nothing_behind(mqtt, version):
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("#", 1, version)
        await (await broker.client(version)).close()
        await _gone(broker, 1)
        await sub.silence()
        assert broker.intake.taken == []


async def test_a_will_is_dropped_at_disconnect(mqtt, version):
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("w", 1, version)
        peer = await broker.client(version, will=("w", b"gone"))
        await peer.send(b"\xe0\x00")
        await peer.closed()
        await sub.silence()
        assert broker.endpoint.counters.wills == 0


@pytest.mark.parametrize("reason", [0x04, 0x80, 0x81, 0x98])
async def test_any_disconnect_but_a_normal_one_publishes_the_will(mqtt, reason):
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("w", 1, 5)
        peer = await broker.client(5, will=("w", b"gone"))
        await peer.send(bytes([0xE0, 1, reason]))
        assert (await sub.message()).payload == b"gone"


@pytest.mark.parametrize("reason", [0x01, 0x03, 0x11, 0x18, 0x85, 0x8A, 0x91, 0xA3, 0xFF])
async def test_a_disconnect_has_a_reason_of_its_table(mqtt, reason):
    async with mqtt.serve() as broker:
        peer = await broker.client(5)
        await peer.send(bytes([0xE0, 1, reason]))
        await peer.ended_with(0x81)


@pytest.mark.parametrize("why", ["keep alive", "protocol error", "take-over"])
async def test_a_will_is_published_when_the_server_ends_the_connection(mqtt, version, why):
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("w", 0, version)
        peer = await broker.client(version, keep_alive=1 if why == "keep alive" else 0, will=("w", b"gone"))
        if why == "protocol error":
            await peer.send(b"\x00\x00")
        elif why == "take-over":
            await broker.client(version)
        assert (await sub.message()).payload == b"gone"


async def test_a_will_can_be_retained(mqtt, version):
    async with mqtt.serve() as broker:
        peer = await broker.client(version, will=("w", b"gone"), will_retain=True, will_qos=2)
        await peer.close()
        await broker.until(lambda: broker.endpoint.retained == 1)
        sub = await broker.subscriber("w", 2, version)
        message = await sub.message()
        assert (message.payload, message.qos, message.retain) == (b"gone", 2, True)


async def test_a_will_is_empty_if_the_client_says_so(mqtt, version):
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("w", 0, version)
        await (await broker.client(version, will=("w", b""))).close()
        assert (await sub.message()).payload == b""


async def test_a_delayed_will_waits_and_is_dropped_if_the_client_returns(mqtt):
    how = {**lasting(5, 100), "will": ("w", b"gone"), "will_properties": b"\x18\x00\x00\x00\x0a"}
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("w", 0, 5)
        await (await broker.client(5, **how)).close()
        await _gone(broker, 1)
        broker.clock.move(9)
        peer = await broker.client(5, **how)
        broker.clock.move(20)
        await sub.silence()
        await peer.close()
        await _gone(broker, 1)
        await sub.silence()
        broker.clock.move(11)
        assert (await sub.message()).payload == b"gone"
        assert broker.endpoint.counters.wills == 1


async def test_a_delayed_will_is_published_when_the_session_ends_before(mqtt):
    delayed = {"will": ("w", b"gone"), "will_properties": b"\x18\x00\x00\x03\xe8"}
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("w", 0, 5)
        await (await broker.client(5, "a", **delayed)).close()  # the session ends at once
        assert (await sub.message()).payload == b"gone"
        await (await broker.client(5, "b", **lasting(5, 50), **delayed)).close()
        await _gone(broker, 1)
        broker.clock.move(51)
        assert (await sub.message()).payload == b"gone"
        await (await broker.client(5, "c", **lasting(5, 50), **delayed)).close()
        await _gone(broker, 1)
        await broker.client(5, "c", clean=True)
        assert (await sub.message()).payload == b"gone"


async def test_properties_of_a_will_are_those_of_its_message(mqtt):
    passed_on = b"\x01\x01\x03\x00\x01j\x26\x00\x01a\x00\x01b"
    async with mqtt.serve() as broker:
        sub = await broker.subscriber("w", 0, 5)
        peer = await broker.client(5, will=("w", b"g"), will_properties=b"\x02\x00\x00\x00\x05" + passed_on)
        await peer.close()
        assert (await sub.message()).properties == b"\x02\x00\x00\x00\x05" + passed_on


@pytest.mark.parametrize("topic", ["", "a/#", "+"])
async def test_a_will_needs_a_topic_name(mqtt, version, topic):
    async with mqtt.serve() as broker:
        peer = await broker.dial(version)
        await peer.send(mqtt.connect(version, will=(topic, b"")))
        assert await peer.closed() == (b"\x20\x03\x00\x90\x00" if version == 5 else b"")


async def test_stopping_the_endpoint_publishes_no_will(mqtt, version):
    intake = mqtt.PromptIntake()
    async with mqtt.serve(intake=intake) as broker:
        await broker.client(version, will=("w", b"gone"))
    assert intake.taken == []
