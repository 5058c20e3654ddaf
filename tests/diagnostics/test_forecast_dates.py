"""The date of a forecast: what went on before the trouble began does not put it off."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnostics.forecast import fit, of_late, reach, recalibrated

LIMIT = 100.0


def kinked(still: int, rising: int, slope: float, noise: float = 0.0, seed: int = 1) -> list[tuple[float, float]]:
    """Days that end today: so many at 40, then so many that rise."""
    random = Random(seed)
    levels = [40.0] * still + [40.0 + slope * (number + 1) for number in range(rising)]
    return [
        (number - len(levels) + 1.0, level + random.gauss(0.0, noise) if noise else level)
        for number, level in enumerate(levels)
    ]


@pytest.mark.parametrize("still", [0, 5, 12, 20])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_card_that_began_to_wear_last_week_is_told_by_the_week_and_not_by_the_months_before(still, noise):
    points = kinked(still, 8, 4.0, noise)
    true_days = (LIMIT - 72.0) / 4.0
    whole, newest = fit(points), points[-1][1]
    lately = reach(of_late(points, 5, whole), LIMIT, newest, 1.0)
    told = recalibrated(lately, reach(fit(points[-5:]), LIMIT, newest, 1.0))
    assert told.earliest < true_days < told.latest
    assert told.median == pytest.approx(true_days, rel=0.15)
    assert told.latest < 3.0 * true_days


def test_the_trend_of_all_days_would_have_put_it_off_by_as_much_again():
    points = kinked(12, 8, 4.0, 0.3)
    far = reach(fit(points), LIMIT, points[-1][1], 1.0)
    assert far is None or far.median > 10.0


@given(slope=st.floats(0.5, 5.0), noise=st.floats(0.01, 0.5), days=st.integers(5, 28), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_one_slope_all_the_time_is_judged_by_all_days(slope, noise, days, seed):
    points = kinked(0, days, slope, min(noise, 0.1 * slope), seed)
    whole = fit(points)
    assert of_late(points, 5, whole).slope == pytest.approx(slope, rel=0.25)


def test_what_turned_round_is_judged_since_it_turned():
    points = [(day - 23.0, 90.0 - day if day < 18 else 40.0 + 10.0 * (day - 18)) for day in range(24)]
    whole, lately = fit(points), of_late(points, 5, fit(points))
    assert whole.slope < 0.0
    assert lately.slope == pytest.approx(10.0, rel=0.25)


@pytest.mark.parametrize("slope", [0.0, -2.0])
def test_what_stands_still_or_leads_away_has_no_date(slope):
    points = kinked(0, 12, slope)
    assert reach(fit(points), LIMIT, points[-1][1], 1.0) is None
