"""A raw MQTT client that shares no code with the endpoint, and pipelines to put behind it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace

import pytest

from gateway.clock import ManualClock
from gateway.ingest.endpoint.limits import EndpointSettings
from gateway.ingest.endpoint.server import Endpoint, open_endpoint
from gateway.ports.endpoint import AuthRefusal, Credentials, Principal, Rights
from gateway.ports.ingest import Inbound
from gateway.storage.endpoint_memory import MemoryEndpointStore
from tests.parts.event_loops import FACTORIES

START = 1_800_000_000.0
PATIENCE_S = 5.0
PEERS: list["Peer"] = []


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return len(raw).to_bytes(2, "big") + raw


def varint(value: int) -> bytes:
    out = bytearray()
    while True:
        byte, value = value % 128, value // 128
        out.append(byte | (128 if value else 0))
        if not value:
            return bytes(out)


def packet(first: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes([first]) + varint(len(body)) + body


def props(version: int, raw: bytes) -> bytes:
    return varint(len(raw)) + raw if version == 5 else b""


def connect(
    version: int = 4,
    client_id: str = "c1",
    *,
    clean: bool = True,
    keep_alive: int = 0,
    username: str | None = None,
    password: bytes | None = None,
    will: tuple[str, bytes] | None = None,
    will_qos: int = 0,
    will_retain: bool = False,
    will_properties: bytes = b"",
    properties: bytes = b"",
    expiry: int | None = None,
) -> bytes:
    flags = 2 * clean | 4 * (will is not None) | will_qos << 3 | 32 * will_retain
    flags |= 64 * (password is not None) | 128 * (username is not None)
    if expiry is not None:
        properties = b"\x11" + expiry.to_bytes(4, "big") + properties
    parts = [text("MQTT"), bytes([version, flags]), keep_alive.to_bytes(2, "big"), props(version, properties)]
    parts.append(text(client_id))
    if will is not None:
        parts += [props(version, will_properties), text(will[0]), text(will[1])]
    parts += [text(value) for value in (username, password) if value is not None]
    return packet(0x10, *parts)


def publish(
    topic: str,
    payload: bytes = b"x",
    qos: int = 0,
    packet_id: int = 1,
    *,
    version: int = 4,
    retain: bool = False,
    dup: bool = False,
    properties: bytes = b"",
) -> bytes:
    number = packet_id.to_bytes(2, "big") if qos else b""
    return packet(0x30 | dup << 3 | qos << 1 | retain, text(topic), number, props(version, properties), payload)


def subscribe(*filters: tuple[str, int], version: int = 4, packet_id: int = 10, properties: bytes = b"") -> bytes:
    wanted = [text(name) + bytes([options]) for name, options in filters]
    return packet(0x82, packet_id.to_bytes(2, "big"), props(version, properties), *wanted)


def unsubscribe(*filters: str, version: int = 4, packet_id: int = 11) -> bytes:
    return packet(0xA2, packet_id.to_bytes(2, "big"), props(version, b""), *map(text, filters))


def ack(first: int, packet_id: int) -> bytes:
    return bytes([first, 2]) + packet_id.to_bytes(2, "big")


def parse_publish(first: int, body: bytes, version: int) -> SimpleNamespace:
    size = int.from_bytes(body[:2], "big")
    topic, at = body[2 : 2 + size].decode(), 2 + size
    qos = first >> 1 & 3
    packet_id = 0
    if qos:
        packet_id, at = int.from_bytes(body[at : at + 2], "big"), at + 2
    properties = b""
    if version == 5:
        length = body[at]
        assert length < 128
        properties, at = body[at + 1 : at + 1 + length], at + 1 + length
    return SimpleNamespace(
        topic=topic,
        payload=body[at:],
        qos=qos,
        retain=bool(first & 1),
        dup=bool(first & 8),
        packet_id=packet_id,
        properties=properties,
    )


class Peer:
    """One TCP connection that speaks packets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, version: int) -> None:
        self.reader = reader
        self.writer = writer
        self.version = version
        PEERS.append(self)

    async def send(self, *packets: bytes) -> None:
        self.writer.write(b"".join(packets))
        await self.writer.drain()

    async def read(self) -> tuple[int, bytes]:
        """The next packet: first byte and body."""
        async with asyncio.timeout(PATIENCE_S):
            first = (await self.reader.readexactly(1))[0]
            length = shift = 0
            while True:
                byte = (await self.reader.readexactly(1))[0]
                length |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    return first, await self.reader.readexactly(length)

    async def expect(self, raw: bytes) -> None:
        async with asyncio.timeout(PATIENCE_S):
            assert await self.reader.readexactly(len(raw)) == raw

    async def message(self) -> SimpleNamespace:
        """The next packet, which must be a PUBLISH."""
        first, body = await self.read()
        assert first >> 4 == 3, (hex(first), body)
        return parse_publish(first, body, self.version)

    async def silence(self) -> None:
        """Nothing is on its way: a PINGREQ is answered first."""
        await self.send(b"\xc0\x00")
        await self.expect(b"\xd0\x00")

    async def closed(self) -> bytes:
        """What still comes before the server closes the connection, which it must."""
        rest = b""
        async with asyncio.timeout(PATIENCE_S):
            try:
                while data := await self.reader.read(65536):
                    rest += data
            except ConnectionError:
                return rest
        return rest

    async def ended_with(self, reason: int) -> None:
        """MQTT 5: DISCONNECT with this reason, then the end. 3.1.1: the end."""
        rest = await self.closed()
        if self.version == 5:
            assert rest[:1] == b"\xe0" and rest[2] == reason, rest
        else:
            assert rest == b""

    async def close(self) -> None:
        """Cut the connection without DISCONNECT."""
        self.writer.transport.abort()
        await asyncio.sleep(0)


class PromptIntake:
    """Acknowledges in the same turn of the loop."""

    def __init__(self) -> None:
        self.taken: list[Inbound] = []

    def take(self, messages: Sequence[Inbound]) -> bool:
        self.taken += messages
        for message in messages:
            asyncio.get_running_loop().call_soon(message.link.acknowledge, [message.receipt])
        return True

    def when_room(self, resume: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_soon(resume)


class HeldIntake:
    """Acknowledges when the test says so; says that it is full above `room` messages."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.taken: list[Inbound] = []
        self.waiting: list[Inbound] = []
        self.room = room
        self._resume: Callable[[], None] | None = None

    def take(self, messages: Sequence[Inbound]) -> bool:
        self.taken += messages
        self.waiting += messages
        return len(self.waiting) < self.room

    def when_room(self, resume: Callable[[], None]) -> None:
        assert self._resume is None
        self._resume = resume

    def commit(self, count: int | None = None) -> None:
        done, self.waiting = self.waiting[:count], self.waiting[count or len(self.waiting) :]
        for message in done:
            message.link.acknowledge([message.receipt])
        resume, self._resume = self._resume, None
        if resume is not None:
            resume()

    async def has(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.taken) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.001)


class AwayStore(MemoryEndpointStore):
    """A store that can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False

    async def commit(self, changes: Sequence[object]) -> None:
        if self.away:
            raise ConnectionError("the store is away")
        await super().commit(changes)


async def everyone(credentials: Credentials) -> Principal | AuthRefusal:
    return Principal(credentials.username or credentials.client_id, Rights.GENERAL)


async def devices(credentials: Credentials) -> Principal | AuthRefusal:
    """A device's password is its name backwards."""
    if credentials.certificate_cn:
        return Principal(credentials.certificate_cn)
    name = credentials.username or ""
    if not name or credentials.password != name[::-1].encode():
        return AuthRefusal.BAD_CREDENTIALS
    return Principal(name)


class Broker:
    """A running endpoint with its surroundings, and ways to connect to it."""

    def __init__(
        self, endpoint: Endpoint, clock: ManualClock, intake: PromptIntake, store: MemoryEndpointStore
    ) -> None:
        self.endpoint = endpoint
        self.clock = clock
        self.intake = intake
        self.store = store

    async def dial(self, version: int = 4) -> Peer:
        """A network connection without CONNECT."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.endpoint.port)
        return Peer(reader, writer, version)

    async def client(self, version: int = 4, client_id: str = "c1", **how: object) -> Peer:
        """A client that is connected; `session_present` and `connack` (the properties) say how."""
        peer = await self.dial(version)
        await peer.send(connect(version, client_id, **how))
        first, body = await peer.read()
        assert first == 0x20 and body[1] == 0, body
        peer.session_present = bool(body[0])
        peer.connack = body[2:]
        return peer

    async def subscriber(self, topic_filter: str, options: int = 0, version: int = 4, client_id: str = "sub") -> Peer:
        peer = await self.client(version, client_id)
        await peer.send(subscribe((topic_filter, options), version=version))
        first, body = await peer.read()
        assert first == 0x90 and body[-1] == options & 3
        return peer

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.001)


@asynccontextmanager
async def serve(
    *, intake=None, store=None, authenticate=everyone, clock=None, now: float = START, **settings: object
) -> AsyncIterator[Broker]:
    intake, store, clock = intake or PromptIntake(), store or MemoryEndpointStore(), clock or ManualClock(now)
    async with open_endpoint(EndpointSettings(**settings), intake, store, authenticate, clock) as endpoint:
        yield Broker(endpoint, clock, intake, store)


@pytest.fixture
async def mqtt() -> AsyncIterator[SimpleNamespace]:
    """The raw client's words, and `serve` to run an endpoint."""
    names = {
        name: globals()[name]
        for name in (
            *("text", "varint", "packet", "connect", "publish", "subscribe", "unsubscribe", "ack", "parse_publish"),
            *("serve", "devices", "everyone", "PromptIntake", "HeldIntake", "AwayStore", "Peer", "START"),
        )
    }
    yield SimpleNamespace(**names)
    while PEERS:
        peer = PEERS.pop()
        peer.writer.close()
        with suppress(ConnectionError):
            await peer.writer.wait_closed()


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Modules that say `EVERY_LOOP` run on uvloop too: theirs is what the loops may do differently."""
    every = getattr(item.getparent(pytest.Module).obj, "EVERY_LOOP", False)
    return FACTORIES if every else {"asyncio": asyncio.new_event_loop}


@pytest.fixture(params=[4, 5], ids=["v311", "v5"])
def version(request: pytest.FixtureRequest) -> int:
    return request.param
