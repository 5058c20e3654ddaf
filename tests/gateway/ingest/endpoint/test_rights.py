"""Who may do what: a device stays under its own name, and no client can harm another."""

import asyncio

from gateway.ports.ingest import Outbound


def _login(name):
    return {"username": name, "password": name[::-1].encode()}


async def test_a_device_may_publish_and_subscribe_under_its_own_name(mqtt, version):
    async with mqtt.serve(authenticate=mqtt.devices) as broker:
        peer = await broker.client(version, "any-id", **_login("cam-1"))
        await peer.send(mqtt.subscribe(("siaga/v1/cam-1/command", 1), ("siaga/v1/cam-1/#", 1), version=version))
        assert (await peer.read())[1][-2:] == b"\x01\x01"
        await peer.send(mqtt.publish("siaga/v1/cam-1/telemetry", b"{}", 1, 1, version=version))
        echo = await peer.message()
        assert echo.topic == "siaga/v1/cam-1/telemetry"
        await peer.expect(mqtt.ack(0x40, 1))
        (message,) = broker.intake.taken
        assert (message.device_id, message.channel) == ("cam-1", "telemetry")


async def test_a_foreign_topic_is_acknowledged_and_becomes_a_reject(mqtt, version):
    topics = ["siaga/v1/cam-2/telemetry", "siaga/v1/cam-1", "siaga/v1/cam-11/x", "frigate/stats", "$SYS/x"]
    async with mqtt.serve(authenticate=mqtt.devices) as broker:
        other = await broker.client(version, "other", **_login("cam-2"))
        await other.send(mqtt.subscribe(("siaga/v1/cam-2/#", 1), version=version))
        await other.read()
        peer = await broker.client(version, **_login("cam-1"))
        for number, topic in enumerate(topics, 1):
            for qos in (1, 2):
                await peer.send(mqtt.publish(topic, b"x", qos, number, version=version, retain=True))
                first, body = await peer.read()
                assert (first >> 4, body[:2]) == (3 + qos, bytes([0, number]))
                assert version == 4 or body[2] == 0x87
        await other.silence()
        assert [(m.device_id, m.channel) for m in broker.intake.taken] == [("", t) for t in topics for _ in (1, 2)]
        assert broker.endpoint.counters.publishes_refused == 10
        assert broker.endpoint.retained == 0


async def test_a_refused_qos_2_message_needs_no_release(mqtt):
    async with mqtt.serve(authenticate=mqtt.devices) as broker:
        peer = await broker.client(5, **_login("cam-1"))
        for payload in (b"1", b"2"):
            await peer.send(mqtt.publish("elsewhere", payload, 2, 7, version=5))
            first, body = await peer.read()
            assert (first, body[:3]) == (0x50, b"\x00\x07\x87")
        assert [m.payload for m in broker.intake.taken] == [b"1", b"2"]


async def test_a_device_cannot_subscribe_elsewhere(mqtt, version):
    wanted = ["#", "siaga/v1/+/command", "siaga/v1/cam-2/command", "siaga/v1/cam-1", "siaga/#", "$share/g/#"]
    async with mqtt.serve(authenticate=mqtt.devices) as broker:
        peer = await broker.client(version, **_login("cam-1"))
        await peer.send(mqtt.subscribe(*[(name, 1) for name in wanted], version=version))
        _, body = await peer.read()
        assert body[-6:] == bytes([0x87 if version == 5 else 0x80] * 6)


async def test_a_device_cannot_leave_a_will_elsewhere(mqtt, version):
    async with mqtt.serve(authenticate=mqtt.devices) as broker:
        peer = await broker.dial(version)
        await peer.send(mqtt.connect(version, will=("siaga/v1/cam-2/status", b"offline"), **_login("cam-1")))
        assert await peer.closed() == (b"\x20\x03\x00\x87\x00" if version == 5 else b"\x20\x02\x00\x05")


async def test_a_device_cannot_take_over_or_inherit_the_session_of_another(mqtt, version):
    async with mqtt.serve(authenticate=mqtt.devices) as broker:
        victim = await broker.client(version, "cam-1", **_login("cam-1"))
        thief = await broker.client(version, "cam-1", clean=False, **_login("cam-2"))
        assert not thief.session_present
        await victim.silence()
        await thief.silence()
        assert broker.endpoint.sessions == 2


async def test_a_device_may_have_only_so_many_sessions(mqtt, version):
    async with mqtt.serve(authenticate=mqtt.devices, max_sessions_per_device=2) as broker:
        for name in ("a", "b", "b"):
            await broker.client(version, name, **_login("cam-1"))
        peer = await broker.dial(version)
        await peer.send(mqtt.connect(version, "c", **_login("cam-1")))
        assert await peer.closed() == (b"\x20\x03\x00\x97\x00" if version == 5 else b"\x20\x02\x00\x03")
        await broker.client(version, "c", **_login("cam-2"))


async def test_a_device_with_ever_new_client_ids_does_not_lock_itself_out(mqtt, version):
    how = {"clean": False, **({"expiry": 1000} if version == 5 else {}), **_login("cam-1")}
    async with mqtt.serve(authenticate=mqtt.devices, max_sessions_per_device=2) as broker:
        for name in ("a", "b", "c", "d"):
            peer = await broker.client(version, name, **how)
            await peer.close()
            await broker.until(lambda: broker.endpoint.connections == 0)
            broker.clock.move(1)
        assert broker.endpoint.sessions == 2
        assert (await broker.client(version, "d", **how)).session_present
        await broker.until(lambda: {s.client_id for s in broker.store._sessions.values()} == {"c", "d"})


async def test_a_device_may_retain_only_so_many_topics(mqtt, version):
    async with mqtt.serve(authenticate=mqtt.devices, max_retained_per_device=2) as broker:
        peer = await broker.client(version, **_login("cam-1"))
        answers = []
        for number, topic in enumerate(["a", "b", "c", "a"], 1):
            raw = mqtt.publish(f"siaga/v1/cam-1/{topic}", b"%d" % number, 1, number, version=version, retain=True)
            await peer.send(raw)
            answers.append((await peer.read())[1][2:3])
        assert answers == ([b"", b"", b"\x97", b""] if version == 5 else [b""] * 4)
        assert broker.endpoint.retained == 2
        assert len(broker.intake.taken) == 4


async def test_retained_topics_have_a_limit_over_all(mqtt, version):
    async with mqtt.serve(max_retained=1) as broker:
        peer = await broker.client(version)
        await peer.send(*[mqtt.publish(t, b"x", 0, version=version, retain=True) for t in ("a", "b")])
        await peer.silence()
        assert broker.endpoint.retained == 1


async def test_a_message_for_a_device_reaches_it_alone(mqtt, version):
    async with mqtt.serve(authenticate=mqtt.devices) as broker:
        one = await broker.client(version, "x", **_login("cam-1"))
        two = await broker.client(version, "x", **_login("cam-2"))
        for peer, name in ((one, "cam-1"), (two, "cam-2")):
            await peer.send(mqtt.subscribe((f"siaga/v1/{name}/command", 1), version=version))
            await peer.read()
        await broker.endpoint.publish([Outbound("siaga/v1/cam-1/command", b"reboot")])
        message = await one.message()
        assert (message.payload, message.qos, message.retain) == (b"reboot", 1, False)
        await two.silence()
        assert broker.endpoint.connected("cam-1") and not broker.endpoint.connected("cam-3")
        assert broker.intake.taken == []


async def test_a_message_for_a_sleeping_device_waits_durably_and_expires(mqtt, version):
    store = mqtt.AwayStore()
    how = {"clean": False, **({"expiry": 9999} if version == 5 else {}), **_login("cam-1")}
    async with mqtt.serve(authenticate=mqtt.devices, store=store) as broker:
        peer = await broker.client(version, "x", **how)
        await peer.send(mqtt.subscribe(("siaga/v1/cam-1/+", 1), version=version))
        await peer.read()
        await peer.close()
        await broker.until(lambda: broker.endpoint.connections == 0)
        store.away = True
        sending = asyncio.ensure_future(
            broker.endpoint.publish(
                [
                    Outbound("siaga/v1/cam-1/command", b"late", expires_at=mqtt.START + 10),
                    Outbound("siaga/v1/cam-1/command", b"good", expires_at=mqtt.START + 100),
                    Outbound("siaga/v1/cam-1/desired", b"2.0", retain=True),
                ]
            )
        )
        await asyncio.sleep(0.05)
        assert not sending.done()
        store.away = False
        await sending
    async with mqtt.serve(authenticate=mqtt.devices, store=store, now=mqtt.START + 11) as broker:
        peer = await broker.client(version, "x", **how)
        assert [(await peer.message()).payload for _ in range(2)] == [b"good", b"2.0"]
        await peer.silence()
        assert broker.endpoint.retained == 1


async def test_publishing_an_empty_retained_message_clears_the_topic(mqtt):
    async with mqtt.serve() as broker:
        await broker.endpoint.publish([Outbound("t", b"x", retain=True)])
        await broker.endpoint.publish([Outbound("t", b"", retain=True), Outbound("never", b"", retain=True)])
        assert broker.endpoint.retained == 0
        assert broker.endpoint.journal_backlog == 0


async def test_a_retained_topic_of_a_thousand_levels_is_not_kept(mqtt):
    async with mqtt.serve(authenticate=mqtt.devices) as broker:
        peer = await broker.client(5, **_login("cam-1"))
        for depth, code in ((200, b""), (1_000, b"\x97")):
            topic = "siaga/v1/cam-1" + "/" * depth
            await peer.send(mqtt.publish(topic, b"x", 1, 7, version=5, retain=True))
            first, body = await peer.read()
            assert (first, body[:3]) == (0x40, b"\x00\x07" + code)
        assert broker.endpoint.retained == 1
