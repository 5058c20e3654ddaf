"""What devices may say, and the one line they get for what they may not."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnostics.telemetry import Report
from gateway.ingest import wire

GOOD = {"v": 1, "boot": 12, "seq": 1832, "uptime_s": 86412, "at": "2026-11-21T10:00:00Z", "firmware": "2.4.1"}


def report(**fields: object) -> bytes:
    return json.dumps({**GOOD, **fields}).encode()


def test_a_report_keeps_its_numbers_states_and_times() -> None:
    said = wire.report(report(metrics={"soc_temp_c": 61.5}, states={"recording": "on"}), "cam-1", 7.0)
    assert (said.device_id, said.boot, said.seq, said.received_at) == ("cam-1", 12, 1832, 7.0)
    assert said.captured_at == 1795255200.0
    assert said.metrics == {"soc_temp_c": 61.5}
    assert said.states == {"recording": "on"}
    assert (said.firmware, said.uptime_s) == ("2.4.1", 86412)


def test_a_report_without_stamp_metrics_or_states_is_still_a_sign_of_life() -> None:
    said = wire.report(b'{"v":1,"boot":1,"seq":2}', "cam-1", 7.0)
    assert said.captured_at is None
    assert said.metrics == {}
    assert said.states == {}


def test_newer_firmware_may_say_more() -> None:
    assert wire.report(report(mood="fine", metrics={"x_c": 1}), "cam-1", 0).metrics == {"x_c": 1}


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"", "Invalid JSON"),
        (b"garbage", "Invalid JSON"),
        (b"\xff\xfe", "Invalid JSON"),
        (b'"text"', "Input should be an object"),
        (b'{"v":1,"boot":1}', "seq: Field required"),
        (b'{"v":2,"boot":1,"seq":1}', "v: Input should be 1"),
        (b'{"v":1,"boot":-1,"seq":1}', "boot: "),
        (b'{"v":1,"boot":true,"seq":1}', "boot: "),
        (report(metrics={"a": float("nan")}), "metrics.a: "),
        (report(metrics={"a": float("inf")}), "metrics.a: "),
        (report(metrics={"a": True}), "metrics.a: "),
        (report(metrics={"a": 1.1e15}), "metrics.a: "),
        (report(metrics={"a": "1"}), "metrics.a: "),
        (report(metrics={f"m{n}": 1 for n in range(101)}), "metrics: "),
        (report(states={"a": "x" * 129}), "states.a: "),
        (report(at="yesterday"), "at: "),
        (report(at="2026-11-21T10:00:00"), "at: "),
        (report(pad="x" * 17000), "a report has at most 16384"),
    ],
)
def test_bad_input_is_refused_in_one_printable_line(payload: bytes, says: str) -> None:
    with pytest.raises(wire.Refused) as refused:
        wire.report(payload, "cam-1", 0)
    assert says in refused.value.detail
    assert "\n" not in refused.value.detail
    assert refused.value.detail.isprintable()


def test_what_a_device_sent_never_comes_back_in_the_line_but_for_a_short_name() -> None:
    with pytest.raises(wire.Refused) as refused:
        wire.report(report(metrics={"<script>" * 40: "secret"}), "cam-1", 0)
    assert "secret" not in refused.value.detail
    assert len(refused.value.detail) <= 200


def test_an_array_keeps_its_good_reports_and_names_each_bad_one() -> None:
    caught = wire.catch_up(b'[{"v":1,"boot":1,"seq":1},{"v":1},{"v":1,"boot":1,"seq":3}]', "cam-1", 5.0)
    assert [report.seq for report in caught.reports] == [1, 3]
    assert caught.refused == ["report 1 of the array: boot: Field required"]


def test_an_array_has_at_most_a_hundred_reports() -> None:
    rows = [{"v": 1, "boot": 1, "seq": n} for n in range(101)]
    with pytest.raises(wire.Refused, match="101 reports"):
        wire.catch_up(json.dumps(rows).encode(), "cam-1", 0)


@pytest.mark.parametrize("payload", [b"[", b'{"v":1}', b"[" + b" " * 70000 + b"]"])
def test_an_array_that_is_none_is_refused(payload: bytes) -> None:
    with pytest.raises(wire.Refused):
        wire.catch_up(payload, "cam-1", 0)


def test_an_event_carries_its_onvif_topic_and_data_as_words() -> None:
    event = wire.event(
        b'{"v":1,"boot":1,"seq":9,"at":"2026-11-21T10:00:00+07:00","topic":"video/tamper","data":{"area":3,"lit":true}}',
        "cam-1",
        1.0,
    )
    assert event.topic == "video/tamper"
    assert event.data == {"area": "3.0", "lit": "True"} or event.data == {"area": "3", "lit": "True"}


def test_a_status_or_last_will_says_online_or_offline() -> None:
    assert wire.presence(b'{"v":1,"state":"offline","boot":3}', "cam-1", 1.0).online is False
    with pytest.raises(wire.Refused):
        wire.presence(b'{"v":1,"state":"perhaps"}', "cam-1", 1.0)


@given(st.binary(max_size=300))
def test_no_bytes_at_all_raise_anything_but_a_refusal(payload: bytes) -> None:
    for parse in (wire.report, wire.catch_up, wire.event, wire.presence):
        try:
            parse(payload, "cam-1", 0.0)
        except wire.Refused as refused:
            assert refused.detail.isprintable()


_numbers = st.one_of(
    st.integers(-(10**17), 10**17),
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(0, 2**54).map(float),
    st.sampled_from([1e15, -1e15, 1.0000001e15, 2**53, 2**53 + 1, -0.0, 5e-324]),
)
_odd = st.one_of(st.none(), st.booleans(), _numbers, st.text(max_size=5), st.lists(st.none(), max_size=1))
_words = st.one_of(st.text(max_size=130), st.sampled_from(["x" * 128, "é" * 128, "x" * 129]))
_stamps = st.one_of(
    st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat()),
    st.from_regex(
        r"20[0-9]{2}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-5][0-9](:[0-6][0-9](\.[0-9]{0,9})?)?(Z|[+-][0-9:]{2,6})?"
    ),
    st.integers(0, 2**33),
)


def _mostly(good: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.integers(0, 11).flatmap(lambda dice: good if dice else _odd)


_names = st.one_of(st.text(max_size=60), st.sampled_from(["soc_temp_c", "x" * 48, "x" * 49]))
_fields = st.fixed_dictionaries(
    {"v": _mostly(st.just(1)), "boot": _mostly(st.integers(0, 9)), "seq": _mostly(st.integers(0, 2**53))},
    optional={
        "uptime_s": _mostly(_numbers),
        "at": _mostly(_stamps),
        "firmware": _mostly(_words),
        "metrics": _mostly(st.dictionaries(_names, _mostly(_numbers), max_size=4)),
        "states": _mostly(st.dictionaries(_names, _mostly(_words), max_size=4)),
        "mood": _odd,
    },
)


def _said(report: Report) -> tuple[object, ...]:
    return (report.boot, report.seq, report.metrics, report.states, report.uptime_s, report.firmware)


@settings(deadline=None, max_examples=400)
@given(_fields, st.booleans())
def test_both_parsers_of_a_report_say_the_same(fields: dict[str, object], escaped: bool) -> None:
    payload = json.dumps(fields, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    try:
        judged = wire._judged(payload, "cam-1", 7.0)
    except wire.Refused as refused:
        with pytest.raises(wire.Refused, match=re.escape(refused.detail)):
            wire.report(payload, "cam-1", 7.0)
        return
    taken = wire.report(payload, "cam-1", 7.0)
    assert _said(taken) == _said(judged)
    if judged.captured_at is None:
        assert taken.captured_at is None
    else:
        # The one cuts what is finer than a microsecond, the other rounds it.
        assert taken.captured_at == pytest.approx(judged.captured_at, abs=2e-6, rel=0)


@pytest.mark.parametrize("depth", [100, 5000])
def test_a_field_nested_beyond_measure_harms_nobody(depth: int) -> None:
    payload = b'{"v":1,"boot":1,"seq":1,"x":' + b"[" * depth + b"]" * depth + b"}"
    if depth == 100:
        assert wire.report(payload, "cam-1", 7.0).seq == 1
    else:
        with pytest.raises(wire.Refused, match="recursion"):
            wire.report(payload, "cam-1", 7.0)
