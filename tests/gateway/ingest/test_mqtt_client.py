"""The way in over a real mosquitto: batches, acknowledgement by hand, restarts, pauses, the way down."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from gateway.clock import SystemClock
from gateway.ingest.adapters import load_adapter
from gateway.ingest.mqtt_client import BrokerAddress, BrokerClient
from gateway.ports.ingest import Inbound, Outbound
from tests.parts.mosquitto import Mosquitto

pytestmark = pytest.mark.real


class Collected:
    """An intake that keeps what it got, and acknowledges only when told."""

    def __init__(self, room: int = 10**9) -> None:
        self.messages: list[Inbound] = []
        self.batches = 0
        self.room = room
        self._waiting: list[Callable[[], None]] = []

    def take(self, messages: Sequence[Inbound]) -> bool:
        self.messages += messages
        self.batches += 1
        return len(self.messages) < self.room

    def when_room(self, resume: Callable[[], None]) -> None:
        self._waiting.append(resume)

    def acknowledge(self) -> None:
        for message in self.messages:
            if message.receipt:
                message.link.acknowledge([message.receipt])

    def make_room(self) -> None:
        self.room = 10**9
        for resume in self._waiting:
            resume()


async def until(condition: Callable[[], object], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is the world's
            await asyncio.sleep(0.01)


@asynccontextmanager
async def connected(broker: Mosquitto, intake: Collected) -> AsyncIterator[BrokerClient]:
    client = BrokerClient(BrokerAddress("127.0.0.1", broker.port), intake, SystemClock())
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(client.run())
        await until(lambda: not client.trouble)
        yield client
        running.cancel()


async def publish(broker: Mosquitto, topic: str, *lines: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *("mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), "-q", "1", "-t", topic, "-l"),
        stdin=subprocess.PIPE,
    )
    await process.communicate("\n".join(lines).encode() + b"\n")
    assert process.returncode == 0


async def test_messages_of_devices_arrive_in_order_and_in_batches(mosquitto: Mosquitto) -> None:
    intake = Collected()
    async with connected(mosquitto, intake):
        await publish(mosquitto, "siaga/v1/cam-1/telemetry", *(f"m{n}" for n in range(500)))
        await until(lambda: len(intake.messages) == 500)
        intake.acknowledge()
    assert [message.payload for message in intake.messages] == [f"m{n}".encode() for n in range(500)]
    assert {(message.device_id, message.channel) for message in intake.messages} == {("cam-1", "telemetry")}
    assert intake.batches < 500


async def test_what_was_not_acknowledged_comes_again_after_a_restart_of_the_gateway(mosquitto: Mosquitto) -> None:
    first = Collected()
    async with connected(mosquitto, first):
        await publish(mosquitto, "siaga/v1/cam-1/telemetry", "a", "b", "c")
        await until(lambda: len(first.messages) == 3)
        first.messages[0].link.acknowledge([first.messages[0].receipt])
        await asyncio.sleep(0.2)
    second = Collected()
    async with connected(mosquitto, second):
        await until(lambda: len(second.messages) == 2)
    assert [message.payload for message in second.messages] == [b"b", b"c"]


async def test_the_client_comes_back_by_itself_after_a_restart_of_the_broker(mosquitto: Mosquitto) -> None:
    intake = Collected()
    async with connected(mosquitto, intake) as client:
        await publish(mosquitto, "siaga/v1/cam-1/telemetry", "before")
        await until(lambda: len(intake.messages) == 1)
        mosquitto.stop()
        await until(lambda: client.trouble)
        with pytest.raises(OSError):
            await client.ready()
        with pytest.raises(OSError):
            await client.publish([Outbound("siaga/v1/cam-1/command", b"x")])
        mosquitto.start()
        await until(lambda: not client.trouble)
        await publish(mosquitto, "siaga/v1/cam-1/telemetry", "after")
        await until(lambda: intake.messages[-1].payload == b"after")
        # A receipt of the lost connection is worth nothing on the new one, and harms nothing.
        intake.messages[0].link.acknowledge([intake.messages[0].receipt])


async def test_a_broker_that_takes_connections_and_says_nothing_is_named_and_left_for_one_that_answers(
    mosquitto: Mosquitto,
) -> None:
    mute = 3
    troubles: list[str] = []

    ends: list[asyncio.StreamWriter] = []

    async def relay(near: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        nonlocal mute
        ends.append(answer)
        mute -= 1
        if mute >= 0:  # frozen: the connection is there, and nobody ever says anything
            return
        reader, far = await asyncio.open_connection("127.0.0.1", mosquitto.port)
        ends.append(far)
        await asyncio.gather(pump(near, far), pump(reader, answer))

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    intake = Collected()
    client = BrokerClient(BrokerAddress("127.0.0.1", port, patience_s=0.2), intake, SystemClock())

    def came() -> bool:
        if client.trouble not in troubles:
            troubles.append(client.trouble)
        return not client.trouble

    async with server, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(client.run())
        await until(came)
        await publish(mosquitto, "siaga/v1/cam-1/telemetry", "heard")
        await until(lambda: intake.messages)
        running.cancel()
    for end in ends:
        end.close()
        with contextlib.suppress(OSError):
            await end.wait_closed()
    assert client.connections == 1
    assert troubles == ["not connected yet", f"broker 127.0.0.1:{port}: no answer within 0.2 s", ""]


async def test_a_full_window_stops_the_reading_until_there_is_room(mosquitto: Mosquitto) -> None:
    intake = Collected(room=1)
    async with connected(mosquitto, intake):
        await publish(mosquitto, "siaga/v1/cam-1/telemetry", "first")
        await until(lambda: len(intake.messages) == 1)
        await publish(mosquitto, "siaga/v1/cam-1/telemetry", "second")
        await asyncio.sleep(0.3)
        assert len(intake.messages) == 1
        intake.make_room()
        await until(lambda: len(intake.messages) == 2)


async def test_a_command_reaches_the_device_and_publish_returns_after_the_broker_took_it(mosquitto: Mosquitto) -> None:
    async with connected(mosquitto, Collected()) as client:
        listener = await asyncio.create_subprocess_exec(
            *("mosquitto_sub", "-h", "127.0.0.1", "-p", str(mosquitto.port), "-q", "1"),
            *("-t", "siaga/v1/cam-1/#", "-C", "2", "-W", "10"),
            stdout=subprocess.PIPE,
        )
        await asyncio.sleep(0.3)
        await client.publish(
            [
                Outbound("siaga/v1/cam-1/command", b"reboot"),
                Outbound("siaga/v1/cam-1/command", b"too late", expires_at=1.0),
                Outbound("siaga/v1/cam-1/update/desired", b"release", retain=True),
            ]
        )
        said, _ = await listener.communicate()
    assert said.split() == [b"reboot", b"release"]


async def test_a_foreign_device_is_heard_through_its_adapter_and_what_none_understands_becomes_a_reject(
    mosquitto: Mosquitto,
) -> None:
    intake = Collected()
    address = BrokerAddress("127.0.0.1", mosquitto.port, adapters=(load_adapter("tasmota"),))
    client = BrokerClient(address, intake, SystemClock())
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(client.run())
        await until(lambda: not client.trouble)
        await publish(mosquitto, "tele/plug/STATE", '{"Wifi":{"Signal":-47},"UptimeSec":5}')
        await publish(mosquitto, "tele/plug/SENSOR", "garbage")
        await until(lambda: len(intake.messages) == 2)
        intake.acknowledge()
        running.cancel()
    heard, refused = intake.messages
    assert (heard.device_id, heard.channel) == ("tasmota-plug", "telemetry")
    assert b'"rssi_dbm":-47' in heard.payload
    assert (refused.device_id, refused.channel) == ("", "tele/plug/SENSOR")
