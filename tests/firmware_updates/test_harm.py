import random
from statistics import median

import pytest

from firmware_updates.harm import BadSpecError, parse_bad, simulate
from firmware_updates.harm_fleet import Bad, Fleet
from firmware_updates.policy import Policy
from firmware_updates.thresholds import Modelled, deal, groups, rate


def test_a_release_that_is_bad_everywhere_harms_no_more_than_the_budget_of_the_first_devices():
    result = simulate(800, "all:1.0", seeds=2, good=False)
    assert result.stopped
    assert 1 <= result.harmed <= 10
    assert result.good_hours is None
    assert result.groups_harmed == 80
    assert result.rate_harmed == 800
    assert result.as_json()["harmed"] == result.harmed


def test_a_release_that_is_silently_bad_on_a_few_is_stopped_where_percentages_see_nothing():
    result = simulate(600, "silent:0.08", seeds=1, good=False)
    assert result.stopped
    assert result.harmed <= 15
    assert (result.groups_harmed, result.rate_harmed) == (48, 48)


def test_a_release_that_only_leaks_is_stopped_by_the_metrics_of_its_first_wave():
    told = []
    result = simulate(800, "worse:1.0", seeds=2, good=False, tell=told.append)
    assert result.stopped
    assert 1 <= result.harmed <= 10
    assert (result.groups_harmed, result.rate_harmed) == (800, 800), "a share of failures sees none"
    assert [line.split(":")[0] for line in told] == ["run 1 of 2", "run 2 of 2"]
    some = Fleet(1500, Bad("worse", 0.3), 1).run()
    assert some.stopped
    assert some.harmed < 300


def test_a_release_that_rolls_back_is_stopped_too():
    run = Fleet(300, Bad("revert", 0.5), 1).run()
    assert run.stopped
    assert 1 <= run.harmed <= 6


def test_a_good_release_reaches_every_device_without_a_false_stop():
    result = simulate(30, "none", seeds=1)
    assert (result.harmed, result.stopped) == (0, False)
    assert result.hours == result.good_hours > 24
    assert result.groups_hours < result.hours
    run = Fleet(40, Bad("silent", 0.0), 3, Policy(k0=10, canary_soak_s=3600.0)).run()
    assert run.exposure.mature == 40


def test_the_hours_of_a_good_release_stand_beside_those_of_a_bad_one():
    assert simulate(20, "silent:0.2", seeds=1).good_hours > 24


@pytest.mark.parametrize("text", ["silent", "silent:2", "loud:0.1", "all:x", "", "silent:nan"])
def test_a_kind_of_badness_that_cannot_be_read_is_refused(text):
    with pytest.raises(BadSpecError, match=r"use silent:0\.08"):
        parse_bad(text)


def test_a_simulation_has_bounds():
    for devices, seeds in ((0, 1), (200_000, 1), (10, 0)):
        with pytest.raises(BadSpecError, match="devices must be"):
            simulate(devices, "none", seeds)


def test_groups_wait_for_silent_devices_for_ever_and_go_on_past_few_of_them():
    chance = random.Random(1)
    assert groups(deal(10_000, 1.0, chance), silent=True) == Modelled(1000, pytest.approx(0.1), stopped=True)
    assert groups(deal(10_000, 1.0, chance), silent=False).harmed == 1000
    through = groups(deal(10_000, 0.08, chance), silent=True)
    assert (through.harmed, through.stopped) == (800, False)


def test_a_rate_stops_at_its_threshold_and_is_blind_below_it():
    chance = random.Random(1)
    assert rate(deal(10_000, 0.08, chance), silent=True).harmed == 800
    late = rate(deal(10_000, 1.0, chance), silent=True)
    assert late.stopped
    assert late.harmed >= 3000
    seen = median(rate(deal(10_000, 1.0, random.Random(seed)), silent=False).harmed for seed in range(3))
    assert 100 <= seen < 1000
