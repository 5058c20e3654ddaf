"""All `update/*` messages of the device protocol, version 1: parsed once at the edge, frozen past it, and encoded.

The topic is the identity: no payload names its device, but a signed grant does, so that it fits no other. Every message
of a device carries (boot, seq), which orders and deduplicates its life. `last_job` is what the device itself remembers
of its last grant; it rides on requests and inventories, so no lost message can hide how an install ended.
"""

import json
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Final, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import from_json

MAX_MESSAGE_BYTES: Final = 16 * 1024
_Shape = TypeVar("_Shape")

_Counter = Annotated[int, Field(strict=True, ge=0, le=2**53)]
_Percent = Annotated[int, Field(strict=True, ge=0, le=100)]
_Flag = Annotated[bool, Field(strict=True)]
_Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9:._/-]{0,127}$")]
_Nonce = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
_Code = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,48}$")]
_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BadMessage(ValueError):
    """The payload is not what the protocol says: one line, the field and why."""


class Channel(Enum):
    """The topics under `siaga/v1/{device_id}/` that updates use."""

    REPORTED = "update/reported"
    STATUS = "update/status"
    PROGRESS = "update/progress"
    REQUEST = "update/request"
    DESIRED = "update/desired"
    GRANT = "update/grant"
    RESPONSE = "update/response"
    CANCEL = "update/cancel"


class Phase(Enum):
    """Where a device says it is with an attempt. From INSTALLING on it speaks of one grant."""

    DOWNLOADING = "downloading"
    LINK_ERROR = "link_error"
    STAGED = "staged"
    REJECTED = "rejected"
    NOT_STARTED = "not_started"
    INSTALLING = "installing"
    REBOOTING = "rebooting"
    FAILED = "failed"
    REVERTED = "reverted"
    DONE = "done"


class Want(Enum):
    """What a device asks for."""

    GRANT = "grant"
    URL = "url"


class Verdict(Enum):
    """What it is told when it gets no grant."""

    WAIT = "wait"
    DENY = "deny"
    URL = "url"


class Order(Enum):
    """`cancel` stops what has not begun; `revert` asks to go back while the new image is unconfirmed."""

    CANCEL = "cancel"
    REVERT = "revert"


@dataclass(frozen=True, slots=True)
class Job:
    """The device's own memory of its last grant, written before each irreversible step."""

    grant_id: _Id
    state: Phase
    code: _Code = "none"


@dataclass(frozen=True, slots=True)
class Component:
    """One installed image. `sha256` is empty where the device cannot tell."""

    version: Annotated[str, Field(min_length=1, max_length=64)]
    release_counter: _Counter
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """The slot that runs, and whether its image is confirmed."""

    active: Annotated[str, Field(min_length=1, max_length=16)]
    confirmed: _Flag


@dataclass(frozen=True, slots=True)
class Reported:
    """The inventory: the only evidence that decides how an install ended."""

    boot: _Counter
    seq: _Counter
    components: Annotated[dict[_Name, Component], Field(min_length=1, max_length=16)]
    slot: Slot
    counter_floor: _Counter = 0
    free_bytes: _Counter | None = None
    hw_id: _Name | None = None
    battery_pct: _Percent | None = None
    tz: Annotated[str, Field(max_length=64)] = ""
    last_job: Job | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """One step of an attempt. `grant_id` is there from NOT_STARTED on."""

    boot: _Counter
    seq: _Counter
    attempt: _Id
    state: Phase
    grant_id: _Id | None = None
    code: _Code = "none"


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes done of the download (QoS 0: may be lost)."""

    boot: _Counter
    seq: _Counter
    attempt: _Id
    bytes: _Counter


@dataclass(frozen=True, slots=True)
class Request:
    """The question "may I install now?" or "give me a fresh URL". One nonce is open; a newer one voids the older.

    `busy` names why the device itself would rather not (recording an incident); `battery_pct` is None on mains.
    """

    boot: _Counter
    seq: _Counter
    attempt: _Id
    want: Want
    nonce: _Nonce
    battery_pct: _Percent | None = None
    busy: _Code | None = None
    last_job: Job | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature as it travels: `signature` is base64."""

    key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    signature: Annotated[str, Field(max_length=128)]


@dataclass(frozen=True, slots=True)
class Desired:
    """Which release to fetch (retained). `manifest` is the signed text itself, to be verified byte for byte."""

    attempt: _Id
    component: _Name
    manifest: Annotated[str, Field(max_length=12 * 1024)]
    signatures: Annotated[tuple[Signed, ...], Field(max_length=4)]


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """What the director signs. A device starts only while its boot clock is within `valid_for_s` of *sending* `nonce`.

    `issued_at` and `not_after` (epoch seconds, gateway's clock) are for people and logs: no device clock is trusted.
    """

    grant_id: _Id
    device_id: _Name
    attempt: _Id
    nonce: _Nonce
    sha256: _Sha256
    valid_for_s: Annotated[int, Field(strict=True, ge=1, le=3600)]
    issued_at: float
    not_after: float


@dataclass(frozen=True, slots=True)
class GrantMessage:
    """Permission to install now, never retained. `grant` is the exact text of the terms that `signed` covers."""

    grant: Annotated[str, Field(max_length=2048)]
    signed: Signed


@dataclass(frozen=True, slots=True)
class Response:
    """Not now, never, or a fresh URL: bound to the nonce of the request."""

    nonce: _Nonce
    verdict: Verdict
    reason: _Code = "none"
    retry_after_s: _Counter = 0
    url: Annotated[str, Field(max_length=2048)] = ""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop before the start, or go back before the confirm."""

    attempt: _Id
    order: Order
    reason: _Code = "none"


FromDevice = Reported | Status | Progress | Request
ToDevice = Desired | GrantMessage | Response | Cancel
Message = FromDevice | ToDevice

_TYPES: Final[dict[Channel, type[Message]]] = {
    Channel.REPORTED: Reported,
    Channel.STATUS: Status,
    Channel.PROGRESS: Progress,
    Channel.REQUEST: Request,
    Channel.DESIRED: Desired,
    Channel.GRANT: GrantMessage,
    Channel.RESPONSE: Response,
    Channel.CANCEL: Cancel,
}
_SHAPES: Final[dict[Channel, TypeAdapter[Any]]] = {channel: TypeAdapter(shape) for channel, shape in _TYPES.items()}
_WRITERS: Final = {shape: _SHAPES[channel] for channel, shape in _TYPES.items()}
CHANNEL_OF: Final = {shape: channel for channel, shape in _TYPES.items()}
_terms: Final = TypeAdapter(GrantTerms)


def parse_message(channel: Channel, payload: bytes) -> Message:
    """One message of the channel; BadMessage in one line. Unknown fields are passed over."""
    body = _read(payload)
    if type(body.get("v")) is not int or body["v"] != 1:
        raise BadMessage(f"{channel.value} v: this gateway speaks version 1")
    found: Message = _shaped(_SHAPES[channel], body, channel.value)
    if isinstance(found, Status) and found.grant_id is None and found.state in BOUND_TO_A_GRANT:
        raise BadMessage(f"{channel.value} grant_id: needed with state {found.state.value}")
    return found


BOUND_TO_A_GRANT: Final = frozenset(
    {Phase.NOT_STARTED, Phase.INSTALLING, Phase.REBOOTING, Phase.FAILED, Phase.REVERTED, Phase.DONE}
)


def encode_message(message: Message) -> bytes:
    """Compact JSON, version 1, nulls left out."""
    body = _WRITERS[type(message)].dump_python(message, mode="json", exclude_none=True)
    return json.dumps({"v": 1, **body}, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def encode_terms(terms: GrantTerms) -> bytes:
    """The exact bytes that the director signs."""
    return _terms.dump_json(terms)


def parse_terms(text: bytes) -> GrantTerms:
    """Read signed terms; BadMessage in one line."""
    return _shaped(_terms, _read(text), "grant")


def _read(payload: bytes) -> dict[str, Any]:
    if len(payload) > MAX_MESSAGE_BYTES:
        raise BadMessage(f"{len(payload)} bytes are above {MAX_MESSAGE_BYTES}")
    try:
        body = from_json(payload, allow_inf_nan=False)
    except ValueError as error:
        raise BadMessage(f"not JSON: {str(error)[:120]}") from None
    if not isinstance(body, dict):
        raise BadMessage("not a JSON object")
    return body


def _shaped(adapter: TypeAdapter[_Shape], body: dict[str, Any], name: str) -> _Shape:
    try:
        return adapter.validate_python(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadMessage(f"{name} {place}: {first['msg']}") from None
