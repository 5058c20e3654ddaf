import random
from dataclasses import replace
from datetime import date, time

import pytest

from firmware_updates.capacity import Candidate, Course, Demand, slots, spans_of
from firmware_updates.entitlement import Entitlement
from firmware_updates.membership import Member, assign_waves
from firmware_updates.messages import Component
from firmware_updates.plan import Change, dry_run
from firmware_updates.policy import Policy
from firmware_updates.window import Window
from tests.firmware_updates.factories import NOON, device, release, stock, windows

DAY = 86_400.0
SWIFT = Policy(k0=10, canary_soak_s=3600.0, control=0.0, fractions=(), wave_soak_s=600.0)


def plan(devices, policy=SWIFT, days=10, **more):
    waves = assign_waves("r1", [Member(one.device_id, one.model, one.site_id) for one in devices], policy)
    return dry_run(devices, waves, release(), policy, NOON, NOON + days * DAY, **more)


def fleet(n, per_site=2, **changes):
    return [
        device(f"cam-{i:03}", site_id=f"site-{i // per_site}", **({"online_chance": 1.0} | changes)) for i in range(n)
    ]


def test_the_dry_run_says_who_when_and_who_not_and_why():
    devices = [
        *fleet(4),
        device("old-hw", hw_id="cam-z", site_id="x", entitlement=Entitlement("UTC", date(2026, 1, 1))),
        device("done", stock=stock(components=(("firmware", Component("2.5.0", 7)),))),
        device("short", windows=windows("Asia/Jakarta", "daily 01:00-01:05")),
    ]
    found = plan(devices)
    assert (found.targets, found.already_done) == (7, 1)
    assert [line.device_id for line in found.lines] == ["cam-000", "cam-001", "cam-002", "cam-003"]
    assert {line.first_start_at for line in found.lines} == {NOON + 6 * 3600}
    assert {name: [each.value for each in why] for name, why in found.excluded.items()} == {
        "old-hw": ["support_ended", "hardware"],
        "short": ["window_too_short"],
    }
    assert found.reasons == {"support_ended": 1, "hardware": 1, "window_too_short": 1}
    assert found.share_done == 1.0
    assert NOON + 6 * 3600 < found.all_p50_at <= found.all_p95_at < NOON + DAY
    assert found.late_sites == ()


def test_the_course_is_as_fast_as_the_budget_allows():
    slow, quick = (plan(fleet(60), replace(SWIFT, k0=k0)) for k0 in (2, 60))
    assert quick.all_p50_at < slow.all_p50_at
    canaries = plan(fleet(60), replace(SWIFT, canary_soak_s=DAY))
    assert canaries.all_p50_at > NOON + DAY


def test_devices_that_are_seldom_online_take_longer():
    often, seldom = (plan(fleet(40, online_chance=chance), days=30) for chance in (1.0, 0.3))
    assert often.all_p95_at < seldom.all_p95_at
    assert often.most_p50_at <= often.all_p50_at


def test_sites_that_will_not_finish_are_named_with_the_smallest_change_that_helps():
    crowded = fleet(8, per_site=8) + [device(f"far-{i}", site_id=f"far-{i}", online_chance=1.0) for i in range(8)]
    found = plan(crowded, replace(SWIFT, k0=20, site_cap=1), days=1)
    (late,) = found.late_sites
    assert (late.site_id, late.chance) == ("site-0", 1.0)
    assert late.left == 4
    assert late.change in (Change("site_cap", 1), Change("deadline_days", 1))
    assert found.all_p50_at is None
    assert found.share_done == 0.75


def test_a_device_that_is_never_online_needs_a_visit():
    found = plan(fleet(2, online_chance=0.0), days=3)
    assert [late.change for late in found.late_sites] == [Change("visit", 2)]
    assert found.share_done == 0.0


def test_a_site_that_is_held_up_by_the_rollouts_pace_needs_more_days():
    short = windows("Asia/Jakarta", "daily 01:00-02:30")
    found = plan(fleet(6, per_site=1, windows=short), replace(SWIFT, k0=1, site_cap=6), days=1)
    assert found.late_sites
    assert {late.change for late in found.late_sites} == {Change("deadline_days", 1)}


def test_a_plan_for_nobody_is_done_at_once():
    found = plan([device("old", hw_id="cam-z")])
    assert (found.lines, found.share_done, found.all_p50_at, found.late_sites) == ((), 1.0, None, ())
    assert dry_run([], {}, release(), SWIFT, NOON, NOON + DAY).targets == 0


def test_only_the_worst_sites_are_examined_in_depth():
    found = plan(fleet(25, per_site=1, online_chance=0.0), replace(SWIFT, site_cap=1), days=1)
    assert [late.change.what for late in found.late_sites].count("not_examined") == 5


def test_a_plan_is_the_same_for_the_same_seed():
    devices = fleet(30, online_chance=0.6)
    assert plan(devices, seed=4) == plan(devices, seed=4)
    assert plan(devices, seed=4) != plan(devices, seed=5)


def test_the_places_of_a_site_are_counted_over_its_windows():
    nightly = spans_of(windows(), 600.0, NOON, NOON + 2 * DAY)
    assert nightly == [(NOON + 6 * 3600, NOON + 10 * 3600 - 600), (NOON + 30 * 3600, NOON + 34 * 3600 - 600)]
    assert slots(nightly, 3600.0, 2) == 2 * (4 + 4)
    always = spans_of(windows("UTC", "daily 00:00-00:00"), 600.0, NOON, NOON + 2.5 * DAY)
    assert [last - first for first, last in always] == [DAY, DAY, DAY / 2]
    assert spans_of(windows("UTC", "daily 13:00-13:05"), 600.0, NOON, NOON + DAY) == []


@pytest.mark.parametrize("seed", range(4))
def test_no_course_breaks_the_budget_or_a_cap(seed):
    chance = random.Random(seed)
    policy = replace(SWIFT, k0=3, site_cap=2, fractions=(0.3,), control=0.1)
    windows_ = (Window("UTC", frozenset(range(7)), time(20), time(23)), Window("UTC", frozenset({5}), time(1), time(9)))
    ones = [
        Candidate(f"cam-{i}", f"s{i // 9}", chance.randrange(4), (windows_[i % 2],), chance.choice((0.4, 1.0)))
        for i in range(90)
    ]
    demand = Demand(300.0, 600.0)
    spans = {one: spans_of(one, 600.0, NOON, NOON + 20 * DAY) for one in {each.windows for each in ones}}
    course = Course(ones, demand, policy, NOON, NOON + 20 * DAY, spans, chance, 4)
    done = course.run()
    soak_s = {one.device_id: policy.canary_soak_s if one.wave == 0 else policy.soak_s for one in ones}
    risk = {name: (at - demand.busy_s - soak_s[name], at) for name, at in done.items()}
    sites = {one.device_id: one.site_id for one in ones}
    for name, (start, _) in risk.items():
        one = next(each for each in ones if each.device_id == name)
        assert any(first <= start < last for first, last in spans[one.windows])
        at_once = [other for other, (since, until) in risk.items() if since <= start < until]
        mature = sum(until <= start for _, until in risk.values())
        assert len(at_once) <= policy.k0 + mature
        assert sum(sites[other] == one.site_id for other in at_once) <= policy.site_cap
    assert len(done) > 60


def test_a_wave_of_devices_that_are_seldom_online_is_waited_for_until_one_proves_itself():
    policy = replace(SWIFT, k0=2, wave_patience_s=3600.0)
    found = plan(fleet(12, per_site=1, online_chance=0.3), policy, days=20)
    assert found.share_done > 0.5
    assert found.all_p95_at is None or found.all_p95_at > NOON + DAY
