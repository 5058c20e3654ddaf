"""Whatever a device sends: memory stays as it is, an event a quiet time at most, and no more work than for others."""

import gc
import random
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnostics.baseline import Stream
from diagnostics.baseline_memory import SAVED, Memory
from diagnostics.baseline_numbers import QUIET_ROWS

YEAR = 31_557_600.0
Row = tuple[float, float]

HOSTILE: dict[str, Callable[[int], Row]] = {
    "all extremes": lambda row: (row * 300.0, (-1e308, 1e308, 5e-324, -0.0)[row % 4]),
    "square wave": lambda row: (row * 300.0, float(row // 7 % 2)),
    "constant": lambda row: (row * 300.0, 42.0),
    "1e15": lambda row: (row * 300.0, 1e15),
    "1e15 now and then": lambda row: (row * 300.0, 1e15 if row % 61 == 60 else float(row % 3)),
    "one sample a year": lambda row: (row * YEAR, float(row % 5)),
    "ever growing": lambda row: (row * 300.0, 1.5 ** (row % 200)),
    "ever doubling": lambda row: (row * 300.0, 2.0 ** min(row, 900)),
    "ever finer": lambda row: (row * 300.0, 1e15 * 0.9 ** (row % 1000)),
    "time stands": lambda row: (0.0, float(row % 11)),
    "time runs back": lambda row: (-row * 3600.0, float(row % 13)),
    "a ladder of new highs": lambda row: (row * 300.0, float(row // 61 * 1000)),
}


def calm(row: int) -> Row:
    return row * 300.0, float(row * 7919 % 101)


def events(rows: Sequence[Row]) -> int:
    stream = Stream()
    return sum(stream.update(*row) is not None for row in rows)


def calls(rows: Sequence[Row]) -> int:
    """Function calls, ours and built-in: work without a stopwatch."""
    count = 0

    def seen(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    stream = Stream()
    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        for at, value in rows:
            stream.update(at, value)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("kind", HOSTILE)
def test_events_are_bounded_by_the_quiet_time(kind: str) -> None:
    rows = [HOSTILE[kind](row) for row in range(3000)]
    assert events(rows) <= len(rows) // (QUIET_ROWS + 1) + 1


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_series_is_no_more_work_than_a_calm_one(kind: str) -> None:
    healthy = calls([calm(row) for row in range(3000)])
    assert calls([HOSTILE[kind](row) for row in range(3000)]) <= 1.3 * healthy


@pytest.mark.parametrize("kind", [*HOSTILE, "calm"])
def test_no_series_makes_a_stream_larger(kind: str) -> None:
    rows = [HOSTILE.get(kind, calm)(row) for row in range(2500)]
    stream = Stream()
    for row in rows:
        stream.update(*row)
    parts = [getattr(stream, name) for name in Memory.__slots__]
    assert sys.getsizeof(stream) + sum(map(sys.getsizeof, parts)) <= 3500
    assert len(stream.to_bytes()) == SAVED.size <= 2400


def test_a_stream_takes_less_than_four_kilobytes_from_the_allocator() -> None:
    def learned() -> Stream:
        stream = Stream()
        for row in range(350):
            stream.update(*calm(row))
        return stream

    kept = [learned()]
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept.extend(learned() for _ in range(20))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / 20 <= 4096


numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from((0.0, 1.0, -1.0, 1e15, -1e15, 1e-300)),
    st.integers(-(10**9), 10**9),
)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(), numbers), max_size=40), st.integers(1, 60))
def test_any_series_of_any_numbers_passes(pattern: list[Row], times: int) -> None:
    stream = Stream()
    for row in pattern * times:
        stream.update(*row)
        assert 0.0 <= stream.score < 1e4
    assert Stream.from_bytes(stream.to_bytes()).to_bytes() == stream.to_bytes()


@settings(max_examples=8)
@given(st.integers(0, 10**6), st.integers(0, 2600))
def test_saving_in_between_changes_nothing(seed: int, cut: int) -> None:
    gauss = random.Random(seed).gauss
    rows = [(row * 300.0, gauss(50, 1) if row % 97 else gauss(50, 40)) for row in range(2700)]
    whole, first = Stream(), Stream()
    for row in rows[:cut]:
        whole.update(*row)
        first.update(*row)
    second = Stream.from_bytes(first.to_bytes())
    assert [whole.update(*row) for row in rows[cut:]] == [second.update(*row) for row in rows[cut:]]
    assert whole.to_bytes() == second.to_bytes()


@pytest.mark.parametrize("broken", [b"", b"SIB1", b"SIB2", b"XXXX" + bytes(SAVED.size - 4), bytes(SAVED.size + 1)])
def test_what_is_no_saved_stream_is_refused_in_one_line(broken: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not a saved baseline: \d+ bytes") as refusal:
        Stream.from_bytes(broken)
    assert "\n" not in str(refusal.value)
