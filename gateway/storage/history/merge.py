"""Where rows go among a device's blocks: blocks never overlap in time, so late rows go into the block they hit."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.storage.history.block import Table, rows_of, tabulate
from gateway.storage.history.rows import SOON_ROWS, Row

BLOCK_ROWS = SOON_ROWS
"""A block's usual size. Larger ones compress little better and make each late row dearer."""
MAX_METRICS = 1000
"""How many metrics of one device a block may hold."""


@dataclass(frozen=True, slots=True)
class Span:
    """What a block covers: [first_ms, last_ms], both inclusive."""

    first_ms: int
    last_ms: int
    rows: int


@dataclass(frozen=True, slots=True)
class Placement:
    """Rows that go into one block: merged into `span`, or a new one (None). In the order in which they were written."""

    span: Span | None
    rows: Sequence[Row]


def place(rows: Sequence[Row], spans: Sequence[Span]) -> list[Placement]:
    """Rows (in the order they were written) shared out among blocks (sorted, disjoint) and new ones between them.

    A row in the gap after a block joins that block only while it is short, so that blocks fill up and do not swell.
    """
    if not spans or min(rows)[0] > spans[-1].last_ms:  # the common case: nothing late
        whole = bool(spans) and spans[-1].rows + len(rows) <= BLOCK_ROWS
        return [Placement(spans[-1] if whole else None, rows)]
    starts = [span.first_ms for span in spans]
    inside: dict[int, list[Row]] = {}
    between: dict[int, list[Row]] = {}
    for row in rows:
        index = bisect_right(starts, row[0]) - 1
        hit = index >= 0 and row[0] <= spans[index].last_ms
        (inside if hit else between).setdefault(index, []).append(row)
    placements = []
    for index, gap in between.items():
        if index >= 0 and spans[index].rows + len(inside.get(index, ())) + len(gap) <= BLOCK_ROWS:
            inside.setdefault(index, []).extend(gap)
        else:
            placements.append(Placement(None, gap))
    return placements + [Placement(spans[index], hits) for index, hits in inside.items()]


def merge(block: Table | None, rows: Sequence[Row]) -> Table:
    """A block with rows merged in; what was written last stays."""
    return tabulate([*rows_of(block), *rows] if block is not None else rows)


def bounded(table: Table) -> Table:
    """A table with at most so many metrics, the most frequent: one that invents names must not make blocks endless."""
    if len(table.columns) <= MAX_METRICS:
        return table
    frequent = sorted(table.columns, key=lambda name: len(table.columns[name].values), reverse=True)[:MAX_METRICS]
    return Table(table.times, {name: table.columns[name] for name in frequent})


def pieces(table: Table) -> Iterator[Table]:
    """A table in blocks of about the usual size."""
    count = max(1, round(len(table.times) / BLOCK_ROWS))
    size = -(-len(table.times) // count)
    for start in range(0, len(table.times), size):
        yield table if count == 1 else table.part(start, start + size)
