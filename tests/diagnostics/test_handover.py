"""Other rules in a fleet of any size: a few sites at a time, and in the end as if it had been all at once."""

import json
from collections import Counter
from itertools import pairwise
from zlib import crc32

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diagnostics.engine import Engine
from diagnostics.fleet import Fleet
from diagnostics.handover import SHELVES
from tests.diagnostics.fleets import CATALOGUE, HOT, SILENT, Play, camera, rules, site
from tests.diagnostics.test_kinds import FROZEN, PEER
from tests.diagnostics.test_other_rules import BOOKS, plain, rule_sets
from tests.diagnostics.test_persistence import ACTS, FINDING, NAMES, Driver

OTHER = HOT.replace('"hot"', '"warm"')
SITES = [camera(f"cam-{number}", f"site-{number}") for number in range(64)]


def slowly(fleet: Fleet) -> Fleet:
    fleet._handover.a_tick = 1
    return fleet


def engine_of(text: str) -> Engine:
    return Engine(rules(text), CATALOGUE)


def behind(fleet: Fleet) -> set[str]:
    """Devices that are judged by rules of before."""
    return {name for name, memory in fleet._memories.items() if fleet._handover.label(memory) != fleet._handover.number}


def hot_fleet(text: str = HOT) -> Play:
    """64 sites of one hot camera each, and other rules begun."""
    play = Play(text, SITES)
    play.fleet._openings.fleet_size = 10**6  # many hot cameras are no storm here
    slowly(play.fleet)
    for device in SITES:
        play.report(device.device_id, soc_temp_c=85)
    play.seen.clear()
    play._keep(play.fleet.adopt(engine_of(OTHER), play.now))
    return play


@given(ACTS, BOOKS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], phases=FINDING)
def test_in_the_end_the_fleet_is_where_it_would_be_if_it_had_gone_over_at_once(acts, books):
    at_once, step_by_step = Driver(), Driver()
    at_once.fleet._handover.a_tick = 1000
    slowly(step_by_step.fleet)
    said: tuple[Counter[object], Counter[object]] = Counter(), Counter()
    for driver in (at_once, step_by_step):
        driver.fleet._openings.fleet_size = 10**6  # a storm is a matter of who came first
    sets = rule_sets(books)
    for number, act in enumerate(acts):
        if number % 4 == 1 and sets:
            engine = Engine(sets[number % len(sets)], CATALOGUE)
            for driver, words in zip((at_once, step_by_step), said, strict=True):
                words.update(_words(driver.fleet.adopt(engine, driver.now)))
        what = "report" if act[0] == "expect" else act[0]  # what is expected holds what is told at the time
        for driver, words in zip((at_once, step_by_step), said, strict=True):
            words.update(_words(driver.act(what, *act[1:])))
    for _ in range(40):
        for driver, words in zip((at_once, step_by_step), said, strict=True):
            driver.now += 0.1
            words.update(_words(driver.fleet.tick(driver.now)))
    assert not behind(step_by_step.fleet)
    assert len(step_by_step.fleet.editions) == 1
    assert said[0] == said[1]
    for name in NAMES:
        assert plain(at_once.fleet.save(name)) == plain(step_by_step.fleet.save(name))
        assert at_once.fleet.view(name) == step_by_step.fleet.view(name)


def _words(changes):
    return [(it.kind, it.key, it.rule, it.severity, it.at) for it in changes if not isinstance(it, tuple)]


def test_no_tick_brings_over_more_than_its_share_and_after_enough_of_them_nobody_is_left():
    play, left = hot_fleet(), [64]
    play.fleet._handover.a_tick = 4
    while behind(play.fleet):
        play.wait(1, 1)
        left.append(len(behind(play.fleet)))
    assert max(before - after for before, after in pairwise(left)) <= 12
    assert 32 <= len(left) <= 66
    assert Counter(change.kind.value for change in play.seen) == {"withdrawn": 64}
    assert play.wait(70, 1) == []


def test_a_site_that_is_heard_is_judged_by_the_new_rules_at_once():
    play = hot_fleet()
    late = max(behind(play.fleet))
    play.seen.clear()
    play.report(late, soc_temp_c=86)
    assert play.told() == [f"withdrawn device:{late}:F07 warning", f"opened device:{late}:F07 warning"]
    later = max(behind(play.fleet))
    play.event("video/tamper", later)
    assert play.told()[2:] == [f"withdrawn device:{later}:F07 warning"]


def test_a_site_whose_silence_is_judged_goes_over_first():
    play = Play(HOT + SILENT, [*site("a"), *site("b"), *site("c")])
    slowly(play.fleet)
    play.live(600)
    play.fleet.adopt(engine_of(OTHER + SILENT.replace('"silent"', '"quiet"')), play.now)
    play.fleet._handover._at = play.now + 1e9  # nobody has a turn
    play.live(1200, "a-cam1")
    assert play.told() == ["opened device:a-cam1:OFFLINE high"]
    assert play.seen[0].rule == "quiet@1"


def test_a_silent_device_that_gets_worse_is_judged_by_the_new_rules():
    play = Play(SILENT, [*site("a"), *site("b"), *site("c")])
    slowly(play.fleet)
    play.live(600)
    play.live(1200, "a-cam1")
    mild = SILENT.replace('"critical", limit = 20', '"critical", limit = 90')
    play.fleet.adopt(engine_of(mild), play.now)
    play.fleet._handover._at = play.now + 1e9
    play.live(10_000, "a-cam1")
    assert play.told() == ["opened device:a-cam1:OFFLINE high"]
    assert "a-cam1" not in behind(play.fleet)


def test_a_fleet_that_has_heard_nobody_has_nobody_to_bring_over():
    play = Play(HOT, SITES)
    assert play.fleet.adopt(engine_of(OTHER), play.now) == []
    assert list(play.fleet.editions) == [1]
    play.report("cam-1", soc_temp_c=85)
    assert [change.rule for change in play.seen] == ["warm@1"]


def test_a_restart_in_the_middle_goes_on_where_it_was():
    play = hot_fleet()
    play.wait(30, 1)
    left = behind(play.fleet)
    assert 0 < len(left) < 64
    again = Play(HOT, SITES)
    again.fleet = slowly(Fleet(engine_of(HOT), SITES, play.now))
    again.fleet.judged_by(play.fleet.editions)
    again.fleet.restore_shared(play.fleet.save_shared())
    for device in SITES:
        again.fleet.restore(device.device_id, play.fleet.save(device.device_id))
    assert behind(again.fleet) == left
    play.seen.clear()
    again.now = play.now
    for one in (play, again):
        while behind(one.fleet):
            one.wait(1, 1)
    assert (again.now, again.told()) == (play.now, play.told())
    assert len(again.told()) == len(left)


def test_the_same_tick_again_brings_nobody_over():
    play = hot_fleet()
    play.wait(1, 1)
    left = behind(play.fleet)
    assert play.fleet.tick(play.now) == ()
    assert behind(play.fleet) == left


def test_a_device_that_moves_meanwhile_takes_its_rules_along_and_goes_over_in_the_end():
    play = hot_fleet()
    play.wait(10, 1)
    last = max(behind(play.fleet))
    here = next(it.site_id for it in SITES if it.device_id not in behind(play.fleet))
    play.fleet.register(camera(last, here))
    assert last in behind(play.fleet)
    play.wait(70, 1)
    assert not behind(play.fleet)
    assert Counter(change.kind.value for change in play.seen) == {"withdrawn": 64}


def test_a_site_that_is_new_or_gone_meanwhile_stops_nothing():
    play = hot_fleet()
    last = max(behind(play.fleet))
    play.fleet.forget(last)
    play.fleet.register(camera("new", "new"))
    play.report("new", soc_temp_c=85)
    assert "new" not in behind(play.fleet)
    play.wait(70, 1)
    assert Counter(words.split()[0] for words in play.told()) == {"withdrawn": 63, "opened": 1}


@given(st.integers(0, 40), st.integers(1, 7))
@settings(max_examples=20)
def test_a_checkpoint_in_the_middle_holds_each_memory_with_its_rules(ticks, limit):
    play = hot_fleet()
    play.wait(ticks, 1) if ticks else None
    left = behind(play.fleet)
    pieces, shared = {}, play.fleet.begin_checkpoint()
    editions = dict(play.fleet.editions)
    while more := play.fleet.some_of_checkpoint(limit):
        pieces |= more
        play.wait(1, 1)
    fresh = slowly(Fleet(engine_of(HOT), SITES, play.now))
    fresh.judged_by(editions)
    fresh.restore_shared(shared)
    for name, kept in pieces.items():
        fresh.restore(name, kept)
    assert behind(fresh) == left
    told = Counter(change.kind.value for second in range(70) for change in fresh.tick(play.now + second))
    assert told == ({"withdrawn": len(left)} if left else {})
    assert not behind(fresh)


def test_a_memory_of_rules_that_nobody_knows_any_more_keeps_what_fits():
    play = hot_fleet()
    kept = play.fleet.save(min(behind(play.fleet))).partition(b"\n")
    other = Play(HOT, SITES)
    other.fleet.judged_by({7: engine_of(HOT)})
    other.fleet.restore("cam-1", b"R3\n" + (kept[2] or kept[0]))
    assert [episode.rule for episode in other.fleet.view("cam-1").episodes] == ["hot@1"]
    assert not behind(other.fleet)
    assert json.loads(other.fleet.save("cam-1").partition(b"\n")[2])["v"] == 3


def test_rules_that_follow_while_others_are_taken_over_are_reached_step_by_step():
    play = hot_fleet()
    play.fleet.adopt(engine_of(HOT), play.now)
    assert len(play.fleet.editions) == 3
    play.wait(140, 1)
    assert Counter(change.kind.value for change in play.seen) == {"withdrawn": 64}
    assert len(play.fleet.editions) == 1


def test_the_edition_in_force_again_changes_nothing_and_one_of_before_ends_the_way_to_this_one_first():
    play = hot_fleet()
    assert play.fleet.adopt(engine_of(HOT), play.now, 1) == []
    changes = play.fleet.adopt(engine_of(HOT), play.now, 0)
    assert len(play.seen) + len(changes) == 64
    assert list(play.fleet.editions) == [1, 0]


def test_while_a_fleet_goes_over_nobody_is_compared_with_what_others_measured_under_the_old_rules():
    everyone = PEER.replace('group = "site"', 'group = "model"').replace("min_samples = 2", "min_samples = 1")
    model = everyone.replace("soc_temp_c", "cpu_pct")
    play = Play(everyone, SITES)
    slowly(play.fleet)
    play.live(4000, soc_temp_c=50)
    play.fleet.adopt(engine_of(model), play.now)
    play.report("cam-1", cpu_pct=90.0)
    play.now += 3600
    play.report("cam-1", cpu_pct=90.0)
    assert len(behind(play.fleet)) > 50
    assert play.told() == []


def test_the_same_rules_under_two_numbers_are_taken_over_once():
    play = hot_fleet()
    again = engine_of(HOT)
    play.fleet.adopt(again, play.now)
    play.fleet.adopt(again, play.now)
    play.wait(200, 1)
    assert Counter(change.kind.value for change in play.seen) == {"withdrawn": 64}
    assert list(play.fleet.editions) == [3]


def test_what_stood_still_is_forgotten_with_the_last_rule_that_watched_it():
    play = Play(HOT + FROZEN)
    play.live(20_000, soc_temp_c=50)
    assert play.fleet._memories["cam"].stuck_runs is not None
    play.fleet.adopt(engine_of(HOT), play.now)
    assert play.fleet._memories["cam"].stuck_runs is None
    play.fleet.adopt(engine_of(HOT + FROZEN), play.now)
    play.live(7200, soc_temp_c=50)
    assert max(play.fleet._memories["cam"].stuck_runs) <= 2


def test_a_site_that_is_gone_leaves_its_neighbours_on_the_shelf():
    names = {}
    for number in range(10_000):
        pair = names.setdefault(crc32(f"site-{number}".encode()) % SHELVES, [])
        pair.append(f"site-{number}")
        if len(pair) == 2:
            break
    play = Play(HOT, [camera(name, name) for name in pair])
    for name in pair:
        play.report(name, soc_temp_c=85)
    play.fleet.forget(pair[0])
    play._keep(play.fleet.adopt(engine_of(OTHER), play.now))
    assert play.told()[2:] == [f"withdrawn device:{pair[1]}:F07 warning"]


def test_what_a_device_says_to_its_peers_keeps_its_place_when_another_rule_joins():
    play = Play(PEER, site("a"))
    play.live(4000, soc_temp_c=50)
    before = play.fleet._memories["a-cam1"].peering("hotter")
    groups = {name: list(values) for name, values in play.fleet._peers._groups.items()}
    other = PEER.replace('"hotter"', '"busier"').replace("soc_temp_c", "cpu_pct")
    play.fleet.adopt(engine_of(other + PEER), play.now)
    assert play.fleet._memories["a-cam1"].peering("hotter") == before
    assert play.fleet._memories["a-cam1"].peering("busier") == (0.0, 0.0)
    assert {name: list(values) for name, values in play.fleet._peers._groups.items()} == groups
