"""The SVG of pages without scripts."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ports.history import Column
from gateway.web.charts import HEIGHT, WIDTH, draw

VALUE = st.floats(-1e6, 1e6, allow_nan=False)


def columns(values: list[float], holes: frozenset[int] = frozenset()) -> list[Column]:
    return [Column(1000.0 * k, v, v, v, 1) for k, v in enumerate(values) if k not in holes]


@settings(max_examples=60)
@given(st.lists(VALUE, min_size=2, max_size=48), st.none() | VALUE)
def test_nothing_is_drawn_outside_the_picture(values, limit) -> None:
    plot = draw(columns(values), 0.0, 1000.0 * len(values), limit)
    assert plot is not None
    numbers = [float(it) for it in re.findall(r"-?\d+\.\d", plot.line)]
    xs, ys = numbers[::2], numbers[1::2]
    assert all(-0.1 <= x <= WIDTH + 2.1 for x in xs)
    assert all(-0.1 <= y <= HEIGHT + 0.1 for y in ys)
    assert xs == sorted(xs)
    assert plot.limit_y is None or 0 <= plot.limit_y <= HEIGHT


def test_a_higher_value_stands_higher() -> None:
    plot = draw(columns([1.0, 2.0]), 0, 2000)
    assert plot is not None
    first, second = (float(it) for it in re.findall(r" (\d+\.\d)", plot.line))
    assert second < first


def test_silence_is_a_gap_and_not_a_line() -> None:
    plot = draw(columns([1, 2, 3, 4, 5, 6], frozenset({2, 3})), 0, 6000)
    assert plot is not None
    assert plot.line.count("M") == 2
    assert plot.area.count("Z") == 2


def test_a_lone_column_between_two_gaps_can_be_seen() -> None:
    plot = draw(columns([1, 1, 1, 2, 1, 1, 1], frozenset({2, 4})), 0, 7000)
    assert plot is not None
    assert plot.line.count("M") == 3
    assert all("L" in run for run in plot.line.split("M")[1:])


def test_one_value_is_not_a_chart() -> None:
    assert draw(columns([1.0]), 0, 1000) is None
    assert draw([], 0, 1000) is None


def test_a_limit_far_away_does_not_flatten_the_line() -> None:
    plot = draw(columns([1.0, 2.0]), 0, 2000, limit=500.0)
    assert plot is not None
    assert plot.limit_y is None


def test_noise_looks_like_noise() -> None:
    calm = draw(columns([50.0, 50.1, 49.9]), 0, 3000, least=40.0)
    assert calm is not None
    heights = [float(it) for it in re.findall(r" (\d+\.\d)", calm.line)]
    assert max(heights) - min(heights) < 2


def test_a_day_of_half_hours_weighs_less_than_two_kilobytes() -> None:
    plot = draw(columns([60 + k % 7 for k in range(48)]), 0, 48_000)
    assert plot is not None
    assert len(plot.line) + len(plot.area) < 2000


def test_a_dip_that_opened_a_ticket_is_drawn_though_its_half_hour_was_fine_on_the_whole() -> None:
    half_hours = [Column(1000.0 * k, 10.1 if k == 2 else 11.9, 12.0, 12.1, 30) for k in range(5)]
    plot = draw(half_hours, 0, 5000, limit=10.9, below=True)
    assert plot is not None
    assert (plot.low, plot.crossed, plot.latest) == (10.1, True, 11.9)
    assert plot.limit_y is not None
    above = draw(half_hours, 0, 5000, limit=12.5)
    assert above is not None
    assert (above.high, above.crossed) == (12.1, False)
