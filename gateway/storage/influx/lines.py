"""Reports as line protocol. Pure, and on the hot path: one template a set of metrics, one `%` a report. The numbers are
written by pydantic's JSON writer: the shortest exact form, as `repr` gives it, at a third of its cost.

Schema (docs/influxdb.md): measurement `telemetry`, one tag `device`, one float field a metric, milliseconds.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import isfinite
from struct import Struct

from pydantic_core import to_json

from gateway.ports.history import Sample, to_ms

MEASUREMENT = "telemetry"
# Line protocol has no way to write these: line breaks, and a backslash before what a backslash escapes.
_UNWRITABLE = re.compile(r"[\n\r]|\\(?=[,= \\]|$)")
_SPECIAL = re.compile(r"([,= ])")
_CACHE = 50_000
_NO_VALUES = Struct("").unpack


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines ready to send, and how many values could not be written (not finite, or a name that is impossible)."""

    texts: list[str]
    unwritable: int


class LineWriter:
    """Keeps templates and escaped names between batches, up to a bound."""

    def __init__(self) -> None:
        self._templates: dict[tuple[str, ...], str] = {}
        self._devices: dict[str, str | None] = {}

    def write(self, samples: Sequence[Sample], without: Collection[str] = ()) -> Lines:
        """One line a report; metrics in `without` are left out."""
        texts = []
        unwritable = 0
        templates, devices = self._templates, self._devices
        names: tuple[str, ...] = ()
        unpack, template = _NO_VALUES, None
        for sample in samples:
            if sample.names != names:
                names = sample.names
                unpack = Struct(f"={len(names)}d").unpack
                template = templates.get(names) if not without else None
            values = unpack(sample.values)
            device = devices.get(sample.device_id)
            if template is None or device is None or not isfinite(sum(values)):
                line, lost = self._slowly(sample, without)
                template = templates.get(names) if not without else None
                unwritable += lost
                if line:
                    texts.append(line)
            else:
                said = to_json(values)[1:-1].decode().split(",")
                texts.append(template % (device, *said, to_ms(sample.at)))
        return Lines(texts, unwritable)

    def _slowly(self, sample: Sample, without: Collection[str]) -> tuple[str, int]:
        device = escaped(sample.device_id)
        metrics = {name: value for name, value in sample.metrics.items() if name not in without}
        fields = {name: key for name in metrics if (key := field_key(name)) is not None}
        good = [f"{key}={float(metrics[name])!r}" for name, key in fields.items() if isfinite(metrics[name])]
        if device is None or not good:
            return "", len(metrics)
        if len(good) == len(sample.names):
            self._learn(sample.device_id, device, fields)
        return f"{MEASUREMENT},device={device} {','.join(good)} {to_ms(sample.at)}", len(metrics) - len(good)

    def _learn(self, device_id: str, device: str, fields: dict[str, str]) -> None:
        if len(self._templates) > _CACHE or len(self._devices) > _CACHE:
            self._templates, self._devices = {}, {}
        keys = ",".join(f"{key.replace('%', '%%')}=%s" for key in fields.values())
        self._templates[tuple(fields)] = f"{MEASUREMENT},device=%s {keys} %d"
        self._devices[device_id] = device


def escaped(name: str) -> str | None:
    """A tag value or field key as line protocol writes it; None if it cannot."""
    if not name or _UNWRITABLE.search(name):
        return None
    return _SPECIAL.sub(r"\\\1", name)


def field_key(metric: str) -> str | None:
    """A metric as a field key; None if it cannot be one (`time` is InfluxDB's own)."""
    return None if metric == "time" else escaped(metric)
