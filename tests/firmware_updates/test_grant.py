from dataclasses import replace
from datetime import UTC, date, datetime, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_updates.attempt_row import Consent, State
from firmware_updates.budget import Exposure
from firmware_updates.entitlement import Entitlement, SecurityException
from firmware_updates.grant import Load, Permit, decide, is_denied, retry_at
from firmware_updates.messages import Component, Request, Want
from firmware_updates.policy import Policy
from firmware_updates.refusal import Refusal, Refused
from firmware_updates.rollout import RolloutState, Wave, WaveState
from firmware_updates.window import Weekday, Window, next_span
from tests.firmware_updates.factories import NIGHT, NOON, attempt, device, facts, release, rollout, stock, windows

CLOSE = datetime(2026, 11, 21, 22, 0, tzinfo=UTC).timestamp()  # 05:00 in Jakarta
FIT = release().manifest.fit_s
NO_LOAD = Load(0, 0, 0, 0.0)


def names(found):
    return [] if isinstance(found, Permit) else [each.refusal for each in found]


def policy(**changes):
    return facts(rollout=rollout(policy=Policy(**changes)))


def asks(**changes):
    return facts(request=replace(Request(12, 5, "r1/cam-1/1", Want.GRANT, "nonce-0001"), **changes))


def has(**changes):
    return facts(device=device(stock=stock(**changes)))


def test_when_every_guard_holds_the_device_may_start_within_five_minutes():
    assert decide(facts(), NIGHT) == Permit(300, NIGHT + 300)


CASES = [
    (Refusal.ROLLOUT_NOT_RUNNING, facts(rollout=rollout(state=RolloutState.PAUSED)), NIGHT),
    (Refusal.WAVE_NOT_OPEN, facts(rollout=rollout(waves=(Wave(),))), NIGHT),
    (Refusal.WAVE_NOT_OPEN, facts(rollout=rollout(waves=(Wave(WaveState.FAILED),))), NIGHT),
    (Refusal.NOT_STAGED, facts(attempt=attempt(state=State.DOWNLOADING)), NIGHT),
    (Refusal.NO_WINDOW, facts(device=device(windows=())), NIGHT),
    (Refusal.WINDOW_CLOSED, facts(), NOON + 3600),
    (Refusal.WINDOW_TOO_SHORT, facts(), CLOSE - FIT),
    (Refusal.BLACKOUT_DATE, policy(blackouts=(date(2026, 11, 22),)), NIGHT),
    (Refusal.SUPPORT_ENDED, facts(device=device(entitlement=Entitlement("UTC", date(2026, 11, 20)))), NIGHT),
    (Refusal.MANIFEST_EXPIRED, facts(release=release(expires="2026-11-21T18:30:10Z")), NIGHT),
    (Refusal.RELEASE_REVOKED, facts(release=replace(release(), revoked_reason="bad")), NIGHT),
    (Refusal.KEY_NOT_TRUSTED, facts(key_trusted=False), NIGHT),
    (Refusal.DOWNGRADE, has(components=(("firmware", Component("2.4.1", 7)),)), NIGHT),
    (Refusal.DOWNGRADE, has(counter_floor=8), NIGHT),
    (Refusal.DOWNGRADE, facts(device=device(counters=(("firmware", 9),))), NIGHT),
    (Refusal.HARDWARE, facts(device=device(hw_id="cam-z")), NIGHT),
    (Refusal.FROM_VERSION, has(components=(("firmware", Component("1.9", 2)),)), NIGHT),
    (Refusal.FROM_VERSION, has(components=(("firmware", Component("custom build", 2)),)), NIGHT),
    (Refusal.DEPENDS, facts(release=release(depends='{"bootloader": ">=2"}')), NIGHT),
    (Refusal.DEPENDS, facts(release=release(depends='{"modem": "*"}')), NIGHT),
    (Refusal.CONFLICTS, facts(release=release(conflicts='{"bootloader": "<2"}')), NIGHT),
    (Refusal.SPACE, has(free_bytes=1999), NIGHT),
    (Refusal.NO_INVENTORY, facts(device=device(stock=None)), NIGHT),
    (Refusal.NO_INVENTORY, has(components=(("modem", Component("1", 1)),)), NIGHT),
    (Refusal.INVENTORY_STALE, has(received_at=NIGHT - 86_401), NIGHT),
    (Refusal.QUARANTINED, facts(quarantined=True), NIGHT),
    (Refusal.DEVICE_AT_RISK, facts(load=replace(NO_LOAD, device=1)), NIGHT),
    (Refusal.SITE_CAP, facts(load=replace(NO_LOAD, site=2)), NIGHT),
    (Refusal.GROUP_CAP, facts(device=device(group="door"), load=replace(NO_LOAD, group=1)), NIGHT),
    (Refusal.RATE, facts(load=replace(NO_LOAD, rate_at=NIGHT + 2)), NIGHT),
    (Refusal.BUDGET, facts(exposure=Exposure(6, 4, 1, 0)), NIGHT),
    (Refusal.CONSENT, policy(consent_required=True), NIGHT),
    (Refusal.POSTPONED, facts(attempt=attempt(postponed_until=NIGHT + 1)), NIGHT),
    (Refusal.CRITICAL_TICKET, facts(device=device(open_critical=True)), NIGHT),
    (Refusal.DEVICE_BUSY, asks(busy="recording_incident"), NIGHT),
    (Refusal.LOW_BATTERY, asks(battery_pct=29), NIGHT),
    (Refusal.NONCE_USED, facts(nonce_used=True), NIGHT),
]


@pytest.mark.parametrize(
    ("refusal", "given_", "now"), CASES, ids=[f"{n}-{case[0].value}" for n, case in enumerate(CASES)]
)
def test_each_guard_alone_refuses_by_its_own_name(refusal, given_, now):
    assert names(decide(given_, now)) == [refusal]


def test_every_refusal_has_a_case_here():
    assert {case[0] for case in CASES} == set(Refusal)


@pytest.mark.parametrize(
    "given_",
    [
        policy(blackouts=(date(2026, 11, 21), date(2026, 11, 23))),
        facts(load=replace(NO_LOAD, group=1)),
        facts(exposure=Exposure(6, 3, 2, 0)),
        facts(exposure=Exposure(30, 3, 2, 24)),
        facts(attempt=attempt(consent=Consent("siti", 1.0, "")), rollout=rollout(policy=Policy(consent_required=True))),
        asks(battery_pct=30),
        facts(release=release(depends='{"bootloader": ">=1.3"}', conflicts='{"modem": "*", "bootloader": "<1"}')),
        has(free_bytes=None),
        facts(device=device(entitlement=Entitlement("Asia/Jakarta", date(2026, 11, 22), date(2020, 1, 1)))),
    ],
)  # fmt: skip
def test_what_is_just_enough_is_granted(given_):
    assert isinstance(decide(given_, NIGHT), Permit)


def test_all_refusals_are_told_and_the_latest_says_when_to_ask_again():
    found = decide(
        facts(rollout=rollout(state=RolloutState.HALTED), load=Load(1, 9, 0, 0.0), device=device(hw_id="cam-z")), NIGHT
    )
    assert set(names(found)) == {
        Refusal.ROLLOUT_NOT_RUNNING,
        Refusal.HARDWARE,
        Refusal.DEVICE_AT_RISK,
        Refusal.SITE_CAP,
    }
    assert retry_at(found, NIGHT) == NIGHT + 3600
    assert is_denied(found)
    assert not is_denied((Refused(Refusal.BUDGET),))
    assert retry_at((Refused(Refusal.BUDGET),), NIGHT) == NIGHT + 300


def test_a_closed_window_says_when_it_opens_and_a_short_one_when_the_next_does():
    assert retry_at(decide(facts(), NOON), NOON) == datetime(2026, 11, 21, 18, tzinfo=UTC).timestamp()
    assert retry_at(decide(facts(), CLOSE - 60), CLOSE) == datetime(2026, 11, 22, 18, tzinfo=UTC).timestamp()
    once = Window("UTC", frozenset(), time(18, 35), time(18, 40), dates=frozenset({date(2026, 11, 21)}))
    assert decide(facts(device=device(windows=(once,))), NIGHT + 360) == (Refused(Refusal.WINDOW_TOO_SHORT, 0.0),)


def test_a_blackout_is_over_when_the_local_day_is():
    found = decide(policy(blackouts=(date(2026, 11, 22),)), NIGHT)
    assert found == (Refused(Refusal.BLACKOUT_DATE, datetime(2026, 11, 22, 17, tzinfo=UTC).timestamp()),)


def test_a_permit_never_reaches_into_what_ends_soon():
    late = decide(facts(), CLOSE - FIT - 100)
    assert late == Permit(100, CLOSE - FIT)
    day_and_night = facts(
        device=device(windows=windows("UTC", "daily 00:00-00:00"), entitlement=Entitlement("UTC", date(2026, 11, 21)))
    )
    midnight = datetime(2026, 11, 22, tzinfo=UTC).timestamp()
    assert decide(day_and_night, midnight - 50) == Permit(50, midnight)
    assert names(decide(day_and_night, midnight - 29)) == [Refusal.SUPPORT_ENDED]
    blackout = facts(
        device=device(windows=windows("UTC", "daily 00:00-00:00")),
        rollout=rollout(policy=Policy(blackouts=(date(2026, 11, 22),))),
    )
    assert decide(blackout, midnight - 50) == Permit(50, midnight)
    assert names(decide(blackout, midnight - 29)) == [Refusal.BLACKOUT_DATE]


def test_security_may_outlive_support_where_the_policy_says_so():
    ended = device(entitlement=Entitlement("UTC", date(2026, 11, 20)))
    allows = rollout(policy=Policy(security=SecurityException(30)))
    assert isinstance(decide(facts(device=ended, release=release(kind="security"), rollout=allows), NIGHT), Permit)
    assert names(decide(facts(device=ended, release=release(kind="mixed"), rollout=allows), NIGHT)) == [
        Refusal.SUPPORT_ENDED
    ]


@settings(deadline=None, max_examples=80)
@given(
    zone=st.sampled_from(["Asia/Jakarta", "Europe/Rome", "America/St_Johns", "Australia/Lord_Howe", "Africa/Cairo"]),
    days=st.sets(st.sampled_from(Weekday), min_size=1),
    start=st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    end=st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    now=st.floats(NOON - 300 * 86_400, NOON + 300 * 86_400),
)
def test_every_permit_ends_inside_the_window_with_room_to_finish(zone, days, start, end, now):
    window = Window(zone, frozenset(days), start, end)
    granted = decide(facts(device=device(windows=(window,), stock=stock(received_at=now))), now)
    if isinstance(granted, Permit):
        span = next_span((window,), now)
        assert span[0] <= now < granted.not_after <= span[1] - FIT
        assert 30 <= granted.valid_for_s <= 300
        assert granted.not_after == now + granted.valid_for_s
    else:
        assert set(names(granted)) <= {Refusal.WINDOW_CLOSED, Refusal.WINDOW_TOO_SHORT}
