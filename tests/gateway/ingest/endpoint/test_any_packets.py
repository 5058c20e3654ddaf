"""No sequence of packets crashes the endpoint, leaks, or disturbs another connection; all it says can be read."""

import asyncio
import gc
import os
import random
import time
from contextlib import suppress
from pathlib import Path

import aiohttp
import mqtt5
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.ingest.endpoint.connection import Connection
from gateway.ports.endpoint import Principal, Rights
from gateway.serving import listening, with_mqtt
from gateway.settings import EmbeddedMqtt, Settings
from gateway.web.routes import ACCESS

LONG_S = 10_000.0
TURNS = 8
"""Turns of the loop in which everything that a packet causes has happened."""

_topics = st.sampled_from(["a", "a/b", "$x", "", "a/#", "siaga/v1/cam-1/telemetry"])
_filters = st.sampled_from(["a", "a/+", "#", "+/b", "$share/g/a", "", "a#", "a/#"])
_ids = st.integers(0, 3)
_acks = st.sampled_from([0x40, 0x50, 0x62, 0x70])
_properties = st.sampled_from(
    [b"", b"\x23\x00\x01", b"\x23\x00\x21", b"\x02\x00\x00\x00\x05", b"\x26\x00\x01k\x00\x01v", b"\x01\x01"]
)
_wishes = st.sampled_from([b"", b"\x21\x00\x01", b"\x27\x00\x00\x00\x0c", b"\x22\x00\x02", b"\x17\x00"])


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self, protocol: Connection) -> None:
        super().__init__()
        self.protocol = protocol
        self.out = bytearray()
        self.gone = False
        self.ended = False

    def write(self, data: bytes) -> None:
        assert not self.gone and not self.ended
        self.out += data

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """The endpoint has said its last word; this client goes on talking."""
        self.ended = True

    def is_closing(self) -> bool:
        return self.gone

    def close(self) -> None:
        if not self.gone:
            self.gone = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...


class Client:
    """A connection to the endpoint without a network."""

    def __init__(self, hub) -> None:
        self.connection = Connection(hub)
        self.wire = Wire(self.connection)
        self.connection.connection_made(self.wire)

    async def send(self, raw: bytes) -> bytes:
        """Hand over bytes and return what came back."""
        if not self.wire.gone:
            self.connection.get_buffer(-1)[: len(raw)] = raw
            self.connection.buffer_updated(len(raw))
        for _ in range(TURNS):
            await asyncio.sleep(0)
        out, self.wire.out = bytes(self.wire.out), bytearray()
        return out


def packets(mqtt, version):
    """One packet of a client: good, wrong, or none at all."""
    how = {"version": version}
    good = st.one_of(
        st.builds(
            lambda t, p, q, i, r, d, x: mqtt.publish(t, p, q, i, retain=r, dup=d, properties=x, **how),
            _topics,
            st.binary(max_size=20),
            st.integers(0, 2),
            _ids,
            st.booleans(),
            st.booleans(),
            _properties,
        ),
        st.builds(lambda f, o, i: mqtt.subscribe((f, o), packet_id=i, **how), _filters, st.integers(0, 63), _ids),
        st.builds(lambda f, i: mqtt.unsubscribe(f, packet_id=i, **how), _filters, _ids),
        st.builds(mqtt.ack, _acks, _ids),
        st.builds(lambda first, i, reason: bytes([first, 3, 0, i, reason]), _acks, _ids, st.integers(0, 255)),
        st.sampled_from([b"\xc0\x00", b"\xe0\x00", b"\xe0\x01\x04", b"\xf0\x00", mqtt.connect(version)]),
        st.binary(min_size=1, max_size=30),
    )
    damage = st.tuples(good, st.integers(0, 40), st.integers(0, 255)).map(
        lambda t: t[0][: t[1]] + bytes([t[2]]) + t[0][t[1] + 1 :]
    )
    return st.one_of(good, good, damage)


def conversations(mqtt):
    """What one client says: version, CONNECT, and packets in pieces."""

    def of(version):
        return st.tuples(
            st.just(version),
            st.builds(
                lambda name, clean, will, expiry, wish: mqtt.connect(
                    version,
                    name,
                    clean=clean,
                    will=("a/will", b"w") if will else None,
                    expiry=expiry if version == 5 else None,
                    properties=wish,
                ),
                st.sampled_from(["x", "y", ""]),
                st.booleans(),
                st.booleans(),
                st.sampled_from([0, 50]),
                _wishes,
            ),
            st.lists(packets(mqtt, version), max_size=12).map(b"".join),
            st.integers(1, 50),
        )

    return st.sampled_from([4, 5]).flatmap(of)


async def some_are_guests(credentials):
    """Client x is a guest, all others may use every topic and are heard by the pipeline."""
    return Principal("g", Rights.GUEST) if credentials.client_id == "x" else Principal("all", Rights.GENERAL)


def check_speech(version: int, said: bytes) -> None:
    """Whole packets only; those of MQTT 5 are read by an independent codec."""
    at = 0
    while at < len(said):
        length = shift = 0
        head = at + 1
        while True:
            byte = said[head]
            length |= (byte & 127) << shift
            shift, head = shift + 7, head + 1
            if byte < 128:
                break
        assert head + length <= len(said), "a packet is cut off"
        if version == 5 and said[at] >> 4 != 2:
            mqtt5.read(memoryview(said[at : head + length]))
        at = head + length


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
async def test_no_sequence_of_packets_crashes_leaks_or_disturbs(mqtt, data):
    failures = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))
    limits = {"max_session_expiry_s": 60, "max_queued": 20, "max_queued_bytes": 60, "receive_maximum": 5}
    async with mqtt.serve(authenticate=some_are_guests, **limits) as broker:
        hub = broker.endpoint._hub
        witness = Client(hub)
        assert await witness.send(mqtt.connect(4, "witness")) == b"\x20\x02\x00\x00"
        assert await witness.send(mqtt.subscribe(("quiet/corner", 1))) == b"\x90\x03\x00\x0a\x01"
        clients = []
        for version, hello, speech, step in data.draw(st.lists(conversations(mqtt), min_size=1, max_size=4)):
            client = Client(hub)
            clients.append(client)
            said = await client.send(hello)
            for at in range(0, len(speech), step):
                said += await client.send(speech[at : at + step])
            check_speech(version if said[1:2] != b"\x02" else 4, said)
            assert await witness.send(b"\xc0\x00") == b"\xd0\x00"
        answer = await witness.send(mqtt.publish("quiet/corner", b"still here", 1, 9))
        assert b"still here" in answer
        assert mqtt.ack(0x40, 9) in answer
        for client in (*clients, witness):
            client.wire.close()
        await asyncio.sleep(0)
        await hub.journal.written()
        broker.clock.move(LONG_S)
        hub.tick()
        await hub.journal.written()
        assert not hub.online and not hub.admissions
        assert not hub.connections and not hub.sessions and not hub._wills and not hub._by_identity
        assert not hub.router.tree._plain and not hub.router.tree._root.children
        assert not hub.router.shares._groups and not hub.router.shares._tree._plain
        assert not (await broker.store.load()).sessions
    assert not failures


WEBSOCKET = Settings(mqtt=EmbeddedMqtt(websocket=True))
FUZZ_S = float(os.environ.get("SIAGA_FUZZ_SECONDS", "60"))
MORE_BYTES = 6_000_000
"""How much the process may grow between the first quarter of the long run and its end: noise of the allocator."""


def _resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _babble(mqtt, chance: random.Random) -> bytes:
    """What one rude client says: mostly packets that could be right, some of them damaged."""
    version = chance.choice([4, 5])
    names = ["a", "a/b", "$x", "", "a/#", "+/b", "#", "$share/g/a", "siaga/v1/cam-1/telemetry", "x" * 200]
    hello = mqtt.connect(
        version,
        chance.choice(["x", "y", "z", ""]),
        clean=chance.random() < 0.5,
        will=chance.choice([None, ("a/will", b"w")]),
        expiry=chance.choice([None, 0, 1]) if version == 5 else None,
    )
    said = [hello]
    for _ in range(chance.randrange(20)):
        number = chance.randrange(4)
        said.append(
            chance.choice(
                [
                    mqtt.publish(
                        chance.choice(names),
                        chance.randbytes(chance.randrange(300)),
                        chance.randrange(3),
                        number,
                        version=version,
                        retain=chance.random() < 0.3,
                        dup=chance.random() < 0.2,
                    ),
                    mqtt.subscribe((chance.choice(names), chance.randrange(64)), packet_id=number, version=version),
                    mqtt.unsubscribe(chance.choice(names), packet_id=number, version=version),
                    mqtt.ack(chance.choice([0x40, 0x50, 0x62, 0x70]), number),
                    b"\xc0\x00",
                    hello,
                    chance.randbytes(chance.randrange(1, 40)),
                ]
            )
        )
    speech = bytearray(b"".join(said))
    for _ in range(chance.choice([0, 0, 1, 3])):
        speech[chance.randrange(len(hello) if chance.random() < 0.1 else len(speech))] = chance.randrange(256)
    return bytes(speech)


async def _rude_in_frames(mqtt, session: aiohttp.ClientSession, url: str, chance: random.Random) -> None:
    """The same over a WebSocket, in frames of any size, some of them text."""
    with suppress(OSError, aiohttp.ClientError, TimeoutError):
        socket = await session.ws_connect(url, protocols=("mqtt",), timeout=aiohttp.ClientWSTimeout(ws_close=0.1))
        speech = _babble(mqtt, chance)
        step = chance.choice([1, 7, 100, 10_000])
        for at in range(0, len(speech), step):
            await socket.send_bytes(speech[at : at + step])
        if chance.random() < 0.1:
            await socket.send_str("text")
        if chance.random() < 0.7:
            await asyncio.wait_for(socket.receive(), 0.02)
        if chance.random() < 0.5:
            await socket.close()
        else:
            socket._response.close()


async def _rude(mqtt, port: int, chance: random.Random) -> None:
    """A connection that says something, perhaps reads, and leaves somehow."""
    with suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(OSError, TimeoutError):
            speech = _babble(mqtt, chance)
            at = chance.randrange(len(speech))
            writer.write(speech[:at])
            await asyncio.sleep(0)
            writer.write(speech[at:])
            if chance.random() < 0.7:
                await asyncio.wait_for(reader.read(4096), 0.02)
        if chance.random() < 0.5:
            writer.transport.abort()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@pytest.mark.torture
async def test_rude_clients_for_minutes_neither_crash_it_nor_make_it_grow_nor_disturb_another(mqtt):
    """Over real sockets, from a seed that the failure names; SIAGA_FUZZ_SECONDS says how long (60 s)."""
    failures = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    limits = {"max_session_expiry_s": 1, "max_queued": 20, "receive_maximum": 50, "connect_timeout_s": 0.2}
    limits |= {"stall_timeout_s": 0.2, "close_timeout_s": 0.2, "max_retained": 50, "max_queued_bytes": 1_000}
    app = web.Application()
    app[ACCESS] = {}
    async with (
        aiohttp.ClientSession() as session,
        mqtt.serve(authenticate=some_are_guests, **limits) as broker,
        listening(with_mqtt(app, broker.endpoint, WEBSOCKET), "127.0.0.1", 0) as port,
    ):
        url = f"http://127.0.0.1:{port}/mqtt"
        witness = await broker.subscriber("quiet/corner", 1, 4, "witness")
        until = time.monotonic() + FUZZ_S
        early, rounds = 0, 0
        while time.monotonic() < until:
            crowd = [_rude(mqtt, broker.endpoint.port, chance) for _ in range(7)]
            await asyncio.gather(*crowd, _rude_in_frames(mqtt, session, url, chance))
            rounds += 1
            broker.clock.move(0.5)
            broker.intake.taken.clear()
            await witness.send(mqtt.publish("quiet/corner", b"%d" % rounds, 1, 9))
            answers = {(await witness.read())[0] >> 4 for _ in range(2)}
            assert answers == {3, 4}, (seed, rounds)
            await witness.send(mqtt.ack(0x40, (rounds - 1) % 65_535 + 1))
            if not early and time.monotonic() > until - 0.75 * FUZZ_S:
                early = _resident_bytes()
        broker.clock.move(LONG_S)
        await broker.until(lambda: broker.endpoint.connections == 1 and broker.endpoint.sessions == 1)
        grown = _resident_bytes() - early
        print(f"{rounds * 8} rude clients, {broker.endpoint.counters.publishes_in} messages, grown by {grown:,} bytes")
        assert grown < MORE_BYTES, (seed, grown)
    assert not failures, (seed, failures[0])
