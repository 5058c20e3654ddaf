"""A foreign message becomes messages of our protocol. Pure: topic, payload and a sequence number in, payloads out."""

import contextlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.ingest.adapters.adapter import Adapter, MessageMap, MetricMap

MAX_BYTES: Final = 64 * 1024
MAX_DEVICES: Final = 256
BOOT: Final = 1
"""Foreign devices do not count boots. Their `seq` comes from who receives: it grows, and orders what they say."""


@dataclass(frozen=True, slots=True)
class Translated:
    """One message of our protocol."""

    device_id: str
    channel: str
    payload: bytes


def translate(adapter: Adapter, topic: str, payload: bytes, seq: int) -> list[Translated] | None:
    """What a message means; None if this adapter does not know the topic; [] if it says nothing of interest.

    The reports are numbered from `seq` on, each with a number of its own; the caller's next call begins behind them.
    ValueError in one line for a payload that is not what the adapter expects.
    """
    found: list[Translated] | None = None
    for message in adapter.messages:
        device = message.device_of(topic)
        if device is not None:
            if len(payload) > MAX_BYTES:
                raise ValueError(f"{len(payload)} bytes; at most {MAX_BYTES}")
            found = [] if found is None else found
            found += _messages(message, device, payload, seq + len(found))
    return found


def _messages(message: MessageMap, device: str, payload: bytes, seq: int) -> Iterator[Translated]:
    if message.online:
        said = _presence(message, payload)
        if said is not None:
            status = {"v": 1, "state": said, "boot": BOOT}
            yield Translated(device_id(message.id, device), "status", json.dumps(status).encode())
        return
    body = _parsed(payload)
    subjects: Mapping[str, Any] = {"": body}
    if message.each is not None:
        found = pointed(body, message.each)
        subjects = dict(list(found.items())[:MAX_DEVICES]) if isinstance(found, dict) else {}
    for key, subject in subjects.items():
        metrics = {
            name: value for name, spot in message.metrics.items() if (value := _number(subject, spot)) is not None
        }
        states = {
            name: spot.words.get(str(word), str(word)[:128])
            for name, spot in message.states.items()
            if (word := _first(subject, spot.at)) is not None
        }
        if metrics or states:
            report: dict[str, Any] = {"v": 1, "boot": BOOT, "seq": seq, "metrics": metrics, "states": states}
            uptime = pointed(body, message.uptime_s) if message.uptime_s is not None else None
            if isinstance(uptime, int | float) and not isinstance(uptime, bool):
                report["uptime_s"] = uptime
            name = device_id(message.id, device, key)
            yield Translated(name, "telemetry", json.dumps(report, separators=(",", ":")).encode())
            seq += 1


def _parsed(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        raise ValueError("not JSON") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _presence(message: MessageMap, payload: bytes) -> str | None:
    word = payload.decode("utf-8", "replace").strip()
    if message.presence is not None:
        with contextlib.suppress(ValueError):  # some speak JSON since a version, and plain text before
            word = str(pointed(_parsed(payload), message.presence))
    return {message.online: "online", message.offline: "offline"}.get(word)


def pointed(body: Any, pointer: str) -> Any:
    """The value at an RFC 6901 pointer; None if there is none."""
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(body, dict):
            body = body.get(name)
        elif isinstance(body, list) and name.isdecimal() and int(name) < len(body):
            body = body[int(name)]
        else:
            return None
    return body


def _first(body: Any, places: Sequence[str]) -> Any:
    """The first word or number at one of these places."""
    found = (pointed(body, place) for place in places)
    return next((value for value in found if value is not None and not isinstance(value, dict | list)), None)


def _number(body: Any, spot: MetricMap) -> float | None:
    value = _first(body, spot.at)
    if isinstance(value, str):
        if value in spot.words:
            return float(spot.words[value])
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool):
        value = float(value)
    if not isinstance(value, int | float) or abs(value) > 1e300:  # an integer beyond that is no float either
        return None
    number = value * spot.scale + spot.offset
    return round(number, 6) if math.isfinite(number) and abs(number) <= 1e15 else None


def device_id(template: str, device: str, key: str = "") -> str:
    """The device id of our protocol: small letters, digits and hyphens, at most 64."""
    name = template.replace("{device}", device).replace("{key}", key).lower()
    return re.sub(r"[^a-z0-9]+", "-", name).strip("-")[:64] or "unnamed"
