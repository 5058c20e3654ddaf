"""Foreign payloads, shaped as their projects document them, become reports that our own edge accepts."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ingest import topics, wire
from gateway.ingest.adapters import AdapterError, Inlet, load_adapter, shipped, translate
from gateway.ingest.adapters.translate import device_id

FRIGATE = {  # shaped as docs.frigate.video/integrations/api and web/src/types/stats.ts of Frigate say
    "cameras": {
        "back": {
            "camera_fps": 5.0,
            "process_fps": 5.1,
            "skipped_fps": 0.0,
            "detection_fps": 1.5,
            "detection_enabled": 1,
            "pid": 34,
            "capture_pid": 27,
            "ffmpeg_pid": 30,
            "audio_rms": 0.0,
            "audio_dBFS": 0.0,
        },
        "Garage": {"camera_fps": 0.0, "process_fps": 0.0, "skipped_fps": 0.0, "detection_fps": 0.0, "pid": 35},
    },
    "detection_fps": 1.5,
    "detectors": {"coral": {"inference_speed": 8.94, "detection_start": 0.0, "pid": 33}},
    "cpu_usages": {"34": {"cpu": "3.0", "cpu_average": "2.8", "mem": "1.4", "cmdline": "frigate.process:back"}},
    "processes": {"go2rtc": {"pid": 89}},
    "service": {
        "uptime": 600,
        "version": "0.16.0-abc1234",
        "latest_version": "0.16.0",
        "last_updated": 1795255199,
        "temperatures": {},
        "storage": {
            "/media/frigate/recordings": {"total": 983_350, "used": 730_120, "free": 203_260, "mount_type": "ext4"},
            "/tmp/cache": {"total": 1000, "used": 12, "free": 988, "mount_type": "tmpfs"},
        },
    },
}
TASMOTA_STATE = {  # tasmota.github.io/docs/MQTT, as a device of version 13 says it
    "Time": "2024-02-24T22:20:38",
    "Uptime": "0T00:10:11",
    "UptimeSec": 611,
    "Heap": 24,
    "SleepMode": "Dynamic",
    "Sleep": 50,
    "LoadAvg": 19,
    "MqttCount": 1,
    "POWER": "OFF",
    "Wifi": {
        "AP": 1,
        "SSId": "shop",
        "BSSId": "02:00:00:00:00:01",
        "Channel": 3,
        "Mode": "11n",
        "RSSI": 44,
        "Signal": -78,
        "LinkCount": 1,
        "Downtime": "0T00:00:05",
    },
}
TASMOTA_SENSOR = {
    "Time": "2022-01-11T21:57:38",
    "ENERGY": {
        "TotalStartTime": "2020-10-21T22:15:00",
        "Total": 3.705,
        "Yesterday": 0.028,
        "Today": 0.026,
        "Period": 1,
        "Power": 5,
        "ApparentPower": 5,
        "ReactivePower": 0,
        "Factor": 1.00,
        "Voltage": 233,
        "Current": 0.021,
    },
    "DHT11": {"Temperature": 23.0, "Humidity": 37.0, "DewPoint": 7.5},
    "TempUnit": "C",
}
SHELLY_SWITCH = {  # shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Switch, status
    "id": 0,
    "source": "init",
    "output": True,
    "apower": 12.5,
    "voltage": 230.1,
    "freq": 50.0,
    "current": 0.06,
    "pf": 0.91,
    "aenergy": {"total": 50_982.0, "by_minute": [0.0, 0.0, 0.0], "minute_ts": 1_680_962_820},
    "temperature": {"tC": 45.2, "tF": 113.4},
}
SHELLY_SYS = {  # .../Sys, as a Plus H&T says it
    "mac": "B8D61A000000",
    "restart_required": False,
    "time": None,
    "unixtime": None,
    "uptime": 3,
    "ram_size": 235_300,
    "ram_free": 164_244,
    "fs_size": 458_752,
    "fs_free": 118_784,
    "cfg_rev": 10,
    "kvs_rev": 0,
    "available_updates": {},
}
ZIGBEE = {  # zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages
    "battery": 95,
    "linkquality": 120,
    "temperature": 27.34,
    "humidity": 44.72,
    "voltage": 3005,
    "state": "OFF",
}


def said(name: str, topic: str, body: object) -> list[dict[str, Any]]:
    payload = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    found = translate(load_adapter(name), topic, payload, 1_795_255_200_000_000)
    assert found is not None
    return [{"device": one.device_id, "channel": one.channel, **json.loads(one.payload)} for one in found]


def test_each_camera_of_frigate_is_a_device_and_so_is_the_recorder() -> None:
    back, garage, recorder = said("frigate", "frigate/stats", FRIGATE)
    assert (back["device"], back["metrics"]) == (
        "frigate-back",
        {"fps_actual": 5.0, "process_fps": 5.1, "skipped_fps": 0.0, "detection_fps": 1.5},
    )
    assert (garage["device"], garage["metrics"]["fps_actual"]) == ("frigate-garage", 0.0)
    assert (recorder["device"], recorder["uptime_s"]) == ("frigate", 600)
    assert recorder["metrics"] == {
        "disk_free_gb": 203.26,
        "disk_total_gb": 983.35,
        "detection_fps": 1.5,
        "inference_ms": 8.94,
    }
    assert len({one["seq"] for one in (back, garage, recorder)}) == 3


def test_a_camera_of_frigate_0_17_says_what_it_should_bring_and_how_often_its_stream_broke() -> None:
    new = {"expected_fps": 5, "reconnects_last_hour": 2, "stalls_last_hour": 1, "connection_quality": "poor"}
    back, *_ = said("frigate", "frigate/stats", {**FRIGATE, "cameras": {"back": {"camera_fps": 2.1, **new}}})
    assert back["metrics"] == {
        "fps_actual": 2.1,
        "fps_target": 5,
        "stream_reconnects_1h": 2,
        "stream_stalls_1h": 1,
    }
    assert back["states"] == {"connection_quality": "poor"}


def test_a_tasmota_plug_reports_wifi_load_power_and_uptime() -> None:
    [report] = said("tasmota", "tele/Plug 1/STATE", TASMOTA_STATE)
    assert report["device"] == "tasmota-plug-1"
    assert report["metrics"] == {
        "rssi_dbm": -78,
        "load_avg": 19,
        "heap_kb": 24,
        "wifi_link_cnt": 1,
        "mqtt_connect_cnt": 1,
    }
    assert report["states"] == {"power": "off"}
    assert report["uptime_s"] == 611


def test_a_tasmota_meter_reports_mains_and_the_sensor_it_has() -> None:
    [report] = said("tasmota", "tele/plug/SENSOR", TASMOTA_SENSOR)
    assert report["metrics"] == {
        "mains_v": 233,
        "power_w": 5,
        "current_a": 0.021,
        "energy_kwh": 3.705,
        "ambient_temp_c": 23.0,
        "ambient_rh_pct": 37.0,
    }
    [climate] = said("tasmota", "tele/x/SENSOR", {"SHT4X": {"Temperature": 21.5}, "ESP32": {"Temperature": 53.9}})
    assert climate["metrics"] == {"ambient_temp_c": 21.5, "soc_temp_c": 53.9}
    [phases] = said("tasmota", "tele/plug/SENSOR", {"ENERGY": {"Voltage": [231, 229, 230], "Power": [5, 6, 7]}})
    assert phases["metrics"] == {"mains_v": 231, "power_w": 5}


def test_a_last_will_of_tasmota_is_our_status() -> None:
    [status] = said("tasmota", "tele/plug/LWT", "Offline")
    assert (status["channel"], status["state"]) == ("status", "offline")
    assert said("tasmota", "tele/plug/LWT", "Something") == []


def test_a_shelly_reports_mains_heat_and_switch() -> None:
    [report] = said("shelly-gen2", "shellyplus1pm-a8032ab12345/status/switch:0", SHELLY_SWITCH)
    assert report["device"] == "shellyplus1pm-a8032ab12345"
    assert report["metrics"] == {
        "mains_v": 230.1,
        "power_w": 12.5,
        "current_a": 0.06,
        "energy_kwh": 50.982,
        "case_temp_c": 45.2,
    }
    assert report["states"] == {"power": "on"}
    [status] = said("shelly-gen2", "shellyplus1pm-a8032ab12345/online", "true")
    assert status["state"] == "online"


def test_meters_and_covers_of_shelly_report_mains_and_power() -> None:
    def report(topic: str, body: object) -> dict[str, Any]:
        [found] = said("shelly-gen2", f"shellypro-1/status/{topic}", body)
        return found

    energy = {"total": 1500.0, "by_minute": [0.0, 0.0, 0.0], "minute_ts": 1_680_962_820}
    mini = {"id": 0, "voltage": 229.8, "current": 0.4, "apower": 90.2, "freq": 50.0, "aenergy": energy}
    assert report("pm1:0", mini)["metrics"] == {
        "mains_v": 229.8,
        "power_w": 90.2,
        "current_a": 0.4,
        "energy_kwh": 1.5,
    }
    channel = {"id": 0, "current": 2.598, "voltage": 234.9, "act_power": 501.8, "aprt_power": 612.4, "pf": 0.84}
    assert report("em1:0", channel)["metrics"] == {"mains_v": 234.9, "power_w": 501.8, "current_a": 2.598}
    phases = {"id": 0, "a_voltage": 231.0, "a_current": 1.0, "total_current": 3.2, "total_act_power": 640.5}
    assert report("em:0", phases)["metrics"] == {"mains_v": 231.0, "power_w": 640.5, "current_a": 3.2}
    cover = {"id": 0, "state": "open", "apower": 0.0, "voltage": 230.0, "current": 0.0, "temperature": {"tC": 40.1}}
    assert report("cover:0", cover)["states"] == {"cover": "open"}
    assert report("cover:0", cover)["metrics"]["case_temp_c"] == 40.1


def test_a_shelly_sensor_reports_climate_battery_wifi_and_memory() -> None:
    def metrics(topic: str, body: object) -> object:
        [report] = said("shelly-gen2", f"shellyplusht-b8d61a000000/status/{topic}", body)
        return report["metrics"]

    assert metrics("sys", SHELLY_SYS) == {"ram_free_bytes": 164_244, "fs_free_bytes": 118_784}
    assert metrics("temperature:0", {"id": 0, "tC": 19.8, "tF": 67.6}) == {"ambient_temp_c": 19.8}
    assert metrics("humidity:0", {"id": 0, "rh": 42.2}) == {"ambient_rh_pct": 42.2}
    power = {"id": 0, "battery": {"V": 5.4, "percent": 81}, "external": {"present": False}}
    assert metrics("devicepower:0", power) == {"battery_pct": 81, "battery_v": 5.4}
    wifi = {"sta_ip": "192.168.3.183", "status": "got ip", "ssid": "shop", "rssi": -61}
    assert metrics("wifi", wifi) == {"rssi_dbm": -61}


def test_a_zigbee_sensor_reports_battery_link_and_climate() -> None:
    [report] = said("zigbee2mqtt", "zigbee2mqtt/hall", ZIGBEE)
    assert report["metrics"] == {
        "battery_pct": 95,
        "link_quality": 120,
        "ambient_temp_c": 27.34,
        "ambient_rh_pct": 44.72,
    }
    [plug] = said("zigbee2mqtt", "zigbee2mqtt/plug", {"power": 9.1, "current": 0.04, "device_temperature": 31})
    assert plug["metrics"] == {"power_w": 9.1, "current_a": 0.04, "case_temp_c": 31}
    for word in ({"state": "offline"}, "offline"):
        [status] = said("zigbee2mqtt", "zigbee2mqtt/hall/availability", word)
        assert (status["device"], status["state"]) == ("zigbee-hall", "offline")
    [status] = said("zigbee2mqtt", "zigbee2mqtt/bridge/state", {"state": "online"})
    assert (status["device"], status["state"]) == ("zigbee-bridge", "online")


def test_an_esphome_node_says_one_number_a_topic() -> None:
    [report] = said("esphome", "attic/sensor/wifi_signal/state", "-67")
    assert (report["device"], report["metrics"]) == ("attic", {"rssi_dbm": -67})
    [status] = said("esphome", "attic/status", "offline")
    assert (status["channel"], status["state"]) == ("status", "offline")


def test_every_adapter_names_the_pages_it_was_read_from() -> None:
    for name in shipped():
        assert all(page.startswith("https://") for page in load_adapter(name).source)
        assert load_adapter(name).source


def test_what_a_device_says_within_a_microsecond_is_not_taken_for_a_duplicate() -> None:
    inlet = Inlet([load_adapter("shelly-gen2")])
    seqs = []
    for topic, body in (("switch:0", SHELLY_SWITCH), ("sys", SHELLY_SYS), ("wifi", {"rssi": -61})):
        found = inlet.take(f"plug/status/{topic}", json.dumps(body).encode(), 5.0, retained=False)
        assert found is not None
        seqs += [json.loads(one.payload)["seq"] for one in found]
    assert seqs == sorted(set(seqs))


def test_of_what_the_broker_kept_only_presence_counts() -> None:
    inlet = Inlet([load_adapter("zigbee2mqtt")])
    assert inlet.take("zigbee2mqtt/hall", json.dumps(ZIGBEE).encode(), 5.0, retained=True) == []
    [status] = inlet.take("zigbee2mqtt/hall/availability", b'{"state":"offline"}', 5.0, retained=True) or []
    assert status.channel == "status"
    assert inlet.take("zigbee2mqtt/hall", b"{", 5.0, retained=False) is None
    assert inlet.take("somewhere/else", b"{}", 5.0, retained=False) is None
    assert inlet and not Inlet([])


def test_what_an_adapter_makes_passes_our_own_edge() -> None:
    for name, topic, body in (
        ("frigate", "frigate/stats", FRIGATE),
        ("tasmota", "tele/x/STATE", TASMOTA_STATE),
        ("tasmota", "tele/x/SENSOR", TASMOTA_SENSOR),
        ("shelly-gen2", "x/status/switch:0", SHELLY_SWITCH),
        ("zigbee2mqtt", "zigbee2mqtt/x", ZIGBEE),
    ):
        for one in translate(load_adapter(name), topic, json.dumps(body).encode(), 5) or ():
            assert topics.DEVICE_ID.fullmatch(one.device_id)
            assert wire.report(one.payload, one.device_id, 5.0).metrics


def test_a_topic_of_nobody_is_nobodys() -> None:
    assert translate(load_adapter("tasmota"), "tele/a/b/STATE", b"{}", 0) is None


def test_a_payload_that_is_not_json_is_said_in_one_line() -> None:
    with pytest.raises(ValueError, match="not JSON"):
        translate(load_adapter("zigbee2mqtt"), "zigbee2mqtt/x", b"\xff", 0)


def test_a_payload_that_is_nested_beyond_reason_is_said_in_one_line() -> None:
    deep = b"[" * 30_000 + b"]" * 30_000
    with pytest.raises(ValueError, match="nested too deeply"):
        translate(load_adapter("zigbee2mqtt"), "zigbee2mqtt/x", deep, 0)
    assert translate(load_adapter("zigbee2mqtt"), "zigbee2mqtt/x/availability", deep, 0) == []


def test_a_number_beyond_all_measure_is_left_out() -> None:
    body = b'{"battery": 1' + b"0" * 400 + b', "humidity": 1e999, "temperature": 20.5}'
    [one] = translate(load_adapter("zigbee2mqtt"), "zigbee2mqtt/x", body, 0) or []
    assert json.loads(one.payload)["metrics"] == {"ambient_temp_c": 20.5}


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
    with pytest.raises(AdapterError, match="esphome, frigate, shelly-gen2, tasmota, zigbee2mqtt"):
        load_adapter("nothing")


@given(name=st.sampled_from(shipped()), payload=st.binary(max_size=200) | st.text().map(str.encode), level=st.text())
def test_no_payload_breaks_an_adapter(name: str, payload: bytes, level: str) -> None:
    adapter = load_adapter(name)
    for message in adapter.messages:
        topic = message.topic.replace("{device}", level.replace("/", ""))
        try:
            found = translate(adapter, topic, payload, 1)
        except ValueError as error:
            assert "\n" not in str(error)
        else:
            assert found is None or all(topics.DEVICE_ID.fullmatch(one.device_id) for one in found)


@given(st.text(), st.text())
def test_every_name_becomes_a_device_id(device: str, key: str) -> None:
    assert topics.DEVICE_ID.fullmatch(device_id("{device}-{key}", device, key))
