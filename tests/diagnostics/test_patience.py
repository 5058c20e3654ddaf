"""A device out of its senses costs no more than a healthy one, and is heard again as soon as it is well."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnostics import fleet as fleet_module
from diagnostics.engine import Engine
from diagnostics.patience import MANY, PATIENCE, RESERVE, weary
from diagnostics.telemetry import Report
from tests.diagnostics.fleets import CATALOGUE, HOT, T0, Play, rules
from tests.diagnostics.test_arrival import CLOCK
from tests.diagnostics.test_hot_path import MANY as MANY_RULES
from tests.diagnostics.test_hot_path import PERCENTS, STUCK_UPDATE
from tests.diagnostics.test_kinds import ERRORS, WEAR

AVERAGE = HOT.replace('"hot"', '"mean-hot"').replace("clear_samples", "average_s = 1800\nclear_samples")
TOPS = {name: CATALOGUE.metric[name].range[1] for name in PERCENTS}
WELL = {name: CATALOGUE.metric[name].range[0] for name in PERCENTS}
ERR = rules(ERRORS).rules[0].metric


@pytest.fixture
def judged(monkeypatch):
    """How often a device was judged."""
    found = []
    judge = fleet_module.judge

    def counted(memory, moment, peers):
        found.append(moment.at)
        return judge(memory, moment, peers)

    monkeypatch.setattr(fleet_module, "judge", counted)
    return found


def insane(extra: str = "", every_s: float = 900.0, turns: int = 60) -> Play:
    """A device whose metrics all stand at the top, for long enough that our patience is used up."""
    play = Play(STUCK_UPDATE, every_s=every_s)
    play.fleet = type(play.fleet)(Engine(MANY_RULES + rules(STUCK_UPDATE + extra), CATALOGUE), play.devices, T0)
    for _ in range(turns):
        play.now += every_s
        play.report(**TOPS)
    return play


@pytest.mark.parametrize("every_s", [60.0, 900.0, 3600.0, 365 * 86_400.0])
@pytest.mark.parametrize("period", [1, 2, 3, 7])
def test_all_extremes_are_judged_with_few_reports_whatever_their_rhythm(judged, every_s, period):
    play = insane(every_s=every_s)
    before = len(judged)
    for number in range(400):
        play.now += every_s
        play.report(**(TOPS if number // period % 2 else WELL))
    assert len(judged) - before <= 400 / 4
    assert len({change.key for change in play.seen}) <= len(PERCENTS)


def test_a_device_that_comes_to_its_senses_is_well_within_hours_and_judged_as_ever_from_then_on(judged):
    play = insane()
    assert weary(play.fleet._memories["cam"])
    for _ in range(4 * 16):
        play.now += 900
        play.report(**WELL)
    assert play.fleet.view("cam").episodes == ()
    assert not weary(play.fleet._memories["cam"])
    running = {change.key for change in play.seen if change.kind.value == "opened"}
    assert running == {change.key for change in play.seen if change.kind.value == "recovered"}
    play.now += 60
    before = len(judged)
    opened = play.report(**{**WELL, PERCENTS[0]: TOPS[PERCENTS[0]]})
    assert [change.kind.value for change in opened] == ["opened"] * len(opened) != []
    assert len(judged) == before + 1


def test_who_pretends_to_be_well_again_and_again_is_sampled_as_rarely_as_before(judged):
    play = insane()
    for _ in range(40):
        for values, turns in ((WELL, 12), (TOPS, 12)):
            for _ in range(turns):
                play.now += 900
                play.report(**values)
        assert play.fleet._memories["cam"].spent <= PATIENCE + RESERVE
    before = len(judged)
    for _ in range(96):
        play.now += 900
        play.report(**WELL)
    assert len(judged) - before < 96 / 3


def test_what_happens_only_once_counts_for_a_device_that_nobody_listens_to_any_more():
    play = insane(ERRORS)
    play.now += 60
    play.report(states={"ota_state": "installing", "fw_target": "2.0"}, **TOPS)
    assert play.told()[-1] == "opened device:cam:F32 high"
    for number in range(120):
        play.now += 900
        play.report(states={"ota_state": "installing", "fw_target": "2.0"}, **TOPS, **{ERR: 100.0 * number})
    assert any(change.rule.startswith(rules(ERRORS).rules[0].name) for change in play.seen)


def test_a_clock_that_is_wrong_is_no_reason_to_look_at_a_device_out_of_its_senses(judged):
    play = insane(CLOCK)
    before = len(judged)
    for number in range(48):
        play.now += 900
        play.seq["cam"] += 1
        play.send(Report("cam", 1, play.seq["cam"], play.now + 7200.0, play.now, dict(TOPS), {}, 9e6 + 900.0 * number))
    assert play.fleet.view("cam").clock_offset_s > 7000
    assert len(judged) - before < 48 / 8


def test_a_mean_of_hours_ends_for_a_device_that_is_sampled_every_few_hours():
    play = insane(AVERAGE, turns=0)

    def hot(degrees, turns, **others):
        for _ in range(turns):
            play.now += 900
            play.report(soc_temp_c=degrees, **others)
        return any(episode.rule == "mean-hot@1" for episode in play.fleet.view("cam").episodes)

    assert hot(85, 10)
    assert hot(85, 100, **TOPS)
    assert weary(play.fleet._memories["cam"])
    assert not hot(50, 300, **TOPS)


def test_a_mean_remembers_so_many_values_however_often_a_device_reports():
    play = Play(AVERAGE, every_s=1.0)
    name = rules(AVERAGE).rules[0]
    for _ in range(3000):
        play.now += 1
        play.report(**{name.metric: CATALOGUE.metric[name.metric].range[1]})
    assert len(play.fleet._memories["cam"].windows[name.name]) <= 34


def test_no_fault_of_a_few_rules_is_ever_passed_by(judged):
    play = insane(turns=0)
    few = {name: TOPS[name] for name in PERCENTS[: (MANY - 1) // 4]}
    for number in range(500):
        play.now += 900
        play.report(**{**WELL, **few})
        assert len(judged) == number + 1
    assert play.fleet._memories["cam"].spent == 0


@given(
    st.lists(
        st.tuples(st.sampled_from(["tops", "well", "few", "impossible", "gaps"]), st.sampled_from([60, 900, 7200])),
        min_size=30,
        max_size=90,
    ),
    st.integers(1, 80),
)
@settings(max_examples=25, deadline=None)
def test_a_device_out_of_its_senses_is_the_same_after_a_restart(acts, saved_after):
    kinds = {
        "tops": TOPS,
        "well": WELL,
        "few": {**WELL, PERCENTS[0]: TOPS[PERCENTS[0]]},
        "impossible": dict.fromkeys(PERCENTS, 1e15),
    }
    plays = [insane(WEAR, turns=30) for _ in range(2)]
    for play in plays:
        for number, (kind, wait) in enumerate(acts):
            play.now += wait
            play.report(**(kinds.get(kind) or dict.fromkeys(PERCENTS[number % 7 :: 2], 5.0)))
            if number == saved_after and play is plays[0]:
                kept, shared = play.fleet.save("cam"), play.fleet.save_shared()
                play.fleet = type(play.fleet)(Engine(play.fleet._engine.rules, CATALOGUE), play.devices, T0)
                play.fleet.restore_shared(shared)
                play.fleet.restore("cam", kept)
    assert plays[0].told() == plays[1].told()
    assert json.loads(plays[0].fleet.save("cam")) == json.loads(plays[1].fleet.save("cam"))


def test_a_report_with_gaps_of_a_device_out_of_its_senses_is_passed_by_too(judged):
    play = insane()
    for number in range(40):
        play.now += 60
        play.report(**{name: TOPS[name] for name in PERCENTS[number % 7 :: 2 + number % 3]})
    before = len(judged)
    for number in range(40):
        play.now += 60
        play.report(**{name: TOPS[name] for name in PERCENTS[number % 5 :: 2 + number % 4]})
    assert len(judged) - before <= 3
