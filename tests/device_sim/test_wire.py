"""What a device puts on the wire, byte by byte."""

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from device_sim.wire import (
    MAX_MESSAGE_BYTES,
    MAX_REPORTS,
    Event,
    Report,
    Status,
    event_payload,
    report_batches,
    report_payload,
    stamp,
    status_payload,
    topic,
)


def test_a_report_has_the_fields_of_the_protocol_and_no_identity() -> None:
    report = Report(12, 1832, 86412, 1795255200.0, "2.4.1", {"soc_temp_c": 61.5}, {"recording": "on"})
    assert json.loads(report_payload(report)) == {
        "v": 1,
        "boot": 12,
        "seq": 1832,
        "uptime_s": 86412,
        "at": "2026-11-21T10:00:00Z",
        "firmware": "2.4.1",
        "metrics": {"soc_temp_c": 61.5},
        "states": {"recording": "on"},
    }


def test_presence_and_events_have_the_fields_of_the_protocol() -> None:
    assert json.loads(status_payload(Status("offline", 3, 0.25))) == {
        "v": 1, "state": "offline", "boot": 3, "at": "1970-01-01T00:00:00.250Z",
    }  # fmt: skip
    event = Event(3, 9, 0.0, "hardware/fan", {"state": "stalled"})
    assert json.loads(event_payload(event)) == {
        "v": 1, "boot": 3, "seq": 9, "at": "1970-01-01T00:00:00Z", "topic": "hardware/fan",
        "data": {"state": "stalled"},
    }  # fmt: skip
    assert topic("cam-1", "telemetry") == "siaga/v1/cam-1/telemetry"


@given(st.floats(-1e9, 4e9))
def test_a_stamp_reads_back_as_the_same_millisecond(at: float) -> None:
    text = stamp(at)
    assert text.endswith("Z")
    assert abs(datetime.fromisoformat(text).astimezone(UTC).timestamp() - at) <= 0.000501


@given(st.lists(st.integers(0, 120), max_size=240))
def test_a_backlog_goes_out_in_order_in_messages_that_the_gateway_takes(sizes: list[int]) -> None:
    reports = [
        Report(1, seq, seq, float(seq), "1", {f"metric_number_{i}": i / 7 for i in range(size)}, {})
        for seq, size in enumerate(sizes)
    ]
    sent = []
    for batch, payload in report_batches(reports):
        assert len(payload) <= MAX_MESSAGE_BYTES
        assert 1 <= len(batch) <= MAX_REPORTS
        body = json.loads(payload)
        assert [entry["seq"] for entry in body] == [report.seq for report in batch]
        sent += batch
    assert sent == reports


def test_a_report_too_large_for_any_message_goes_alone_and_is_not_dropped() -> None:
    huge = Report(1, 0, 0, 0.0, "1", {f"metric_{i}": 0.123456 for i in range(2000)}, {})
    small = replace(huge, seq=1, metrics={})
    assert [len(batch) for batch, _ in report_batches([huge, small, small])] == [1, 2]
