"""Levels, hysteresis, time, and what a healthy report costs in changes: none."""

from copy import copy
from dataclasses import replace

import pytest

from diagnostics.changes import ChangeKind, Severity
from diagnostics.telemetry import Report, Standing
from diagnostics.views import Link
from tests.diagnostics.fleets import HOT, Play


def test_a_healthy_report_changes_nothing_and_costs_no_new_object():
    play = Play(HOT)
    play.report(soc_temp_c=50)
    assert play.fleet.observe(Report("cam", 1, 2, play.now, play.now, {"soc_temp_c": 51.0})) is play.fleet.observe(
        Report("cam", 1, 3, play.now, play.now, {"soc_temp_c": 52.0})
    )


def test_a_value_past_its_limit_opens_and_below_its_clear_level_recovers():
    play = Play(HOT)
    for value in (50, 81, 78, 76, 74):
        play.report(soc_temp_c=value)
    assert play.told() == ["opened device:cam:F07 warning", "recovered device:cam:F07 warning"]


def test_severity_rises_and_falls_inside_one_episode():
    play = Play(HOT)
    for value in (50, 81, 93, 91, 89, 74):
        play.report(soc_temp_c=value)
    assert [(change.kind, change.severity) for change in play.seen] == [
        (ChangeKind.OPENED, Severity.WARNING),
        (ChangeKind.RAISED, Severity.CRITICAL),
        (ChangeKind.LOWERED, Severity.WARNING),
        (ChangeKind.RECOVERED, Severity.WARNING),
    ]


def test_evidence_names_the_signal_its_limit_and_the_value_before():
    play = Play(HOT)
    play.report(soc_temp_c=50)
    play.wait(60)
    [opened] = play.report(soc_temp_c=85)
    assert (opened.evidence.metric, opened.evidence.value, opened.evidence.limit, opened.evidence.usual) == (
        "soc_temp_c",
        85,
        80,
        50,
    )
    assert [value for _, value in opened.evidence.samples] == [50, 85]


def test_trouble_must_last_before_it_is_told():
    play = Play(HOT.replace("clear_samples", "for_s = 600\nmin_samples = 3\nclear_samples"))
    play.live(480, soc_temp_c=85)
    assert play.told() == []
    play.live(240, soc_temp_c=85)
    assert play.told() == ["opened device:cam:F07 warning"]


def test_a_good_value_in_between_starts_the_time_anew():
    play = Play(HOT.replace("clear_samples", "for_s = 600\nclear_samples"))
    for _ in range(4):
        play.live(480, soc_temp_c=85)
        play.live(120, soc_temp_c=60)
    assert play.told() == []


def test_values_between_clear_and_limit_do_not_open_what_one_spike_began():
    play = Play(HOT.replace("clear_samples", "min_samples = 2\nclear_samples"))
    play.live(60, soc_temp_c=81)
    play.live(3600, soc_temp_c=77)
    assert play.told() == []


def test_recovery_needs_good_time_and_missing_data_is_no_good_time():
    play = Play(HOT.replace("clear_samples = 1", "clear_samples = 3\nclear_for_s = 600"))
    play.live(120, soc_temp_c=85)
    play.wait(7200)
    play.live(120, soc_temp_c=60)
    assert play.told() == ["opened device:cam:F07 warning"]
    play.live(720, soc_temp_c=60)
    assert play.told()[-1] == "recovered device:cam:F07 warning"


def test_a_mean_rides_over_a_spike_but_not_over_a_plateau():
    text = HOT.replace("clear_samples", "average_s = 1800\nclear_samples")
    spiky = Play(text)
    spiky.live(3600, soc_temp_c=60)
    spiky.live(60, soc_temp_c=99)
    spiky.live(7200, soc_temp_c=60)
    assert spiky.told() == []
    assert not spiky.fleet.view("cam").episodes
    flat = Play(text)
    flat.live(3600, soc_temp_c=85)
    assert flat.told() == ["opened device:cam:F07 warning"]


def test_the_ratio_of_two_metrics_is_judged_like_a_metric():
    play = Play(
        """
[[rule]]
name = "slow"
kind = "level"
fault_class = "F24"
metric = "fps_actual"
per = "fps_target"
direction = "below"
clear_samples = 1
steps = [{ severity = "warning", limit = 0.9 }]
"""
    )
    for actual, target in ((25, 25), (12.5, 12.5), (20, 25), (12, 0), (24, 25)):
        play.report(fps_actual=actual, fps_target=target)
    assert play.told() == ["opened device:cam:F24 warning", "recovered device:cam:F24 warning"]


def test_guards_decide_what_is_evidence():
    guarded = HOT.replace("clear_samples", 'when = [{ state = "daynight", one_of = ["night"] }]\nclear_samples')
    play = Play(guarded)
    play.report(states={"daynight": "day"}, soc_temp_c=85)
    assert play.told() == []
    play.report(states={"daynight": "night"}, soc_temp_c=85)
    play.report(states={"daynight": "day"}, soc_temp_c=60)
    assert play.told() == ["opened device:cam:F07 warning"]
    play.report(states={"daynight": "night"}, soc_temp_c=60)
    assert play.told()[-1] == "recovered device:cam:F07 warning"


def test_a_guard_may_say_that_outside_of_it_all_is_well():
    text = HOT.replace("clear_samples", 'outside = "clear"\nwhen = [{ metric = "cpu_pct", above = 50 }]\nclear_samples')
    play = Play(text)
    play.report(soc_temp_c=85, cpu_pct=60)
    play.report(soc_temp_c=85, cpu_pct=20)
    assert play.told() == ["opened device:cam:F07 warning", "recovered device:cam:F07 warning"]


def test_nothing_is_judged_while_a_device_settles_after_a_restart():
    play = Play(HOT.replace("clear_samples", "settle_s = 600\nclear_samples"))
    play.report(soc_temp_c=60)
    play.reboot()
    play.report(soc_temp_c=95)
    assert play.told() == []
    play.wait(900)
    play.report(soc_temp_c=85)
    assert play.told() == ["opened device:cam:F07 warning"]


def test_a_flapping_device_keeps_one_episode():
    play = Play(HOT)
    for turn in range(120):
        play.live(60, soc_temp_c=85 if turn % 2 else 60)
    opened = play.told().count("opened device:cam:F07 warning")
    assert opened <= 7
    assert play.fleet.view("cam").episodes[0].flapping
    play.live(3 * 3600, soc_temp_c=60)
    assert play.told()[-1] == "recovered device:cam:F07 warning"
    assert not play.fleet.view("cam").episodes


def test_two_rules_of_one_class_speak_for_themselves_under_one_key():
    play = Play(HOT + HOT.replace('"hot"', '"very-hot"').replace("80, clear = 75", "85, clear = 82"))
    for value in (50, 81, 86, 81, 74):
        play.report(soc_temp_c=value)
    assert [(change.kind.value, change.rule) for change in play.seen] == [
        ("opened", "hot@1"),
        ("opened", "very-hot@1"),
        ("recovered", "very-hot@1"),
        ("recovered", "hot@1"),
    ]
    assert {change.key for change in play.seen} == {"device:cam:F07"}


def test_a_watched_rule_shows_on_the_page_and_opens_nothing():
    play = Play(HOT.replace("clear_samples", "watch = true\nclear_samples"))
    play.report(soc_temp_c=85)
    [episode] = play.fleet.view("cam").episodes
    assert (play.told(), episode.watch, episode.rule) == ([], True, "hot@1")


def test_rules_apply_only_to_their_kinds_and_models():
    play = Play(HOT.replace("clear_samples", 'applies_to = { models = ["other"] }\nclear_samples'))
    play.report(soc_temp_c=95)
    assert play.told() == []
    other = Play(
        HOT.replace("clear_samples", 'applies_to = { models = ["other"] }\nclear_samples'),
        [replace(play.devices[0], model="other")],
    )
    other.report(soc_temp_c=95)
    assert other.told() == ["opened device:cam:F07 critical"]


def test_an_impossible_value_is_dropped_counted_and_a_fault_when_it_persists():
    play = Play(
        HOT
        + """
[[rule]]
name = "stuck-sensor"
kind = "level"
fault_class = "F41"
metric = "seen_impossible_cnt"
min_samples = 3
clear_samples = 1
steps = [{ severity = "warning", limit = 1 }]
"""
    )
    report = Report("cam", 1, 1, play.now, play.now, {"soc_temp_c": 900.0, "cpu_pct": 20.0})
    play.send(report)
    assert report.metrics == {"cpu_pct": 20.0}
    play.seq["cam"] = 1
    for _ in range(3):
        play.report(soc_temp_c=900, cpu_pct=20)
    assert play.told() == ["opened device:cam:F41 warning"]
    view = play.fleet.view("cam")
    assert view.impossible_values == 4
    assert "soc_temp_c" not in view.metrics
    play.report(soc_temp_c=60, cpu_pct=20)
    assert play.told()[-1] == "recovered device:cam:F41 warning"


def test_a_metric_nobody_knows_is_kept_and_judged_by_no_rule():
    play = Play(HOT)
    play.report(new_sensor=1e14)
    assert play.fleet.view("cam").metrics["new_sensor"][1] == 1e14
    assert play.told() == []


@pytest.mark.parametrize("method", ["observe", "event"])
def test_a_device_that_is_not_registered_leaves_no_trace(method):
    play = Play(HOT)
    assert play.report("stranger", soc_temp_c=95) == [] if method == "observe" else play.event("x", "stranger") == []
    assert play.fleet.view("stranger") is None


def test_a_page_can_see_what_is_known_of_a_device():
    play = Play(HOT)
    assert play.fleet.view("cam").link is Link.NEVER
    play.report(states={"recording": "on"}, soc_temp_c=85)
    view = play.fleet.view("cam")
    assert (view.link, view.boot, view.seq, view.states) == (Link.ONLINE, 1, 1, {"recording": "on"})
    assert view.metrics == {"soc_temp_c": (play.now, 85)}
    assert (view.episodes[0].fault_class, view.episodes[0].value, view.episodes[0].held_by) == ("F07", 85, "")
    play.will("cam")
    assert play.fleet.view("cam").link is Link.SUSPECT
    play.will("cam", online=True)
    assert play.fleet.view("cam").link is Link.ONLINE


def test_metrics_that_come_in_different_messages_are_all_remembered():
    play = Play(HOT)
    for number in range(9):
        play.report(**{f"extra_{number}": float(number), "cpu_pct": 20.0 + number})
    metrics = play.fleet.view("cam").metrics
    assert {name: value for name, (_, value) in metrics.items()} == {
        **{f"extra_{number}": float(number) for number in range(9)},
        "cpu_pct": 28.0,
    }


def test_a_hostile_device_cannot_grow_what_is_remembered_of_it():
    play = Play(HOT)
    for number in range(2000):
        play.report(states={f"s{number}": "x"}, **{f"m{number}": 1.0})
    view = play.fleet.view("cam")
    assert len(view.metrics) < 300
    assert len(view.states) <= 64
    assert len(play.fleet.save("cam")) < 30_000
    assert len(play.engine.plan("camera", "model").shapes) <= 512


def test_standing_is_told_back_in_the_report():
    play = Play(HOT)
    report = Report("cam", 1, 7, play.now, play.now, {"soc_temp_c": 50.0})
    play.send(report)
    again = copy(report)
    play.send(again)
    assert (report.standing, again.standing) == (Standing.NEW, Standing.DUPLICATE)
