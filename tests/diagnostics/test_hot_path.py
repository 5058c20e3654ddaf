"""What is not looked at must not matter; what matters must be looked at. And nobody can make us work without end."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnostics import fleet as fleet_module
from diagnostics import judging
from diagnostics.catalogue import load_catalogue
from diagnostics.engine import KEPT_WORDS, Engine
from diagnostics.rule_parts import Segment
from diagnostics.rules import Baseline
from diagnostics.ruletest import play as play_example
from diagnostics.telemetry import Report
from diagnostics.tracks import Block, Track
from tests.diagnostics.fleets import CATALOGUE, HOT, T0, Play, camera, rules
from tests.diagnostics.test_arrival import CLOCK
from tests.diagnostics.test_kinds import ERRORS, FROZEN, PEER, SIGNATURE, STATES, USUAL, WEAR, hourly

GUARDED = """
[[rule]]
name = "blurred"
kind = "level"
metric = "sharpness"
direction = "below"
clear_samples = 1
fault_class = "F11"
when = [{ metric = "lux", above = 50 }, { state = "daynight", none_of = ["night"] }]
steps = [{ severity = "warning", limit = 0.9 }]
"""
STUCK_UPDATE = """
[[rule]]
name = "update-stuck"
kind = "state"
state = "ota_state"
one_of = ["installing"]
severity = "high"
clear_samples = 1
fault_class = "F32"

[[rule]]
name = "wrong-software"
kind = "state"
state = "firmware"
differs_from = "fw_target"
severity = "warning"
clear_samples = 1
fault_class = "F33"
"""
PERCENTS = [name for name in CATALOGUE.metric if name.endswith("_pct")]


def _tables():
    for position, name in enumerate(PERCENTS):
        for number in (1, 2, 3, 4):
            limit = CATALOGUE.metric[name].range[1] * (1 - number / 99)
            yield (
                f'name = "{name.replace("_", "-")}-{number}"\nkind = "level"\nmetric = "{name}"\n'
                f'fault_class = "B{position}"\nsteps = [{{ severity = "warning", limit = {limit} }}]\n'
            )


MANY = rules("".join(f"[[rule]]\n{table}" for table in _tables()))


class Ways:
    """Counts the reports that take the long way."""

    def __init__(self, monkeypatch) -> None:
        self.long = 0
        judge = fleet_module.judge

        def counted(*parts):
            self.long += 1
            return judge(*parts)

        monkeypatch.setattr(fleet_module, "judge", counted)

    def taken(self, act) -> int:
        before = self.long
        act()
        return self.long - before


@pytest.fixture
def ways(monkeypatch):
    return Ways(monkeypatch)


def test_a_value_outside_the_band_of_a_guarded_rule_is_passed_by_until_its_guard_holds(ways):
    play = Play(GUARDED)
    play.report(sharpness=0.5, lux=10)
    assert ways.taken(lambda: play.live(600, sharpness=0.5, lux=10)) == 0
    play.report(sharpness=0.5, lux=80)
    assert play.told() == ["opened device:cam:F11 warning"]


def test_a_value_that_only_another_rule_looks_at_is_no_reason_to_look():
    plan = Engine(rules(HOT + HOT.replace('"hot"', '"hotter"').replace("limit = 80", "limit = 85")), CATALOGUE).plan(
        "camera", "x"
    )
    assert [watcher.rule for watcher in plan.shape(("soc_temp_c",)).watchers[0]] == ["hot", "hotter"]
    play = Play(HOT + HOT.replace('"hot"', '"hotter"').replace("limit = 80", "limit = 85"))
    play.report(soc_temp_c=82)
    assert [episode.rule for episode in play.fleet.view("cam").episodes] == ["hot@1"]


def test_a_guard_on_what_the_gateway_measures_is_asked_on_the_long_way(ways):
    play = Play(GUARDED.replace('{ metric = "lux", above = 50 }', '{ metric = "seen_clock_offset_s", below = 5 }'))
    play.report(sharpness=1.0)
    assert ways.taken(lambda: play.report(sharpness=0.5)) == 1
    assert play.told() == ["opened device:cam:F11 warning"]


def test_software_named_once_is_no_news_with_every_report_that_does_not_name_it(ways):
    play = Play(HOT)
    play.send(Report("cam", 1, 1, T0, T0, {"soc_temp_c": 50.0}, {}, None, "1.0"))
    play.seq["cam"] = 1
    assert ways.taken(lambda: play.live(600, soc_temp_c=50)) == 0


def test_a_sign_that_is_always_there_is_looked_at_only_after_the_one_before_it(ways):
    dips = """
[[rule]]
name = "dips"
kind = "signature"
span_s = 3600
window_s = 86400
signs = [{ say = "it dips", metric = "vin_v", below = 10.9 }, { say = "and is back", metric = "vin_v", above = 11.3 }]
clear_samples = 1
fault_class = "F44"
steps = [{ severity = "warning", limit = 2, clear = 0 }]
"""
    play = Play(dips)
    play.report(vin_v=12.0)
    assert ways.taken(lambda: play.live(600, vin_v=12.0)) == 0
    for _ in range(2):
        assert play.told() == []
        play.live(120, vin_v=10.5)
        play.live(60, vin_v=11.0)
        play.live(120, vin_v=12.0)
    assert play.told() == ["opened device:cam:F44 warning"]
    other = Play(dips)
    other.live(120, vin_v=10.5)
    assert ways.taken(lambda: other.live(1200, vin_v=11.0)) == 20
    other.live(3000, vin_v=11.0)
    assert ways.taken(lambda: other.live(1200, vin_v=12.0)) == 0
    assert other.told() == []


def test_a_clock_that_is_wrong_by_less_than_any_rule_minds_is_no_reason_to_look(ways):
    play = Play(CLOCK + HOT)

    def late(number):
        at = T0 + 60.0 * number
        play.send(Report("cam", 1, number, at - 20.0, at, {"soc_temp_c": 50.0}))

    for number in range(1, 10):
        late(number)
    assert play.fleet.view("cam").clock_offset_s == -20.0
    assert ways.taken(lambda: [late(number) for number in range(10, 30)]) == 0
    assert ways.taken(lambda: play.send(Report("cam", 1, 30, T0 - 1e6, T0 + 1800, {"soc_temp_c": 50.0}))) in (0, 1)


def test_what_fires_and_waits_for_a_day_is_not_looked_at_with_every_report(ways):
    play = Play(WEAR, every_s=900)
    for day in range(20):
        play.now = T0 + 86_400.0 * day
        play.report(sd_life_used_pct=78 + day)
    assert play.told()
    assert ways.taken(lambda: [play.report(sd_life_used_pct=98) for _ in range(5)]) == 0


def test_a_fault_that_is_held_back_is_looked_at_with_every_report():
    play = Play(WEAR.replace("steps", "site_share_max = 0.1\nsteps"), every_s=900)
    maintained = {"maintenance": "on"}
    for day in range(20):
        play.now = T0 + 86_400.0 * day
        play.report(states=maintained, sd_life_used_pct=78 + day)
    assert play.told() == []
    play.report(sd_life_used_pct=97)
    assert play.told() != []


def test_an_episode_is_forgotten_after_a_few_good_reports_and_a_flapping_one_after_an_hour():
    play = Play(HOT)
    play.report(soc_temp_c=85)
    for _ in range(5):
        play.wait(60)
        play.report(soc_temp_c=50)
    assert play.fleet.view("cam").episodes == ()
    for _ in range(12):
        for value in (85, 50):
            play.wait(60)
            play.report(soc_temp_c=value)
    assert play.fleet.view("cam").episodes[0].flapping
    for _ in range(30):
        play.wait(120)
        play.report(soc_temp_c=50)
    assert len(play.fleet.view("cam").episodes) == 0


def test_a_device_out_of_its_senses_is_judged_now_and_then_and_remembered_within_bounds(ways):
    play = Play(HOT)
    play.fleet = type(play.fleet)(Engine(MANY, CATALOGUE), play.devices, T0)
    tops = {name: CATALOGUE.metric[name].range[1] for name in PERCENTS}
    lows = {name: CATALOGUE.metric[name].range[0] for name in PERCENTS}
    assert 4 * len(PERCENTS) > judging.CROWD
    for number in range(200):
        play.wait(60)
        play.report(**(tops if number % 2 else lows))
        assert len(play.fleet.view("cam").episodes) <= judging.CROWD
    assert len({change.key for change in play.seen}) <= len(PERCENTS)
    for _ in range(400):
        play.wait(60)
        play.report(**lows)
    assert play.fleet.view("cam").episodes == ()
    running = set()
    for change in play.seen:
        (running.add if change.kind.value == "opened" else running.discard)((change.key, change.rule))
    assert running == set()


def test_what_happens_only_once_counts_even_for_a_device_out_of_its_senses():
    both = rules(ERRORS) + MANY
    play = Play(HOT)
    play.fleet = type(play.fleet)(Engine(both, CATALOGUE), play.devices, T0)
    tops = {name: CATALOGUE.metric[name].range[1] for name in PERCENTS}
    for number in range(12):
        play.wait(60)
        play.report(**tops, fs_err_cnt=number)
    assert any(change.rule.startswith(rules(ERRORS).rules[0].name) for change in play.seen)


def test_an_update_state_that_is_no_longer_sent_is_over():
    play = Play(STUCK_UPDATE)
    play.report(states={"ota_state": "installing", "fw_target": "2.0"})
    assert play.told() == ["opened device:cam:F32 high"]
    play.report(states={"recording": "on"})
    assert play.told()[1:] == ["recovered device:cam:F32 high"]


def test_software_is_right_when_no_other_is_asked_for_any_more():
    play = Play(STUCK_UPDATE)

    def report(number, **states):
        play.send(Report("cam", 1, number, T0, T0 + 60 * number, {"cpu_pct": 20.0}, states, None, "1.0"))

    report(1, fw_target="2.0")
    assert play.told() == ["opened device:cam:F33 warning"]
    report(2)
    assert play.told()[1:] == ["recovered device:cam:F33 warning"]


def test_a_state_never_said_is_no_evidence():
    play = Play(STATES)
    play.report(states={"daynight": "day"})
    play.fleet._memories["cam"].begin("not-recording", judging.Episode(T0))
    play.report(states={"daynight": "day"})
    assert play.told() == []


def test_a_days_guards_are_heeded_on_that_day_not_when_it_is_judged():
    daily = """
[[rule]]
name = "dull"
kind = "level"
metric = "sharpness"
of = "day_max"
direction = "below"
clear_samples = 1
fault_class = "F11"
when = [{ state = "daynight", one_of = ["day"] }]
steps = [{ severity = "warning", limit = 0.8 }]
"""
    play = Play(daily)
    for hour in range(25):
        play.now = T0 + 3600.0 * hour
        # At midnight, when the day is judged, it is night: the report itself would be no evidence.
        light = "day" if 6 <= hour % 24 < 18 else "night"
        play.report(states={"daynight": light}, sharpness=0.5 if light == "day" else 1.0)
    assert play.told() == ["opened device:cam:F11 warning"]


def test_a_day_without_a_sample_is_no_evidence_for_a_forecast():
    play = Play(WEAR)
    for day in (*range(8), 20):
        play.now = T0 + 86_400.0 * day
        play.report(sd_life_used_pct=60 + day)
    reached = dict(play.fleet._memories["cam"].reaches or {})
    play.now += 86_400.0 * 2
    play.report(sd_life_used_pct=81)
    assert (play.fleet._memories["cam"].reaches or {}) == reached


def test_peers_that_catch_up_with_yesterday_are_not_compared_with_today():
    play = Play(PEER, [camera(f"cam{number}") for number in range(7)])
    hourly(play, {f"cam{number}": 50.0 for number in range(7)}, 1)
    assert play.told() == []

    # All but one hang on a line that was cut at dawn. At noon, when it is hot everywhere, they tell of the morning.
    def tell(name, hour, now, value):
        play.now = T0 + 3600.0 * now
        play.seq[name] += 1
        play.send(Report(name, 1, play.seq[name], T0 + 3600.0 * hour, play.now, {"soc_temp_c": value}))

    for hour in range(1, 8):
        tell("cam0", hour, hour, 50.0 + 3 * hour)
    for noon, morning in ((8, (1, 2, 3, 4)), (9, (5, 6))):
        for number in range(1, 7):
            for hour in morning:
                tell(f"cam{number}", hour, noon + hour / 1000, 50.0)
        tell("cam0", noon, noon + 0.1, 75.0)
    assert play.told() == []
    for noon in (10, 11):
        for number in range(1, 7):
            tell(f"cam{number}", noon, noon, 50.0)
        tell("cam0", noon, noon + 0.1, 75.0)
    assert play.told() == ["opened device:cam0:F07 warning"]


def test_a_memory_of_the_version_before_is_read_and_joins_its_peers_with_the_next_sample():
    play = Play(PEER, [camera(f"cam{number}") for number in range(6)])
    hourly(play, {f"cam{number}": 50.0 for number in range(6)}, 1)
    kept = json.loads(play.fleet.save("cam0"))
    assert kept["peers"]
    kept["v"], kept["peers"] = 1, {"hotter": ["hotter\nsite\ncamera", 50.0]}
    play.fleet.forget("cam0")
    play.fleet.register(camera("cam0"))
    play.fleet.restore("cam0", json.dumps(kept).encode())
    assert play.fleet._memories["cam0"].peers is None
    hourly(play, {f"cam{number}": 50.0 for number in range(6)}, 1)
    assert play.fleet._memories["cam0"].peering("hotter")[0] == 50.0


def test_devices_that_say_the_same_share_one_dictionary_and_strange_words_do_not_pile_up():
    play = Play(STATES, [camera("one"), camera("two")])
    for name in ("one", "two"):
        play.report(name, states={"recording": "on", "serial": "A"})
    one, two = (play.fleet._memories[name].states for name in ("one", "two"))
    assert one is two
    play.report("two", states={"recording": "on", "serial": "B"})
    assert one["serial"] == "A"
    for number in range(KEPT_WORDS + 10):
        play.report("two", states={"recording": "on", "serial": str(number)})
    assert len(play.fleet._memories["one"].plan.words) <= KEPT_WORDS
    assert play.fleet.view("one").states["serial"] == "A"


def test_an_example_may_have_a_clock_that_is_wrong():
    (rule,) = rules(
        CLOCK.split("[[rule]]")[0]
        + "[[rule]]"
        + CLOCK.split("[[rule]]")[1]
        + """
[[rule.example]]
say = "an hour ahead"
segments = [
  { for_s = 7200, metrics = { cpu_pct = 20 } },
  { for_s = 7200, metrics = { cpu_pct = 20 }, events = ["video/tamper"], clock_error_s = 3600 },
]
expect = []
"""
    ).rules
    assert isinstance(rule.examples[0].segments[1], Segment)
    assert play_example(rule, rule.examples[0], load_catalogue()) != ()


def test_a_baseline_rule_asks_its_stream_for_the_usual_value():
    play = Play(
        '[[rule]]\nname = "surprise"\nkind = "baseline"\nmetric = "cpu_pct"\ndirection_of = "above"\n'
        'steps = [{ severity = "warning", limit = 3 }]'
    )
    play.report(cpu_pct=20)
    memory = play.fleet._memories["cam"]
    rule = memory.plan.rules["surprise"]
    assert isinstance(rule, Baseline)
    assert memory.streams["surprise"].usual == 20.0
    assert judging.baseline_measure(rule, memory, 10.0) == 0.0


def test_frozen_watches_what_a_report_carries_and_nothing_impossible():
    play = Play(FROZEN)
    for hour in range(3):
        play.now = T0 + 3600.0 * hour
        play.report(soc_temp_c=50.0, cpu_pct=999.0)
    memory = play.fleet._memories["cam"]
    runs = dict(zip(memory.plan.watched, memory.stuck_runs, strict=True))
    assert (runs["soc_temp_c"], runs["cpu_pct"]) == (3, 0)


def test_a_ratio_and_an_unknown_metric_are_looked_at_as_before():
    play = Play(SIGNATURE + USUAL)
    play.report(soc_temp_c=50.0, nobody_knows=1.0)
    play.report(soc_temp_c=50.0, nobody_knows=float("inf"))
    assert (
        "nobody_knows" not in play.fleet.view("cam").metrics or play.fleet.view("cam").metrics["nobody_knows"][1] == 1
    )
    assert play.fleet.view("cam").impossible_values == 1


@given(st.lists(st.one_of(st.floats(0, 100), st.just(None)), min_size=1, max_size=60), st.integers(1, 28))
@settings(max_examples=100, deadline=None)
def test_a_block_keeps_the_last_days_and_forgets_older_ones(days, depth):
    block = Block((Track("a", "max", 86_400.0), Track("b", "mean", 86_400.0)), depth)
    for number, value in enumerate(days):
        block.roll(T0 + 86_400.0 * number)
        if value is not None:
            block.feed(0, value)
            block.feed(1, value)
    block.roll(T0 + 86_400.0 * len(days))
    wanted = [pytest.approx(value, rel=2e-5, abs=1e-4) for value in days[-depth:] if value is not None]
    for column in (0, 1):
        assert [value for _, value in block.points(column, depth)] == wanted
        assert block.length == min(depth, len(days))
        assert (block.newest(column) is None) == (days[-1] is None)
    block.roll(T0 + 86_400.0 * (len(days) + 400))
    assert block.points(0, depth) == []
    again = Block(block.tracks, depth)
    assert again.newest(0) is None
    again.load(block.export(), wide=False)
    assert again.export() == block.export()


def test_what_the_gateway_measures_has_a_past_too():
    drifting = WEAR.replace("sd_life_used_pct", "seen_clock_offset_s").replace(
        "kind = ", 'when = [{ metric = "lux", above = 5 }]\nkind = '
    )
    play = Play(drifting)
    for day, light in ((0, 10.0), (1, 0.0), (2, 10.0)):
        play.now = T0 + 86_400.0 * day
        play.report(lux=light)
    assert [value for _, value in play.fleet._memories["cam"].blocks[0].points(0)] == [0.0]


def test_an_hour_that_is_complete_does_not_make_a_day_complete():
    play = Play(WEAR + WEAR.replace('name = "', 'name = "hourly-').replace("kind = ", "cycle_s = 3600\nkind = "))
    for hour in range(3):
        play.now = T0 + 3600.0 * hour
        play.report(sd_life_used_pct=50.0)
    lengths = [block.length for block in play.fleet._memories["cam"].blocks]
    assert lengths == [2, 0]


def test_a_device_comes_back_to_the_peers_that_it_had_and_to_no_others():
    two = PEER + PEER.replace('"hotter"', '"busier"').replace("soc_temp_c", "cpu_pct")
    play = Play(two, [camera(f"cam{number}") for number in range(6)])
    hourly(play, {f"cam{number}": 50.0 for number in range(6)}, 1)
    kept = play.fleet.save("cam0")
    assert set(json.loads(kept)["peers"]) == {"hotter"}
    play.fleet.register(camera("cam0", "elsewhere"))
    memory = play.fleet._memories["cam0"]
    assert (memory.peering("hotter")[0], memory.peering("busier")) == (50.0, (0.0, 0.0))
    assert {name[2] for name in play.fleet._peers._groups} == {"site", "elsewhere"}
