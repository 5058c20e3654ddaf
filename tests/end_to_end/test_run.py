"""`siaga run` as an operator meets it: hand-written reports, garbage, kill -9, things that are away, a clean stop."""

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.parts.gateway_process import ROOT, GatewayProcess
from tests.parts.mosquitto import Mosquitto, free_port

pytestmark = pytest.mark.real


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path)
    yield process
    process.stop()


def until(condition: Callable[[], object], seconds: float = 15, what: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"not in {seconds} s: {what()}")


def add_device(gateway: GatewayProcess, device_id: str) -> str:
    done = gateway.command("devices", "add", device_id)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def publish(port: int, device_id: str, secret: str, payload: str) -> None:
    if shutil.which("mosquitto_pub") is None:
        pytest.skip("mosquitto_pub is not installed (Debian package mosquitto-clients)")
    subprocess.run(
        ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-u", device_id, "-P", secret, "-q", "1"]
        + ["-t", f"siaga/v1/{device_id}/telemetry", "-m", payload],
        check=True,
        timeout=20,
    )


def rows(gateway: GatewayProcess, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(f"file:{gateway.folder}/data/siaga.db?mode=ro", uri=True) as database:
        return database.execute(query).fetchall()


def test_a_hand_written_report_is_heard_and_garbage_becomes_a_reject(gateway: GatewayProcess) -> None:
    gateway.start()
    secret = add_device(gateway, "cam-1")
    publish(gateway.mqtt_port, "cam-1", secret, "garbage")
    until(lambda: rows(gateway, "select reason from rejects where reason = 'not_json'") or _again(gateway, secret))
    publish(gateway.mqtt_port, "cam-1", secret, '{"v":1,"boot":1,"seq":1,"metrics":{"soc_temp_c":61.5}}')
    assert gateway.stop() == 0
    [(memory,)] = rows(gateway, "select count(*) from device_memory where device_id = 'cam-1'")
    assert memory == 1


def _again(gateway: GatewayProcess, secret: str) -> None:
    """A device is heard two seconds after it was registered; until then its messages are rejects of a stranger."""
    publish(gateway.mqtt_port, "cam-1", secret, "garbage")


def test_a_wrong_secret_or_another_devices_topic_is_refused(gateway: GatewayProcess) -> None:
    gateway.start()
    secret = add_device(gateway, "cam-1")
    with pytest.raises(subprocess.CalledProcessError):
        publish(gateway.mqtt_port, "cam-1", "wrong", "{}")
    subprocess.run(
        ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(gateway.mqtt_port), "-u", "cam-1", "-P", secret, "-q", "1"]
        + ["-t", "siaga/v1/cam-2/telemetry", "-m", '{"v":1,"boot":1,"seq":1}'],
        check=False,
        timeout=20,
    )
    assert gateway.stop() == 0
    assert rows(gateway, "select * from device_memory") == []


def test_kill_9_under_load_loses_nothing_and_repeats_nothing(gateway: GatewayProcess) -> None:
    """A device sends 3,000 numbered reports while the gateway is killed four times; history has each exactly once."""
    gateway.start()
    secret = add_device(gateway, "cam-1")
    gateway.stop()
    gateway.start()
    acknowledged: set[int] = set()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="cam-1", clean_session=False)
    client.username_pw_set("cam-1", secret)
    client.max_inflight_messages_set(100)
    client.reconnect_delay_set(1, 1)
    client.on_publish = lambda _c, _u, mid, _r, _p: acknowledged.add(mid)
    client.connect("127.0.0.1", gateway.mqtt_port)
    client.loop_start()
    sent = 3000
    try:
        for seq in range(1, sent + 1):
            at = f"2026-11-21T{10 + seq // 3600:02}:{seq // 60 % 60:02}:{seq % 60:02}Z"
            payload = json.dumps({"v": 1, "boot": 1, "seq": seq, "at": at, "metrics": {"soc_temp_c": seq / 100}})
            client.publish("siaga/v1/cam-1/telemetry", payload, 1)
            if seq % 700 == 0:
                time.sleep(0.15)
                gateway.kill()
                gateway.start()
        until(lambda: len(acknowledged) >= sent, 40, lambda: len(acknowledged))
    finally:
        client.disconnect()
        client.loop_stop()
    assert gateway.stop() == 0
    gateway.start()
    history = gateway.history("cam-1", "soc_temp_c")
    assert len(history) == sent
    assert {round(value * 100) for value in history} == set(range(1, sent + 1))


def test_two_stops_and_starts_later_the_pages_know_the_same(gateway: GatewayProcess) -> None:
    gateway.start()
    secret = add_device(gateway, "cam-1")
    time.sleep(2.5)
    publish(gateway.mqtt_port, "cam-1", secret, '{"v":1,"boot":1,"seq":1,"metrics":{"soc_temp_c":61.5}}')
    assert gateway.stop() == 0
    before = rows(gateway, "select memory from device_memory")
    gateway.start()
    assert gateway.stop() == 0
    assert rows(gateway, "select memory from device_memory") == before


def test_through_an_existing_broker_with_the_broker_away_at_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Mosquitto(folder)
    gateway = GatewayProcess(tmp_path, broker_port=broker.port)
    try:
        gateway.start(wait=False)
        until(lambda: gateway.readyz()[0] == 503)
        until(lambda: "broker" in str(gateway.readyz()[1]))
        secret = add_device(gateway, "cam-1")
        if shutil.which("mosquitto") is None and not Path("/usr/sbin/mosquitto").exists():
            pytest.skip("mosquitto is not installed (Debian package mosquitto)")
        broker.start()
        gateway.until_ready(40)
        time.sleep(2.5)
        publish(broker.port, "cam-1", secret, '{"v":1,"boot":1,"seq":1,"metrics":{"soc_temp_c":61.5}}')
        until(lambda: rows(gateway, "select * from journal where count > 0"))
        broker.stop()
        until(lambda: gateway.readyz()[0] == 503)
    finally:
        gateway.stop()
        broker.stop()


def test_with_the_database_away_at_the_start_it_says_so_and_starts_when_it_comes(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path, database=f"postgresql://nobody@127.0.0.1:{free_port()}/siaga")
    try:
        gateway.start(wait=False)
        until(lambda: gateway.readyz()[0] == 503)
        assert "database" in gateway.readyz()[1]["parts"]
        assert gateway.get("/healthz")[0] == 200
    finally:
        assert gateway.stop() == 0


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("[http]\nport = 'x'\n", "http.port"),
        ("[nonsense]\na = 1\n", "nonsense: no such setting"),
        ('rules = ["missing.toml"]\n', "missing.toml: no such rule file"),
    ],
)
def test_settings_that_cannot_work_stop_the_start_with_one_line(tmp_path: Path, settings: str, says: str) -> None:
    config = tmp_path / "siaga.toml"
    config.write_text(settings if "rules" in settings else f'data_dir = "{tmp_path}/data"\n{settings}')
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "run", "-c", str(config)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
