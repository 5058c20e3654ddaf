"""Names that are never the same, in no order, and values that cannot be: read as well as may be, and cheaply."""

import random

import pytest

from diagnostics import fleet as fleet_module
from diagnostics.engine import Plan
from diagnostics.memory import KEPT_OLDER
from diagnostics.patience import NOVELTIES
from tests.diagnostics.fleets import HOT, T0, Play
from tests.diagnostics.test_hot_path import GUARDED, PERCENTS
from tests.diagnostics.test_kinds import ERRORS, WEAR
from tests.diagnostics.test_patience import insane

RATIO = """
[[rule]]
name = "dropped"
kind = "level"
metric = "fps_actual"
per = "fps_pct"
direction = "below"
clear_samples = 1
fault_class = "F09"
steps = [{ severity = "warning", limit = 0.1 }]
"""

IMPOSSIBLE = """
[[rule]]
name = "impossible"
kind = "level"
metric = "seen_impossible_cnt"
clear_samples = 1
fault_class = "F41"
steps = [{ severity = "warning", limit = 3 }]
"""


@pytest.fixture
def shapes(monkeypatch):
    """The names of every shape that was made."""
    made = []
    shape = Plan.shape

    def counted(plan, names):
        made.append(names)
        return shape(plan, names)

    monkeypatch.setattr(Plan, "shape", counted)
    return made


def strange(text: str = HOT) -> Play:
    """A device that has sent as many sets of names as we make shapes for."""
    play = Play(text)
    for number in range(NOVELTIES + 2):
        play.now += 60
        play.report(**dict.fromkeys(PERCENTS[number % 5 : number % 5 + 3 + number // 5], 20.0), soc_temp_c=50.0)
    return play


def test_names_in_another_order_with_every_report_are_read_as_the_same(shapes):
    play = Play(HOT)
    names = [*PERCENTS[:8], "soc_temp_c"]
    for number in range(60):
        play.now += 60
        random.Random(number).shuffle(names)
        play.report(**dict.fromkeys(names, 20.0))
    assert len(shapes) == 1
    play.now += 60
    play.report(**{name: 85.0 if name == "soc_temp_c" else 20.0 for name in reversed(names)})
    assert play.told() == ["opened device:cam:F07 warning"]


def test_a_device_that_sends_other_names_with_every_report_makes_few_shapes_and_is_judged_all_the_same(shapes):
    play = strange()
    before = len(shapes)
    for number in range(400):
        play.now += 60
        names = random.Random(number).sample(PERCENTS, 7)
        play.report(**dict.fromkeys(names, 20.0), soc_temp_c=50.0)
        assert len(play.fleet._memories["cam"].recent) <= 4
    assert len(shapes) - before <= 8
    assert play.told() == []
    play.report(**dict.fromkeys(PERCENTS[:7], 20.0), soc_temp_c=85.0)
    assert play.told() == ["opened device:cam:F07 warning"]


def test_what_a_report_leaves_out_is_known_as_it_was_last(shapes):
    play = strange()
    known = {}
    for number in range(60):
        play.now += 60
        said = dict.fromkeys(random.Random(number).sample(PERCENTS, 7), float(number % 50)) | {"soc_temp_c": 50.0}
        play.report(**said)
        known |= {name: (play.now, value) for name, value in said.items()}
    seen = play.fleet.view("cam").metrics
    assert {name: seen[name] for name in known} == known


def test_names_without_end_are_forgotten_in_time():
    play = strange()
    for number in range(2 * KEPT_OLDER):
        play.now += 60
        play.report(**{f"odd_{number}": 1.0})
    assert len(play.fleet._memories["cam"].older) <= KEPT_OLDER
    assert len(play.fleet._memories["cam"].everything()) <= 2 * KEPT_OLDER


def test_of_a_name_that_is_known_the_newest_value_is_kept_when_there_is_no_room_for_more_names():
    play = Play(HOT)
    for number in range(KEPT_OLDER + 8):
        play.now += 60
        play.report(soc_temp_c=50.0, **{f"odd_{number}": 1.0})
    memory = play.fleet._memories["cam"]
    assert len(memory.older) == KEPT_OLDER
    for value in (2.0, 3.0):
        play.now += 60
        play.report(soc_temp_c=50.0, odd_3=value)
        last = play.now
        for _ in range(3):
            play.now += 60
            play.report(soc_temp_c=50.0, cpu_pct=20.0)
            play.report(soc_temp_c=50.0, mem_used_pct=20.0)
            play.report(soc_temp_c=50.0, kbps=20.0)
            play.report(soc_temp_c=50.0, luma_mean=20.0)
            play.report(soc_temp_c=50.0, rssi_dbm=-50.0)
        assert play.fleet.view("cam").metrics["odd_3"] == (last, value)
    assert len(memory.older) == KEPT_OLDER


def test_a_set_of_names_more_a_day_is_read_by_a_shape_of_its_own(shapes):
    play = strange(WEAR)
    for day in range(1, 4):
        play.now = T0 + 86_400.0 * day
        play.report(soc_temp_c=50.0)
    assert play.fleet._memories["cam"].novelties == NOVELTIES - 2


def test_a_value_that_cannot_be_is_dropped_from_a_report_with_gaps_as_from_any():
    play = strange(GUARDED + HOT)
    changes = []
    for number in range(30):
        play.now += 60
        names = random.Random(number).sample(PERCENTS, 5)
        changes += play.report(**dict.fromkeys(names, 1e15 if number % 2 else 20.0), soc_temp_c=50.0, sharpness=0.5)
    assert changes == []
    assert play.fleet.view("cam").impossible_values == 15 * 5
    assert all(value != 1e15 for _, value in play.fleet.view("cam").metrics.values())
    play.report(**{PERCENTS[0]: 1e15}, soc_temp_c=50.0, sharpness=0.5, lux=80.0)
    assert play.told() == ["opened device:cam:F11 warning"]


def test_a_value_that_a_guard_excuses_is_no_reason_to_look_at_a_report_with_gaps(shapes):
    play = strange(GUARDED)
    for number in range(90):
        play.now += 30
        names = random.Random(number).sample(PERCENTS[:10], 4)
        play.report(**dict.fromkeys(names, 20.0), sharpness=0.5, lux=10.0)
    assert play.told() == []
    play.report(**{PERCENTS[0]: 20.0}, sharpness=0.5, lux=80.0)
    assert play.told() == ["opened device:cam:F11 warning"]


@pytest.mark.parametrize(("degrees", "percent"), [(1e15, -1e15), (1e15, 1e15), (-1e15, -1e15)])
def test_a_report_in_which_nothing_can_be_leaves_what_was_known(degrees, percent):
    play = Play(HOT)
    play.report(soc_temp_c=50.0, cpu_pct=20.0)
    was = play.now
    for _ in range(5):
        play.now += 60
        play.report(soc_temp_c=degrees, cpu_pct=percent)
    view = play.fleet.view("cam")
    assert view.impossible_values == 10
    assert view.metrics == {"soc_temp_c": (was, 50.0), "cpu_pct": (was, 20.0)}
    play.now += 60
    play.report(soc_temp_c=85.0, cpu_pct=1e15)
    assert play.told() == ["opened device:cam:F07 warning"]


@pytest.mark.parametrize("beyond", [1e15, -1e15])
def test_a_device_that_nobody_listens_to_any_more_still_shows_how_much_of_it_is_impossible(beyond):
    play = insane()
    before, told = play.fleet.view("cam"), play.told()
    for number in range(1, 4):
        play.now += 60
        play.report(**dict.fromkeys(PERCENTS, beyond))
        assert play.fleet.view("cam").impossible_values == number * len(PERCENTS)
    assert play.fleet.view("cam").metrics == before.metrics
    assert play.told() == told


def test_many_impossible_values_are_told_by_the_rule_that_counts_them():
    rule = HOT.replace("soc_temp_c", "seen_impossible_cnt").replace("limit = 80, clear = 75", "limit = 1, clear = 0.5")
    play = Play(rule.replace("limit = 92, clear = 90", "limit = 99"))
    play.report(soc_temp_c=50.0, cpu_pct=20.0)
    play.now += 60
    play.report(soc_temp_c=1e15, cpu_pct=1e15)
    assert play.told() == ["opened device:cam:F07 warning"]


@pytest.mark.parametrize(
    ("text", "well", "bad", "fault"),
    [
        (ERRORS, {"fs_err_cnt": 5.0}, {"fs_err_cnt": 500.0}, "F"),
        (RATIO, {"fps_actual": 10.0, "fps_pct": 50.0}, {"fps_actual": 1.0, "fps_pct": 50.0}, "F09"),
    ],
)
def test_a_counter_that_grows_and_a_ratio_that_falls_are_seen_in_a_report_with_gaps(text, well, bad, fault):
    play = strange(text)
    for number in range(20):
        play.now += 60
        names = random.Random(number).sample(PERCENTS[5:], 5)
        play.report(**{name: 20.0 for name in names if name not in well}, **(well if number % 3 else {}))
    assert play.told() == []
    for _ in range(3):
        play.now += 60
        play.report(**{PERCENTS[6]: 20.0}, **bad)
    assert any(fault in told and told.startswith("opened") for told in play.told())


def test_as_many_impossible_values_as_a_rule_allows_are_passed_by_and_one_more_is_looked_at(monkeypatch):
    looks = []
    judge = fleet_module.judge
    monkeypatch.setattr(fleet_module, "judge", lambda *parts: looks.append(parts) or judge(*parts))
    play = Play(HOT + IMPOSSIBLE)
    play.report(soc_temp_c=50.0, cpu_pct=20.0)
    play.report(soc_temp_c=50.0, cpu_pct=20.0, mem_used_pct=20.0)
    for names, looked in ((["soc_temp_c", "cpu_pct"], 0), (["soc_temp_c", "cpu_pct", "mem_used_pct"], 1)):
        looks.clear()
        play.now += 60
        play.report(**dict.fromkeys(names, 1e15))
        assert len(looks) == looked
    assert play.told() == ["opened device:cam:F41 warning"]
    assert play.fleet.view("cam").impossible_values == 5
