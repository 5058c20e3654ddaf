"""Parsing at the edge: the JSON of devices becomes typed messages, or one line that says what is wrong with it.

A report as the protocol has it is read by msgspec, in three fifths of the time that pydantic takes. Whatever msgspec
does not take goes to pydantic (its own JSON parser: json.loads first costs twice as much), which has the last word and
finds the words for a refusal. Both say the same of every payload but one whose ignored fields hold broken UTF-8.
Unknown fields are ignored, so that newer firmware may say more. NaN, infinities, booleans as numbers and numbers beyond
1e15 are refused (docs/device-protocol.md).
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError
from typing_extensions import NotRequired, TypedDict  # noqa: UP035 - pydantic asks for this pair

from diagnostics.telemetry import Event, Presence, Report

MAX_MESSAGE_BYTES: Final = 16 * 1024
MAX_CATCH_UP_BYTES: Final = 64 * 1024
"""A catch-up array of 100 ordinary reports is about 35 KB, so arrays get a limit of their own."""
MAX_CATCH_UP_REPORTS: Final = 100
MAX_METRICS: Final = 100
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")

Number = Annotated[float, Field(strict=True, ge=-1e15, le=1e15, allow_inf_nan=False)]
Counter = Annotated[int, Field(strict=True, ge=0, le=2**53)]
Word = Annotated[str, Field(max_length=128)]


class _ReportJson(TypedDict):
    v: Literal[1]
    boot: Counter
    seq: Counter
    uptime_s: NotRequired[Number]
    at: NotRequired[AwareDatetime | None]
    firmware: NotRequired[Annotated[str, Field(max_length=64)]]
    metrics: NotRequired[Annotated[dict[str, Number], Field(max_length=MAX_METRICS)]]
    states: NotRequired[Annotated[dict[Annotated[str, Field(max_length=48)], Word], Field(max_length=MAX_METRICS)]]


_Number = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]
_Counter = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Name = Annotated[str, msgspec.Meta(max_length=48)]
_Word = Annotated[str, msgspec.Meta(max_length=128)]


class _UsualReport(msgspec.Struct, gc=False):
    """The same once more, for msgspec. What is optional may be absent, but only `at` may be null."""

    v: Literal[1]
    boot: _Counter
    seq: _Counter
    uptime_s: _Number | msgspec.UnsetType = msgspec.UNSET
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    firmware: Annotated[str, msgspec.Meta(max_length=64)] = ""
    metrics: Annotated[dict[str, _Number], msgspec.Meta(max_length=MAX_METRICS)] = msgspec.field(default_factory=dict)
    states: Annotated[dict[_Name, _Word], msgspec.Meta(max_length=MAX_METRICS)] = msgspec.field(default_factory=dict)


class _EventJson(TypedDict):
    v: Literal[1]
    boot: Counter
    seq: Counter
    at: NotRequired[AwareDatetime | None]
    topic: Annotated[str, Field(pattern=r"^[a-z0-9_]+(/[a-z0-9_]+){0,3}$", max_length=96)]
    data: NotRequired[Annotated[dict[Word, Word | Number | bool | None], Field(max_length=32)]]


class _StatusJson(TypedDict):
    v: Literal[1]
    state: Literal["online", "offline"]
    boot: NotRequired[Counter]


_report: TypeAdapter[_ReportJson] = TypeAdapter(_ReportJson)
_reports: TypeAdapter[list[_ReportJson]] = TypeAdapter(list[_ReportJson])
_anything: TypeAdapter[list[Any]] = TypeAdapter(list[Any])
_event: TypeAdapter[_EventJson] = TypeAdapter(_EventJson)
_status: TypeAdapter[_StatusJson] = TypeAdapter(_StatusJson)
_read_usual = msgspec.json.Decoder(_UsualReport).decode
_validate_report = _report.validator.validate_json


class Refused(ValueError):
    """The payload is not what the protocol says. `not_json` tells broken JSON from JSON of another shape."""

    def __init__(self, detail: str, *, not_json: bool = False, too_large: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.not_json = not_json
        self.too_large = too_large


@dataclass(frozen=True, slots=True)
class CatchUp:
    """What an array held: its good reports, and one line for each bad one (the good are not punished for the bad)."""

    reports: list[Report]
    refused: list[str]


def report(payload: bytes, device_id: str, received_at: float) -> Report:
    """Parse one report. Raises Refused."""
    if len(payload) > MAX_MESSAGE_BYTES:
        raise Refused(f"{len(payload)} bytes; a report has at most {MAX_MESSAGE_BYTES}", too_large=True)
    try:
        said = _read_usual(payload)
    except (ValueError, RecursionError):
        return _judged(payload, device_id, received_at)
    at, uptime_s = said.at, said.uptime_s
    return Report(
        device_id,
        said.boot,
        said.seq,
        None if at is None else at.timestamp(),
        received_at,
        said.metrics,
        said.states,
        None if uptime_s is msgspec.UNSET else uptime_s,
        said.firmware,
    )


def _judged(payload: bytes, device_id: str, received_at: float) -> Report:
    """What pydantic says of one report. Raises Refused."""
    try:
        fields = _validate_report(payload)
    except ValidationError as error:
        raise _refused(error) from None
    return _to_report(fields, device_id, received_at)


def catch_up(payload: bytes, device_id: str, received_at: float) -> CatchUp:
    """Parse an array of reports. Raises Refused where it is no array or beyond its limits."""
    if len(payload) > MAX_CATCH_UP_BYTES:
        raise Refused(f"{len(payload)} bytes; a catch-up array has at most {MAX_CATCH_UP_BYTES}", too_large=True)
    refused: list[str] = []
    try:
        rows = _reports.validate_json(payload)
    except ValidationError:
        rows, refused = _one_by_one(payload)
    if len(rows) + len(refused) > MAX_CATCH_UP_REPORTS:
        raise Refused(f"{len(rows) + len(refused)} reports; a catch-up array has at most {MAX_CATCH_UP_REPORTS}")
    return CatchUp([_to_report(row, device_id, received_at) for row in rows], refused)


def event(payload: bytes, device_id: str, received_at: float) -> Event:
    """Parse one event. Raises Refused."""
    fields = _parse(_event, payload)
    at = fields.get("at")
    data = {name: value if isinstance(value, str) else str(value) for name, value in fields.get("data", {}).items()}
    return Event(
        device_id=device_id,
        boot=fields["boot"],
        seq=fields["seq"],
        captured_at=at.timestamp() if at else None,
        received_at=received_at,
        topic=fields["topic"],
        data=data,
    )


def presence(payload: bytes, device_id: str, received_at: float) -> Presence:
    """Parse a status or a last will. Raises Refused."""
    fields = _parse(_status, payload)
    return Presence(device_id, fields.get("boot", 0), fields["state"] == "online", received_at)


def _parse(adapter: TypeAdapter[Any], payload: bytes) -> Any:
    if len(payload) > MAX_MESSAGE_BYTES:
        raise Refused(f"{len(payload)} bytes; a message has at most {MAX_MESSAGE_BYTES}", too_large=True)
    try:
        return adapter.validate_json(payload)
    except ValidationError as error:
        raise _refused(error) from None


def _one_by_one(payload: bytes) -> tuple[list[_ReportJson], list[str]]:
    try:
        items = _anything.validate_json(payload)
    except ValidationError as error:
        raise _refused(error) from None
    rows: list[_ReportJson] = []
    refused: list[str] = []
    for index, item in enumerate(items):
        try:
            rows.append(_report.validate_python(item, strict=False))
        except ValidationError as error:
            refused.append(f"report {index} of the array: {_refused(error).detail}")
    return rows, refused


def _to_report(fields: _ReportJson, device_id: str, received_at: float) -> Report:
    at = fields.get("at")
    return Report(
        device_id,
        fields["boot"],
        fields["seq"],
        at.timestamp() if at is not None else None,
        received_at,
        fields.get("metrics") or {},
        fields.get("states") or {},
        fields.get("uptime_s"),
        fields.get("firmware") or "",
    )


def _refused(error: ValidationError) -> Refused:
    """Say the first fault in one line, without echoing what the device sent (it may be long or hostile)."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return Refused(first["msg"], not_json=True)
    # Names inside `metrics`, `states` and `data` are the device's own text: cut and made printable.
    place = ".".join(str(part)[:48] for part in first["loc"] if part != "float")
    return Refused(f"{place or 'message'}: {first['msg']}".encode("ascii", "backslashreplace").decode()[:200])
