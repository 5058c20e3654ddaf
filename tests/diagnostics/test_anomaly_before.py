"""A stream saved by the version before keeps what it learnt."""

import math
import random
from array import array

import pytest

from diagnostics import baseline_before as before
from diagnostics.baseline import Stream
from diagnostics.baseline_numbers import FIRST_ROWS, NOVELTY_WEIGHT, QUIET_ROWS

MONDAY = 1.7e9
EARLIER_BINS = 40


def daily(row: int, chance: random.Random) -> tuple[float, float]:
    return MONDAY + row * 300.0, 50.0 + 10.0 * math.sin(2 * math.pi * row / 288) + chance.gauss(0.0, 1.0)


def saved_before(rows: int, seed: int = 3) -> bytes:
    """As the earlier version saved a stream: even counts in 40 bins, surprises that say in which row they arose."""
    chance = random.Random(seed)
    stream = Stream()
    for row in range(rows):
        stream.update(*daily(row, chance))
    numbers = [stream.score, 1.0, stream._origin, stream._previous, stream._level, stream._whole]
    numbers += [stream._lowest, stream._highest, stream._block_lowest, stream._block_highest]
    if rows < before._FIRST_ROWS:
        first = [*map(float, range(rows)), *[0.0] * (42 - rows)]
        cells = first * 5
    else:
        cells = [0.0, *[3.0] * EARLIER_BINS, 0.0] * 5
    recent = [0] * 125
    for row in range(max(before._FIRST_ROWS, rows - 25), rows):
        for view in range(5):
            recent[(row - before._FIRST_ROWS) % 25 * 5 + view] = 100 + row % 25
    spans = [-20.0, 1.0, 120.0, 7.0, 25.0, 350.0, 140000.0] * 5
    means = list(stream._means)
    return before.SAVED.pack(
        before.MARK, rows, 0, *numbers, *cells, *recent, *spans, *means, bytes(stream._sightings), *stream._extremes
    )


def test_what_was_counted_is_carried_over_into_the_wider_bins() -> None:
    stream = Stream.from_bytes(saved_before(2000))
    assert stream.rows == 2000
    for view in range(5):
        low, width = stream._placement(view)
        assert low == -20.0
        assert low + 32 * width == pytest.approx(20.0)
        counts = stream._shapes[view * 34 : (view + 1) * 34]
        assert sum(counts) == pytest.approx(120.0)
        assert counts[0] == counts[33] == 0.0
        assert min(counts[1:33]) == pytest.approx(3.75)


@pytest.mark.parametrize("rows", [52, 65, 2000, 2003])
def test_the_burst_is_that_of_the_last_rows(rows: int) -> None:
    """The ring of surprises turns with the first rows, of which there are fewer now."""
    stream = Stream.from_bytes(saved_before(rows))
    spans = array("d", bytes(stream._spans))
    assert spans[3] == sum(100 + row % 25 for row in range(rows - 9, rows))


def test_it_goes_on_where_it_was_and_sees_what_is_new() -> None:
    chance = random.Random(9)
    stream = Stream.from_bytes(saved_before(3000))
    for row in range(QUIET_ROWS):
        stream.update(*daily(3000 + row, chance))
    assert 40 < stream.usual < 60
    before_it = stream.score
    stream.update(MONDAY + 3060 * 300.0, 95.0)
    assert stream.score >= before_it + NOVELTY_WEIGHT - 1.0


def test_first_rows_that_are_still_gathered_are_kept() -> None:
    stream = Stream.from_bytes(saved_before(20))
    assert stream.rows == 20
    assert list(stream._shapes[:21]) == [*map(float, range(20)), 0.0]


def test_a_stream_with_more_first_rows_than_are_gathered_now_begins_anew() -> None:
    for rows in (FIRST_ROWS, before._FIRST_ROWS - 1):
        assert Stream.from_bytes(saved_before(rows)).to_bytes() == Stream().to_bytes()


def test_it_is_saved_in_the_form_of_today() -> None:
    stream = Stream.from_bytes(saved_before(500))
    again = Stream.from_bytes(stream.to_bytes())
    assert stream.to_bytes().startswith(b"SIB2")
    assert again.to_bytes() == stream.to_bytes()
