"""The hourly sample: what it passes over would have been found good, and tracks fed together are tracks fed."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diagnostics.engine import Engine
from diagnostics.telemetry import Report
from tests.diagnostics.fleets import CATALOGUE, HOT, T0, Play, camera, rules
from tests.diagnostics.test_kinds import FROZEN, PEER, USUAL, WEAR

METRICS = (
    "soc_temp_c", "sharpness", "battery_pct", "poe_v", "sd_life_used_pct", "cpu_pct", "mem_used_pct", "luma_mean",
    "kbps", "rssi_dbm",
)  # fmt: skip
LOOKING = "".join(
    f"""
[[rule]]
name = "{name.replace("_", "-")}-trend"
kind = "forecast"
metric = "{name}"
limit = {CATALOGUE.metric[name].range[1]}
from_level = {sum(CATALOGUE.metric[name].healthy) / 2}
min_points = 3
clear_samples = 1
steps = [{{ severity = "warning", limit = 30 }}]

[[rule]]
name = "{name.replace("_", "-")}-unusual"
kind = "level"
metric = "{name}"
relative = "usual"
usual_days = 4
clear_samples = 1
steps = [{{ severity = "warning", limit = 1.3, clear = 1.1 }}]

[[rule]]
name = "{name.replace("_", "-")}-worst"
kind = "level"
metric = "{name}"
of = "day_max"
clear_samples = 1
steps = [{{ severity = "warning", limit = {CATALOGUE.metric[name].healthy[1] - 0.1} }}]
"""
    for name in METRICS
)
FALLING = WEAR.replace('"wear"', '"falling"').replace("limit = 100\n", 'limit = 0\ntowards = "below"\n')
HOURLY = WEAR.replace('name = "', 'name = "hourly-').replace("kind = ", "cycle_s = 3600\nkind = ")
COLDER = PEER.replace('"hotter"', '"colder"').replace("limit = 10, clear = 6", "limit = -10, clear = -6")
COLDER = COLDER.replace("min_peers", 'direction = "below"\nmin_peers')
SPREAD = PEER.replace('"hotter"', '"apart"').replace("min_peers", 'scale = "spread"\nmin_peers')
EVERYTHING = rules(LOOKING + USUAL + WEAR + FALLING + HOURLY + FROZEN + PEER + COLDER + SPREAD)
DEVICES = [camera(f"cam{number}") for number in range(7)]


def plain_play() -> Play:
    """A fleet that judges every rule on samples with every sample, and feeds its tracks one by one."""
    play = fleet_of_all()
    plan = play.engine.plan("camera", "model")
    of_cycles = [name for table in (plan.forecasts, plan.days) for names in table.values() for name in names]
    plan.unscreened = (*plan.on_sample, *of_cycles)
    shape = plan.shape(METRICS)
    plan.shapes[METRICS] = replace(shape, rows=(), singly=shape.feeds)
    return play


def fleet_of_all() -> Play:
    play = Play("", DEVICES)
    play.engine = Engine(EVERYTHING, CATALOGUE)
    play.fleet = type(play.fleet)(play.engine, DEVICES, T0)
    return play


@given(st.integers(0, 10**6), st.floats(0.0, 0.3), st.sampled_from([0.0, 0.02]))
@settings(max_examples=8, deadline=None)
def test_what_a_sample_passes_over_would_have_been_found_good(seed, wildness, impossible):
    plays = (fleet_of_all(), plain_play())
    assert plays[0].engine.plan("camera", "model").shape(METRICS).rows
    random = Random(seed)
    for number in range(40):
        for play in plays:
            play.now += 3600.0 if number % 3 else 86_400.0
        for place, device in enumerate(DEVICES):
            said = {}
            for position, name in enumerate(METRICS):
                low, high = CATALOGUE.metric[name].healthy
                share = 0.3 + random.random() / 10
                if position == place:  # more would be a device out of its senses
                    share = number / 30 + random.random() / 10
                    if random.random() < wildness:
                        low, high = CATALOGUE.metric[name].range
                said[name] = 1e15 if random.random() < impossible else low + (high - low) * min(share, 1.0)
            for play in plays:
                play.report(device.device_id, **said)
    assert plays[0].seen == plays[1].seen
    for device in DEVICES:
        assert plays[0].fleet.save(device.device_id) == plays[1].fleet.save(device.device_id)


@pytest.mark.parametrize(("metric", "usual"), [("rssi_dbm", -60.0), ("kbps", 1e-35), ("kbps", 0.0)])
def test_a_usual_value_that_no_bound_fits_is_judged_with_every_sample(metric, usual):
    unlike = USUAL.split("[[rule]]")[1].replace("sharpness", metric).replace('"below"', '"above"')
    play = Play("[[rule]]" + unlike.replace("limit = 0.8, clear = 0.9", "limit = 1.3, clear = 1.1"))
    for day in range(5):
        play.now = T0 + 86_400.0 * day
        play.report(**{metric: usual})
    for _ in range(2):
        play.now += 3600.0
        play.report(**{metric: usual * 1.5})
    assert play.told() == (["opened device:cam:F11 warning"] if usual else [])


def test_a_day_without_a_value_says_nothing_of_a_date_while_another_fault_goes_on():
    play = Play(WEAR + HOT)
    for day in range(12):
        play.now = T0 + 86_400.0 * day
        play.report(soc_temp_c=85.0, **({"sd_life_used_pct": 80.0 + day} if day < 3 else {}))
    assert play.told() == ["opened device:cam:F07 warning"]
    assert play.fleet.view("cam").episodes[0].fault_class == "F07"
    assert len(play.fleet.view("cam").episodes) == 1


def test_a_baseline_learns_from_the_samples_that_carry_its_metric_and_from_no_others():
    text = """
[[rule]]
name = "surprise"
kind = "baseline"
metric = "kbps"
steps = [{ severity = "warning", limit = 7 }]
"""
    plain, others = Play(text), Play(text)
    for hour in range(24 * 30):
        for play in (plain, others):
            play.now = T0 + 3600.0 * hour
            if hour % 5:
                play.report(kbps=1000.0 + hour % 7 if hour < 24 * 29 else 9000.0)
        if not hour % 5:
            others.report(cpu_pct=20.0)
    assert others.seen == plain.seen
    assert plain.told()[0] == "opened device:cam:F07 warning"


def test_a_device_silent_for_longer_than_anybody_looks_back_keeps_no_empty_days():
    play = Play(WEAR)
    for day in (0, 1, 2, 400):
        play.now = T0 + 86_400.0 * day
        play.report(sd_life_used_pct=60.0)
    assert play.fleet._memories["cam"].blocks[0].length == 0


def test_a_square_wave_on_all_metrics_is_seen_to_swing_and_opens_each_ticket_once():
    play = fleet_of_all()
    bottom, top = ({name: CATALOGUE.metric[name].range[side] for name in METRICS} for side in (0, 1))
    play.send(Report("cam0", 1, 1, T0, T0, dict(bottom)))
    for number in range(2, 400):
        at = T0 + 60.0 * number
        play.send(Report("cam0", 1, number, at, at, dict(top if number % 2 else bottom)))
    opened = [change.key for change in play.seen if change.kind.value == "opened"]
    assert len(opened) <= 2 * len(set(opened))
