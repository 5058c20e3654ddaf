"""`siaga adapters test`: what a recorded payload becomes, or one line that says why nothing."""

import io
import json
import sys
from pathlib import Path

import pytest

from gateway.cli import main

STATE = '{"POWER":"ON","Wifi":{"Signal":-47},"UptimeSec":5}'


def tried(tmp_path: Path, payload: str, *words: str) -> int:
    file = tmp_path / "payload.json"
    file.write_text(payload)
    return main(["adapters", "test", *words[:1], str(file), *words[1:]])


def test_a_payload_is_tried_on_the_topics_of_the_adapter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tried(tmp_path, '{"ENERGY":{"Power":5}}', "tasmota") == 0
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert (report["device"], report["metrics"]) == ("tasmota-device", {"power_w": 5})
    assert said.err == "as if it came on tele/{device}/SENSOR\n"


def test_the_topic_says_whose_payload_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tried(tmp_path, STATE, "tasmota", "--topic", "tele/Plug/STATE") == 0
    assert json.loads(capsys.readouterr().out)["device"] == "tasmota-plug"


def test_standard_input_will_do(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(STATE.encode())))
    assert main(["adapters", "test", "tasmota", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["states"] == {"power": "on"}


@pytest.mark.parametrize(
    ("payload", "words", "code", "says"),
    [
        ('{"other":1}', ["tasmota"], 1, "nothing of interest; tasmota looks for /Wifi/Signal, /LoadAvg"),
        (STATE, ["tasmota", "--topic", "other/topic"], 1, "tasmota knows no topic other/topic: tele/+/STATE"),
        ("[1,", ["zigbee2mqtt"], 2, "not JSON"),
        (STATE, ["nothing"], 2, "no such adapter; shipped are esphome, frigate"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], payload: str, words: list[str], code: int, says: str
) -> None:
    assert tried(tmp_path, payload, *words) == code
    said = capsys.readouterr()
    assert says in said.err
    assert said.err.count("\n") == 1
    assert not said.out


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adapters", "test", "tasmota", str(tmp_path / "none.json")]) == 2
    assert capsys.readouterr().err == f"siaga adapters: {tmp_path}/none.json: No such file or directory\n"


def test_the_list_names_every_adapter_and_its_topics(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adapters", "list"]) == 0
    assert "tasmota\ttele/+/STATE, tele/+/SENSOR, tele/+/LWT\t" in capsys.readouterr().out
