"""Every kind of rule on a living fleet: counts, states, forecasts, peers, freezing, signatures, baselines, days."""

import math

import pytest

from diagnostics.telemetry import Report
from tests.diagnostics.fleets import T0, Play, camera

DAY = 86_400.0
REBOOTS = """
[[rule]]
name = "reboots"
kind = "count"
of = "boots"
fault_class = "F31"
window_s = 3600
clear_samples = 1
reasons = ["wdt", "panic"]
steps = [{ severity = "warning", limit = 2 }, { severity = "high", limit = 3 }]
"""
ERRORS = """
[[rule]]
name = "errors"
kind = "count"
of = "increments"
metric = "fs_err_cnt"
fault_class = "F02"
window_s = 3600
clear_samples = 1
steps = [{ severity = "warning", limit = 3 }]
"""


def test_restarts_are_counted_by_their_reason():
    play = Play(REBOOTS)
    play.report()
    for reason in ("wdt", "power", "panic", "wdt"):
        play.wait(300, 60)
        play.reboot()
        play.report(states={"reset_reason": reason})
    assert play.told() == ["opened device:cam:F31 warning", "raised device:cam:F31 high"]
    play.wait(4000, 60)
    play.report(states={"reset_reason": "wdt"})
    assert play.told()[-1] == "recovered device:cam:F31 high"


def test_restarts_that_were_not_reported_count_too():
    play = Play(REBOOTS)
    play.report(states={"reset_reason": "wdt"})
    play.reboot()
    play.reboot()
    play.report(states={"reset_reason": "wdt"})
    assert play.told() == ["opened device:cam:F31 warning"]


def test_growth_of_a_counter_is_counted_and_its_reset_is_no_growth():
    play = Play(ERRORS)
    play.report(fs_err_cnt=40)
    play.report(fs_err_cnt=42)
    play.report(fs_err_cnt=0)  # a new card
    play.report(fs_err_cnt=0, cpu_pct=10)
    assert play.told() == []
    play.reboot()
    play.report(fs_err_cnt=0)
    play.report(fs_err_cnt=2)
    assert play.told() == ["opened device:cam:F02 warning"]
    play.wait(4000, 60)
    play.report(fs_err_cnt=2)
    assert play.told()[-1] == "recovered device:cam:F02 warning"


def test_an_impossible_count_is_neither_growth_nor_a_beginning_anew():
    play = Play(ERRORS)
    play.report(fs_err_cnt=40)
    play.report(fs_err_cnt=-1)
    play.report(fs_err_cnt=41)
    play.report(fs_err_cnt=1e12)
    play.report(fs_err_cnt=42)
    assert play.told() == []
    play.report(fs_err_cnt=43)
    assert play.told() == ["opened device:cam:F02 warning"]


def test_a_counter_that_restarts_with_the_device_counts_what_it_shows():
    play = Play(ERRORS)
    play.report(fs_err_cnt=40)
    play.reboot()
    play.report(fs_err_cnt=5)
    assert play.told() == ["opened device:cam:F02 warning"]


EVENTS = """
[[rule]]
name = "logins"
kind = "count"
of = "events"
topic = "security/login_failed"
fault_class = "F30"
window_s = 600
clear_samples = 1
steps = [{ severity = "warning", limit = 3 }]
"""


def test_events_are_counted_and_a_late_one_counts_in_its_window():
    play = Play(EVENTS)
    play.event("security/login_failed")
    play.seq["cam"] += 1
    play.wait(60)
    play.event("security/login_failed")
    play.event("video/tamper")
    assert play.told() == []
    from diagnostics.telemetry import Event

    late = Event("cam", 1, 2, play.now - 30, play.now, "security/login_failed", {})
    assert [change.fault_class for change in play.fleet.event(late)] == ["F30"]
    assert play.fleet.event(Event("cam", 1, 2, play.now - 30, play.now, "security/login_failed", {})) == ()


def test_a_late_event_that_no_rule_counts_is_only_late():
    play = Play(EVENTS)
    play.seq["cam"] = 4
    play.event("video/tamper")
    from diagnostics.telemetry import Event, Standing

    late = Event("cam", 1, 2, play.now - 30, play.now, "video/tamper", {})
    assert play.fleet.event(late) == ()
    assert (late.standing, late.effective_at) == (Standing.LATE, play.now - 30)


def test_a_thousand_events_cost_no_more_memory_than_a_hundred():
    play = Play(EVENTS)
    for _ in range(1000):
        play.event("security/login_failed")
    assert play.told() == ["opened device:cam:F30 warning"]
    assert len(play.fleet.save("cam")) < 6000


def test_changes_of_a_state_are_counted_with_their_guard():
    play = Play(
        """
[[rule]]
name = "settings"
kind = "count"
of = "changes"
state = "cfg_hash"
fault_class = "F34"
window_s = 3600
when = [{ state = "cfg_origin", none_of = ["job"] }]
steps = [{ severity = "high", limit = 1 }]
"""
    )
    play.report(states={"cfg_hash": "a", "cfg_origin": "job"})
    play.report(states={"cfg_hash": "b", "cfg_origin": "job"})
    assert play.told() == []
    play.report(states={"cfg_hash": "c", "cfg_origin": "local"})
    assert play.told() == ["opened device:cam:F34 high"]


STATES = """
[[rule]]
name = "not-recording"
kind = "state"
state = "recording"
severity = "high"
fault_class = "F06"
for_s = 120
clear_samples = 1
none_of = ["on"]

[[rule]]
name = "card"
kind = "state"
state = "sd_state"
severity = "critical"
fault_class = "F02"
clear_samples = 1
one_of = ["ro", "absent"]

[[rule]]
name = "fell-back"
kind = "state"
state = "fw_target"
differs_from = "firmware"
severity = "warning"
fault_class = "F32"
clear_samples = 1
"""


def test_states_are_judged_when_they_change_and_by_time():
    play = Play(STATES)
    play.live(60)
    for states in ({"recording": "on", "sd_state": "rw"}, {"recording": "off"}, {"sd_state": "ro"}):
        play.report(states=states)
        play.wait(60)
    assert play.told() == ["opened device:cam:F02 critical"]
    play.wait(60)
    play.report(states={"sd_state": "rw"})
    assert play.told()[1:] == ["opened device:cam:F06 high", "recovered device:cam:F02 critical"]


def test_a_version_that_is_not_the_wanted_one_is_a_state_of_its_own():
    play = Play(STATES)

    def say(seq: int, firmware: str, states: dict[str, str]) -> list[str]:
        play.send(Report("cam", 1, seq, play.now, play.now, {"cpu_pct": 20.0}, states, firmware=firmware))
        return play.told()

    assert say(1, "1.0", {}) == []
    assert say(2, "1.0", {"fw_target": "2.0"}) == ["opened device:cam:F32 warning"]
    assert say(3, "2.0", {"fw_target": "2.0"})[-1] == "recovered device:cam:F32 warning"
    assert "fw_target" in play.fleet.view("cam").states
    say(4, "2.0", {})
    assert "fw_target" not in play.fleet.view("cam").states


WEAR = """
[[rule]]
name = "wear"
kind = "forecast"
metric = "sd_life_used_pct"
fault_class = "F01"
limit = 100
from_level = 50
min_points = 5
persist = 2
reset_drop = 20
clear_samples = 1
steps = [{ severity = "warning", limit = 30, clear = 40 }, { severity = "high", limit = 10, clear = 15 }]
"""


def run_days(play: Play, days: float, value, metric: str = "sd_life_used_pct", every_h: float = 6) -> None:
    """Reports every six hours with value(day)."""
    start = play.now
    for number in range(round(days * 24 / every_h)):
        play.now = start + number * every_h * 3600
        play.report(**{metric: value((play.now - T0) / DAY)})
    play.now = start + days * DAY


def test_a_steady_trend_is_told_with_an_interval_of_dates_around_the_truth():
    play = Play(WEAR)
    run_days(play, 20, lambda day: 70 + day)
    assert play.told()[0] == "opened device:cam:F01 warning"
    impact = play.seen[0].impact
    truth = T0 + 30 * DAY
    assert impact.earliest_at <= truth + DAY
    assert impact.latest_at >= truth - DAY
    assert abs(impact.median_at - truth) < 2 * DAY
    evidence = play.seen[0].evidence
    assert (evidence.metric, evidence.limit, len(evidence.samples) >= 5) == ("sd_life_used_pct", 100, True)


def test_noise_without_a_trend_forecasts_nothing():
    play = Play(WEAR)
    run_days(play, 40, lambda day: 80 + 3 * math.sin(day * 7.3))
    assert play.told() == []


def test_a_new_part_begins_a_new_history():
    play = Play(WEAR)
    run_days(play, 15, lambda day: 75 + day)
    run_days(play, 10, lambda _: 1.0)
    assert play.told() == ["opened device:cam:F01 warning", "recovered device:cam:F01 warning"]


def test_a_limit_that_is_reached_is_reached():
    play = Play(WEAR)
    run_days(play, 20, lambda day: 88 + day)
    assert play.told() == ["opened device:cam:F01 high"]
    assert play.seen[0].impact.latest_at <= play.now + 20 * DAY


def test_history_that_ends_with_a_restart_forgets_the_leak_before_it():
    play = Play(
        """
[[rule]]
name = "leak"
kind = "forecast"
metric = "mem_used_pct"
fault_class = "F22"
limit = 97
cycle_s = 21600
min_points = 6
reset_on_boot = true
steps = [{ severity = "warning", limit = 10 }]
"""
    )
    run_days(play, 1.2, lambda day: 50 + 3 * day, "mem_used_pct", 1)
    play.reboot()
    run_days(play, 1.2, lambda day: 50 + 3 * day, "mem_used_pct", 1)
    assert play.told() == []
    run_days(play, 4, lambda day: 50 + 3 * day, "mem_used_pct", 1)
    assert play.told() == ["opened device:cam:F22 warning"]


def test_time_without_reports_is_a_hole_not_a_value():
    play = Play(WEAR)
    run_days(play, 10, lambda day: 70 + day)
    play.now += 5 * DAY
    run_days(play, 4, lambda day: 70 + day)
    assert play.told()[0] == "opened device:cam:F01 warning"
    play.now += 90 * DAY
    run_days(play, 3, lambda day: 70.0)
    assert len(play.fleet.save("cam")) < 6000


def test_a_date_is_exact():
    play = Play(
        """
[[rule]]
name = "certificate"
kind = "forecast"
metric = "cert_days_left"
fault_class = "F29"
exact = true
clear_samples = 1
steps = [{ severity = "warning", limit = 30, clear = 45 }]
"""
    )
    play.report(cert_days_left=31)
    [opened] = play.report(cert_days_left=29)
    assert opened.impact.earliest_at == opened.impact.latest_at
    assert round(opened.impact.latest_at) == play.now + 29 * DAY
    assert opened.evidence.value == 29
    [recovered] = play.report(cert_days_left=300)
    assert recovered.kind.value == "recovered"


PEER = """
[[rule]]
name = "hotter"
kind = "peer"
metric = "soc_temp_c"
group = "site"
min_peers = 5
min_samples = 2
clear_samples = 1
steps = [{ severity = "warning", limit = 10, clear = 6 }]
"""


def hourly(play: Play, values: dict[str, float], hours: int = 1) -> None:
    for _ in range(hours):
        for device_id, value in values.items():
            play.report(device_id, soc_temp_c=value)
        play.now += 3600


@pytest.mark.parametrize("extra", ["", 'scale = "spread"\n'])
def test_a_device_unlike_its_peers_is_told_and_a_heat_wave_is_not(extra):
    devices = [camera(f"cam{number}") for number in range(7)]
    play = Play(PEER.replace("min_peers", extra + "min_peers"), devices)
    calm = {device.device_id: 50.0 + number / 10 for number, device in enumerate(devices)}
    hourly(play, calm, 3)
    hourly(play, {name: value + 25 for name, value in calm.items()}, 3)
    assert play.told() == []
    hourly(play, {**calm, "cam3": 66.0}, 3)
    assert play.told() == ["opened device:cam3:F07 warning"]
    assert "peers" in play.seen[0].evidence.note
    hourly(play, calm)
    assert play.told()[-1] == "recovered device:cam3:F07 warning"


def test_too_few_peers_prove_nothing_and_silent_ones_are_none():
    devices = [camera(f"cam{number}") for number in range(7)]
    play = Play(PEER, devices)
    calm = {device.device_id: 50.0 for device in devices}
    hourly(play, calm, 2)
    play.fleet.tick(play.now)
    play.fleet.tick(play.now + 60)
    for device in devices[:3]:
        play.fleet.forget(device.device_id)
    hourly(play, {**{device.device_id: 50.0 for device in devices[3:]}, "cam6": 80.0})
    assert play.told() == []


def test_peers_of_a_model_are_those_of_the_same_firmware():
    devices = [camera(f"cam{number}", f"s{number}") for number in range(80)]
    play = Play(PEER.replace('"site"', '"model"'), devices)
    hourly(play, {device.device_id: 50.0 for device in devices}, 2)
    hourly(play, {"cam79": 66.0}, 2)
    assert play.told() == ["opened device:cam79:F07 warning"]
    play.send(Report("cam1", 1, 9, play.now, play.now, {"soc_temp_c": 80.0}, firmware="9"))
    assert len(play.seen) == 1


FROZEN = """
[[rule]]
name = "frozen"
kind = "frozen"
fault_class = "F41"
clear_samples = 1
steps = [{ severity = "warning", limit = 12 }]

[[rule]]
name = "frozen-voltage"
kind = "frozen"
metric = "poe_v"
fault_class = "F16"
clear_samples = 1
steps = [{ severity = "warning", limit = 20 }]
"""


def test_a_value_that_never_changes_where_noise_is_expected_is_a_stuck_sensor():
    play = Play(FROZEN)
    for number in range(30):
        play.report(soc_temp_c=50.0, poe_v=48 + number / 100, fps_target=25.0)
        play.now += 3600
    assert play.told() == ["opened device:cam:F41 warning"]
    assert play.seen[0].evidence.metric == "soc_temp_c"
    play.report(soc_temp_c=50.1, poe_v=48.0)
    assert play.told()[-1] == "recovered device:cam:F41 warning"


def test_one_metric_can_be_watched_alone():
    play = Play(FROZEN)
    for number in range(25):
        play.report(soc_temp_c=50.0 + number / 100, poe_v=48.0)
        play.now += 3600
    assert play.told() == ["opened device:cam:F41 warning", "opened device:cam:F16 warning"]


SIGNATURE = """
[[rule]]
name = "dusk"
kind = "signature"
fault_class = "F16"
span_s = 3600
window_s = 259200
clear_samples = 1
signs = [
  { say = "night", state = "daynight", one_of = ["night"] },
  { say = "sag", metric = "poe_v", below = 45 },
  { say = "restart", boot = true, reasons = ["power"], within_s = 900 },
]
steps = [{ severity = "high", limit = 2 }]
"""


def dusk(play: Play, *, volts: float = 43.0, wait: float = 300.0, reason: str = "power") -> None:
    play.report(states={"daynight": "day", "reset_reason": reason}, poe_v=48.0)
    play.now += 60
    play.report(states={"daynight": "night"}, poe_v=volts)
    play.now += wait
    play.reboot()
    play.report(states={"daynight": "night", "reset_reason": reason}, poe_v=48.0)
    play.now += DAY


def test_signs_in_their_order_within_the_span_are_a_named_fault():
    play = Play(SIGNATURE)
    dusk(play)
    assert play.told() == []
    dusk(play)
    assert play.told() == ["opened device:cam:F16 high"]
    assert "sag" in play.seen[0].evidence.note
    play.now += 4 * DAY
    play.report(states={"daynight": "day"}, poe_v=48.0)
    assert play.told()[-1] == "recovered device:cam:F16 high"


@pytest.mark.parametrize("other", [{"volts": 47.0}, {"wait": 1200.0}, {"reason": "user"}, {"wait": 4000.0}])
def test_a_sign_that_is_missing_or_too_late_is_no_signature(other):
    play = Play(SIGNATURE)
    for _ in range(3):
        dusk(play, **other)
    assert play.told() == []


def test_events_and_high_values_can_be_signs_too():
    play = Play(
        """
[[rule]]
name = "impact"
kind = "signature"
fault_class = "F11"
span_s = 600
window_s = 3600
signs = [{ say = "shock", event = "device/shock" }, { say = "hot", metric = "soc_temp_c", above = 80 }]
steps = [{ severity = "high", limit = 1 }]
"""
    )
    play.report(soc_temp_c=85)
    play.event("device/shock")
    assert play.told() == []
    play.report(cpu_pct=20)
    play.report(soc_temp_c=85)
    assert play.told() == ["opened device:cam:F11 high"]


USUAL = """
[[rule]]
name = "blurred"
kind = "level"
metric = "sharpness"
relative = "usual"
direction = "below"
fault_class = "F11"
clear_samples = 1
steps = [{ severity = "warning", limit = 0.8, clear = 0.9 }]

[[rule]]
name = "empty-mornings"
kind = "level"
metric = "battery_pct"
of = "day_min"
direction = "below"
fault_class = "F37"
clear_samples = 1
steps = [{ severity = "warning", limit = 30 }]

[[rule]]
name = "less-sun"
kind = "level"
metric = "charge_wh_per_d"
of = "day_max"
relative = "usual"
direction = "below"
fault_class = "F38"
clear_samples = 1
steps = [{ severity = "warning", limit = 0.5 }]
"""


def test_a_value_is_judged_against_the_devices_own_usual():
    play = Play(USUAL)
    run_days(play, 2.5, lambda _: 0.5, "sharpness", 1)
    run_days(play, 3, lambda _: 0.5, "sharpness", 1)
    assert play.told() == []
    run_days(play, 0.2, lambda _: 0.35, "sharpness", 1)
    assert play.told() == ["opened device:cam:F11 warning"]


def test_days_are_judged_when_they_are_complete():
    play = Play(USUAL)
    run_days(play, 2, lambda day: 60 + 20 * math.sin(day * 2 * math.pi), "battery_pct", 1)
    run_days(play, 2, lambda day: 45 + 20 * math.sin(day * 2 * math.pi), "battery_pct", 1)
    assert play.told() == ["opened device:cam:F37 warning"]
    run_days(play, 6, lambda _: 40.0, "charge_wh_per_d", 1)
    run_days(play, 2, lambda _: 10.0, "charge_wh_per_d", 1)
    assert play.told()[-1] == "opened device:cam:F38 warning"


@pytest.mark.parametrize(("side", "opens"), [("any", True), ("above", True), ("below", False)])
def test_a_baseline_is_surprised_by_what_never_was(side, opens):
    play = Play(
        f"""
[[rule]]
name = "unlike-itself"
kind = "baseline"
metric = "kbps"
direction_of = "{side}"
fault_class = "F26"
clear_samples = 1
steps = [{{ severity = "warning", limit = 4 }}]
"""
    )
    for hour in range(600):
        play.report(kbps=1000 + 300 * math.sin(hour / 24 * 2 * math.pi) + 40 * math.sin(hour * 12.9898))
        play.now += 3600
    before = len(play.seen)
    for _ in range(6):
        play.report(kbps=6000)
        play.now += 3600
    assert ("opened device:cam:F26 warning" in play.told()[before:]) is opens
