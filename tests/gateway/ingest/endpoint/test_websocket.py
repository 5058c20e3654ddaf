"""MQTT over WebSocket: the same endpoint behind the web listener, told apart by nothing but its frames."""

import asyncio
import json
from contextlib import asynccontextmanager
from types import SimpleNamespace

import aiohttp
import paho.mqtt.client as paho
import pytest
from aiohttp import WSCloseCode, WSMsgType, web

from gateway.serving import listening, with_mqtt
from gateway.settings import EmbeddedMqtt, Settings
from gateway.web.routes import ACCESS
from tests.gateway.ingest.endpoint.conftest import PATIENCE_S
from tests.parts.node_packages import mqtt_js

EVERY_LOOP = True


class Talker:
    """A client that says frames and hears frames; `read` gives one packet after another, however they were framed."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.heard = b""

    def cut(self) -> None:
        """End the network connection without a word."""
        self.socket._response.close()

    async def say(self, *frames: bytes) -> None:
        for frame in frames:
            await self.socket.send_bytes(frame)

    async def expect(self, raw: bytes) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.heard) < len(raw):
                message = await self.socket.receive()
                assert message.type is WSMsgType.BINARY, message
                self.heard += message.data
        assert self.heard[: len(raw)] == raw
        self.heard = self.heard[len(raw) :]

    async def closed(self) -> tuple[bytes, int | None]:
        """What was still said, and the code of the end."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self.socket.receive()
                if message.type is not WSMsgType.BINARY:
                    return self.heard, self.socket.close_code
                self.heard += message.data


@asynccontextmanager
async def offered(mqtt, *, origins=(), **settings):
    """An endpoint whose clients come by WebSocket: `dial` for a network connection, `client` for one that is let in."""
    sessions, talkers = [], []
    async with mqtt.serve(**settings) as broker:
        wanted = Settings(mqtt=EmbeddedMqtt(websocket=True, websocket_origins=origins))
        app = web.Application()
        app[ACCESS] = {}
        async with listening(with_mqtt(app, broker.endpoint, wanted), "127.0.0.1", 0) as port:

            async def dial(**how):
                session = aiohttp.ClientSession()
                sessions.append(session)
                how.setdefault("protocols", ("mqtt",))
                socket = await session.ws_connect(f"http://127.0.0.1:{port}/mqtt", max_msg_size=0, **how)
                talkers.append(Talker(socket))
                return talkers[-1]

            async def client(version=4, client_id="c1", **how):
                talker = await dial()
                await talker.say(mqtt.connect(version, client_id, **how))
                async with asyncio.timeout(PATIENCE_S):
                    message = await talker.socket.receive()
                assert message.data[0] == 0x20 and message.data[3] == 0, message
                return talker

            try:
                yield SimpleNamespace(broker=broker, dial=dial, client=client, port=port)
            finally:
                for talker in talkers:
                    talker.cut()
                for session in sessions:
                    await session.close()


async def test_packets_and_frames_need_not_align(mqtt, version):
    async with offered(mqtt) as door:
        talker = await door.dial()
        assert talker.socket.protocol == "mqtt"
        said = mqtt.connect(version) + mqtt.subscribe(("t", 1), version=version) + b"\xc0\x00"
        await talker.say(*[said[at : at + 3] for at in range(0, len(said), 3)])
        async with asyncio.timeout(PATIENCE_S):
            while not talker.heard.endswith(b"\xd0\x00"):
                talker.heard += (await talker.socket.receive()).data
        assert talker.heard[0] == 0x20
        assert b"\x90" in talker.heard


async def test_clients_of_both_ways_in_hear_each_other(mqtt, version):
    async with offered(mqtt) as door:
        plain = await door.broker.subscriber("t", 1, version)
        talker = await door.client(version)
        await talker.say(mqtt.publish("t", b"hello", 1, 7, version=version))
        assert (await plain.message()).payload == b"hello"
        await talker.expect(mqtt.ack(0x40, 7))
        assert [m.payload for m in door.broker.intake.taken] == [b"hello"]
        assert door.broker.endpoint.connections == 2


async def test_a_large_packet_takes_many_reads(mqtt):
    async with offered(mqtt, max_packet_bytes=1_000_000) as door:
        talker = await door.client()
        payload = bytes(range(256)) * 3_000
        await talker.say(mqtt.publish("t", payload, 1, 7))
        await talker.expect(mqtt.ack(0x40, 7))
        assert door.broker.intake.taken[0].payload == payload


async def test_a_frame_that_is_not_binary_ends_the_connection(mqtt, version):
    async with offered(mqtt) as door:
        witness = await door.broker.subscriber("w", 0, version)
        talker = await door.client(version, will=("w", b"gone"))
        await talker.socket.send_str("not a binary frame")
        assert await talker.closed() == (b"", WSCloseCode.UNSUPPORTED_DATA)
        assert (await witness.message()).payload == b"gone"


async def test_the_last_word_comes_before_the_end(mqtt):
    async with offered(mqtt) as door:
        talker = await door.client(5)
        await talker.say(mqtt.connect(5), mqtt.publish("late", b"x", 1, 9, version=5))
        heard, code = await talker.closed()
        assert heard[:1] == b"\xe0" and heard[2] == 0x82
        assert code == WSCloseCode.OK
        await door.broker.until(lambda: door.broker.endpoint.connections == 0)
        assert door.broker.intake.taken == []


async def test_a_frame_larger_than_a_packet_may_be_ends_the_connection(mqtt):
    async with offered(mqtt, max_packet_bytes=10_000) as door:
        talker = await door.client(5)
        await talker.say(bytes(10_001))
        _, code = await talker.closed()
        assert code == WSCloseCode.MESSAGE_TOO_BIG
        await door.broker.until(lambda: door.broker.endpoint.connections == 0)


async def test_a_client_that_says_nothing_is_closed_here_too(mqtt):
    async with offered(mqtt, connect_timeout_s=0.1) as door:
        talker = await door.dial()
        assert (await talker.closed())[0] == b""
        await door.broker.until(lambda: door.broker.endpoint.connections == 0)


async def test_a_silent_client_is_told_that_its_keep_alive_is_over(mqtt):
    async with offered(mqtt) as door:
        talker = await door.client(5, keep_alive=1)
        heard, _ = await talker.closed()
        assert heard[:1] == b"\xe0" and heard[2] == 0x8D


async def test_a_client_that_does_not_read_is_held_only_so_much_and_then_cut_off(mqtt):
    bounds = {"write_high_water_bytes": 65_536, "stall_timeout_s": 0.3, "max_queued_bytes": 1_000_000}
    async with offered(mqtt, max_inflight=10_000, **bounds) as door:
        talker = await door.client()
        await talker.say(mqtt.subscribe(("t", 1)))
        await talker.expect(b"\x90\x03\x00\x0a\x01")
        talker.socket._response.connection.transport.pause_reading()
        peer = await door.broker.client(4, "talker")
        for number in range(1, 300):
            await peer.send(mqtt.publish("t", b"x" * 100_000, 1, number))
            await peer.expect(mqtt.ack(0x40, number))
        assert door.broker.endpoint.counters.dropped["queue_full"]
        await door.broker.until(lambda: door.broker.endpoint.connections == 1)
        await peer.silence()


async def test_a_full_pipeline_stops_the_reading_of_frames(mqtt):
    intake = mqtt.HeldIntake(room=1)
    async with offered(mqtt, intake=intake) as door:
        talker = await door.client()
        sending = asyncio.ensure_future(
            talker.say(*[mqtt.publish("t", bytes(200_000), 1, number) for number in range(1, 101)])
        )
        await intake.has(1)
        await asyncio.sleep(0.05)
        assert len(intake.taken) < 100
        while len(intake.taken) < 100 or intake.waiting:
            intake.commit()
            await asyncio.sleep(0.001)
        await sending
        await talker.expect(b"".join(mqtt.ack(0x40, number) for number in range(1, 101)))


async def test_connections_over_the_limit_are_turned_away(mqtt):
    async with offered(mqtt, max_connections=1) as door:
        talker = await door.client()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await door.dial()
        assert refused.value.status == 503
        assert door.broker.endpoint.counters.connections_over_limit == 1
        await talker.say(b"\xc0\x00")
        await talker.expect(b"\xd0\x00")


async def test_a_client_that_vanishes_leaves_its_will(mqtt, version):
    async with offered(mqtt) as door:
        witness = await door.broker.subscriber("w", 0, version)
        talker = await door.client(version, will=("w", b"gone"))
        talker.cut()
        assert (await witness.message()).payload == b"gone"


async def test_a_listener_that_stops_says_so_and_publishes_no_will(mqtt):
    async with mqtt.serve() as broker:
        witness = await broker.subscriber("w", 0, 5)
        app = web.Application()
        app[ACCESS] = {}
        with_mqtt(app, broker.endpoint, Settings(mqtt=EmbeddedMqtt(websocket=True)))
        async with aiohttp.ClientSession() as session:
            async with listening(app, "127.0.0.1", 0) as port:
                socket = await session.ws_connect(f"http://127.0.0.1:{port}/mqtt", protocols=("mqtt",))
                await socket.send_bytes(mqtt.connect(5, will=("w", b"gone")))
                assert (await socket.receive()).data[0] == 0x20
            heard, _ = await Talker(socket).closed()
        assert heard[:1] == b"\xe0" and heard[2] == 0x8B
        await witness.silence()


@pytest.mark.parametrize("origin", [None, "https://workbench.example", "http://127.0.0.1:{port}"])
async def test_programs_our_own_pages_and_those_named_may_come(mqtt, origin):
    async with offered(mqtt, origins=("https://workbench.example",)) as door:
        talker = await door.dial(origin=origin and origin.format(port=door.port))
        await talker.say(mqtt.connect())
        await talker.expect(b"\x20\x02\x00\x00")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_a_page_of_another_site_is_turned_away(mqtt, origin):
    async with offered(mqtt, origins=("https://workbench.example",)) as door:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await door.dial(origin=origin)
        assert refused.value.status == 403
        assert door.broker.endpoint.counters.connections == 0


@pytest.mark.parametrize("protocols", [(), ("chat",)])
async def test_a_websocket_of_another_protocol_is_turned_away(mqtt, protocols):
    async with offered(mqtt) as door:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await door.dial(protocols=protocols)
        assert refused.value.status == 400


async def test_a_request_that_is_no_websocket_is_turned_away(mqtt):
    async with (
        offered(mqtt) as door,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{door.port}/mqtt") as response,
    ):
        assert response.status == 400


async def test_nothing_is_offered_unless_it_was_asked_for(mqtt):
    async with mqtt.serve() as broker:
        assert not list(with_mqtt(web.Application(), broker.endpoint, Settings()).router.routes())
        wanted = Settings(mqtt=EmbeddedMqtt(websocket=True))
        assert not list(with_mqtt(web.Application(), None, wanted).router.routes())


async def test_paho_speaks_over_a_websocket(mqtt, version):
    got, subscribed = [], asyncio.Event()
    loop = asyncio.get_running_loop()
    async with offered(mqtt) as door:
        protocol = paho.MQTTv5 if version == 5 else paho.MQTTv311
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, "p", protocol=protocol, transport="websockets")
        client.ws_set_options(path="/mqtt")
        client.on_subscribe = lambda *_: loop.call_soon_threadsafe(subscribed.set)
        client.on_message = lambda _client, _data, message: got.append(message.payload)
        await asyncio.to_thread(client.connect, "127.0.0.1", door.port)
        client.loop_start()
        try:
            client.subscribe("t/#", 2)
            await asyncio.wait_for(subscribed.wait(), PATIENCE_S)
            for number in range(60):
                client.publish(f"t/{number % 3}", b"%d" % number, number % 3)
            await door.broker.until(lambda: len(got) == 60)
            assert sorted(got) == sorted(b"%d" % number for number in range(60))
        finally:
            client.disconnect()
            await asyncio.to_thread(client.loop_stop)


@pytest.mark.real
async def test_mqtt_js_speaks_over_a_websocket(mqtt, version):
    script = """
const mqtt = require(process.argv[1]);
const client = mqtt.connect("ws://127.0.0.1:" + process.argv[2] + "/mqtt", {protocolVersion: Number(process.argv[3])});
const got = [];
client.on("error", (error) => { console.log(String(error)); process.exit(1); });
client.on("message", (topic, payload) => {
  got.push(payload.toString());
  if (got.length === 30) client.end(false, {}, () => { console.log(JSON.stringify(got)); process.exit(0); });
});
client.on("connect", () => client.subscribe("t", {qos: 2}, () => {
  for (let n = 0; n < 30; n++) client.publish("t", String(n), {qos: n % 3});
}));
"""
    package = await asyncio.to_thread(mqtt_js)
    async with offered(mqtt) as door:
        child = await asyncio.create_subprocess_exec(
            *("node", "-e", script, str(package), str(door.port), str(version)), stdout=asyncio.subprocess.PIPE
        )
        output, _ = await asyncio.wait_for(child.communicate(), 20)
        assert child.returncode == 0, output
        assert sorted(json.loads(output)) == sorted(str(number) for number in range(30))
