"""Back-pressure: a full pipeline, a fast device, a client that does not read."""

import asyncio

import pytest

from gateway.ingest.endpoint.limits import Rate, TokenBucket
from gateway.ports.ingest import Outbound

EVERY_LOOP = True


async def test_a_full_pipeline_stops_the_reading_and_loses_nothing(mqtt, version):
    intake = mqtt.HeldIntake(room=5)
    async with mqtt.serve(intake=intake) as broker:
        peers = [await broker.client(version, name) for name in "ab"]
        for peer in peers:
            await peer.send(*[mqtt.publish("t", b"x", 1, n, version=version) for n in range(1, 6)])
        await intake.has(10)
        for peer in peers:
            await peer.send(mqtt.publish("t", b"late", 1, 6, version=version))
        await asyncio.sleep(0.05)
        assert len(intake.taken) == 10
        intake.commit()
        await intake.has(12)
        intake.commit()
        for peer in peers:
            await peer.expect(b"".join(mqtt.ack(0x40, n) for n in range(1, 7)))


async def test_a_keep_alive_does_not_run_out_while_the_endpoint_does_not_read(mqtt, version):
    intake = mqtt.HeldIntake(room=1)
    async with mqtt.serve(intake=intake) as broker:
        peer = await broker.client(version, keep_alive=1)
        await peer.send(mqtt.publish("t", b"x", 1, 1, version=version))
        await intake.has(1)
        await asyncio.sleep(1.9)
        intake.commit()
        await peer.expect(mqtt.ack(0x40, 1))
        await peer.silence()


async def test_a_journal_that_is_far_behind_stops_the_reading(mqtt, version):
    store = mqtt.AwayStore()
    async with mqtt.serve(store=store, max_journal_backlog=3) as broker:
        peer = await broker.client(version)
        store.away = True
        for number in range(1, 9):
            await peer.send(mqtt.publish(f"t/{number}", b"x", 1, number, version=version, retain=True))
            await asyncio.sleep(0.01)
        assert len(broker.intake.taken) < 8
        store.away = False
        await peer.expect(b"".join(mqtt.ack(0x40, n) for n in range(1, 9)))


async def test_a_device_that_sends_too_fast_is_read_more_slowly(mqtt, version):
    login = {"username": "cam-1", "password": b"1-mac"}
    async with mqtt.serve(authenticate=mqtt.devices, device_rate=Rate(per_second=100, burst=10)) as broker:
        peer = await broker.client(version, **login)
        other = await broker.client(version, username="cam-2", password=b"2-mac")
        began = asyncio.get_running_loop().time()
        topic = "siaga/v1/cam-1/telemetry"
        for number in range(1, 31):
            await peer.send(mqtt.publish(topic, b"x", 1, number, version=version))
            await peer.expect(mqtt.ack(0x40, number))
            await other.silence()
        assert asyncio.get_running_loop().time() - began >= 0.18
        assert broker.endpoint.counters.paused_for_rate >= 1


def test_a_token_bucket_lets_a_burst_through_and_then_the_rate():
    bucket = TokenBucket(Rate(per_second=10, burst=5), now=100.0)
    assert bucket.spend(5, 100.0) == 0.0
    assert bucket.spend(1, 100.0) == pytest.approx(0.1)
    assert bucket.spend(2, 100.1) == pytest.approx(0.2)
    assert bucket.spend(1, 200.0) == 0.0
    assert bucket.spend(4, 200.0) == 0.0
    assert bucket.spend(1, 200.0) == pytest.approx(0.1)


async def test_a_client_that_does_not_read_is_cut_off_and_hurts_nobody(mqtt, version):
    async with mqtt.serve(write_high_water_bytes=4096, stall_timeout_s=0.3, max_queued=50) as broker:
        slow = await broker.subscriber("t", 0, version, "slow")
        slow.reader._transport.pause_reading()
        quick = await broker.subscriber("t", 0, version, "quick")
        peer = await broker.client(version, "talker")
        sent = 0
        while broker.endpoint.connections == 3 and sent < 2000:
            await peer.send(mqtt.publish("t", b"x" * 60_000, 0, version=version))
            await quick.message()
            sent += 1
            if not broker.endpoint.counters.dropped["queue_full"]:
                continue
            await asyncio.sleep(0.01)
        assert broker.endpoint.counters.disconnected["QUOTA_EXCEEDED"] == 1
        assert broker.endpoint.counters.dropped["queue_full"] > 0
        await quick.silence()


async def test_a_client_that_catches_up_gets_what_waited(mqtt, version):
    async with mqtt.serve(write_high_water_bytes=4096, max_inflight=100, max_queued_bytes=20_000_000) as broker:
        slow = await broker.subscriber("t", 1, version, "slow")
        slow.reader._transport.pause_reading()
        peer = await broker.client(version, "talker")
        for number in range(1, 101):
            await peer.send(mqtt.publish("t", b"x" * 90_000, 1, number, version=version))
            await peer.expect(mqtt.ack(0x40, number))
        slow.reader._transport.resume_reading()
        for _ in range(100):
            message = await slow.message()
            await slow.send(mqtt.ack(0x40, message.packet_id))
        await slow.silence()
        assert not broker.endpoint.counters.dropped


async def test_a_flood_of_connections_that_say_nothing_does_not_stop_the_others(mqtt, version):
    async with mqtt.serve(connect_timeout_s=0.2) as broker:
        for _ in range(50):
            await broker.dial()
        peer = await broker.client(version)
        await peer.silence()
        await broker.until(lambda: broker.endpoint.connections == 1)


async def test_an_endpoint_whose_store_is_away_still_stops(mqtt, version):
    store = mqtt.AwayStore()
    async with mqtt.serve(store=store, stop_timeout_s=0.1) as broker:
        store.away = True
        peer = await broker.dial(version)
        how = {"clean": False} if version == 4 else {"expiry": 60}
        await peer.send(mqtt.connect(version, **how))
        await broker.until(lambda: broker.endpoint.sessions == 1)
        sending = asyncio.ensure_future(broker.endpoint.publish([Outbound("t", b"x", retain=True)]))
        await asyncio.sleep(0)
    with pytest.raises(ConnectionError):
        await sending
