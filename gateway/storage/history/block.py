"""A block: some hundred rows of one device, sorted by time, one deflated column a metric and one for the time.

Layout: head, metric names (JSON), one length a column, time column, then for each metric an optional presence mask (a
byte a row, deflated) and the column. A chart of one metric inflates two columns and touches no other.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from struct import Struct

import numpy as np

from gateway.storage.history.columns import (
    CorruptError,
    Decimals,
    Floats,
    Integers,
    decode,
    decode_times,
    deflate,
    encode,
    encode_times,
    inflate,
)
from gateway.storage.history.rows import Row, numbers

_HEAD = Struct("<BIHHI")  # version, rows, metrics, length of the names, length of the time column
_LENGTHS = Struct("<II")  # presence mask (0: every row has the metric), column
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Column:
    """One metric of a block. `present` has a 1 for each row that has a value (None: all do)."""

    values: Floats
    present: bytes | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows in columns. Invariant: times strictly rise (milliseconds), so a (time, metric) is there once."""

    times: Integers
    columns: dict[str, Column]

    def part(self, start: int, end: int) -> "Table":
        """Rows [start, end)."""
        columns = {}
        for name, column in self.columns.items():
            if column.present is None:
                columns[name] = Column(column.values[start:end], None)
                continue
            mask = column.present[start:end]
            first = column.present[:start].count(1)
            values = column.values[first : first + mask.count(1)]
            if len(values):
                columns[name] = Column(values, None if len(values) == len(mask) else mask)
        return Table(self.times[start:end], columns)


def tabulate(rows: Sequence[Row]) -> Table:
    """Rows in any order into columns. Of two values of the same metric and time the later row's stays."""
    different = {id(names): names for _, names, _ in rows}  # few objects, so few names to hash
    if len(set(different.values())) == 1:
        return _tabulate_uniform(rows)
    merged: dict[int, dict[str, float]] = {}
    for at_ms, names, values in rows:
        merged.setdefault(at_ms, {}).update(zip(names, numbers(values), strict=True))
    times = sorted(merged)
    cells = [merged[at_ms] for at_ms in times]
    columns = {}
    for name in dict.fromkeys(name for cell in cells for name in cell):
        present = bytes([name in cell for cell in cells])
        column = np.array([cell[name] for cell in cells if name in cell])
        columns[name] = Column(column, None if len(column) == len(times) else present)
    return Table(np.array(times, np.int64), columns)


def _tabulate_uniform(rows: Sequence[Row]) -> Table:
    """The common case, without a step per value."""
    names = rows[0][1]
    times = np.array([row[0] for row in rows], np.int64)
    matrix = np.frombuffer(b"".join([row[2] for row in rows])).reshape(len(rows), len(names))
    if not (times[1:] > times[:-1]).all():
        order = np.argsort(times, kind="stable")
        times = times[order]
        order = order[np.append(times[1:] != times[:-1], True)]  # of equal times the last written
        times, matrix = np.unique(times), matrix[order]
    columns = np.ascontiguousarray(matrix.T)
    return Table(times, {name: Column(columns[index], None) for index, name in enumerate(names)})


def rows_of(table: Table) -> list[Row]:
    """A table as rows again."""
    times = table.times.tolist()
    if table.columns and all(column.present is None for column in table.columns.values()):
        names, width = tuple(table.columns), 8 * len(table.columns)
        data = np.stack([column.values for column in table.columns.values()], axis=1).tobytes()
        return [(at, names, data[width * i : width * (i + 1)]) for i, at in enumerate(times)]
    cells: list[dict[str, float]] = [{} for _ in times]
    for name, column in table.columns.items():
        chosen = cells if column.present is None else compress(cells, column.present)
        for cell, value in zip(chosen, column.values.tolist(), strict=True):
            cell[name] = value
    shapes: dict[tuple[str, ...], tuple[str, ...]] = {}
    rows = []
    for at_ms, cell in zip(times, cells, strict=True):
        names = tuple(cell)
        rows.append((at_ms, shapes.setdefault(names, names), np.fromiter(cell.values(), np.float64).tobytes()))
    return rows


def encode_block(table: Table) -> tuple[bytes, dict[str, Decimals | None]]:
    """The block's bytes, and each metric's whole numbers where it has them."""
    times = encode_times(table.times)
    names = json.dumps(list(table.columns), separators=(",", ":")).encode()
    encoded: dict[str, tuple[bytes, Decimals | None]] = {}
    whole = [name for name, column in table.columns.items() if column.present is None]
    if whole:
        matrix = np.stack([table.columns[name].values for name in whole])
        encoded.update(zip(whole, encode(matrix), strict=True))
    lengths: list[bytes] = []
    bodies: list[bytes] = []
    for name, column in table.columns.items():
        mask = b"" if column.present is None else deflate(column.present)
        if column.present is not None:
            (encoded[name],) = encode(column.values.reshape(1, -1))
        body = encoded[name][0]
        lengths.append(_LENGTHS.pack(len(mask), len(body)))
        bodies += (mask, body)
    head = _HEAD.pack(_VERSION, len(table.times), len(table.columns), len(names), len(times))
    decimals = {name: encoded[name][1] for name in table.columns}
    return b"".join((head, names, *lengths, times, *bodies)), decimals


class Block:
    """A stored block, read column by column."""

    __slots__ = ("_places", "_times", "_view", "rows")

    def __init__(self, data: bytes) -> None:
        view = self._view = memoryview(data)
        version, self.rows, metrics, names, times = _HEAD.unpack_from(view)
        if version != _VERSION:
            raise CorruptError(f"a block of version {version}; this program reads {_VERSION}")
        lengths = _HEAD.size + names
        place = lengths + _LENGTHS.size * metrics
        self._times = (place, place + times)
        place += times
        self._places: dict[str, tuple[int, int, int]] = {}
        for index, name in enumerate(json.loads(bytes(view[_HEAD.size : lengths]))):
            mask, body = _LENGTHS.unpack_from(view, lengths + _LENGTHS.size * index)
            self._places[name] = (place, place + mask, place + mask + body)
            place += mask + body

    def series(self, metric: str) -> tuple[list[int], list[float]]:
        """The metric's times and values (both empty if the block has none)."""
        if metric not in self._places:
            return [], []
        times = decode_times(self._view[slice(*self._times)], self.rows).tolist()
        start, middle, end = self._places[metric]
        if start == middle:
            return times, decode(self._view[middle:end], self.rows).tolist()
        mask = inflate(self._view[start:middle])
        return list(compress(times, mask)), decode(self._view[middle:end], mask.count(1)).tolist()

    def table(self) -> Table:
        """Every column."""
        columns = {}
        for name, (start, middle, end) in self._places.items():
            mask = None if start == middle else inflate(self._view[start:middle])
            count = self.rows if mask is None else mask.count(1)
            columns[name] = Column(decode(self._view[middle:end], count), mask)
        return Table(decode_times(self._view[slice(*self._times)], self.rows), columns)
