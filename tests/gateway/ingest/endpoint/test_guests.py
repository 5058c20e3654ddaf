"""Guests: strangers who are served as by any broker, beside the devices and outside their topics."""

import asyncio

import pytest

from gateway.ingest.endpoint.limits import EndpointSettings, for_guests
from gateway.ports.endpoint import Principal, Rights
from gateway.ports.ingest import Outbound

EVERY_LOOP = True


CLOSED = ("test/nosubscribe", "secret/#")


async def doors(credentials):
    """A user name makes a device; everyone else is a guest."""
    return Principal(credentials.username) if credentials.username else Principal("$guest", Rights.GUEST)


async def test_guests_talk_to_each_other_and_the_pipeline_hears_nothing(mqtt, version):
    async with mqtt.serve(authenticate=doors) as broker:
        sub = await broker.subscriber("a/+", 2, version)
        peer = await broker.client(version, will=("a/will", b"gone"))
        for qos in (0, 1):
            await peer.send(mqtt.publish("a/b", b"%d" % qos, qos, 5, version=version))
        await peer.expect(mqtt.ack(0x40, 5))
        await peer.send(mqtt.publish("a/b", b"2", 2, 6, version=version), mqtt.ack(0x62, 6))
        await peer.expect(mqtt.ack(0x50, 6) + mqtt.ack(0x70, 6))
        await peer.close()
        assert [(await sub.message()).payload for _ in range(4)] == [b"0", b"1", b"2", b"gone"]
        assert broker.intake.taken == []
        assert broker.endpoint.counters.publishes_in == 3


async def test_a_guest_is_answered_before_it_hears_itself(mqtt, version):
    async with mqtt.serve(authenticate=doors) as broker:
        peer = await broker.subscriber("a", 2, version)
        for qos, answer in ((1, 0x40), (2, 0x50)):
            await peer.send(mqtt.publish("a", b"x", qos, 301, version=version))
            await peer.expect(mqtt.ack(answer, 301))
            if qos == 2:
                await peer.send(mqtt.ack(0x62, 301))
                await peer.expect(mqtt.ack(0x70, 301))
            assert (await peer.message()).qos == qos


async def test_a_guest_learns_that_nobody_subscribed(mqtt, version):
    async with mqtt.serve(authenticate=doors) as broker:
        peer = await broker.client(version)
        for retain in (False, True):
            await peer.send(mqtt.publish("a", b"x", 1, 4, version=version, retain=retain))
            first, body = await peer.read()
            assert (first, body) == (0x40, b"\x00\x04\x10" if version == 5 else b"\x00\x04")
        await broker.subscriber("a", 0, version)
        await peer.send(mqtt.publish("a", b"x", 1, 4, version=version))
        await peer.expect(mqtt.ack(0x40, 4))


async def test_a_guests_message_of_qos_2_goes_on_when_it_is_released(mqtt, version):
    async with mqtt.serve(authenticate=doors) as broker:
        sub, peer = await broker.subscriber("a", 2, version), await broker.client(version)
        for number in (7, 8):
            await peer.send(mqtt.publish("a", b"%d" % number, 2, number, version=version))
            await peer.expect(mqtt.ack(0x50, number))
            await peer.send(mqtt.publish("a", b"%d" % number, 2, number, version=version, dup=True))
            await peer.expect(mqtt.ack(0x50, number))
        await sub.silence()
        for number in (7, 8):
            await peer.send(mqtt.ack(0x62, number))
            await peer.expect(mqtt.ack(0x70, number))
            assert (await sub.message()).payload == b"%d" % number
            await peer.send(mqtt.ack(0x62, number))
            first, body = await peer.read()
            assert (first, body[:2]) == (0x70, number.to_bytes(2, "big"))
            assert version == 4 or body[2] == 0x92
        await sub.silence()


async def test_a_message_that_was_never_released_goes_on_when_its_session_ends(mqtt, version):
    async with mqtt.serve(authenticate=doors) as broker:
        sub = await broker.subscriber("a", 2, version)
        peer = await broker.client(version, will=("a", b"gone"))
        await peer.send(mqtt.publish("a", b"x", 2, 7, version=version, retain=True))
        await peer.expect(mqtt.ack(0x50, 7))
        await peer.close()
        assert [(await sub.message()).payload for _ in range(2)] == [b"x", b"gone"]
        assert broker.endpoint.retained == 1


async def test_a_guest_that_releases_nothing_is_held_only_so_much(mqtt, version):
    async with mqtt.serve(authenticate=doors, max_queued_bytes=100) as broker:
        sub, peer = await broker.subscriber("a", 1, version), await broker.client(version)
        for number in range(1, 4):
            await peer.send(mqtt.publish("a", bytes([number]) * 40, 2, number, version=version))
            await peer.expect(mqtt.ack(0x50, number))
        assert [(await sub.message()).payload[0] for _ in range(2)] == [1, 2]
        await sub.silence()
        for number in range(1, 4):
            await peer.send(mqtt.ack(0x62, number))
            await peer.expect(mqtt.ack(0x70, number))
        assert (await sub.message()).payload[0] == 3
        await sub.silence()


async def test_a_lasting_guests_message_of_qos_2_is_safe_when_pubrec_says_so(mqtt, version):
    store = mqtt.AwayStore()
    expiry = 99 if version == 5 else None
    async with mqtt.serve(authenticate=doors, store=store) as broker:
        sleeper = await broker.client(version, "sleeper", clean=False, expiry=expiry)
        await sleeper.send(mqtt.subscribe(("a", 2), version=version))
        await sleeper.read()
        await sleeper.close()
        lasting = await broker.client(version, "lasting", clean=False, expiry=expiry)
        passing = await broker.client(version, "passing")
        await passing.send(mqtt.publish("a", b"2", 2, 9, version=version))
        await passing.expect(mqtt.ack(0x50, 9))
        store.away = True
        await lasting.send(mqtt.publish("a", b"1", 2, 9, version=version))
        await lasting.silence()
        await passing.send(mqtt.ack(0x62, 9))
        await passing.silence()
        store.away = False
        await lasting.expect(mqtt.ack(0x50, 9))
        await passing.expect(mqtt.ack(0x70, 9))
        sleeper = await broker.client(version, "sleeper", clean=False, expiry=expiry)
        assert [(await sleeper.message()).payload for _ in range(2)] == [b"1", b"2"]


async def test_a_guest_is_answered_once_a_lasting_session_has_its_message(mqtt, version):
    store = mqtt.AwayStore()
    async with mqtt.serve(authenticate=doors, store=store) as broker:
        expiry = 99 if version == 5 else None
        sleeper = await broker.client(version, "sleeper", clean=False, expiry=expiry)
        await sleeper.send(mqtt.subscribe(("a", 1), version=version))
        await sleeper.read()
        await sleeper.close()
        peer = await broker.client(version)
        store.away = True
        await peer.send(mqtt.publish("a", b"x", 1, 9, version=version))
        await peer.silence()
        store.away = False
        await peer.expect(mqtt.ack(0x40, 9))


async def test_a_guest_cannot_speak_as_a_device(mqtt, version):
    async with mqtt.serve(authenticate=doors) as broker:
        peer = await broker.client(version)
        await peer.send(mqtt.publish("siaga/v1/cam-1/telemetry", b"{}", 1, 4, version=version))
        first, body = await peer.read()
        assert (first, body[:2]) == (0x40, b"\x00\x04")
        assert version == 4 or body[2] == 0x87
        assert broker.intake.taken == []
        assert broker.endpoint.counters.publishes_refused == 1
        last = await broker.dial(version)
        await last.send(mqtt.connect(version, "w", will=("siaga/v1/cam-1/status", b"x")))
        assert (await last.closed())[3] == (0x87 if version == 5 else 5)


async def test_a_device_is_heard_by_the_pipeline_and_by_guests(mqtt, version):
    async with mqtt.serve(authenticate=doors) as broker:
        guest = await broker.subscriber("#", 1, version)
        device = await broker.client(version, username="cam-1")
        await device.send(mqtt.publish("siaga/v1/cam-1/telemetry", b"{}", 1, 4, version=version))
        await device.expect(mqtt.ack(0x40, 4))
        assert (await guest.message()).topic == "siaga/v1/cam-1/telemetry"
        assert [m.device_id for m in broker.intake.taken] == ["cam-1"]
        assert broker.endpoint.connected("cam-1")
        assert not broker.endpoint.connected("sub")


async def test_a_closed_topic_is_refused_without_a_reason(mqtt, version):
    wanted = ["test/nosubscribe", "secret", "secret/+", "$share/g/secret/x", "test/#", "open"]
    async with mqtt.serve(authenticate=doors, closed=CLOSED) as broker:
        peer = await broker.client(version)
        await peer.send(mqtt.subscribe(*[(name, 2) for name in wanted], version=version))
        _, body = await peer.read()
        assert list(body[-6:]) == [0x80, 0x80, 0x80, 0x80, 2, 2]
        await peer.send(mqtt.publish("test/nosubscribe", b"x", 1, 4, version=version))
        first, body = await peer.read()
        assert (first, body[:2]) == (0x40, b"\x00\x04")
        assert version == 4 or body[2] == 0x80
        await peer.silence()


async def test_closed_topics_do_not_concern_devices(mqtt, version):
    async with mqtt.serve(authenticate=doors, closed=("#",)) as broker:
        device = await broker.client(version, username="cam-1")
        await device.send(mqtt.subscribe(("siaga/v1/cam-1/command", 1), version=version))
        assert (await device.read())[1][-1] == 1
        await broker.endpoint.publish([Outbound("siaga/v1/cam-1/command", b"go")])
        assert (await device.message()).payload == b"go"


async def test_a_guest_that_fills_the_journal_is_read_no_further(mqtt, version):
    store = mqtt.AwayStore()
    async with mqtt.serve(authenticate=doors, store=store, max_journal_backlog=20, max_packet_bytes=10_000) as broker:
        expiry = 99 if version == 5 else None
        sleeper = await broker.client(version, "sleeper", clean=False, expiry=expiry)
        await sleeper.send(mqtt.subscribe(("a", 1), version=version))
        await sleeper.read()
        await sleeper.close()
        peer = await broker.client(version)
        store.away = True
        for number in range(1, 41):
            await peer.send(mqtt.publish("a", b"x" * 100, 1, number, version=version))
            await asyncio.sleep(0.001)
        await broker.until(lambda: broker.endpoint.journal_backlog > 20)
        backlog = broker.endpoint.journal_backlog
        await peer.send(mqtt.publish("a", b"late", 1, 99, version=version))
        await asyncio.sleep(0.02)
        assert broker.endpoint.journal_backlog == backlog
        store.away = False
        for number in (*range(1, 41), 99):
            await peer.expect(mqtt.ack(0x40, number))


async def test_a_guest_that_exceeds_the_receive_maximum_is_disconnected(mqtt):
    store = mqtt.AwayStore()
    async with mqtt.serve(authenticate=doors, store=store, receive_maximum=2) as broker:
        sleeper = await broker.client(5, "sleeper", clean=False, expiry=99)
        await sleeper.send(mqtt.subscribe(("a", 1), version=5))
        await sleeper.read()
        peer = await broker.client(5)
        store.away = True
        await peer.send(*[mqtt.publish("a", b"x", 1, number, version=5) for number in (1, 2, 3)])
        await peer.ended_with(0x93)
        store.away = False


async def test_guests_are_bounded_as_by_a_broker_not_as_devices(mqtt, version):
    settings = for_guests(EndpointSettings(), CLOSED)
    wide = {"max_client_id_chars": settings.max_client_id_chars, "max_connect_bytes": settings.max_connect_bytes}
    async with mqtt.serve(authenticate=doors, max_sessions_per_device=1, max_retained_per_device=1, **wide) as broker:
        peers = [await broker.client(version, name) for name in ("a", "b", "c" * 65_535)]
        for number, peer in enumerate(peers):
            await peer.send(mqtt.publish(f"kept/{number}", b"x", 1, 7, retain=True, version=version))
            assert (await peer.read())[0] == 0x40
        assert broker.endpoint.retained == 3


async def test_a_burst_of_thousands_reaches_a_guest_whole(mqtt, version):
    """What one read brings is more than a device's queue holds, and so are the retained messages of a filter."""
    settings = for_guests(EndpointSettings(), CLOSED)
    wide = {"max_queued": settings.max_queued, "max_queued_bytes": settings.max_queued_bytes}
    numbers = range(1, 3_001)
    async with mqtt.serve(authenticate=doors, **wide) as broker:
        sub, peer = await broker.subscriber("a/+", 0, version), await broker.client(version)
        await peer.send(*[mqtt.publish(f"a/{number}", version=version, retain=True) for number in numbers])
        assert [(await sub.message()).topic for _ in numbers] == [f"a/{number}" for number in numbers]
        late = await broker.subscriber("a/#", 0, version, "late")
        assert {(await late.message()).topic for _ in numbers} == {f"a/{number}" for number in numbers}


def test_a_malformed_closed_topic_is_named():
    with pytest.raises(ValueError, match=r"mqtt\.closed_topics: 'a#' is not a topic filter"):
        for_guests(EndpointSettings(), ("a#",))
