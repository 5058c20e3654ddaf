"""Rollups: for each metric of a block how many, lowest, highest and sum in each bucket of 5 minutes or of an hour.

Buckets are partial: they sum up the rows of their own block alone, and a bucket that two blocks share is there twice.
Counts and sums add, extremes compare, so a chart adds the parts; and a block that is rewritten for late data takes its
own parts with it and nobody else's. Sums of decimals are exact (whole numbers).
"""

import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, compress, groupby, pairwise
from operator import sub
from struct import Struct

from gateway.storage.history.block import Table
from gateway.storage.history.columns import (
    POWERS,
    CorruptError,
    Decimals,
    decode_times,
    deflate,
    differences,
    encode_times,
    from_planes,
    inflate,
    pack_integers,
    to_planes,
    unpack_integers,
)


@dataclass(frozen=True, slots=True)
class Buckets:
    """One metric in buckets: starts (milliseconds, rising), and what happened in each."""

    starts: list[int]
    counts: list[int]
    lowest: list[float]
    highest: list[float]
    sums: list[float]

    def extend(self, later: "Buckets") -> None:
        """Put buckets of a later block behind these; the first may be part of the same bucket as the last here."""
        self.starts.extend(later.starts)
        self.counts.extend(later.counts)
        self.lowest.extend(later.lowest)
        self.highest.extend(later.highest)
        self.sums.extend(later.sums)


def bounds(times: Sequence[int], width_ms: int) -> tuple[list[int], list[int]]:
    """Where each bucket of rising times begins (milliseconds), and the row after its last."""
    starts, ends, row = [], [], 0
    for start, group in groupby(times, width_ms.__rfloordiv__):
        row += len(list(group))
        starts.append(start * width_ms)
        ends.append(row)
    return starts, ends


_HEAD = Struct("<BHHI")  # version, metrics, buckets (all metrics' together), length of the names
_ENTRY = Struct("<BBBqH")  # kind, power, width in bytes, first number or constant's bits, buckets (0: all of them)
_VERSION = 1
_CONSTANT, _DECIMAL, _DOUBLE = 0, 1, 2
_DOUBLE_BITS = Struct("<d")


@dataclass(frozen=True, slots=True)
class _Cells:
    """One metric in buckets, before it is packed. Of decimals the extremes and sums are whole numbers."""

    lowest: Sequence[float]
    highest: Sequence[float]
    sums: Sequence[float]

    def wider(self, spans: Sequence[slice]) -> "_Cells":
        """These buckets gathered into wider ones."""
        return _Cells(
            [min(self.lowest[span]) for span in spans],
            [max(self.highest[span]) for span in spans],
            [sum(self.sums[span]) for span in spans],
        )


def encode_rollups(table: Table, decimals: dict[str, Decimals | None], widths_ms: Sequence[int]) -> list[bytes]:
    """All metrics of a table in buckets of each width. The widths rise, each a multiple of the one before."""
    ladders = _ladders(table.times, widths_ms)
    rungs: list[list[_Metric]] = [[] for _ in widths_ms]
    for name, column in table.columns.items():
        own = ladders
        if column.present is not None:
            own = _ladders(list(compress(table.times, column.present)), widths_ms)
        cells = None
        for rung, ladder in zip(rungs, own, strict=True):
            cells = _gather(column.values, decimals[name], ladder.spans) if cells is None else cells.wider(ladder.spans)
            rung.append(_Metric(name, decimals[name], cells, ladder))
    return [_pack(ladder, rung) for ladder, rung in zip(ladders, rungs, strict=True)]


@dataclass(frozen=True, slots=True)
class _Ladder:
    """Buckets of one width: starts, how many samples, and which rows (or buckets of the width below) go into each."""

    starts: Sequence[int]
    counts: Sequence[int]
    spans: Sequence[slice]


@dataclass(frozen=True, slots=True)
class _Metric:
    name: str
    decimals: Decimals | None
    cells: _Cells
    ladder: _Ladder


def _ladders(times: Sequence[int], widths_ms: Sequence[int]) -> list[_Ladder]:
    ladders: list[_Ladder] = []
    below, counts = times, [1] * len(times)
    for width in widths_ms:
        starts, ends = bounds(below, width)
        spans = [slice(start, end) for start, end in pairwise([0, *ends])]
        counts = [sum(counts[span]) for span in spans]
        ladders.append(_Ladder(starts, counts, spans))
        below = starts
    return ladders


def _gather(values: "array[float]", decimals: Decimals | None, spans: Sequence[slice]) -> _Cells:
    runs: list[Sequence[float]] = [(values if decimals is None else decimals.numbers)[span] for span in spans]
    return _Cells(list(map(min, runs)), list(map(max, runs)), list(map(sum, runs)))


def _pack(shared: _Ladder, metrics: Sequence[_Metric]) -> bytes:
    names = json.dumps([metric.name for metric in metrics], separators=(",", ":")).encode()
    times = encode_times(shared.starts)
    entries: list[bytes] = []
    bodies = [len(times).to_bytes(4, "little"), times, _counts(shared.counts)]
    for metric in metrics:
        own = metric.ladder
        entry, body = _pack_metric(metric)
        if own is shared:
            entries.append(_ENTRY.pack(*entry, 0))
        else:
            mine = set(own.starts)
            entries.append(_ENTRY.pack(*entry, len(mine)))
            bodies += (bytes([start in mine for start in shared.starts]), _counts(own.counts))
        bodies.append(body)
    head = _HEAD.pack(_VERSION, len(entries), len(shared.starts), len(names))
    return b"".join((head, names, *entries, deflate(b"".join(bodies))))


def _counts(counts: Sequence[int]) -> bytes:
    return to_planes(array("i", counts).tobytes(), 4)


def _pack_metric(metric: _Metric) -> tuple[tuple[int, int, int, int], bytes]:
    cells, decimals = metric.cells, metric.decimals
    if decimals is not None:
        lows = list(map(int, cells.lowest))
        rises = list(map(int, map(sub, cells.highest, lows)))
        rests = [int(total) - low * n for total, low, n in zip(cells.sums, lows, metric.ladder.counts, strict=True)]
        width, planes = pack_integers([*differences(lows), *rises, *rests])
        return (_DECIMAL, decimals.power, width, lows[0]), planes
    if len(set(cells.lowest) | set(cells.highest)) == 1:
        return (_CONSTANT, 0, 0, int.from_bytes(_DOUBLE_BITS.pack(cells.lowest[0]), "little", signed=True)), b""
    doubles = array("d", [*cells.lowest, *cells.highest, *cells.sums])
    return (_DOUBLE, 0, 8, 0), to_planes(doubles.tobytes(), 8)


@lru_cache(maxsize=256)
def _names(text: bytes) -> dict[str, None]:
    """The metrics in their order: the same ones in block after block of a device."""
    return dict.fromkeys(json.loads(text))


def decode_rollup(data: bytes, metric: str) -> Buckets | None:
    """One metric's buckets, or None if the block had none of it. CorruptError if the bytes are not a rollup."""
    version, metrics, count, length = _HEAD.unpack_from(data)
    if version != _VERSION:
        raise CorruptError(f"a rollup of version {version}; this program reads {_VERSION}")
    names = _names(data[_HEAD.size : _HEAD.size + length])
    if metric not in names:
        return None
    place = _HEAD.size + length
    body = inflate(memoryview(data)[place + _ENTRY.size * metrics :])
    times = int.from_bytes(body[:4], "little")
    starts = decode_times(memoryview(body)[4 : 4 + times], count)
    counts = unpack_integers(4, body[4 + times : 4 + times + 4 * count]).tolist()
    offset = 4 + times + 4 * count
    for name in names:
        kind, power, width, first, own = _ENTRY.unpack_from(data, place)
        place += _ENTRY.size
        size = own or count
        numbers = 0 if kind == _CONSTANT else size * 3 - (1 if kind == _DECIMAL else 0)
        if name == metric:
            if own:
                starts = list(compress(starts, body[offset : offset + count]))
                offset += count
                counts = unpack_integers(4, body[offset : offset + 4 * size]).tolist()
                offset += 4 * size
            return _decode_metric(kind, power, width, first, body[offset : offset + numbers * width], starts, counts)
        offset += (count + 4 * size if own else 0) + numbers * width
    return None


def _decode_metric(
    kind: int, power: int, width: int, first: int, body: bytes, starts: list[int], counts: list[int]
) -> Buckets:
    size = len(starts)
    if kind == _CONSTANT:
        (constant,) = memoryview(first.to_bytes(8, "little", signed=True)).cast("d")
        return Buckets(starts, counts, [constant] * size, [constant] * size, [constant * count for count in counts])
    if kind == _DECIMAL:
        numbers, scale = unpack_integers(width, body).tolist(), POWERS[power]
        lows = list(accumulate(numbers[: size - 1], initial=first))
        rises, rests = numbers[size - 1 : 2 * size - 1], numbers[2 * size - 1 :]
        return Buckets(
            starts,
            counts,
            [low / scale for low in lows],
            [(low + rise) / scale for low, rise in zip(lows, rises, strict=True)],
            [(rest + low * count) / scale for rest, low, count in zip(rests, lows, counts, strict=True)],
        )
    doubles = array("d", from_planes(body, 8)).tolist()
    return Buckets(starts, counts, doubles[:size], doubles[size : 2 * size], doubles[2 * size :])
