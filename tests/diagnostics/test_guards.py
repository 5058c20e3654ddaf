"""What a rule's guard, or the words it names, keep out is kept out everywhere: of counts, of groups, of the past."""

import pytest

from diagnostics.episodes import Episode, Phase, Revision, advance, reconsider
from diagnostics.telemetry import Report
from tests.diagnostics.fleets import HOT, Play, camera, rules
from tests.diagnostics.test_kinds import PEER, hourly

CHANGES = """
[[rule]]
name = "card-lost"
kind = "count"
of = "changes"
state = "sd_state"
fault_class = "F02"
window_s = 3600
one_of = ["ro", "absent"]
steps = [{ severity = "high", limit = 2 }]
"""
BY_DAY = 'when = [{ state = "daynight", one_of = ["day"] }]\nclear_samples'
DAY, NIGHT = {"daynight": "day"}, {"daynight": "night"}


def test_a_count_of_changes_into_some_words_counts_no_others():
    play = Play(CHANGES)
    for word in ("ok", "full", "ok", "ro", "ok", "full"):
        play.now += 60
        play.report(states={"sd_state": word})
    assert play.told() == []
    play.now += 60
    play.report(states={"sd_state": "absent"})
    assert play.told() == ["opened device:cam:F02 high"]
    assert play.seen[0].evidence.value == 2


def test_a_device_that_the_guard_leaves_out_is_no_peer_of_the_others():
    """Four by day and three by night are too few by day, though seven report."""
    devices = [camera(f"cam{number}") for number in range(8)]
    by_day = PEER.replace("clear_samples", BY_DAY)
    for at_night, told in ((3, []), (2, ["opened device:cam7:F07 warning"])):
        play = Play(by_day, devices)
        for _ in range(3):
            for number in range(7):
                play.report(f"cam{number}", states=NIGHT if number < at_night else DAY, soc_temp_c=50.0)
            play.report("cam7", states=DAY, soc_temp_c=80.0)
            play.now += 3600
        assert play.told() == told


@pytest.mark.parametrize(
    ("text", "bad", "well"),
    [
        (HOT, 95.0, 74.0),
        (
            HOT.replace("limit = 80, clear = 75", "limit = 80").replace("limit = 92, clear = 90", "limit = 92"),
            85.0,
            79.0,
        ),
        (
            HOT.replace("clear_samples", 'direction = "below"\nclear_samples')
            .replace("limit = 80, clear = 75", "limit = 10, clear = 15")
            .replace("limit = 92, clear = 90", "limit = 2, clear = 5"),
            1.0,
            16.0,
        ),
    ],
)
def test_where_a_guard_says_all_is_well_the_value_is_told_as_one_inside_of_every_step(text, bad, well):
    play = Play(text.replace("clear_samples", f'outside = "clear"\n{BY_DAY}'))
    play.report(states=DAY, soc_temp_c=bad)
    play.now += 60
    assert len(play.told()) == 1
    [recovered] = play.report(states=NIGHT, soc_temp_c=bad)
    assert recovered.kind.value == "recovered"
    assert recovered.evidence.value == well


def test_late_good_news_after_what_the_guard_left_out_makes_no_fault_of_it():
    """With what the guard left out, and without the late value, it would fire; what is bad since then is young."""
    [slow] = rules(HOT.replace("clear_samples", "for_s = 600\nclear_samples")).rules
    episode = Episode(good_before=0.0)
    episode.samples = [(0.0, 85.0)]
    advance(episode, slow, 700.0, 85.0)
    advance(episode, slow, 900.0, 85.0)
    assert episode.phase is Phase.PENDING
    assert reconsider(episode, slow, 800.0, 60.0) is Revision.NOTHING
    assert (episode.phase, episode.severity, episode.since, episode.bad_count) == (Phase.PENDING, None, 900.0, 1)


def test_a_late_good_report_opens_nothing_though_a_guard_left_out_the_hours_before():
    play = Play(HOT.replace("clear_samples", f"for_s = 600\n{BY_DAY}"))
    play.report(states=NIGHT, soc_temp_c=85)
    play.now += 700
    play.report(states=DAY, soc_temp_c=85)
    play.now += 100
    late, play.seq["cam"] = play.now, play.seq["cam"] + 1
    play.now += 100
    play.report(states=DAY, soc_temp_c=85)
    play.send(Report("cam", 1, 3, late, play.now, {"soc_temp_c": 60.0}, dict(DAY)))
    assert play.told() == []
    play.now += 300
    play.report(states=DAY, soc_temp_c=85)
    assert play.told() == []
    play.now += 300
    play.report(states=DAY, soc_temp_c=85)
    assert play.told() == ["opened device:cam:F07 warning"]


def test_values_of_two_hours_ago_are_of_the_same_time_and_older_ones_are_not():
    """Peers are heard at T0; a long way before and after it two more, so that times are looked at one by one."""
    devices = [camera(f"cam{number}") for number in range(7)]
    for later, told in ((7328.0, True), (7329.0, False)):
        play = Play(PEER.replace("min_samples = 2", "min_samples = 1"), devices)
        start = play.now
        play.now = start - 20_000
        hourly(play, {"cam6": 50.0})
        play.now = start
        hourly(play, {f"cam{number}": 50.0 for number in range(5)})
        play.now = start + later
        play.report("cam5", soc_temp_c=80.0)
        assert (play.told() == ["opened device:cam5:F07 warning"]) is told


def test_a_group_of_peers_holds_no_more_than_sixty_four():
    devices = [camera(f"cam{number}") for number in range(66)]
    play = Play(PEER, devices)
    hourly(play, {device.device_id: 50.0 for device in devices}, 2)
    [group] = play.fleet._peers._groups.values()
    assert len(group) // 2 == 64
    hourly(play, {"cam65": 80.0}, 2)
    assert play.told() == ["opened device:cam65:F07 warning"], "who is not among them is compared with them"
