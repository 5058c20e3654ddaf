"""The exact bytes that a device puts on MQTT: topics and JSON of the device protocol, version 1.

Written here as firmware would write it, from the protocol's text, so that a change of the gateway's reading shows up in
a test. Times are seconds since 1970 (UTC) inside the simulator and RFC 3339 with a `Z` on the wire.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOT: Final = "siaga/v1"
MAX_MESSAGE_BYTES: Final = 16 * 1024
MAX_REPORTS: Final = 100

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


class Report(msgspec.Struct, frozen=True, gc=False):
    """One telemetry message. `at` is the capture time by the device's own clock, in seconds since 1970. `names`: of the
    metrics in their order, if the device knows them; the same tuple for all devices alike.
    """

    boot: int
    seq: int
    uptime_s: int
    at: float
    firmware: str
    metrics: dict[str, float]
    states: dict[str, str]
    names: tuple[str, ...] = ()


class Event(msgspec.Struct, frozen=True):
    """Something that happened once; `topic` follows ONVIF's names."""

    boot: int
    seq: int
    at: float
    topic: str
    data: dict[str, Any]


class Status(msgspec.Struct, frozen=True):
    """Presence: published retained by the device (`online`) or by the broker as its last will (`offline`)."""

    state: str
    boot: int
    at: float


def topic(device_id: str, leaf: str) -> str:
    """The topic of one device, e.g. `siaga/v1/cam-1/telemetry`."""
    return f"{ROOT}/{device_id}/{leaf}"


def stamp(at: float) -> str:
    """RFC 3339 in UTC, milliseconds only where there are any: `2026-11-21T10:00:00Z`."""
    moment = _EPOCH + timedelta(milliseconds=round(at * 1000))
    text = moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return text[:-6] + "Z"


def _report(report: Report) -> str:
    return (
        f'{{"v":1,"boot":{report.boot},"seq":{report.seq},"uptime_s":{report.uptime_s},"at":"{stamp(report.at)}",'
        f'"firmware":{_encode(report.firmware)},"metrics":{_encode(report.metrics)},"states":{_encode(report.states)}}}'
    )


def report_payload(report: Report) -> bytes:
    """One report as a telemetry message."""
    return _report(report).encode()


def report_batches(reports: Iterable[Report]) -> Iterator[tuple[tuple[Report, ...], bytes]]:
    """Catch-up messages in order, each at most 100 reports and 16 KiB; a lone report goes as an array of one.

    A single report above 16 KiB is sent anyway, alone: the gateway refuses it and says so.
    """
    batch: list[Report] = []
    texts: list[str] = []
    size = 2
    for report in reports:
        text = _report(report)
        length = len(text.encode()) + 1
        if batch and (size + length > MAX_MESSAGE_BYTES or len(batch) == MAX_REPORTS):
            yield tuple(batch), f"[{','.join(texts)}]".encode()
            batch, texts, size = [], [], 2
        batch.append(report)
        texts.append(text)
        size += length
    if batch:
        yield tuple(batch), f"[{','.join(texts)}]".encode()


def status_payload(status: Status) -> bytes:
    """Presence; also the last will (then `at` is the time of connecting, the only time a will can know)."""
    return _encode({"v": 1, "state": status.state, "boot": status.boot, "at": stamp(status.at)}).encode()


def event_payload(event: Event) -> bytes:
    """One event."""
    return _encode(
        {
            "v": 1,
            "boot": event.boot,
            "seq": event.seq,
            "at": stamp(event.at),
            "topic": event.topic,
            "data": event.data,
        }
    ).encode()


def payload(body: Mapping[str, Any]) -> bytes:
    """Any other message: compact JSON, no NaN."""
    return _encode(dict(body)).encode()
