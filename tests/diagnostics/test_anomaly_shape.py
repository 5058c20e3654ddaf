"""Histograms: no count is lost or made when bins are widened, and a fitted one lies over what it holds."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnostics import baseline_shape as shape

values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=shape.BINS)


@given(values)
def test_every_first_value_lies_in_a_bin(seen: list[float]) -> None:
    (low, width), counts = shape.start(seen)
    assert sum(counts) == len(seen)
    assert counts[0] == counts[-1] == 0
    assert low < min(seen) <= max(seen) < low + shape.BINS * width


@given(values, st.floats(-1e30, 1e30))
def test_widening_keeps_all_counts_and_holds_the_value(seen: list[float], value: float) -> None:
    placement, counts = shape.start(seen)
    (low, width), wider = shape.widen(counts, placement, value)
    assert sum(wider) == sum(counts)
    assert wider[0] == wider[-1] == 0
    assert low <= value < low + shape.BINS * width


def test_a_value_on_the_very_edge_of_the_widened_bins_needs_no_more_of_them() -> None:
    counts = array("f", bytes(4 * shape.STRIDE))
    counts[1] = 1.0
    (low, width), wider = shape.widen(counts, (0.0, 1.0), -32.0)
    assert (low, width) == (-32.0, 2.0)
    assert wider[1 + 16] == 1.0
    assert shape.widen(counts, (0.0, 1.0), 32.0)[0] == (0.0, 2.0)
    assert shape.widen(counts, (0.0, 1.0), -32.5)[0] == (-96.0, 4.0)


@given(values)
def test_a_refit_keeps_all_counts_of_the_cells_it_is_laid_over(seen: list[float]) -> None:
    placement, counts = shape.start(seen)
    (low, width), fitted = shape.refit(counts, placement, shape.occupied(counts, 0.0))
    assert sum(fitted) == pytest.approx(len(seen), rel=1e-5)
    assert fitted[0] == fitted[-1] == 0
    assert width <= placement[1] * 1.1
    assert low < min(seen) + placement[1]


def test_stray_counts_do_not_hold_the_bins_open() -> None:
    counts = array("f", bytes(4 * shape.STRIDE))
    counts[1], counts[20], counts[21], counts[shape.BINS] = 1.0, 50.0, 50.0, 1.0
    assert shape.occupied(counts, 0.0) == (1, shape.BINS)
    assert shape.occupied(counts, 2.0) == (20, 21)


def test_when_all_is_stray_a_bin_remains() -> None:
    counts = array("f", bytes(4 * shape.STRIDE))
    assert shape.occupied(counts, 2.0) == (shape.BINS, shape.BINS)


def test_faint_counts_are_forgotten() -> None:
    assert list(shape.faded(array("f", [1.0, 10.0]), 8.0)) == [0.0, 1.25]
