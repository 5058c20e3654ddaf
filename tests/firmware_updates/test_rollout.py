from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_updates.gate import Verdict
from firmware_updates.membership import Member, assign_waves, wave_sizes
from firmware_updates.policy import Policy
from firmware_updates.rollout import (
    OVER,
    ROLLOUT_TRANSITIONS,
    WAVE_TRANSITIONS,
    Act,
    Denied,
    PauseReason,
    RolloutRefusal,
    RolloutState,
    Wave,
    WaveState,
    WaveStep,
    act,
    content_hash,
    needs_second_person,
    pause,
    step_wave,
)
from firmware_updates.waves import WaveTally, walk_waves
from tests.firmware_updates.factories import NOON, rollout

DRAFT = rollout(state=RolloutState.DRAFT)
PENDING = act(act(DRAFT, Act.SIMULATE, NOON), Act.SUBMIT, NOON)


def denied(why):
    return pytest.raises(Denied, match=f"^{why.value}$")


def test_a_rollout_runs_only_after_a_dry_run_and_a_second_persons_approval():
    approved = act(PENDING, Act.APPROVE, NOON, who="budi", content=PENDING.content_sha256)
    assert approved.state is RolloutState.SCHEDULED
    assert approved.approved_by == "budi"
    running = act(approved, Act.START, NOON)
    assert running.state is RolloutState.RUNNING
    assert act(running, Act.FINISH, NOON + 5).ended_at == NOON + 5
    with denied(RolloutRefusal.WRONG_STATE):
        act(DRAFT, Act.SUBMIT, NOON)
    with denied(RolloutRefusal.AUTHOR_APPROVES):
        act(PENDING, Act.APPROVE, NOON, who="ayu", content=PENDING.content_sha256)


def test_an_approval_is_bound_to_what_was_shown():
    with denied(RolloutRefusal.CONTENT_CHANGED):
        act(PENDING, Act.APPROVE, NOON, who="budi", content="something else")
    swapped = replace(PENDING, policy=Policy(k0=500))
    with denied(RolloutRefusal.CONTENT_CHANGED):
        act(swapped, Act.APPROVE, NOON, who="budi", content=PENDING.content_sha256)
    assert content_hash(swapped) != content_hash(PENDING) == content_hash(replace(PENDING, reason="x"))


def test_any_edit_goes_back_to_the_draft():
    for state in (RolloutState.SIMULATED, RolloutState.PENDING_APPROVAL, RolloutState.SCHEDULED):
        edited = act(replace(PENDING, state=state, approved_by="budi"), Act.EDIT, NOON)
        assert (edited.state, edited.content_sha256, edited.approved_by) == (RolloutState.DRAFT, "", "")


def test_a_manual_pause_is_resumed_by_anyone_and_a_stop_only_by_a_second_person():
    paused = pause(rollout(), PauseReason.MANUAL, NOON, "lunch")
    assert (paused.reason, needs_second_person(paused)) == ("lunch", False)
    resumed = act(paused, Act.RESUME, NOON)
    assert (resumed.state, resumed.epoch, resumed.reason) == (RolloutState.RUNNING, 0, "")
    halted = act(rollout(), Act.HALT, NOON)
    for stopped in (halted, pause(rollout(), PauseReason.BUDGET, NOON), pause(rollout(), PauseReason.HEALTH, NOON)):
        for who in ("", "ayu"):
            with denied(RolloutRefusal.SECOND_PERSON_NEEDED):
                act(stopped, Act.RESUME, NOON, who=who)
        again = act(stopped, Act.RESUME, NOON, who="budi")
        assert (again.state, again.epoch, again.resumed_by) == (RolloutState.RUNNING, 1, "budi")


def test_a_second_person_may_overrule_the_gate():
    failed = rollout(waves=(Wave(WaveState.FAILED, NOON), Wave()), state=RolloutState.HALTED)
    resumed = act(failed, Act.RESUME, NOON + 9, who="budi")
    assert resumed.waves == (Wave(WaveState.PASSED, NOON + 9), Wave())


def test_the_tables_have_no_dead_ends_and_no_way_back_from_the_end():
    for state in RolloutState:
        assert any(source is state for source, _ in ROLLOUT_TRANSITIONS) is (state not in OVER)
    for source, _ in WAVE_TRANSITIONS:
        assert source is not WaveState.PASSED
    assert step_wave(Wave(), WaveStep.SOAKED, NOON) == Wave()


POLICY = Policy()


def tallies(*each):
    return lambda index: WaveTally(*each[index])


def ok(_):
    return Verdict.OK


def test_a_wave_opens_settles_soaks_is_judged_and_lets_the_next_one_open():
    fresh = rollout(waves=(Wave(), Wave(), Wave()))
    opened = walk_waves(fresh, tallies((10, 0, 0, 0), (5, 0, 0, 0), (5, 0, 0, 0)), ok, NOON)
    assert [wave.state for wave in opened.waves] == [WaveState.OPEN, WaveState.PENDING, WaveState.PENDING]
    busy = tallies((0, 1, 9, 9), (5, 0, 0, 0), (5, 0, 0, 0))
    assert walk_waves(opened, busy, ok, NOON + 60) is opened
    done = tallies((1, 0, 9, 9), (5, 0, 0, 0), (5, 0, 0, 0))
    soaking = walk_waves(opened, done, ok, NOON + 120)
    assert soaking.waves[0] == Wave(WaveState.SOAKING, NOON + 120)
    assert walk_waves(soaking, done, ok, NOON + 3700) is soaking
    waiting = walk_waves(soaking, done, lambda _: Verdict.WAIT, NOON + 3720)
    assert waiting.waves[0].state is WaveState.GATE
    passed = walk_waves(waiting, done, ok, NOON + 3800)
    assert [wave.state for wave in passed.waves] == [WaveState.PASSED, WaveState.OPEN, WaveState.PENDING]
    failed = walk_waves(waiting, done, lambda _: Verdict.WORSE, NOON + 3800)
    assert failed.waves[0].state is WaveState.FAILED
    assert walk_waves(failed, done, ok, NOON + 9000) is failed


def test_patience_with_devices_that_are_never_online_ends_but_evidence_is_needed():
    opened = rollout(waves=(Wave(WaveState.OPEN, NOON), Wave()))
    later = NOON + POLICY.wave_patience_s
    nobody = tallies((10, 0, 0, 0), (5, 0, 0, 0))
    settled = walk_waves(opened, nobody, ok, later)
    assert settled.waves[0].state is WaveState.SOAKING
    assert walk_waves(settled, nobody, ok, later + 3600).waves[0].state is WaveState.GATE
    one = tallies((9, 0, 1, 1), (5, 0, 0, 0))
    assert walk_waves(settled, one, ok, later + 3600).waves[0].state is WaveState.PASSED


def test_a_wave_without_members_or_whose_members_all_fell_out_does_not_hold_up_the_rest():
    empty = rollout(waves=(Wave(), Wave(), Wave()))
    walked = walk_waves(empty, tallies((0, 0, 0, 0), (0, 0, 4, 0), (1, 0, 0, 0)), ok, NOON)
    assert [wave.state for wave in walked.waves] == [WaveState.PASSED, WaveState.SOAKING, WaveState.PENDING]
    over = rollout(waves=(Wave(WaveState.PASSED, NOON),))
    assert walk_waves(over, tallies((0, 0, 4, 4)), ok, NOON) is over


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 6)), min_size=1, max_size=400),
    st.sampled_from([POLICY, Policy(k0=2, fractions=(0.1,), control=0.1), Policy(fractions=(0.5, 0.5), control=0.0)]),
)
def test_waves_part_the_targets_and_every_stratum_is_in_them_by_its_share(strata, policy):
    members = [Member(f"cam-{n}", model, f"site-{site}") for n, (model, site) in enumerate(strata)]
    waves = assign_waves("r1", members, policy)
    sizes = wave_sizes(len(members), policy)
    assert Counter(waves.values()) == Counter({wave: size for wave, size in enumerate(sizes) if size})
    assert waves == assign_waves("r1", reversed(members), policy)
    for stratum in {(one.model, one.site_id) for one in members}:
        inside = [waves[one.device_id] for one in members if (one.model, one.site_id) == stratum]
        for wave, size in enumerate(sizes):
            fair = len(inside) * size / len(members)
            assert abs(inside.count(wave) - fair) <= 3


def test_another_rollout_begins_with_other_devices():
    members = [Member(f"cam-{n}", "m", "s") for n in range(1000)]
    first, second = (assign_waves(name, members, POLICY) for name in ("r1", "r2"))
    canaries = [{name for name, wave in waves.items() if wave == 0} for waves in (first, second)]
    assert len(canaries[0]) == 10
    assert len(canaries[0] & canaries[1]) <= 3
