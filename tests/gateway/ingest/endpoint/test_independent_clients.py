"""Clients that others wrote: paho, gmqtt, aiomqtt, mosquitto's and MQTT.js do their work without a special case."""

import asyncio
import json
import shutil
import threading

import aiomqtt
import gmqtt
import paho.mqtt.client as paho
import pytest

from tests.parts.node_packages import mqtt_js

TOPIC = "siaga/v1/cam-1/telemetry"


class Paho:
    """paho on its own thread, its messages in a list."""

    def __init__(self, port: int, version: int, client_id: str, **how: object) -> None:
        protocol = paho.MQTTv5 if version == 5 else paho.MQTTv311
        extra = {} if version == 5 else {"clean_session": how.pop("clean_session", True)}
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id, protocol=protocol, **extra)
        self.client.username_pw_set("cam-1", "1-mac")
        self.client.on_message = lambda _client, _data, message: self.messages.append(message)
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.messages: list[paho.MQTTMessage] = []
        self.subscribed = threading.Event()
        if "will" in how:
            self.client.will_set(*how["will"])
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def subscribe(self, topic_filter: str, qos: int) -> None:
        self.client.subscribe(topic_filter, qos)
        assert self.subscribed.wait(5)

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_paho_publishes_and_subscribes(mqtt, version, qos):
    async with mqtt.serve(authenticate=mqtt.devices) as broker:
        sub = await asyncio.to_thread(Paho, broker.endpoint.port, version, "sub")
        pub = await asyncio.to_thread(
            Paho, broker.endpoint.port, version, "pub", will=("siaga/v1/cam-1/status", "off", 1)
        )
        try:
            await asyncio.to_thread(sub.subscribe, "siaga/v1/cam-1/#", qos)
            sent = [pub.client.publish(TOPIC, b"%d" % n, qos) for n in range(200)]
            await asyncio.to_thread(lambda: [one.wait_for_publish(5) for one in sent])
            await broker.until(lambda: len(sub.messages) == 200)
            assert [m.payload for m in sub.messages] == [b"%d" % n for n in range(200)]
            assert {m.qos for m in sub.messages} == {qos}
            assert [m.payload for m in broker.intake.taken] == [b"%d" % n for n in range(200)]
        finally:
            await asyncio.to_thread(pub.stop)
            await asyncio.to_thread(sub.stop)
        assert broker.endpoint.counters.wills == 0


async def test_paho_keeps_a_session(mqtt):
    async with mqtt.serve(authenticate=mqtt.devices) as broker:
        port = broker.endpoint.port
        sub = await asyncio.to_thread(Paho, port, 4, "sub", clean_session=False)
        await asyncio.to_thread(sub.subscribe, "siaga/v1/cam-1/command", 1)
        await asyncio.to_thread(sub.stop)
        await broker.until(lambda: broker.endpoint.connections == 0)
        pub = await asyncio.to_thread(Paho, port, 5, "pub")
        info = pub.client.publish("siaga/v1/cam-1/command", b"reboot", 1)
        await asyncio.to_thread(info.wait_for_publish, 5)
        sub = await asyncio.to_thread(Paho, port, 4, "sub", clean_session=False)
        try:
            await broker.until(lambda: [m.payload for m in sub.messages] == [b"reboot"])
        finally:
            await asyncio.to_thread(sub.stop)
            await asyncio.to_thread(pub.stop)


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_gmqtt_publishes_and_subscribes(mqtt, version, qos):
    protocol = gmqtt.constants.MQTTv50 if version == 5 else gmqtt.constants.MQTTv311
    async with mqtt.serve(authenticate=mqtt.devices) as broker:
        got, subscribed = [], asyncio.Event()
        client = gmqtt.Client("gm", session_expiry_interval=60) if version == 5 else gmqtt.Client("gm")
        client.set_auth_credentials("cam-1", "1-mac")
        client.on_message = lambda _client, topic, payload, _qos, _properties: got.append((topic, payload)) or 0
        client.on_subscribe = lambda *_: subscribed.set()
        await client.connect("127.0.0.1", broker.endpoint.port, version=protocol)
        client.subscribe("siaga/v1/cam-1/#", qos=qos)
        await asyncio.wait_for(subscribed.wait(), 5)
        how = {"user_property": ("a", "b"), "content_type": "json"} if version == 5 else {}
        for number in range(50):
            client.publish(TOPIC, b"%d" % number, qos=qos, **how)
        await broker.until(lambda: len(got) == 50)
        assert got == [(TOPIC, b"%d" % n) for n in range(50)]
        await client.disconnect()
        await broker.until(lambda: broker.endpoint.connections == 0)


async def test_aiomqtt_publishes_and_subscribes(mqtt, version):
    protocol = aiomqtt.ProtocolVersion.V5 if version == 5 else aiomqtt.ProtocolVersion.V311
    login = {"username": "cam-1", "password": "1-mac", "protocol": protocol}
    async with (
        mqtt.serve(authenticate=mqtt.devices) as broker,
        aiomqtt.Client("127.0.0.1", broker.endpoint.port, **login) as client,
    ):
        await client.subscribe("siaga/v1/cam-1/#", qos=1)
        await client.publish("siaga/v1/cam-1/status", b"online", qos=1, retain=True)
        async with aiomqtt.Client("127.0.0.1", broker.endpoint.port, **login) as late:
            await late.subscribe("siaga/v1/cam-1/status", qos=1)
            async for message in late.messages:
                assert (message.payload, message.retain) == (b"online", True)
                break
        async for message in client.messages:
            assert (str(message.topic), message.payload) == ("siaga/v1/cam-1/status", b"online")
            break


async def _run(*command: str, stdin: bytes | None = None) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(stdin), 20)
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.real
@pytest.mark.skipif(shutil.which("mosquitto_pub") is None, reason="mosquitto-clients are not installed")
@pytest.mark.parametrize("qos", ["0", "1", "2"])
async def test_mosquitto_pub_and_sub_work(mqtt, version, qos):
    async with mqtt.serve(authenticate=mqtt.devices) as broker:
        common = ["-p", str(broker.endpoint.port), "-V", f"mqttv{'5' if version == 5 else '311'}", "-u", "cam-1"]
        common += ["-P", "1-mac", "-q", qos]
        listening = asyncio.ensure_future(
            _run("mosquitto_sub", *common, "-t", "siaga/v1/cam-1/#", "-C", "5", "-W", "10", "-v")
        )
        await broker.until(lambda: broker.endpoint.sessions == 1)
        await asyncio.sleep(0.2)
        lines = b"".join(b"line %d\n" % n for n in range(5))
        code, output = await _run("mosquitto_pub", *common, "-t", TOPIC, "-l", stdin=lines)
        assert code == 0, output
        code, output = await listening
        assert code == 0, output
        assert output.splitlines() == [f"{TOPIC} line {n}" for n in range(5)]
        code, output = await _run("mosquitto_pub", *common[:-4], "-P", "wrong", "-t", TOPIC, "-m", "x")
        assert code != 0
        assert "not authori" in output.lower() or "bad user" in output.lower()


@pytest.mark.real
async def test_mqtt_js_publishes_and_subscribes(mqtt, version):
    script = """
const mqtt = require(process.argv[1]);
const [port, version] = [Number(process.argv[2]), Number(process.argv[3])];
const client = mqtt.connect({host: "127.0.0.1", port, protocolVersion: version, username: "cam-1", password: "1-mac",
  properties: version === 5 ? {topicAliasMaximum: 10, receiveMaximum: 5} : undefined});
const got = [];
client.on("error", (error) => { console.log(String(error)); process.exit(1); });
client.on("message", (topic, payload, packet) => {
  got.push([topic, payload.toString(), packet.qos]);
  if (got.length === 30) client.end(false, {}, () => { console.log(JSON.stringify(got)); process.exit(0); });
});
client.on("connect", () => client.subscribe("siaga/v1/cam-1/#", {qos: 2}, () => {
  for (let n = 0; n < 30; n++) client.publish("siaga/v1/cam-1/telemetry", String(n), {qos: n % 3});
}));
"""
    package = await asyncio.to_thread(mqtt_js)
    async with mqtt.serve(authenticate=mqtt.devices) as broker:
        code, output = await _run("node", "-e", script, str(package), str(broker.endpoint.port), str(version))
        assert code == 0, output
        assert sorted(json.loads(output)) == sorted([TOPIC, str(n), n % 3] for n in range(30))
