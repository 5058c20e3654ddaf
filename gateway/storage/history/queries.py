"""The embedded history's reads, synchronous, on its one thread."""

import json
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from gateway.ports.history import ROLLUPS_MS, Column, Grid, Latest
from gateway.storage.chart import Chart
from gateway.storage.history.block import Block
from gateway.storage.history.file import RAW
from gateway.storage.history.rollup import Buckets, decode_rollup
from gateway.storage.history.rows import Row, numbers
from gateway.storage.history.store import Store
from gateway.storage.history.tail import column_of

# Blocks of the wanted tier; where samples are past their retention, the finest rollup stands in for them.
_BLOCKS = """
SELECT tier, first_ms, last_ms, data FROM block WHERE device = :device AND tier = :tier
   AND first_ms < :end AND last_ms >= :start
UNION ALL
SELECT tier, first_ms, last_ms, data FROM block AS coarse WHERE :tier = 0 AND device = :device AND tier = :finest
   AND first_ms < :end AND last_ms >= :start AND NOT EXISTS (SELECT 1 FROM block WHERE device = :device AND tier = 0
   AND first_ms = coarse.first_ms)
ORDER BY first_ms
"""


def series(store: Store, device: str, metric: str, grid: Grid) -> list[Column]:
    """The metric on the grid."""
    chart = Chart(grid)
    tier = grid.resolution_ms if grid.resolution_ms in ROLLUPS_MS else RAW
    fresh = column_of(store.fresh(device), metric)
    waiting = sorted(fresh)
    gathered = Buckets([], [], [], [], [])
    spans = {"device": device, "tier": tier, "start": grid.start_ms, "end": grid.end_ms, "finest": ROLLUPS_MS[0]}
    for kind, first_ms, last_ms, data in store.file.rows_named(_BLOCKS, spans):
        late = {
            at_ms: fresh[at_ms] for at_ms in waiting[bisect_left(waiting, first_ms) : bisect_right(waiting, last_ms)]
        }
        samples = data if kind == RAW else store.file.block(device, RAW, first_ms) if late else None
        if samples is not None:
            times, values = Block(samples).series(metric)
            if late:
                merged = dict(zip(times, values, strict=True)) | late
                times = sorted(merged)
                values = [merged[at_ms] for at_ms in times]
                for at_ms in late:
                    del fresh[at_ms]
            chart.add_samples(times, values)
        elif (buckets := decode_rollup(data, metric)) is not None:
            gathered.extend(buckets)
    chart.add_buckets(gathered.starts, gathered.counts, gathered.lowest, gathered.highest, gathered.sums)
    rest = sorted(fresh)
    chart.add_samples(rest, [fresh[at_ms] for at_ms in rest])
    return chart.columns()


def raw(store: Store, device: str, metric: str, start_ms: int, end_ms: int, limit: int) -> list[Latest]:
    """The samples in [start, end), oldest first, at most `limit`."""
    fresh = column_of(store.fresh(device), metric)
    found: dict[int, float] = {}
    complete_to = end_ms
    for first_ms, last_ms in store.file.rows(
        "SELECT first_ms, last_ms FROM block WHERE device = ? AND tier = ? AND first_ms < ? AND last_ms >= ?"
        " ORDER BY first_ms",
        *(device, RAW, end_ms, start_ms),
    ):
        data = store.file.block(device, RAW, first_ms)
        if data is not None:
            found.update((at, value) for at, value in zip(*Block(data).series(metric), strict=True) if at >= start_ms)
        if len(found) >= limit:
            complete_to = min(end_ms, last_ms + 1)
            break
    found |= fresh
    times = sorted(at_ms for at_ms in found if start_ms <= at_ms < complete_to)
    return [Latest(at_ms / 1000, found[at_ms]) for at_ms in times[:limit]]


def latest(store: Store, device: str) -> dict[str, Latest]:
    """The newest value of each metric: what was flushed, overlaid by the tail."""
    rows: list[Row] = [
        (at_ms, tuple(json.loads(names)), values)
        for at_ms, names, values in store.file.rows(
            "SELECT at_ms, names, data FROM latest JOIN shape ON shape.id = shape WHERE device = ? ORDER BY written",
            device,
        )
    ]
    newest: dict[str, tuple[int, float]] = {}
    for at_ms, names, values in [*rows, *store.tail.devices.get(device, ())]:
        for name, value in zip(names, numbers(values), strict=True):
            if name not in newest or at_ms >= newest[name][0]:
                newest[name] = (at_ms, value)
    return {name: Latest(at_ms / 1000, value) for name, (at_ms, value) in newest.items()}


def fleet_latest(store: Store, metric: str) -> dict[str, Latest]:
    """The newest value of one metric of every device."""
    newest: dict[str, tuple[int, float]] = {}
    shapes = store.file.rows("SELECT id, names FROM shape WHERE instr(names, ?)", json.dumps(metric))
    written: list[tuple[int, str, int, bytes]] = []
    for shape, names in shapes:
        if metric in (known := json.loads(names)):
            query = "SELECT written, device, at_ms, substr(data, ?, 8) FROM latest WHERE shape = ?"
            written += store.file.rows(query, 8 * known.index(metric) + 1, shape)
    values = array("d")
    values.frombytes(b"".join([row[3] for row in sorted(written)]))
    _overlay(newest, ((device, at_ms) for _, device, at_ms, _ in sorted(written)), values)
    for device, rows in store.tail.devices.items():
        if column := column_of(rows, metric):
            at_ms = max(column)
            _overlay(newest, [(device, at_ms)], [column[at_ms]])
    return {device: Latest(at_ms / 1000, value) for device, (at_ms, value) in newest.items()}


def _overlay(newest: dict[str, tuple[int, float]], keys: Iterable[tuple[str, int]], values: Iterable[float]) -> None:
    for (device, at_ms), value in zip(keys, values, strict=True):
        if device not in newest or at_ms >= newest[device][0]:
            newest[device] = (at_ms, value)
