"""CONNECT and CONNACK, take-over, keep alive, DISCONNECT: sections 3.1, 3.2, 3.12, 3.14 and 4.13."""

import asyncio

import pytest

from gateway.ports.endpoint import AuthRefusal, Principal


async def test_a_client_is_welcomed(mqtt, version):
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
        assert not peer.session_present
        assert broker.endpoint.connections == 1


async def test_the_first_packet_must_be_connect(mqtt, version):
    async with mqtt.serve() as broker:
        peer = await broker.dial(version)
        await peer.send(b"\xc0\x00")
        assert await peer.closed() == b""


async def test_a_second_connect_ends_the_connection(mqtt, version):
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
        await peer.send(mqtt.connect(version))
        await peer.ended_with(0x82)


async def test_a_client_that_says_nothing_is_closed_in_time(mqtt):
    async with mqtt.serve(connect_timeout_s=0.1) as broker:
        peer = await broker.dial()
        assert await peer.closed() == b""
        assert broker.endpoint.counters.disconnected["CONNECT_TIMEOUT"] == 1


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        (b"\x10\x0e\x00\x04MQTT\x03\x02\x00\x00\x00\x02c1", b"\x20\x02\x00\x01"),
        (b"\x10\x10\x00\x06MQIsdp\x03\x02\x00\x00\x00\x02c1", b"\x20\x02\x00\x01"),
        (b"\x10\x0e\x00\x04MQTT\x06\x02\x00\x00\x00\x02c1", b"\x20\x03\x00\x84\x00"),
        (b"\x10\x0e\x00\x04MQTX\x04\x02\x00\x00\x00\x02c1", b"\x20\x02\x00\x01"),
    ],
    ids=["level 3", "3.1", "level 6", "another name"],
)
async def test_an_unknown_protocol_version_is_refused(mqtt, raw, answer):
    async with mqtt.serve() as broker:
        peer = await broker.dial()
        await peer.send(raw)
        assert await peer.closed() == answer


@pytest.mark.parametrize(
    "flaw",
    [
        *("reserved flag", "will qos 3", "will qos without a will", "will retain without a will", "no will topic"),
        *("will topic not utf-8", "user name not utf-8", "no user name", "left over", "not utf-8", "nul", "cut off"),
    ],
)
async def test_a_malformed_connect_is_not_let_in(mqtt, version, flaw):
    raw = bytearray(mqtt.connect(version))
    flags = raw.index(b"MQTT") + 5
    if flaw == "reserved flag":
        raw[flags] |= 1
    elif flaw == "will qos 3":
        raw = bytearray(mqtt.connect(version, will=("w", b""), will_qos=3))
    elif flaw == "will qos without a will":
        raw[flags] |= 0x08
    elif flaw == "will retain without a will":
        raw[flags] |= 0x20
    elif flaw == "no will topic":
        raw[flags] |= 0x04
    elif flaw == "no user name":
        raw[flags] |= 0x80
    elif flaw == "will topic not utf-8":
        raw = bytearray(mqtt.connect(version, will=(b"\xc3\x28", b"")))
    elif flaw == "user name not utf-8":
        raw = bytearray(mqtt.connect(version, username=b"\xc3\x28"))
    elif flaw == "left over":
        raw[1] += 1
        raw += b"x"
    elif flaw == "not utf-8":
        raw = bytearray(mqtt.connect(version, "ab").replace(b"ab", b"\xed\xa0"))
    elif flaw == "nul":
        raw = bytearray(mqtt.connect(version, "a\0"))
    else:
        raw[1] -= 1
        raw.pop()
    async with mqtt.serve() as broker:
        peer = await broker.dial(version)
        await peer.send(bytes(raw))
        answer = await peer.closed()
        assert answer == (b"\x20\x03\x00\x81\x00" if version == 5 else b"")
        assert broker.endpoint.sessions == 0


async def test_a_password_without_a_user_name_is_allowed_in_mqtt_5_alone(mqtt):
    async with mqtt.serve() as broker:
        peer = await broker.dial()
        await peer.send(mqtt.connect(4, password=b"p"))
        assert await peer.closed() == b""
        await broker.client(5, password=b"p")


async def test_a_missing_client_id_is_made_up_and_told(mqtt):
    async with mqtt.serve() as broker:
        await broker.client(4, "")
        peer = await broker.client(5, "")
        at = peer.connack.index(b"\x12\x00")
        name = peer.connack[at + 3 : at + 3 + peer.connack[at + 2]].decode()
        assert name.startswith("siaga-")
        assert broker.endpoint.sessions == 2


async def test_a_missing_client_id_needs_a_clean_session_in_mqtt_311(mqtt):
    async with mqtt.serve() as broker:
        peer = await broker.dial()
        await peer.send(mqtt.connect(4, "", clean=False))
        assert await peer.closed() == b"\x20\x02\x00\x02"


async def test_an_oversized_client_id_is_refused(mqtt, version):
    async with mqtt.serve(max_client_id_chars=23) as broker:
        await broker.client(version, "x" * 23)
        peer = await broker.dial(version)
        await peer.send(mqtt.connect(version, "x" * 24))
        assert await peer.closed() == (b"\x20\x03\x00\x85\x00" if version == 5 else b"\x20\x02\x00\x02")


@pytest.mark.parametrize(
    ("refusal", "code_311", "code_5"),
    [
        (AuthRefusal.BAD_CREDENTIALS, 4, 0x86),
        (AuthRefusal.NOT_AUTHORIZED, 5, 0x87),
        (AuthRefusal.BANNED, 5, 0x8A),
        (AuthRefusal.BUSY, 3, 0x89),
        (AuthRefusal.UNAVAILABLE, 3, 0x88),
        (ConnectionError("away"), 3, 0x88),
    ],
)
async def test_a_refused_client_is_told_why_and_closed(mqtt, version, refusal, code_311, code_5):
    async def refuse(_credentials):
        if isinstance(refusal, OSError):
            raise refusal
        return refusal

    async with mqtt.serve(authenticate=refuse) as broker:
        peer = await broker.dial(version)
        # what comes after a refused CONNECT is not acted upon
        await peer.send(mqtt.connect(version), mqtt.publish("t", b"x", 1, version=version))
        assert await peer.closed() == (
            bytes([0x20, 3, 0, code_5, 0]) if version == 5 else bytes([0x20, 2, 0, code_311])
        )
        assert broker.intake.taken == []


async def test_the_authenticator_sees_what_the_client_said(mqtt, version):
    seen = []

    async def look(credentials):
        seen.append(credentials)
        return Principal("dev")

    async with mqtt.serve(authenticate=look) as broker:
        await broker.client(version, "c7", username="u", password=b"\x00\xff")
    (seen,) = seen
    assert (seen.client_id, seen.username, seen.password) == ("c7", "u", b"\x00\xff")
    assert (seen.certificate_cn, seen.peer) == (None, "127.0.0.1")
    assert "\\xff" not in repr(seen)


async def test_packets_sent_before_connack_are_taken_after_it(mqtt, version):
    async def slow(credentials):
        await asyncio.sleep(0.05)
        return await mqtt.everyone(credentials)

    async with mqtt.serve(authenticate=slow) as broker:
        peer = await broker.dial(version)
        await peer.send(mqtt.connect(version), mqtt.publish("t", b"x", 1, 7, version=version)[:5])
        await asyncio.sleep(0.01)
        await peer.send(mqtt.publish("t", b"x", 1, 7, version=version)[5:])
        first, body = await peer.read()
        assert (first, body[1]) == (0x20, 0)
        await peer.expect(b"\x40\x02\x00\x07")


async def test_a_client_that_leaves_while_it_is_judged_does_no_harm(mqtt, version):
    gate = asyncio.Event()

    async def slow(credentials):
        await gate.wait()
        return await mqtt.everyone(credentials)

    async with mqtt.serve(authenticate=slow) as broker:
        peer = await broker.dial(version)
        await peer.send(mqtt.connect(version))
        await broker.until(lambda: broker.endpoint.connections == 1)
        await peer.close()
        gate.set()
        await broker.client(version, "c2")
        await broker.until(lambda: broker.endpoint.connections == 1 == broker.endpoint.sessions)


async def test_the_same_client_id_takes_over(mqtt, version):
    async with mqtt.serve() as broker:
        old = await broker.client(version, "same")
        new = await broker.client(version, "same")
        await old.ended_with(0x8E)
        await new.silence()
        assert broker.endpoint.counters.take_overs == 1
        assert broker.endpoint.sessions == 1


async def test_a_ping_is_answered(mqtt, version):
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
        await peer.silence()


async def test_a_silent_client_is_closed_after_one_and_a_half_keep_alives(mqtt, version):
    async with mqtt.serve() as broker:
        peer = await broker.client(version, keep_alive=1)
        began = asyncio.get_running_loop().time()
        await peer.ended_with(0x8D)
        assert asyncio.get_running_loop().time() - began >= 1.4


async def test_a_client_without_keep_alive_may_be_silent(mqtt, version):
    async with mqtt.serve(connect_timeout_s=0.05) as broker:
        peer = await broker.client(version, keep_alive=0)
        await asyncio.sleep(0.6)
        await peer.silence()


async def test_the_server_may_shorten_the_keep_alive(mqtt):
    async with mqtt.serve(max_keep_alive_s=60) as broker:
        assert b"\x13\x00\x3c" in (await broker.client(5, "a", keep_alive=0)).connack
        assert b"\x13\x00\x3c" in (await broker.client(5, "b", keep_alive=61)).connack
        assert b"\x13" not in (await broker.client(5, "c", keep_alive=60)).connack


async def test_disconnect_ends_the_connection(mqtt, version):
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
        await peer.send(b"\xe0\x00")
        assert await peer.closed() == b""


async def test_nothing_after_disconnect_is_acted_upon(mqtt, version):
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
        await peer.send(b"\xe0\x00", mqtt.publish("t", b"x", 1, version=version))
        assert await peer.closed() == b""
        assert broker.intake.taken == []


async def test_an_endpoint_that_stops_says_so(mqtt, version):
    async with mqtt.serve() as broker:
        peer = await broker.client(version)
    await peer.ended_with(0x8B)


async def test_connections_over_the_limit_are_closed_at_once(mqtt, version):
    async with mqtt.serve(max_connections=1) as broker:
        first = await broker.client(version, "a")
        second = await broker.dial(version)
        assert await second.closed() == b""
        await first.silence()
        assert broker.endpoint.counters.connections_over_limit == 1


async def test_extended_authentication_is_refused(mqtt):
    async with mqtt.serve() as broker:
        peer = await broker.dial(5)
        await peer.send(mqtt.connect(5, properties=b"\x15\x00\x05SCRAM"))
        assert await peer.closed() == b"\x20\x03\x00\x8c\x00"
        peer = await broker.dial(5)
        await peer.send(mqtt.connect(5, properties=b"\x16\x00\x01x"))
        assert await peer.closed() == b"\x20\x03\x00\x82\x00"
        peer = await broker.client(5)
        await peer.send(b"\xf0\x00")
        await peer.ended_with(0x82)


async def test_connack_says_what_the_server_can_do(mqtt):
    async with mqtt.serve(receive_maximum=500, max_packet_bytes=70_000, topic_alias_maximum=7) as broker:
        connack = (await broker.client(5)).connack
        assert b"\x21\x01\xf4" in connack
        assert b"\x27\x00\x01\x11\x70" in connack
        assert b"\x22\x00\x07" in connack
        # absent means that retained messages, QoS 2, wildcards, identifiers and shared subscriptions are there
        assert len(connack) == 12


async def test_the_session_expiry_that_is_granted_is_told_if_it_is_not_the_one_asked_for(mqtt):
    async with mqtt.serve(max_session_expiry_s=100) as broker:
        assert b"\x11\x00\x00\x00\x64" in (await broker.client(5, "a", expiry=101)).connack
        assert b"\x11\x00" not in (await broker.client(5, "b", expiry=100)).connack


async def test_the_last_word_reaches_a_client_that_is_still_sending(mqtt, version):
    """What comes after the end is read to nothing: a socket closed with bytes unread would reset the connection."""
    async with mqtt.serve(receive_maximum=3) as broker:
        peer = await broker.client(version)
        await peer.send(mqtt.subscribe(("a#", 0), version=version))
        for _ in range(20):
            await peer.send(mqtt.publish("t", b"x" * 5_000, version=version))
            await asyncio.sleep(0.001)
        await peer.ended_with(0x81)
        peer.writer.close()
        await broker.until(lambda: broker.endpoint.connections == 0)
        assert not broker.intake.taken


async def test_a_client_that_never_closes_after_the_last_word_is_cut_off(mqtt, version):
    async with mqtt.serve(close_timeout_s=0.05) as broker:
        peer = await broker.client(version)
        await peer.send(b"\x00\x00")
        await peer.ended_with(0x82)
        await broker.until(lambda: broker.endpoint.connections == 0)
