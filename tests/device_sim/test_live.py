"""A fleet on a real broker: what it publishes, how it ends, commands, updates over HTTP, brokers that go away."""

import asyncio
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from device_sim.flash import Flash, Mishaps, Step
from device_sim.link import Broker, LinkLostError, Will, connect
from device_sim.runner import Pace, Progress, run_live
from device_sim.scenario import Scenario
from device_sim.update_client import UpdateClient, UpdateSetup
from tests.device_sim.fleets import afflict, one_site
from tests.device_sim.updates import IMAGE, KEYS, desired, grant
from tests.parts.mosquitto import Mosquitto, running_mosquitto

pytestmark = pytest.mark.real
PACE = Pace(interval_s=0.3, history_interval_s=1800, reboot_s=0.2)


class Listener:
    """Everything that passes the broker, with retained flags; and a way to speak to devices."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, str, Any, bool]] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False)
        self._client.on_message = self._take
        self._client.on_connect = lambda client, *_: client.subscribe("siaga/v1/#", qos=1)
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _take(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        _, _, device, leaf = message.topic.split("/", 3)
        try:
            body = json.loads(message.payload)
        except ValueError:
            body = None
        self.heard.append((device, leaf, body, message.retain))

    def of(self, leaf: str, device: str | None = None) -> list[Any]:
        return [body for name, kind, body, _ in list(self.heard) if kind == leaf and device in (None, name)]

    def tell(self, device: str, leaf: str, payload: bytes, *, retain: bool = False) -> None:
        self._client.publish(f"siaga/v1/{device}/{leaf}", payload, qos=1, retain=retain)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


async def until(what: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not what():  # noqa: ASYNC110 - what is awaited happens in another thread
            await asyncio.sleep(0.02)


@asynccontextmanager
async def live(
    scenario: Scenario, port: int, *, protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5, **options: Any
) -> AsyncIterator[tuple[Listener, Progress]]:
    listener, stop, progress = Listener(port), asyncio.Event(), Progress()
    try:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            broker = Broker("127.0.0.1", port, protocol)
            run = run_live(scenario, broker, pace=options.pop("pace", PACE), stop=stop, progress=progress, **options)
            group.create_task(run)
            yield listener, progress
            stop.set()
    finally:
        listener.close()


def small(history_d: float = 0.0) -> Scenario:
    scenario = one_site(cameras=("Lensa B4", "Lensa W1"), start=time.time() - history_d * 86400)
    scenario.start = time.time()
    return scenario


@pytest.fixture
def lasting_mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that keeps sessions over a restart: started by root it must stay root to write below pytest's folder."""
    with running_mosquitto(tmp_path, "user root\n" if os.getuid() == 0 else "") as broker:
        yield broker


@pytest.mark.parametrize("protocol", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
async def test_devices_catch_up_then_report_live_and_leave_politely(
    mosquitto: Mosquitto, protocol: MQTTProtocolVersion
) -> None:
    scenario = small(history_d=1)
    count = len(scenario.devices)
    async with live(scenario, mosquitto.port, protocol=protocol) as (listener, progress):
        await until(lambda: progress.history_done == count and len(listener.of("telemetry", "s-nvr")) > 5)
        assert progress.connected == count
    batches = [body for body in listener.of("telemetry", "s-nvr") if isinstance(body, list)]
    single = [body for body in listener.of("telemetry", "s-nvr") if isinstance(body, dict)]
    reports = [report for batch in batches for report in batch] + single
    assert len(reports) >= 47
    assert [report["seq"] for report in reports] == list(range(len(reports)))
    stamps = [report["at"] for report in reports]
    assert stamps == sorted(stamps)
    assert {body["state"] for body in listener.of("status")} == {"online", "offline"}
    assert len([body for body in listener.of("status") if body["state"] == "offline"]) == count
    assert progress.connected == progress.lost_links == 0


async def test_after_the_stop_no_thread_task_or_connection_is_left(mosquitto: Mosquitto) -> None:
    threads, tasks = set(threading.enumerate()), asyncio.all_tasks()
    async with live(small(), mosquitto.port) as (_, progress):
        await until(lambda: progress.reports > 10)
    assert set(threading.enumerate()) == threads
    assert asyncio.all_tasks() == tasks
    retained = Listener(mosquitto.port)
    await until(lambda: len(retained.of("status")) == 5)
    retained.close()
    assert {(body["state"], kept) for _, leaf, body, kept in retained.heard if leaf == "status"} == {("offline", True)}


async def test_a_device_that_loses_its_power_is_announced_by_its_will_and_boots(mosquitto: Mosquitto) -> None:
    scenario = small()
    episode = afflict(scenario, "F39", after_d=0, lead_d=1e-5)
    episode.onset, episode.repair_s, episode.u = time.time() + 2.5, 1.0, (0.1, 0, 0, 0)
    async with live(scenario, mosquitto.port) as (listener, progress):
        await until(lambda: progress.reboots == 5 and progress.connected == 5)
        await until(lambda: listener.of("telemetry", "s-nvr")[-1]["states"]["reset_reason"] == "power")
        await until(lambda: len(listener.of("status", "s-nvr")) >= 3)
        states = [body["state"] for body in listener.of("status", "s-nvr")]
    assert states == ["online", "offline", "online"]
    boots = [body["boot"] for body in listener.of("status", "s-nvr")]
    assert boots[2] == boots[0] + 1


async def test_a_broker_that_goes_away_is_tried_again_and_no_report_is_lost(lasting_mosquitto: Mosquitto) -> None:
    async with live(small(), lasting_mosquitto.port) as (listener, progress):
        await until(lambda: progress.reports > 10)
        lasting_mosquitto.stop()
        await until(lambda: progress.connected == 0)
        await asyncio.sleep(1)
        lasting_mosquitto.start()
        await until(lambda: progress.connected == 5)
        seen = len(listener.of("telemetry"))
        await until(lambda: len(listener.of("telemetry")) > seen + 20)
    told = [
        report["seq"]
        for body in listener.of("telemetry", "s-cam-01")
        for report in (body if isinstance(body, list) else [body])
    ]
    assert sorted(set(told)) == list(range(max(told) + 1))


async def test_staff_commands_are_answered_once_and_a_reboot_is_a_reboot(mosquitto: Mosquitto) -> None:
    async with live(small(), mosquitto.port) as (listener, progress):
        await until(lambda: progress.connected == 5 and listener.of("telemetry", "s-nvr"))
        for name in ("self_test", "identify", "collect_log", "fly"):
            listener.tell("s-nvr", "command", json.dumps({"v": 1, "id": name, "command": name}).encode())
        listener.tell("s-nvr", "command", b"not json")
        late = {"v": 1, "id": "late", "command": "reboot", "expires": "2020-01-01T00:00:00Z"}
        listener.tell("s-nvr", "command", json.dumps(late).encode())
        await until(lambda: len(listener.of("command/result", "s-nvr")) == 5)
        results = {body["id"]: body["state"] for body in listener.of("command/result", "s-nvr")}
        assert results == {
            "self_test": "done", "identify": "done", "collect_log": "done", "fly": "refused", "late": "expired",
        }  # fmt: skip
        boot = listener.of("status", "s-nvr")[-1]["boot"]
        for _ in range(2):
            listener.tell("s-nvr", "command", b'{"v":1,"id":"r","command":"reboot"}')
        await until(lambda: listener.of("status", "s-nvr")[-1]["boot"] == boot + 1 and progress.connected == 5)
    assert progress.reboots == 1


async def image_server(*, break_first: bool = False) -> tuple[TestServer, list[str | None]]:
    asked: list[str | None] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers.get("Range"))
        if break_first and len(asked) == 1:
            response = web.StreamResponse(headers={"Content-Length": str(len(IMAGE))})
            await response.prepare(request)
            await response.write(IMAGE[:6000])
            assert request.transport is not None
            request.transport.close()
            return response
        start = int((asked[-1] or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        if start == 0:
            return web.Response(body=IMAGE)
        span = f"bytes {start}-{len(IMAGE) - 1}/{len(IMAGE)}"
        return web.Response(status=206, body=IMAGE[start:], headers={"Content-Range": span})

    app = web.Application()
    app.router.add_get("/images/x", serve)
    server = TestServer(app)
    await server.start_server()
    return server, asked


async def serve_update(listener: Listener, done: Callable[[], bool]) -> None:
    """The gateway's part: a URL for who wants one, a grant for who asks."""
    answered: set[str] = set()
    async with asyncio.timeout(40):
        while not done():
            for request in listener.of("update/request", "s-cam-01"):
                if request["nonce"] in answered:
                    continue
                answered.add(request["nonce"])
                if request["want"] == "url":
                    body = {"v": 1, "nonce": request["nonce"], "verdict": "url", "url": "/images/x"}
                    listener.tell("s-cam-01", "update/response", json.dumps(body).encode())
                else:
                    number = len(answered)
                    told = grant(request, device_id="s-cam-01", grant_id=f"g-{number}")
                    listener.tell("s-cam-01", "update/grant", told)
            await asyncio.sleep(0.05)


def states(listener: Listener) -> list[str]:
    return [body["state"] for body in listener.of("update/status", "s-cam-01")]


async def test_firmware_comes_over_http_goes_on_where_it_broke_off_and_reports_itself(
    lasting_mosquitto: Mosquitto,
) -> None:
    server, asked = await image_server(break_first=True)
    setup = UpdateSetup(KEYS, base_url=str(server.make_url("")).rstrip("/"), install_s=0.3, self_test_s=0.5)
    async with live(small(), lasting_mosquitto.port, updates=setup) as (listener, progress):
        await until(lambda: len(listener.of("update/reported")) == 5)
        listener.tell("s-cam-01", "update/desired", desired(), retain=True)
        await serve_update(listener, lambda: "link_error" in states(listener))
        # the back-off after a broken line is a minute; a new connection asks at once
        lasting_mosquitto.stop()
        await until(lambda: progress.connected == 0)
        lasting_mosquitto.start()
        await until(lambda: progress.connected == 5)
        listener.tell("s-cam-01", "update/desired", desired(), retain=True)
        await serve_update(listener, lambda: "done" in states(listener))
        await until(lambda: listener.of("update/reported", "s-cam-01")[-1]["slot"]["confirmed"])
        await until(lambda: listener.of("telemetry", "s-cam-01")[-1]["firmware"] == "2.5.0")
    await server.close()
    assert asked == [None, "bytes=6000-"]
    assert states(listener)[-3:] == ["installing", "rebooting", "done"]
    last = listener.of("update/reported", "s-cam-01")[-1]
    assert (last["components"]["system"]["version"], last["counter_floor"]) == ("2.5.0", 15)
    assert progress.reboots == 1


async def test_a_power_cut_in_the_middle_of_an_install_is_told_after_the_boot(mosquitto: Mosquitto) -> None:
    server, _ = await image_server()
    setup = UpdateSetup(KEYS, base_url=str(server.make_url("")).rstrip("/"), install_s=0.3, self_test_s=0.5)
    setup.mishaps["s-cam-01"] = Mishaps(cut_at=Step.INSTALLING)
    async with live(small(), mosquitto.port, updates=setup) as (listener, progress):
        await until(lambda: len(listener.of("update/reported")) == 5)
        listener.tell("s-cam-01", "update/desired", desired(), retain=True)
        await serve_update(listener, lambda: "failed" in states(listener))
    await server.close()
    failed = next(body for body in listener.of("update/status", "s-cam-01") if body["state"] == "failed")
    assert (failed["grant_id"], failed["code"]) == ("g-2", "power_cut")
    assert setup.flash["s-cam-01"].running.version == "2.4.1"
    assert progress.reboots == 1


async def test_a_broker_that_is_not_there_is_said_in_one_line() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as executor, pytest.raises(LinkLostError, match=r"^127\.0\.0\.1:1: [^\n]+$"):
        async with connect(Broker("127.0.0.1", 1), "d", Will("w", b"x"), [], executor):
            pass


async def test_a_silently_bad_release_brings_its_fault_and_another_version_takes_it_away() -> None:
    scenario = small()
    device = scenario.build()["s-cam-01"]
    setup = UpdateSetup(KEYS, spoilt={"2.5.0": ("F23", 3600.0)})
    setup.flash["s-cam-01"] = Flash("2.5.0", 20)
    now = scenario.begin
    async with ClientSession() as http:
        client = UpdateClient(device, setup, http, asyncio.get_running_loop().time)
        loads = []
        for _ in range(8):
            now += 600
            report = device.report(now)
            assert report is not None
            loads.append(report.metrics["cpu_pct"])
        assert report.firmware == "2.5.0"
        assert max(loads) > 95
        setup.flash["s-cam-01"].running.version = "2.5.1"
        setup.flash["s-cam-01"].write(Step.TRYING)
        client.boot()
        report = device.report(now + 600)
        assert report is not None
        assert report.metrics["cpu_pct"] < 60
