"""Other rules without a restart: what is remembered stays what it is, and what goes on goes on."""

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diagnostics.backtest_scope import affected
from diagnostics.engine import Engine
from diagnostics.other_rules import same_measure
from diagnostics.rule_file import RuleSet
from tests.diagnostics.fleets import CATALOGUE, HOT, SILENT, T0, Play, camera, rules, site
from tests.diagnostics.test_kinds import ERRORS, FROZEN, PEER, SIGNATURE, WEAR, run_days
from tests.diagnostics.test_persistence import ACTS, FINDING, NAMES, RULES, Driver

DAY = 86_400.0
WATCHED = HOT.replace('kind = "level"', 'kind = "level"\nwatch = true')


def plain(kept: bytes) -> object:
    """A saved memory without the number of its rules."""
    return json.loads(kept[kept.find(b"\n") + 1 :] or b"0")


def adopt(play: Play, text: str) -> list[str]:
    play._keep(play.fleet.adopt(Engine(rules(text), CATALOGUE), play.now))
    return play.told()


@given(ACTS, st.integers(0, 59))
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], phases=FINDING)
def test_adopting_the_same_rules_changes_nothing_that_is_said_later(acts, cut):
    steady, other = Driver(), Driver()
    for number, act in enumerate(acts):
        if number == cut % len(acts):
            assert list(other.fleet.adopt(Engine(RULES, CATALOGUE), other.now)) == []
        assert steady.act(*act) == other.act(*act)
    for name in NAMES:
        assert plain(steady.fleet.save(name)) == plain(other.fleet.save(name))


BOOKS = st.lists(st.tuples(st.sets(st.sampled_from(RULES.rules)), st.sets(st.sampled_from(RULES.rules))))
"""Books of rules: some of them, and which of these are only watched."""


def test_a_reason_told_in_another_language_too_makes_no_other_rule():
    for rule in RULES.rules:
        told = replace(rule, reason_id="Alasan yang sama, dalam bahasa Indonesia.")
        assert same_measure(rule, told), rule.name
        assert [kept.rules for kept in affected(RuleSet((rule,)), RuleSet((told,)))] == [(), ()]


def rule_sets(books) -> list[RuleSet]:
    return [
        RuleSet(tuple(replace(rule, watch=rule in watched) for rule in RULES.rules if rule in kept))
        for kept, watched in books
    ]


@given(ACTS, BOOKS, st.integers(1, 100))
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], phases=FINDING)
def test_whatever_the_rules_become_a_restart_in_between_changes_nothing_and_keys_stay_single(acts, books, a_tick):
    steady, restarted, running = Driver(), Driver(), {}
    steady.fleet._handover.a_tick = restarted.fleet._handover.a_tick = a_tick
    sets = rule_sets(books)
    engine = Engine(RULES, CATALOGUE)
    for number, act in enumerate(acts):
        said = []
        if number % 3 == 1 and sets:
            engine = Engine(sets[number % len(sets)], CATALOGUE)
            said = list(steady.fleet.adopt(engine, steady.now))
            assert said == list(restarted.fleet.adopt(engine, restarted.now))
        if number % 5 == 2:
            old = restarted.fleet
            fresh = type(old)(engine, list(old._devices.values()), restarted.now)
            fresh.judged_by(old.editions)
            fresh.restore_shared(old.save_shared())
            fresh._handover.a_tick = a_tick
            for name in NAMES:
                fresh.restore(name, old.save(name))
            restarted.fleet = fresh
        later = steady.act(*act)
        assert later == restarted.act(*act)
        for change in [*said, *(one for one in later if not isinstance(one, tuple))]:
            who = (change.key, change.rule)
            opens = change.kind.value == "opened"
            assert bool(running.get(who)) != opens, who
            running[who] = change.kind.value not in {"recovered", "withdrawn"}


def test_a_rule_demoted_to_watch_follows_what_it_opened_and_opens_nothing_more():
    play = Play(HOT, [camera("one"), camera("two")])
    play.report("one", soc_temp_c=85)
    adopt(play, WATCHED)
    play.report("two", soc_temp_c=85)
    assert [episode.rule for episode in play.fleet.view("two").episodes] == ["hot@1"]
    play.report("one", soc_temp_c=95)
    play.report("one", soc_temp_c=60)
    play.report("one", soc_temp_c=85)
    assert play.told() == [
        "opened device:one:F07 warning",
        "raised device:one:F07 critical",
        "recovered device:one:F07 critical",
    ]


def test_a_restored_rule_tells_at_once_what_it_saw_while_it_was_watched():
    play = Play(WATCHED, [camera("one"), camera("two")])
    play.report("one", soc_temp_c=85)
    play.report("two", soc_temp_c=50)
    assert adopt(play, HOT) == ["opened device:one:F07 warning"]
    play.report("one", soc_temp_c=60)
    assert play.told()[1:] == ["recovered device:one:F07 warning"]


def test_a_rule_that_is_demoted_and_restored_while_it_fires_opens_once():
    play = Play(HOT, [camera("one")])
    play.report("one", soc_temp_c=85)
    adopt(play, WATCHED)
    assert adopt(play, HOT) == ["opened device:one:F07 warning"]
    play.report("one", soc_temp_c=60)
    assert play.told()[1:] == ["recovered device:one:F07 warning"]


def test_a_frozen_value_is_neither_frozen_nor_moving_until_what_is_watched_now_was_sampled():
    frozen = "[[rule]]" + FROZEN.split("[[rule]]")[2]
    play = Play(frozen, [camera("one")])
    for hour in range(24):
        play.now = T0 + 3600.0 * hour
        play.report("one", poe_v=52.0, vin_v=12.0)
    (opened,) = play.told()
    adopt(play, frozen + frozen.replace("frozen-voltage", "frozen-supply").replace("poe_v", "vin_v"))
    play.now += 600
    play.report("one", poe_v=52.5)
    assert play.told() == [opened]
    for _ in range(3):
        play.now += 3600
        play.report("one", poe_v=53.0, vin_v=12.0)
    assert len(play.told()) == 2


def test_a_rule_that_measures_something_else_under_the_old_name_begins_anew():
    play = Play(HOT)
    play.report(soc_temp_c=85)
    other = HOT.replace("soc_temp_c", "cpu_pct")
    assert adopt(play, other)[1:] == ["withdrawn device:cam:F07 warning"]
    play.report(cpu_pct=85)
    assert play.told()[2:] == ["opened device:cam:F07 warning"]


def test_a_signature_with_other_signs_forgets_its_progress():
    play = Play(SIGNATURE)
    play.report(states={"daynight": "night"}, poe_v=48)
    assert play.fleet._memories["cam"].signs
    shorter = SIGNATURE.replace('  { say = "sag", metric = "poe_v", below = 45 },\n', "")
    adopt(play, shorter)
    assert play.fleet._memories["cam"].signs is None
    play.report(states={"daynight": "day"}, poe_v=48)


def test_forecasts_keep_their_past_when_another_rule_joins_or_leaves():
    play = Play(WEAR)
    run_days(play, 8, lambda day: 60 + 2 * day)
    before = play.fleet._memories["cam"].blocks[0].points(0)
    joined = WEAR.replace('"wear"', '"leak"').replace("sd_life_used_pct", "mem_used_pct") + WEAR
    adopt(play, joined)
    (block,) = play.fleet._memories["cam"].blocks
    assert [block.points(column) for column in (0, 1)] == [[], before]
    adopt(play, WEAR.replace("sd_life_used_pct", "mem_used_pct"))
    (block,) = play.fleet._memories["cam"].blocks
    assert block.points(0) == []
    hourly = WEAR.replace('kind = "forecast"', 'kind = "forecast"\ncycle_s = 3600')
    adopt(play, hourly)
    assert play.fleet._memories["cam"].blocks[0].points(0) == []


def test_a_trend_is_told_on_the_same_day_whether_or_not_other_rules_join_in_between():
    steady, other = Play(WEAR), Play(WEAR)
    for play in (steady, other):
        run_days(play, 3, lambda day: 70 + day)
        if play is other:
            adopt(play, WEAR + HOT)
        run_days(play, 10, lambda day: 70 + day)
    assert steady.told() == ["opened device:cam:F01 warning"]
    assert steady.seen == other.seen


def test_what_a_peer_rule_measured_leaves_its_group_with_the_rule():
    play = Play(PEER, site("a"))
    play.live(4000, soc_temp_c=50)
    assert play.fleet._peers._groups
    adopt(play, PEER.replace("soc_temp_c", "cpu_pct"))
    assert play.fleet._peers._groups == {}
    adopt(play, SILENT)
    adopt(play, PEER)


DARK = HOT.replace("clear_samples", "site_share_max = 0.9\nclear_samples")
BEHIND = HOT.replace('"hot"', '"weak"').replace("soc_temp_c", "cpu_pct").replace(
    "clear_samples", 'fault_class = "F24"\nexplained_by = ["hot"]\nclear_samples'
)  # fmt: skip


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (DARK, []),
        (HOT, ["opened device:site-cam0:F24 warning"]),
        (
            DARK.replace("clear_samples", 'applies_to = { kinds = ["switch"] }\nclear_samples'),
            ["opened device:site-cam0:F24 warning"],
        ),
    ],
)
def test_trouble_that_the_new_rules_do_not_look_for_explains_nothing_any_more(after, told):
    play = Play(DARK + BEHIND, site("site"))
    play.live(120, soc_temp_c=50.0, cpu_pct=20.0)
    play.report("site-nvr", soc_temp_c=85.0)
    assert play.told() == ["opened device:site-nvr:F07 warning"]
    adopt(play, after + BEHIND)
    before = len(play.told())
    play.report("site-cam0", cpu_pct=85.0)
    assert play.told()[before:] == told


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        (HOT, HOT.replace("limit = 80", "limit = 79"), True),
        (HOT, HOT.replace("soc_temp_c", "cpu_pct"), False),
        (ERRORS, ERRORS.replace("3600", "7200"), False),
        (HOT, PEER, False),
    ],
)
def test_a_new_limit_leaves_a_rule_what_it_is(before, after, same):
    (one,), (other,) = rules(before).rules, rules(after).rules
    assert same_measure(one, other) is same
