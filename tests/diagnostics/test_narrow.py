"""The past of a metric is right to five digits, in three bytes a day."""

from array import array
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnostics.narrow import BYTES, column_of, last_of, narrow, without
from diagnostics.tracks import Block, Track

NUMBERS = st.floats(-1e12, 1e12, allow_subnormal=False).filter(lambda number: not number or abs(number) > 1e-12)


@given(st.integers(1, 6).flatmap(lambda width: st.lists(st.lists(NUMBERS, min_size=width, max_size=width), min_size=1)))
def test_every_number_of_every_row_comes_back_to_five_digits(rows):
    width = len(rows[0])
    kept = b"".join(map(narrow, rows))
    assert len(kept) == BYTES * width * len(rows)
    for number in range(width):
        assert column_of(kept, width, number, len(rows)) == pytest.approx([row[number] for row in rows], rel=1.6e-5)
        assert column_of(kept, width, number, 1) == (last_of(kept, width, number),)


@given(st.lists(NUMBERS, min_size=1, max_size=8))
def test_what_was_kept_once_does_not_change_any_more(row):
    once = narrow(row)
    again = narrow([column_of(once, len(row), number, 1)[0] for number in range(len(row))])
    assert again == once


@given(st.lists(st.integers(-65_536, 65_536), min_size=1, max_size=8))
def test_whole_numbers_of_counters_and_percents_are_exact(row):
    kept = narrow(row)
    assert [column_of(kept, len(row), number, 1)[0] for number in range(len(row))] == row


def test_a_forgotten_column_is_not_a_number_and_the_others_stay():
    kept = without(narrow([1.0, 2.0, 3.0]) * 4, 3, 1)
    assert all(map(isnan, column_of(kept, 3, 1, 9)))
    assert column_of(kept, 3, 0, 9) == (1.0,) * 4
    assert column_of(kept, 3, 2, 2) == (3.0,) * 2


def test_the_past_of_the_version_before_is_read():
    block = Block((Track("a", "mean", 86_400.0), Track("b", "max", 86_400.0)), 3)
    rows = array("f", [number / 10 for number in range(10)])
    block.load([7, [1.0, 2.0], [1.0, 1.0], rows.tobytes().hex()], wide=True)
    assert block.length == 3
    assert [value for _, value in block.points(1)] == pytest.approx([0.5, 0.7, 0.9], rel=2e-5)
    again = Block(block.tracks, 3)
    again.load(block.export(), wide=False)
    assert again.export() == block.export()
