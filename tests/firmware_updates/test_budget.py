import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_updates.budget import Exposure, binomial_tail, headroom, is_exhausted, must_stop
from firmware_updates.policy import Policy, PolicyError, default_k0


@given(st.integers(-2, 40), st.integers(0, 40), st.floats(0.001, 0.999))
def test_the_tail_is_the_sum_of_its_terms(least, n, p):
    exact = sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(max(0, least), n + 1))
    assert binomial_tail(least, n, p) == pytest.approx(exact, abs=1e-9)


def test_a_release_that_is_bad_everywhere_touches_exactly_k0_devices():
    granted = 0
    exposure = Exposure(0, 0, 0, 0)
    while headroom(exposure, 10, 1) > 0:
        granted += 1
        exposure = Exposure(exposure.at_risk + 1, 0, 0, 0)
    assert granted == 10
    all_lost = Exposure(0, 10, 0, 0)
    assert headroom(all_lost, 10, 1) == 0
    assert is_exhausted(all_lost, 10, 1)
    assert not is_exhausted(Exposure(1, 9, 0, 0), 10, 1)
    assert not is_exhausted(Exposure(0, 9, 0, 0), 10, 1)


@given(st.lists(st.sampled_from(["grant", "good", "bad"]), max_size=300), st.integers(1, 12), st.integers(0, 3))
def test_unproven_exposure_never_passes_the_budget(steps, k0, per_success):
    at_risk = bad = mature = 0
    for step in steps:
        exposure = Exposure(at_risk, bad, 0, mature)
        if step == "grant" and headroom(exposure, k0, per_success) > 0:
            at_risk += 1
            assert at_risk + bad <= k0 + per_success * mature
        elif step != "grant" and at_risk:
            at_risk -= 1
            mature, bad = (mature + 1, bad) if step == "good" else (mature, bad + 1)


def test_two_bad_of_four_stop_a_rollout_and_one_of_many_does_not():
    assert must_stop(Exposure(0, 2, 0, 2), 0.01, 0.001)
    assert must_stop(Exposure(5, 0, 2, 2), 0.01, 0.001)
    assert not must_stop(Exposure(0, 1, 0, 0), 0.01, 0.001)
    assert not must_stop(Exposure(0, 8, 0, 992), 0.01, 0.001)
    assert not must_stop(Exposure(0, 0, 0, 0), 0.01, 0.001)


def test_small_fleets_begin_with_few():
    assert [default_k0(n) for n in (10, 200, 500, 1000, 10_000)] == [2, 2, 5, 10, 10]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k0": 0}, "k0"),
        ({"per_success": -1}, "per_success"),
        ({"fractions": (0.0,)}, "fractions must"),
        ({"control": 0.6}, "control must"),
        ({"fractions": (0.6, 0.5)}, "more than the whole"),
        ({"soak_s": 0.0}, "soak"),
        ({"wave_patience_s": 0.0}, "times"),
        ({"wave_settled": 0.0}, "wave_settled"),
        ({"site_cap": 0}, "site_cap"),
        ({"grants_per_hour": 0}, "grants_per_hour"),
        ({"downloads_total": 0}, "downloads"),
        ({"valid_for_s": 10}, "valid_for_s must lie between 30"),
        ({"inventory_max_age_s": 0.0}, "inventory"),
        ({"stop_alpha": 0.0}, "stop test"),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused_by_name(changes, message):
    with pytest.raises(PolicyError, match=message):
        Policy(**changes)
