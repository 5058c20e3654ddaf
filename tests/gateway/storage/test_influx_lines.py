"""Line protocol and InfluxQL: what is written is what was said, whatever the names."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ports.history import Sample
from gateway.storage.influx.influxql import identifier, literal
from gateway.storage.influx.lines import LineWriter

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8)
VALUES = st.one_of(st.floats(), st.integers(-1000, 1000).map(float))


def parse(line: str) -> tuple[str, dict[str, float], int]:
    """A reader of line protocol for one tag, written from InfluxData's description and not from our writer."""
    parts, part, position = [], "", 0
    while position < len(line):
        two = line[position : position + 2]
        if len(two) == 2 and two[0] == "\\" and two[1] in ",= ":
            part, position = part + "\x00" + two[1], position + 2
            continue
        if line[position] == " ":
            parts.append(part)
            part = ""
        else:
            part += line[position]
        position += 1
    series, fields, at = [*parts, part]

    def split(text: str, at_: str) -> list[str]:
        found = [""]
        for index, character in enumerate(text):
            if character == at_ and text[index - 1] != "\x00":
                found.append("")
            else:
                found[-1] += character
        return [each.replace("\x00", "") for each in found]

    measurement, device = split(series, ",") if "\x00," not in series else (series.split(",", 1))
    assert measurement == "telemetry"
    named = device.removeprefix("device=").replace("\x00", "")
    values = {}
    pieces, piece = [], ""
    for index, character in enumerate(fields):
        if character == "," and fields[index - 1] != "\x00":
            pieces.append(piece)
            piece = ""
        else:
            piece += character
    for each in [*pieces, piece]:
        key, value = each.rsplit("=", 1)
        values[key.replace("\x00", "")] = float(value)
    return named, values, int(at)


@given(NAMES, st.dictionaries(NAMES, VALUES, max_size=4), st.integers(0, 2 * 10**12), st.booleans())
def test_a_line_reads_back_as_the_report_or_says_what_it_could_not_carry(
    device: str, metrics: dict[str, float], at_ms: int, twice: bool
) -> None:
    writer = LineWriter()
    sample = Sample.of(device, at_ms / 1000, metrics)
    if twice:  # the second time by the template learnt at the first
        writer.write([sample])
    lines = writer.write([sample])

    assert "\n" not in "".join(lines.texts)
    carried = {}
    for line in lines.texts:
        named, carried, at = parse(line)
        assert (named, at) == (device, at_ms)
    assert carried.items() <= {name: value for name, value in metrics.items() if math.isfinite(value)}.items()
    assert lines.unwritable == len(metrics) - len(carried)
    plain = all(name.isalnum() and name != "time" for name in metrics) and device.isalnum()
    if plain:
        assert carried == {name: value for name, value in metrics.items() if math.isfinite(value)}


@pytest.mark.parametrize("name", ["", "a\nb", "a\r", "ends\\", "a\\,b", "a\\ b", "a\\\\b", "time"])
def test_a_metric_that_line_protocol_cannot_name_is_left_out_and_the_others_kept(name: str) -> None:
    lines = LineWriter().write([Sample.of("cam-1", 1.0, {name: 1.0, "t": 2.5})])
    assert lines.texts == ["telemetry,device=cam-1 t=2.5 1000"]
    assert lines.unwritable == 1


def test_a_device_that_line_protocol_cannot_name_is_left_out() -> None:
    assert LineWriter().write([Sample.of("a\nb", 1.0, {"t": 1.0, "u": 1.0})]).unwritable == 2


def test_metrics_in_quarantine_are_left_out() -> None:
    lines = LineWriter().write([Sample.of("cam-1", 1.0, {"t": 1.0, "u": 2.0})], {"t"})
    assert lines.texts == ["telemetry,device=cam-1 u=2.0 1000"]


def test_what_is_remembered_between_batches_is_bounded() -> None:
    writer = LineWriter()
    for n in range(60_000):
        writer.write([Sample.of(f"cam-{n}", 1.0, {"t": 1.0})])
    assert len(writer._devices) <= 50_001


@given(st.text())
def test_names_cannot_leave_their_quotes_in_a_question(text: str) -> None:
    for quote, quoted in (('"', identifier(text)), ("'", literal(text))):
        inner, position = quoted[1:-1], 0
        assert quoted[0] == quoted[-1] == quote
        while position < len(inner):
            position += 2 if inner[position] == "\\" else 1
            assert position <= len(inner)
            assert position == len(inner) or inner[position] != quote or inner[position - 1] == "\\" or position == 0
        assert "\n" not in inner
