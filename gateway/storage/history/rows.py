"""One report as the store keeps it before it is put into columns, and packs of them for the loose table.

A pack is self-contained (it carries its own table of metric names), so that no dictionary has to be kept in step with
it over a crash.
"""

import json
from array import array
from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from struct import Struct

from gateway.storage.history.columns import CorruptError, deflate, from_planes, inflate, to_planes

Row = tuple[int, tuple[str, ...], bytes]
"""One report: epoch milliseconds, metric names, values as packed doubles. A bare tuple: it is made per message."""


def numbers(values: bytes) -> "array[float]":
    """Packed doubles as an array."""
    doubles = array("d")
    doubles.frombytes(values)
    return doubles


AT, _NAMES = itemgetter(0), itemgetter(1)
_LOOSE = 2
_LEVEL = 1  # loose rows are deflated once more when they become columns
SOON_ROWS = 1024
"""A pack of so many rows becomes columns in a moment: deflating it first would be lost work."""
_HEAD = Struct("<BII")  # kind, rows, length of the tables


def pack_loose(rows: Sequence[Row]) -> bytes:
    """The rows of one device, deflated: few rows that wait until there are enough for columns."""
    shapes, shape_of = _shapes(rows)
    tables = _table(shapes[0]) if len(shapes) == 1 else b"[" + b",".join(_table(each)[1:-1] for each in shapes) + b"]"
    values = b"".join([row[2] for row in rows])
    if len(shapes) == 1:  # every row has the same width, so equal bytes of equal metrics can lie together
        values = to_planes(values, len(values) // len(rows))
    times = to_planes(array("q", [row[0] for row in rows]).tobytes(), 8)
    level = 0 if len(rows) >= SOON_ROWS else _LEVEL
    return _HEAD.pack(_LOOSE, len(rows), len(tables)) + deflate(tables + times + shape_of.tobytes() + values, level)


def unpack_loose(data: bytes) -> list[Row]:
    """The rows of `pack_loose`, in the order in which they were given. CorruptError if they are not."""
    kind, count, length = _HEAD.unpack_from(data)
    if kind != _LOOSE:
        raise CorruptError(f"loose rows of kind {kind}")
    body = memoryview(inflate(memoryview(data)[_HEAD.size :]))
    shapes = [tuple(shape) for shape in json.loads(bytes(body[:length]))]
    times, shape_of, values = _cut(body[length:], (8 * count, 4 * count))
    packed = bytes(values)
    if len(shapes) == 1:
        packed = from_planes(packed, len(packed) // count)
    rising = memoryview(from_planes(bytes(times), 8)).cast("q").tolist()
    return _rows(rising, shape_of.cast("I").tolist(), shapes, packed)


@lru_cache(maxsize=1024)
def _table(shape: tuple[str, ...]) -> bytes:
    return json.dumps([shape], separators=(",", ":")).encode()


def _shapes(rows: Sequence[Row]) -> tuple[list[tuple[str, ...]], "array[int]"]:
    """The sets of metrics, and which each row has. Told apart by identity: hashing twenty names a row would be dear,
    and equal ones that are two objects only stand in the table twice.
    """
    first = rows[0][1]
    if alike(rows):
        return [first], array("I", bytes(4 * len(rows)))
    index: dict[int, int] = {}
    shape_of = array("I", [index.setdefault(id(names), len(index)) for _, names, _ in rows])
    by_id = {id(names): names for _, names, _ in rows}
    return [by_id[each] for each in index], shape_of


def alike(rows: Sequence[Row]) -> bool:
    """Whether all rows have the same metrics."""
    return list(map(_NAMES, rows)).count(rows[0][1]) == len(rows)


def _cut(body: memoryview, lengths: tuple[int, ...]) -> list[memoryview]:
    parts = []
    for length in lengths:
        parts.append(body[:length])
        body = body[length:]
    return [*parts, body]


def _rows(times: list[int], shape_of: list[int], shapes: list[tuple[str, ...]], values: bytes) -> list[Row]:
    rows, start = [], 0
    for at_ms, index in zip(times, shape_of, strict=True):
        names = shapes[index]
        end = start + 8 * len(names)
        rows.append((at_ms, names, values[start:end]))
        start = end
    if start != len(values):
        raise CorruptError(f"a pack of {len(values)} bytes of values where {start} were expected")
    return rows


def newest_by_shape(rows: Sequence[Row]) -> list[Row]:
    """For each set of metrics its newest row (the last written of equal times), in the order they were written."""
    last = rows[-1]
    if alike(rows) and max(map(AT, rows)) == last[0]:
        return [last]
    best: dict[tuple[str, ...], int] = {}
    for index, (at_ms, names, _) in enumerate(rows):
        known = best.get(names)
        if known is None or at_ms >= rows[known][0]:
            best[names] = index
    return [rows[index] for index in sorted(best.values())]
