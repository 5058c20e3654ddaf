"""Foreign payloads, shaped as their projects document them, become reports that our own edge accepts."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ingest import topics, wire
from gateway.ingest.adapters import AdapterError, load_adapter, shipped, translate
from gateway.ingest.adapters.translate import device_id

FRIGATE = {
    "cpu_usages": {"1": {"cpu": "0.3", "mem": "0.5"}},
    "cameras": {
        "front_door": {"camera_fps": 5.1, "process_fps": 5.0, "skipped_fps": 0.0, "detection_fps": 0.2, "pid": 123},
        "Garage": {"camera_fps": 0.0, "process_fps": 0.0, "skipped_fps": 0.0, "detection_fps": 0.0, "pid": 124},
    },
    "service": {"uptime": 600, "version": "0.14.1"},
}
TASMOTA_STATE = {
    "Time": "2026-11-21T12:00:00",
    "Uptime": "0T01:00:10",
    "UptimeSec": 3610,
    "Heap": 27,
    "LoadAvg": 19,
    "POWER": "ON",
    "Wifi": {"AP": 1, "SSId": "shop", "Channel": 6, "RSSI": 100, "Signal": -47, "LinkCount": 3},
}
SHELLY_SWITCH = {
    "id": 0,
    "source": "init",
    "output": True,
    "apower": 12.5,
    "voltage": 230.1,
    "current": 0.06,
    "temperature": {"tC": 45.2, "tF": 113.4},
}
ZIGBEE = {"battery": 95, "linkquality": 120, "temperature": 21.4, "voltage": 3005, "state": "OFF"}


def said(name: str, topic: str, body: object) -> list[dict[str, object]]:
    payload = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    found = translate(load_adapter(name), topic, payload, 1_795_255_200.0)
    assert found is not None
    return [{"device": one.device_id, "channel": one.channel, **json.loads(one.payload)} for one in found]


def test_each_camera_of_frigate_is_a_device() -> None:
    front, garage = said("frigate", "frigate/stats", FRIGATE)
    assert (front["device"], front["metrics"]) == ("frigate-front-door", {"fps_actual": 5.1})
    assert (garage["device"], garage["metrics"]) == ("frigate-garage", {"fps_actual": 0.0})


def test_a_tasmota_plug_reports_wifi_load_power_and_uptime() -> None:
    [report] = said("tasmota", "tele/Plug 1/STATE", TASMOTA_STATE)
    assert report["device"] == "tasmota-plug-1"
    assert report["metrics"] == {"rssi_dbm": -47, "cpu_pct": 19, "wifi_link_cnt": 3}
    assert report["states"] == {"power": "on"}
    assert report["uptime_s"] == 3610


def test_a_last_will_of_tasmota_is_our_status() -> None:
    [status] = said("tasmota", "tele/plug/LWT", "Offline")
    assert (status["channel"], status["state"]) == ("status", "offline")
    assert said("tasmota", "tele/plug/LWT", "Something") == []


def test_a_shelly_reports_mains_heat_and_switch() -> None:
    [report] = said("shelly-gen2", "shellyplus1pm-a8032ab12345/status/switch:0", SHELLY_SWITCH)
    assert report["device"] == "shellyplus1pm-a8032ab12345"
    assert report["metrics"] == {"mains_v": 230.1, "power_w": 12.5, "case_temp_c": 45.2}
    assert report["states"] == {"power": "on"}
    [status] = said("shelly-gen2", "shellyplus1pm-a8032ab12345/online", "true")
    assert status["state"] == "online"


def test_a_zigbee_sensor_reports_battery_link_and_climate() -> None:
    [report] = said("zigbee2mqtt", "zigbee2mqtt/hall", ZIGBEE)
    assert report["metrics"] == {"battery_pct": 95, "link_quality": 120, "ambient_temp_c": 21.4, "battery_v": 3.005}
    [status] = said("zigbee2mqtt", "zigbee2mqtt/hall/availability", {"state": "offline"})
    assert status["state"] == "offline"


def test_what_an_adapter_makes_passes_our_own_edge() -> None:
    for name, topic, body in (
        ("frigate", "frigate/stats", FRIGATE),
        ("tasmota", "tele/x/STATE", TASMOTA_STATE),
        ("shelly-gen2", "x/status/switch:0", SHELLY_SWITCH),
        ("zigbee2mqtt", "zigbee2mqtt/x", ZIGBEE),
    ):
        for one in translate(load_adapter(name), topic, json.dumps(body).encode(), 5.0) or ():
            assert topics.DEVICE_ID.fullmatch(one.device_id)
            assert wire.report(one.payload, one.device_id, 5.0).metrics


def test_a_topic_of_nobody_is_nobodys() -> None:
    assert translate(load_adapter("tasmota"), "tele/a/b/STATE", b"{}", 0.0) is None


def test_a_payload_that_is_not_json_is_said_in_one_line() -> None:
    with pytest.raises(ValueError, match="not JSON"):
        translate(load_adapter("zigbee2mqtt"), "zigbee2mqtt/x", b"\xff", 0.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = 'x'", "about"),
        ("name = 'X!'\nabout = ''\n[[message]]\ntopic='a'\nid='b'", "name"),
        ("name = 'x'\nabout = ''\n[[message]]\ntopic='a/#'\nid='b'", "levels may be"),
        ("name = 'x'\nabout = ''\n[[message]]\ntopic='siaga/v1/x'\nid='b'", "siaga/ is ours"),
        ("name = 'x'\nabout = ''\n[[message]]\ntopic='a'\nid='b'\nrun='rm'", "run"),
        ("name = ", "x.toml"),
    ],
)
def test_an_adapter_file_that_cannot_work_is_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(AdapterError, match=says) as error:
        load_adapter(str(path))
    assert "\n" not in str(error.value)


def test_an_unknown_adapter_is_told_which_there_are() -> None:
    with pytest.raises(AdapterError, match="frigate, shelly-gen2, tasmota, zigbee2mqtt"):
        load_adapter("nothing")


@given(name=st.sampled_from(shipped()), payload=st.binary(max_size=200) | st.text().map(str.encode), level=st.text())
def test_no_payload_breaks_an_adapter(name: str, payload: bytes, level: str) -> None:
    adapter = load_adapter(name)
    for message in adapter.messages:
        topic = message.topic.replace("{device}", level.replace("/", ""))
        try:
            found = translate(adapter, topic, payload, 1.0)
        except ValueError as error:
            assert "\n" not in str(error)
        else:
            assert found is None or all(topics.DEVICE_ID.fullmatch(one.device_id) for one in found)


@given(st.text(), st.text())
def test_every_name_becomes_a_device_id(device: str, key: str) -> None:
    assert topics.DEVICE_ID.fullmatch(device_id("{device}-{key}", device, key))
