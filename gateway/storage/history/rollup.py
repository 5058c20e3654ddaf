"""Rollups: for each metric of a block how many, lowest, highest and sum in each bucket of 5 minutes or of an hour.

Buckets are partial: they sum up the rows of their own block alone, and a bucket that two blocks share is there twice.
Counts and sums add, extremes compare, so a chart adds the parts; and a block that is rewritten for late data takes its
own parts with it and nobody else's. Sums of decimals are exact (whole numbers).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from struct import Struct

import numpy as np
from numpy.typing import NDArray

from gateway.storage.history.block import Table
from gateway.storage.history.columns import (
    POWERS,
    CorruptError,
    Decimals,
    Floats,
    Integers,
    decode_times,
    deflate,
    encode_times,
    from_planes,
    inflate,
    pack_integers,
    rising,
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


_HEAD = Struct("<BHHI")  # version, metrics, buckets (all metrics' together), length of the names
_ENTRY = Struct("<BBBqH")  # kind, power, width in bytes, first number or constant's bits, buckets (0: all of them)
_VERSION = 1
_CONSTANT, _DECIMAL, _DOUBLE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class _Ladder:
    """Buckets of one width: starts, how many samples, and the first row (or bucket of the width below) of each."""

    starts: Integers
    counts: Integers
    firsts: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Cells:
    """Some metrics (rows) in buckets (columns), before they are packed. Of decimals these are whole numbers."""

    lowest: NDArray[np.generic]
    highest: NDArray[np.generic]
    sums: NDArray[np.generic]

    def wider(self, firsts: NDArray[np.intp]) -> "_Cells":
        """These buckets gathered into wider ones."""
        return _Cells(
            np.fmin.reduceat(self.lowest, firsts, axis=1),
            np.fmax.reduceat(self.highest, firsts, axis=1),
            np.add.reduceat(self.sums, firsts, axis=1),
        )


_Packed = tuple[tuple[int, int, int, int], bytes]
"""A metric's entry (kind, power, width, first number or constant's bits) and its body."""


def encode_rollups(table: Table, decimals: dict[str, Decimals | None], widths_ms: Sequence[int]) -> list[bytes]:
    """All metrics of a table in buckets of each width. The widths rise, each a multiple of the one before."""
    shared = _ladders(table.times, widths_ms)
    whole = [name for name, column in table.columns.items() if column.present is None]
    packed = _pack_metrics(table, decimals, whole, shared)
    ladders = dict.fromkeys(whole, shared)
    for name, column in table.columns.items():
        if column.present is not None:
            own = np.frombuffer(column.present, np.uint8) != 0
            ladders[name] = _ladders(table.times[own], widths_ms)
            packed |= _pack_metrics(table, decimals, [name], ladders[name])
    return [
        _pack(ladder, {name: (ladders[name][rung], *packed[name][rung]) for name in table.columns})
        for rung, ladder in enumerate(shared)
    ]


def _ladders(times: Integers, widths_ms: Sequence[int]) -> list[_Ladder]:
    ladders: list[_Ladder] = []
    below, counts = times, np.ones(len(times), np.int64)
    for width in widths_ms:
        numbers = below // width
        firsts = np.concatenate(([0], np.flatnonzero(numbers[1:] != numbers[:-1]) + 1))
        counts = np.add.reduceat(counts, firsts)
        below = numbers[firsts] * width
        ladders.append(_Ladder(below, counts, firsts))
    return ladders


def _pack_metrics(
    table: Table, decimals: dict[str, Decimals | None], names: Sequence[str], ladders: Sequence[_Ladder]
) -> dict[str, list[_Packed]]:
    """Metrics of one ladder, those in whole numbers together and the others together; a body for each width."""
    whole = {name: found for name in names if (found := decimals[name]) is not None}
    others = [name for name in names if name not in whole]
    packed: dict[str, list[_Packed]] = {name: [] for name in names}
    if whole:
        matrix = np.stack([found.numbers for found in whole.values()])
        cells = _Cells(matrix, matrix, matrix)
        for ladder in ladders:
            cells = cells.wider(ladder.firsts)
            for index, (name, found) in enumerate(whole.items()):
                packed[name].append(_pack_decimals(cells, index, found.power, ladder.counts))
    if others:
        values = np.stack([table.columns[name].values for name in others])
        floats = _Cells(values, values, values)
        for ladder in ladders:
            floats = floats.wider(ladder.firsts)
            for index, name in enumerate(others):
                packed[name].append(_pack_doubles(floats, index))
    return packed


def _pack_decimals(cells: _Cells, index: int, power: int, counts: Integers) -> _Packed:
    lows: Integers = cells.lowest[index].astype(np.int64)
    body = np.concatenate((np.diff(lows), cells.highest[index] - lows, cells.sums[index] - lows * counts))
    width, planes = pack_integers(body)
    return (_DECIMAL, power, width, int(lows[0])), planes


def _pack_doubles(cells: _Cells, index: int) -> _Packed:
    lowest: Floats = cells.lowest[index].astype(np.float64)
    if (lowest == lowest[0]).all() and (cells.highest[index] == lowest[0]).all():
        return (_CONSTANT, 0, 0, int(lowest[:1].view(np.int64)[0])), b""
    return (_DOUBLE, 0, 8, 0), to_planes(np.concatenate((lowest, cells.highest[index], cells.sums[index])), 8)


def _pack(shared: _Ladder, metrics: dict[str, tuple[_Ladder, tuple[int, int, int, int], bytes]]) -> bytes:
    names = json.dumps(list(metrics), separators=(",", ":")).encode()
    times = encode_times(shared.starts)
    entries: list[bytes] = []
    bodies = [len(times).to_bytes(4, "little"), times, _counts(shared.counts)]
    for own, entry, body in metrics.values():
        if own is shared:
            entries.append(_ENTRY.pack(*entry, 0))
        else:
            entries.append(_ENTRY.pack(*entry, len(own.starts)))
            bodies += (np.isin(shared.starts, own.starts).astype(np.uint8).tobytes(), _counts(own.counts))
        bodies.append(body)
    head = _HEAD.pack(_VERSION, len(entries), len(shared.starts), len(names))
    return b"".join((head, names, *entries, deflate(b"".join(bodies))))


def _counts(counts: Integers) -> bytes:
    return to_planes(counts.astype("<i4"), 4)


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
    starts = decode_times(memoryview(body)[4 : 4 + times], count).tolist()
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
        constant = float(np.array([first], np.int64).view(np.float64)[0])
        return Buckets(starts, counts, [constant] * size, [constant] * size, [constant * count for count in counts])
    if kind == _DECIMAL:
        numbers, scale = unpack_integers(width, body), POWERS[power]
        lows = rising(first, numbers[: size - 1])
        highs, sums = lows + numbers[size - 1 : 2 * size - 1], numbers[2 * size - 1 :] + lows * np.array(counts)
        return Buckets(starts, counts, (lows / scale).tolist(), (highs / scale).tolist(), (sums / scale).tolist())
    doubles = np.frombuffer(from_planes(body, 8)).tolist()
    return Buckets(starts, counts, doubles[:size], doubles[size : 2 * size], doubles[2 * size :])
