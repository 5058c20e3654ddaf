"""Bounds agree with published tables, and the trend of a forecast with what is worked out by hand."""

import math

import pytest

from diagnostics.forecast import Trend, fit, reach
from diagnostics.intervals import poisson, quantile, wilson

RISING = [(0.0, 0.0), (1.0, 1.0), (2.0, 4.0), (3.0, 10.0), (4.0, 13.5)]
"""The slopes between all pairs: 1, 2, 3, 10/3, 3.375, 3.5, 25/6, 4.5, 4.75, 6."""


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_bounds_of_a_share_are_wilsons(hits: int, total: int, low: float, high: float) -> None:
    """The four examples of Newcombe (1998), to the four digits printed there."""
    assert wilson(hits, total) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))
    assert wilson(total - hits, total) == (pytest.approx(1 - high, abs=6e-5), pytest.approx(1 - low, abs=6e-5))


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(1, 0.025318, 5.571643), (2, 0.242209, 7.224688), (5, 1.623486, 11.668332), (10, 4.795389, 18.390356)],
)
def test_the_bounds_of_a_rate_are_garwoods(count: int, low: float, high: float) -> None:
    """Garwood (1936), and half the quantiles of chi squared with 2n and 2n + 2 degrees of freedom."""
    assert poisson(count, 1.0) == (pytest.approx(low, abs=1e-5), pytest.approx(high, abs=1e-5))
    assert poisson(count, 4.0) == (pytest.approx(low / 4, abs=1e-5), pytest.approx(high / 4, abs=1e-5))


def test_nothing_counted_is_bounded_from_above_alone() -> None:
    assert poisson(0, 2) == (0.0, pytest.approx(-math.log(0.025) / 2, abs=1e-9))
    assert poisson(3, 0) == (0.0, math.inf)
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([1.0, 2.0, 4.0], 0.5, 2.0), ([1.0, 2.0], 0.25, 1.25), ([8.0, 1.0, 4.0, 2.0], 0.5, 3.0),
     ([float(number) for number in range(1, 11)], 0.1, 1.9), ([1.0, 2.0, 4.0], 1.0, 4.0), ([], 0.5, None)],
)  # fmt: skip
def test_a_share_between_two_values_lies_between_them(values: list[float], share: float, expected: float) -> None:
    assert quantile(values, share) == (expected if expected is None else pytest.approx(expected))


def test_the_interval_of_a_slope_is_sens() -> None:
    """Five points: ten slopes, and 1.2816 x sqrt(5 x 4 x 15 / 18) = 5.23 ranks around the middle: the third and the
    ninth of them.
    """
    trend = fit(RISING)
    assert trend.slope == pytest.approx((3.375 + 3.5) / 2)
    assert (trend.slope_low, trend.slope_high) == (pytest.approx(3.0), pytest.approx(4.75))


@pytest.mark.parametrize(
    ("values", "slope", "level", "spread"),
    [([9.0, 4.0, 1.0, 4.0, 9.0], 0.0, 4.0, 3.0), ([1.0, 3.0, 2.0, 0.0], -2 / 3, 8 / 3, 5 / 6)],
)
def test_the_level_of_a_trend_is_the_middle_one_and_its_spread_the_middle_distance_from_it(
    values: list[float], slope: float, level: float, spread: float
) -> None:
    """Levels at day 0, in order: 1, 4, 4, 9, 9; and 1, 2, 10/3, 11/3, which lie 5/3, 2/3, 2/3 and 1 from 8/3."""
    trend = fit(list(enumerate(values)))
    assert (trend.slope, trend.level) == (pytest.approx(slope), pytest.approx(level))
    assert trend.spread == pytest.approx(1.4826 * spread)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("slowest", [0.0, -0.1])
def test_a_trend_that_may_as_well_stand_still_has_no_date(sign: float, slowest: float) -> None:
    bounds = (slowest, 2.0) if sign > 0 else (-2.0, -slowest)
    assert reach(Trend(0.0, sign, *bounds, 1.0), sign * 60.0, sign * 5.0, sign) is None


def test_the_dates_of_a_trend_are_the_ways_to_the_limit_at_its_speeds() -> None:
    found = reach(Trend(40.0, 2.0, 1.0, 4.0, 2.0), 100.0, 44.0, 1.0)
    assert found is not None
    assert (found.earliest, found.median, found.latest) == ((56.0 - 2.0) / 4.0, 30.0, 62.0)
