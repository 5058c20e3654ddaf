"""How a batch is packed into one journal entry, and unpacked for replay (after a crash) or for history (when behind).

The journal keeps what the devices said, byte for byte, and when it came. Rule memory is rebuilt by digesting it
again: the digest is deterministic, so nothing but the raw messages and the times of ticks has to be kept. The effective
time of each report is kept beside it, because it depends on the clock offset known then; NaN marks a duplicate.

Layout, little-endian: "J1", counts (messages, ticks, effective times, bytes of names), ticks f64, receive times f64,
payload lengths u32, reports a message u16, effective times f64, names ("device/channel" joined by newline), payloads.
"""

import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Final

from gateway.ingest import wire
from gateway.ports.history import Sample
from gateway.ports.ledger import JournalEntry

MAGIC: Final = b"J1"
_COUNTS: Final = struct.Struct("<IIII")


@dataclass(slots=True)
class Packed:
    """The parts of one entry, parallel lists: one element a message, `effective` one a report."""

    ticks: list[float] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    received: list[float] = field(default_factory=list)
    reports: list[int] = field(default_factory=list)
    effective: list[float] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)

    def pack(self) -> bytes:
        """Return the entry's bytes; b"" where there is nothing to keep."""
        if not self.payloads and not self.ticks:
            return b""
        names = "\n".join(self.names).encode()
        return b"".join(
            (
                MAGIC,
                _COUNTS.pack(len(self.payloads), len(self.ticks), len(self.effective), len(names)),
                array("d", self.ticks).tobytes(),
                array("d", self.received).tobytes(),
                array("I", map(len, self.payloads)).tobytes(),
                array("H", self.reports).tobytes(),
                array("d", self.effective).tobytes(),
                names,
                *self.payloads,
            )
        )


def unpack(payload: bytes) -> Packed:
    """Return the parts of an entry. ValueError if these bytes are no entry."""
    if not payload:
        return Packed()
    if payload[:2] != MAGIC:
        raise ValueError("not a journal entry of version 1")
    messages, ticks, effective, name_bytes = _COUNTS.unpack_from(payload, 2)
    at = 2 + _COUNTS.size
    columns: list[array[float] | array[int]] = []
    for code, count in (("d", ticks), ("d", messages), ("I", messages), ("H", messages), ("d", effective)):
        column: array[float] | array[int] = array(code)
        size = count * column.itemsize
        column.frombytes(payload[at : at + size])
        columns.append(column)
        at += size
    names = payload[at : at + name_bytes].decode().split("\n") if messages else []
    at += name_bytes
    payloads = []
    for length in columns[2]:
        payloads.append(payload[at : at + int(length)])
        at += int(length)
    return Packed(list(columns[0]), names, list(columns[1]), [int(n) for n in columns[3]], list(columns[4]), payloads)


Possible = Callable[[str, float], bool]
"""Whether a value of that metric is physically possible (`Catalogue.possible`)."""


def samples(entry: JournalEntry, possible: Possible) -> Sequence[Sample]:
    """Return what history keeps of an entry: every report that was not a duplicate, at its effective time.

    The same as what the digest gave: impossible values are dropped here too.
    """
    packed = unpack(entry.payload)
    effective = iter(packed.effective)
    return [
        sample
        for name, received, count, payload in zip(
            packed.names, packed.received, packed.reports, packed.payloads, strict=True
        )
        if count
        for sample in _samples(name.partition("/")[0], received, payload, effective, possible)
    ]


def _samples(
    device_id: str, received: float, payload: bytes, effective: Iterator[float], possible: Possible
) -> Iterator[Sample]:
    if payload.lstrip()[:1] == b"[":
        reports = wire.catch_up(payload, device_id, received).reports
    else:
        reports = [wire.report(payload, device_id, received)]
    for report in reports:
        at = next(effective)
        metrics = {name: value for name, value in report.metrics.items() if possible(name, value)}
        if not isnan(at) and metrics:
            yield Sample.of(device_id, at, metrics)
