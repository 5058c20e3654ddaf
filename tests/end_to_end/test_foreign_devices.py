"""Devices that speak something else, over a broker: a running gateway takes what they say as telemetry."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.parts.gateway_process import GatewayProcess
from tests.parts.mosquitto import Mosquitto

pytestmark = pytest.mark.real

SAID = (
    ("tasmota-plug", "tele/plug/STATE", '{"UptimeSec":611,"LoadAvg":19,"POWER":"ON","Wifi":{"Signal":-78}}'),
    ("shellyplug-1", "shellyplug-1/status/switch:0", '{"id":0,"output":true,"apower":12.5,"voltage":230.1}'),
    ("frigate-back", "frigate/stats", '{"cameras":{"back":{"camera_fps":5.0,"process_fps":5.1}}}'),
    ("zigbee-hall", "zigbee2mqtt/hall", '{"battery":95,"linkquality":120,"temperature":27.34}'),
)
METRICS = {
    "tasmota-plug": "rssi_dbm",
    "shellyplug-1": "mains_v",
    "frigate-back": "fps_actual",
    "zigbee-hall": "battery_pct",
}


def test_what_foreign_devices_say_is_in_the_history(mosquitto: Mosquitto, tmp_path: Path) -> None:
    if shutil.which("mosquitto_pub") is None:
        pytest.skip("mosquitto_pub is not installed (Debian package mosquitto-clients)")
    adapters = 'adapters = ["frigate", "tasmota", "shelly-gen2", "zigbee2mqtt"]\n'
    gateway = GatewayProcess(tmp_path, broker_port=mosquitto.port, extra=adapters)
    devices = [
        {"id": device_id, "name": device_id, "kind": "camera", "model": "other", "site_id": "home"}
        for device_id, _, _ in SAID
    ]
    customers = [{"id": "home", "name": "Home", "language": "en", "zone": "UTC"}]
    sites = [{"id": "home", "customer_id": "home", "name": "Home", "zone": "UTC"}]
    inventory = tmp_path / "inventory.json"
    inventory.write_text(json.dumps({"customers": customers, "sites": sites, "devices": devices}))
    done = gateway.command("devices", "import", str(inventory))
    assert done.returncode == 0, done.stderr
    gateway.start()
    try:
        for _, topic, payload in SAID:
            command = ["mosquitto_pub", "-p", str(mosquitto.port), "-q", "1", "-t", topic, "-m", payload]
            subprocess.run(command, check=True, timeout=20)
        deadline = time.monotonic() + 20
        while "siaga_history_samples_total 4.0" not in gateway.get("/metrics", gateway.metrics_port)[1]:
            assert time.monotonic() < deadline, "four samples did not come"
            time.sleep(0.1)
        found = {device_id: gateway.history(device_id, metric) for device_id, metric in METRICS.items()}
    finally:
        gateway.stop()
    assert found == {"tasmota-plug": [-78], "shellyplug-1": [230.1], "frigate-back": [5.0], "zigbee-hall": [95]}
