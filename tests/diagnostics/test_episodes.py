"""The life of an episode as a table, and what late data does to it."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import diagnostics
from diagnostics.changes import Severity
from diagnostics.episodes import TRANSITIONS, Episode, Outcome, Phase, Revision, Sight, advance, reconsider
from diagnostics.rule_parts import severity_of
from diagnostics.telemetry import Report
from tests.diagnostics.fleets import HOT, Play, rules
from tests.diagnostics.test_kinds import ERRORS, STATES

[RULE] = rules(HOT).rules
[SLOW] = rules(HOT.replace("clear_samples", "for_s = 600\nclear_samples")).rules


def diagram() -> str:
    """The table as Mermaid, the way the README shows it."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> quiet"]
    lines += [
        f"    {start.name.lower()} --> {end.name.lower()}: {sight.name.lower()}"
        for (start, sight), end in TRANSITIONS.items()
    ]
    return "\n".join([*lines, "```"])


def test_the_diagram_in_the_readme_is_the_table():
    readme = Path(diagnostics.__file__).with_name("README.md").read_text(encoding="utf-8")
    assert diagram() in readme


def test_every_phase_can_be_left_and_reached():
    assert {start for start, _ in TRANSITIONS} == set(Phase) == set(TRANSITIONS.values())


def test_an_episode_cannot_do_what_the_table_does_not_know():
    with pytest.raises(KeyError):
        Episode(0.0).move(Sight.PROVEN)


def test_a_step_is_entered_at_its_limit_and_left_at_its_clear_level():
    steps = RULE.steps
    assert severity_of(80, steps, "above", None) is Severity.WARNING
    assert severity_of(79.9, steps, "above", None) is None
    assert severity_of(75.1, steps, "above", Severity.WARNING) is Severity.WARNING
    assert severity_of(75, steps, "above", Severity.WARNING) is None


@given(st.lists(st.tuples(st.floats(1, 900), st.floats(60, 100)), max_size=80))
def test_openings_and_recoveries_alternate_whatever_comes(samples):
    episode, at, told = Episode(0.0), 0.0, []
    for passed, value in samples:
        at += passed
        outcome = advance(episode, SLOW, at, value)
        if outcome in {Outcome.OPENED, Outcome.RECOVERED}:
            told.append(outcome)
        assert (episode.severity is None) == (episode.phase in {Phase.QUIET, Phase.PENDING})
        assert len(episode.samples) <= 32
    assert told[::2] == [Outcome.OPENED] * len(told[::2])
    assert told[1::2] == [Outcome.RECOVERED] * len(told[1::2])


@given(st.lists(st.floats(60, 100), max_size=60), st.floats(60, 100))
@settings(max_examples=60)
def test_nothing_opens_before_its_time(values, last):
    episode, values = Episode(0.0), [*values, last]
    for number, value in enumerate(values):
        if advance(episode, SLOW, number * 60.0, value) is Outcome.OPENED:
            assert number >= 10
            assert min(values[number - 10 : number + 1]) > 75, "one good value in ten minutes ends it"


def _episode(*samples: tuple[float, float], rule=SLOW) -> Episode:
    episode = Episode(good_before=-100.0)
    for at, value in samples:
        advance(episode, rule, at, value)
    return episode


def test_a_late_good_value_inside_the_window_withdraws_what_it_refutes():
    episode = _episode((0, 85), (300, 85), (600, 85))
    assert episode.phase is Phase.FIRING
    assert reconsider(episode, SLOW, 450.0, 60.0) is Revision.WITHDRAWN
    assert (episode.phase, episode.severity, episode.since) == (Phase.PENDING, None, 600)


def test_what_is_over_is_not_judged_again():
    episode = _episode((0, 85), (600, 85), (700, 74))
    assert reconsider(episode, SLOW, 300.0, 60.0) is Revision.NOTHING
    assert (episode.phase, episode.severity, episode.good_before) == (Phase.QUIET, None, 700)


def test_a_late_bad_value_before_the_onset_moves_the_onset():
    episode = _episode((0, 85), (600, 85))
    assert reconsider(episode, SLOW, -50.0, 85.0) is Revision.AMENDED
    assert episode.since == -50
    assert reconsider(episode, SLOW, 100.0, 85.0) is Revision.NOTHING


def test_a_late_bad_value_may_be_the_missing_proof():
    episode = _episode((0, 85), (550, 85))
    assert episode.phase is Phase.PENDING
    assert reconsider(episode, SLOW, -60.0, 85.0) is Revision.OPENED
    assert (episode.phase, episode.severity) == (Phase.FIRING, Severity.WARNING)


def test_a_late_good_value_ends_a_pending_episode_or_begins_it_later():
    episode = _episode((0, 85), (300, 85))
    assert reconsider(episode, SLOW, 200.0, 60.0) is Revision.NOTHING
    assert (episode.phase, episode.since) == (Phase.PENDING, 300)
    episode = _episode((0, 85), (300, 77))
    assert reconsider(episode, SLOW, 200.0, 60.0) is Revision.NOTHING
    assert episode.phase is Phase.QUIET


@pytest.mark.parametrize("at", [-200.0, 1000.0])
def test_a_value_older_than_the_last_good_one_or_newer_than_all_is_not_late_news(at):
    episode = _episode((0, 85), (600, 85))
    assert reconsider(episode, SLOW, at, 60.0) is Revision.NOTHING
    assert reconsider(Episode(0.0), SLOW, at, 60.0) is Revision.NOTHING


def _play_hot(*values: float) -> Play:
    play = Play(HOT.replace("clear_samples", "for_s = 600\nclear_samples"))
    for value in values:
        play.report(soc_temp_c=value)
        play.wait(300)
    return play


def test_what_gets_worse_is_told_as_worse_when_that_has_lasted_too():
    play = _play_hot(85, 85, 85, 95, 95)
    assert play.told() == ["opened device:cam:F07 warning"]
    play.report(soc_temp_c=95)
    assert play.told()[1:] == ["raised device:cam:F07 critical"]
    assert play.seen[1].at - play.seen[0].at == 900


def test_a_worse_value_between_milder_ones_is_not_told():
    play = _play_hot(85, 85, 85, 95, 85, 95, 85, 95, 85)
    assert play.told() == ["opened device:cam:F07 warning"]


def _late(play: Play, at: float, **metrics: float) -> list[str]:
    """A report that fills the hole left at seq 2."""
    before = len(play.seen)
    play.send(Report("cam", 1, 2, at, play.now, dict(metrics)))
    return [change.kind.value for change in play.seen[before:]]


def test_a_late_report_withdraws_amends_or_opens_and_never_twice():
    for late, expected in ((60.0, ["withdrawn"]), (85.0, [])):
        play = Play(HOT.replace("clear_samples", "for_s = 600\nclear_samples"))
        play.report(soc_temp_c=50)
        play.seq["cam"] = 2
        play.wait(300)
        start = play.now
        for _ in range(3):
            play.report(soc_temp_c=85)
            play.wait(300)
        assert play.told() == ["opened device:cam:F07 warning"]
        assert _late(play, start + 450, soc_temp_c=late) == expected
        assert _late(play, start + 450, soc_temp_c=late) == []  # the same again is a duplicate


def test_a_late_report_never_flips_liveness_and_is_kept_in_the_past():
    play = Play(HOT)
    play.report(soc_temp_c=50)
    play.seq["cam"] = 2
    play.wait(60)
    play.report(soc_temp_c=50)
    received = play.fleet.view("cam").received_at
    play.wait(60)
    assert _late(play, play.now - 90, soc_temp_c=85.0, cpu_pct=1e6) == []
    view = play.fleet.view("cam")
    assert (view.received_at, view.impossible_values) == (received, 1)


def test_late_data_on_a_held_fault_is_not_told():
    play = Play(HOT.replace("clear_samples", "for_s = 600\nclear_samples"))
    play.report(states={"maintenance": "on"}, soc_temp_c=50)
    play.seq["cam"] = 2
    play.wait(300)
    start = play.now
    for _ in range(3):
        play.report(states={"maintenance": "on"}, soc_temp_c=85)
        play.wait(300)
    assert _late(play, start - 100, soc_temp_c=85) == []
    assert play.told() == []


def test_a_late_bad_value_amends_the_beginning_of_an_open_fault():
    play = Play(HOT.replace("clear_samples", "for_s = 600\nclear_samples"))
    play.report(soc_temp_c=50)
    play.seq["cam"] = 2
    play.wait(300)
    start = play.now
    for _ in range(3):
        play.report(soc_temp_c=85)
        play.wait(300)
    assert _late(play, start - 100, soc_temp_c=85) == ["amended"]
    assert play.seen[-1].evidence.since == start - 100


def test_a_late_report_may_open_what_was_pending():
    play = Play(HOT.replace("clear_samples", "for_s = 600\nclear_samples"))
    play.report(soc_temp_c=50)
    play.seq["cam"] = 2
    play.wait(300)
    start = play.now
    play.report(soc_temp_c=85)
    play.wait(550)
    play.report(soc_temp_c=85)
    assert play.told() == []
    assert _late(play, start - 100, soc_temp_c=85) == ["opened"]


def _not_recording(late: str) -> Play:
    """Three reports in two minutes without recording; one more, from between them, came late."""
    play = Play(STATES)
    play.report(states={"recording": "on"})
    play.seq["cam"] = 2
    for _ in range(3):
        play.wait(60)
        play.report(states={"recording": "off"})
    assert play.told() == ["opened device:cam:F06 high"]
    play.send(Report("cam", 1, 2, play.now - 30, play.now, {"cpu_pct": 20.0}, {"recording": late}))
    return play


def test_a_late_state_takes_back_what_it_refutes_and_nothing_else():
    assert _not_recording("on").told()[1:] == ["withdrawn device:cam:F06 high"]
    assert _not_recording("off").told()[1:] == []


def test_a_late_report_says_nothing_of_what_is_counted():
    play = Play(ERRORS)
    play.report(fs_err_cnt=40)
    play.seq["cam"] = 2
    play.wait(60)
    play.report(fs_err_cnt=44)
    assert play.told() == ["opened device:cam:F02 warning"]
    assert _late(play, play.now - 30, fs_err_cnt=0.0) == []
    assert play.fleet.view("cam").episodes[0].phase is Phase.FIRING


@pytest.mark.parametrize(
    ("degrees", "away_s", "told"), [(85.0, 0.0, ["opened"]), (85.0, 86_400.0, []), (60.0, 0.0, [])]
)
def test_a_late_value_counts_in_its_own_day(degrees, away_s, told):
    play = Play(HOT.replace("clear_samples", 'of = "day_max"\nclear_samples'))
    play.wait(away_s, 3600)
    play.report(soc_temp_c=50)
    play.seq["cam"] = 2
    play.wait(7200, 3600)
    play.report(soc_temp_c=50)
    assert _late(play, play.now - 3600 - away_s, soc_temp_c=degrees) == []
    play.wait(86_400, 3600)
    assert [change.kind.value for change in play.report(soc_temp_c=50)] == told
