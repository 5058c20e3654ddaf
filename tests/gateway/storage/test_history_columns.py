"""The codec of the embedded history gives back exactly what it was given."""

import itertools
import math
from array import array
from struct import pack

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ports.history import ROLLUPS_MS
from gateway.storage.history import columns
from gateway.storage.history.block import Block, Column, Table, encode_block, rows_of, tabulate
from gateway.storage.history.columns import CorruptError
from gateway.storage.history.merge import BLOCK_ROWS, MAX_METRICS, Span, bounded, merge, pieces, place
from gateway.storage.history.rollup import decode_rollup, encode_rollups
from gateway.storage.history.rows import Row, newest_by_shape, pack_loose, unpack_loose

decimals = st.builds(lambda n, p: n / 10**p, st.integers(-(2**33), 2**33), st.integers(0, 7))
odd = st.sampled_from([0.0, -0.0, 1e300, 5e-324, math.inf, -math.inf, math.nan, 2.0**51, 2.0**52 + 1, 1 / 3, -1e15])
walks = st.lists(st.integers(-3, 3), min_size=1, max_size=60).map(
    lambda s: [sum(s[: i + 1]) / 10 for i in range(len(s))]
)
columns_of_values = st.one_of(
    st.lists(decimals, min_size=1, max_size=60),
    st.lists(st.one_of(decimals, odd), min_size=1, max_size=20),
    st.lists(st.floats(width=32), min_size=1, max_size=20),
    walks,
    st.builds(lambda v, n: [v] * n, st.one_of(decimals, odd), st.integers(1, 40)),
)


def same(found: list[float], expected: list[float]) -> None:
    """Equal, with NaN equal to itself (-0.0 may come back as 0.0)."""
    assert len(found) == len(expected)
    assert all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(found, expected, strict=True))


def encoded(values: list[float]) -> tuple[bytes, columns.Decimals | None]:
    (column,) = columns.encode(np.array([values]))
    return column


@settings(max_examples=300)
@given(columns_of_values)
def test_a_column_comes_back_exactly(values: list[float]) -> None:
    data, _ = encoded(values)
    same(columns.decode(memoryview(data), len(values)).tolist(), values)


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=50, unique=True).map(sorted))
def test_times_come_back_exactly(times: list[int]) -> None:
    assert columns.decode_times(memoryview(columns.encode_times(times)), len(times)).tolist() == times


def test_a_sensor_that_walks_in_tenths_takes_less_than_a_byte_a_sample() -> None:
    data, whole = encoded([round(40 + math.sin(n / 50) * 3 + (n % 3) / 10, 1) for n in range(1024)])
    assert whole is not None
    assert whole.power == 1
    assert len(data) < 1024


def test_a_constant_takes_a_few_bytes() -> None:
    assert len(encoded([1 / 3] * 1024)[0]) < 16


def test_damaged_columns_are_said_to_be_damaged() -> None:
    data, _ = encoded([n * n % 97 / 10 for n in range(100)])
    for damaged, length in ((data[:-5], 100), (data[:11] + b"\xff" * 40, 100), (data, 99)):
        with pytest.raises(CorruptError):
            columns.decode(memoryview(damaged), length)


def test_blocks_and_packs_of_another_kind_are_refused() -> None:
    with pytest.raises(CorruptError, match="version 9"):
        Block(b"\x09" + bytes(40))
    with pytest.raises(CorruptError, match="version 9"):
        decode_rollup(b"\x09" + bytes(40), "t")
    with pytest.raises(CorruptError, match="kind 1"):
        unpack_loose(b"\x01" + pack_loose([(1, ("t",), pack("d", 1.0))])[1:])
    with pytest.raises(CorruptError, match="width 3"):
        columns.unpack_integers(3, b"abc")


finite = st.one_of(decimals, walks.map(lambda w: w[0]), st.floats(-1e15, 1e15, allow_subnormal=False))
cells = st.dictionaries(st.sampled_from(["t", "u", 'odd "name"', "ü"]), finite, min_size=1, max_size=4)
reports = st.lists(st.tuples(st.integers(0, 40_000_000), cells), min_size=1, max_size=40)


def rows(found: list[tuple[int, dict[str, float]]]) -> list[Row]:
    return [(at, tuple(cell), array("d", cell.values()).tobytes()) for at, cell in found]


def contents(found: list[tuple[int, dict[str, float]]]) -> dict[int, dict[str, float]]:
    merged: dict[int, dict[str, float]] = {}
    for at, cell in found:
        merged.setdefault(at, {}).update(cell)
    return merged


def cells_of(table: Table) -> dict[int, dict[str, float]]:
    return contents([(at, dict(zip(names, array("d", values), strict=True))) for at, names, values in rows_of(table)])


@given(reports)
def test_packs_of_rows_come_back_in_their_order(found: list[tuple[int, dict[str, float]]]) -> None:
    packed = rows(found)
    assert unpack_loose(pack_loose(packed)) == packed


@given(reports, st.integers(0, 40))
def test_a_block_holds_what_its_rows_said_last(found: list[tuple[int, dict[str, float]]], cut: int) -> None:
    expected = contents(found)
    table = tabulate(rows(found))
    block = Block(encode_block(table)[0])

    assert table.times.tolist() == sorted(expected)
    assert cells_of(block.table()) == expected
    for name in {name for cell in expected.values() for name in cell} | {"missing"}:
        times, values = block.series(name)
        assert dict(zip(times, values, strict=True)) == {
            at: cell[name] for at, cell in expected.items() if name in cell
        }
    parts = cells_of(table.part(0, cut)) | cells_of(table.part(cut, len(table.times)))
    assert parts == expected


@given(reports, reports)
def test_merging_late_rows_into_a_block_is_as_if_all_had_come_together(
    first: list[tuple[int, dict[str, float]]], late: list[tuple[int, dict[str, float]]]
) -> None:
    assert cells_of(merge(tabulate(rows(first)), rows(late))) == contents([*first, *late])


@given(reports)
def test_rollups_count_and_bound_and_sum_each_bucket(found: list[tuple[int, dict[str, float]]]) -> None:
    expected = contents(found)
    table = tabulate(rows(found))
    rollups = encode_rollups(table, encode_block(table)[1], ROLLUPS_MS)
    for width, data in zip(ROLLUPS_MS, rollups, strict=True):
        for name in {name for cell in expected.values() for name in cell}:
            groups: dict[int, list[float]] = {}
            for at, cell in sorted(expected.items()):
                if name in cell:
                    groups.setdefault(at // width * width, []).append(cell[name])
            buckets = decode_rollup(data, name)
            assert buckets is not None
            assert list(buckets.starts) == list(groups)
            assert list(buckets.counts) == [len(group) for group in groups.values()]
            assert list(buckets.lowest) == [min(group) for group in groups.values()]
            assert list(buckets.highest) == [max(group) for group in groups.values()]
            assert list(buckets.sums) == pytest.approx([math.fsum(g) for g in groups.values()], rel=1e-9, abs=1e-6)
        assert decode_rollup(data, "missing") is None


def test_sums_of_decimals_have_no_rounding_noise() -> None:
    table = Table(np.arange(300) * 1000, {"t": Column(np.array([0.1, 0.2, 0.3] * 100), None)})
    (rollup,) = encode_rollups(table, encode_block(table)[1], [300_000])
    buckets = decode_rollup(rollup, "t")
    assert buckets is not None
    assert buckets.sums == [60.0]


@given(
    st.lists(st.integers(0, 500), min_size=1, max_size=60),
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, BLOCK_ROWS)), max_size=6),
)
def test_rows_are_placed_so_that_blocks_stay_disjoint(times: list[int], blocks: list[tuple[int, int]]) -> None:
    spans, start = [], 0
    for length, count in blocks:
        spans.append(Span(start, start + length, count))
        start += length + 50
    placed = place([(at, ("t",), b"") for at in times], spans)

    assert sorted(row[0] for placement in placed for row in placement.rows) == sorted(times)
    ranges = [(s.first_ms, s.last_ms) for s in spans if all(p.span != s for p in placed)]
    for placement in placed:
        own = [row[0] for row in placement.rows]
        if placement.span is not None:
            own += [placement.span.first_ms, placement.span.last_ms]
        ranges.append((min(own), max(own)))
    ranges.sort()
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ranges))


@pytest.mark.parametrize("count", [1, 1000, 1500, 1600, 10_000])
def test_tables_are_cut_into_blocks_of_about_the_usual_size(count: int) -> None:
    table = Table(np.arange(count), {"t": Column(np.zeros(count), None)})
    cut = list(pieces(table))
    assert [at for piece in cut for at in piece.times] == list(range(count))
    assert all(len(piece.times) <= 1.5 * BLOCK_ROWS for piece in cut)


def test_of_endless_invented_metrics_the_most_frequent_are_kept() -> None:
    once = Column(np.array([1.0]), b"\x01\x00")
    table = Table(
        np.array([1, 2]), {f"made_up_{n}": once for n in range(MAX_METRICS)} | {"t": Column(np.array([1.0, 2.0]), None)}
    )
    kept = bounded(table).columns
    assert len(kept) == MAX_METRICS
    assert "t" in kept


def test_the_newest_row_of_each_set_of_metrics_is_the_last_written_of_its_latest_time() -> None:
    found = [(5, ("t",), b"a"), (7, ("t",), b"b"), (7, ("t",), b"c"), (6, ("t",), b"d"), (1, ("u",), b"e")]
    assert newest_by_shape(found) == [(7, ("t",), b"c"), (1, ("u",), b"e")]
