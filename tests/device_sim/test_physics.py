"""Healthy devices: physical, documented, and the same for the same seed."""

import tomllib
from collections import defaultdict
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from device_sim.models import Kind
from device_sim.scenario import CLIMATES
from tests.device_sim.fleets import START, one_site

PACKAGE = Path(__file__).parents[2] / "device_sim"
TABLE = tomllib.loads((PACKAGE / "metrics.toml").read_text())


@settings(max_examples=15)
@given(
    st.sampled_from(sorted(CLIMATES)), st.integers(0, 10**6), st.floats(0, 4e8),
    st.lists(st.floats(1, 86400), min_size=1, max_size=40),
)  # fmt: skip
def test_everything_a_healthy_device_says_is_documented_and_physically_possible(
    climate: str, seed: int, offset: float, steps: list[float]
) -> None:
    for device in one_site(seed=seed, climate=climate, start=START + offset).build().values():
        now = START + offset
        for step in steps:
            now += step
            report = device.report(now)
            assert report is not None
            for name, value in report.metrics.items():
                low, high = TABLE["metric"][name]["physical"]
                assert low <= value <= high, (device.spec.id, name, value)
            assert report.states.keys() <= TABLE["state"].keys()


def test_healthy_values_stay_in_their_healthy_range_but_for_weather_and_motion_only_recording() -> None:
    outside: dict[str, int] = defaultdict(int)
    count: dict[str, int] = defaultdict(int)
    for number, climate in enumerate(sorted(CLIMATES)):
        scenario = one_site(seed=number, climate=climate, start=START + number % 2 * 182 * 86400)
        for device in scenario.build().values():
            for step in range(96 * 4):
                report = device.report(scenario.begin + 900 * step)
                assert report is not None
                for name, value in report.metrics.items():
                    low, high = TABLE["metric"][name]["healthy"]
                    count[name] += 1
                    outside[name] += not low <= value <= high
    allowed = {"sharpness", "scene_sim", "edge_density_pct"}  # fog
    unhealthy = {name: outside[name] / count[name] for name in count if outside[name]}
    motion_only = unhealthy.pop("s_since_segment_s", 0.0)
    assert motion_only < 0.15
    assert all(share < (0.02 if name in allowed else 0.002) for name, share in unhealthy.items()), unhealthy
    assert count.keys() == TABLE["metric"].keys()


def test_the_readable_table_says_the_same_as_the_data() -> None:
    text = (PACKAGE / "METRICS.md").read_text()
    for name, entry in TABLE["metric"].items():
        low, high = entry["healthy"]
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}`"))
        assert f"| {entry['unit']} | {entry['on']} | {entry['every']} | {low} .. {high} |" in row
    assert all(f"| `{name}` |" in text for name in TABLE["state"])


def test_the_camera_goes_to_night_at_dusk_and_its_infrared_pulls_power() -> None:
    scenario = one_site(climate="jakarta")
    device = scenario.build()["s-cam-01"]
    by_hour: dict[int, list[tuple[float, float, str]]] = defaultdict(list)
    for step in range(96 * 5):
        report = device.report(scenario.begin + 900 * step)
        assert report is not None
        hour = int(device.slot.hour)
        by_hour[hour].append((report.metrics["ir_ma"], report.metrics["poe_w"], report.states["daynight"]))
    assert all(ir > 300 and state == "night" for ir, _, state in by_hour[23])
    assert all(ir == 0 and state == "day" for ir, _, state in by_hour[12])
    assert min(watts for _, watts, _ in by_hour[23]) > max(watts for _, watts, _ in by_hour[12])


def test_local_habits_follow_the_wall_clock_across_daylight_saving() -> None:
    spring = 1774746000.0  # 2026-03-29 01:00 UTC: the clocks of Europe/London go forward
    scenario = one_site(climate="bristol", start=spring - 2 * 86400)
    world = scenario.build()["s-cam-01"].world
    before, after = world.at(spring - 900), world.at(spring + 1)
    assert (int(before.hour), int(after.hour)) == (0, 2)


def test_a_heat_wave_warms_a_whole_site() -> None:
    from device_sim.environment import WeatherSpell

    calm, hot = one_site(), one_site()
    hot.weather["s"] = [WeatherSpell("heat", START, START + 5 * 86400, 8.0)]
    noon = START + 2 * 86400 + 6 * 3600
    for name, device in hot.build().items():
        cooler = calm.build()[name].report(noon)
        warmer = device.report(noon)
        assert cooler is not None and warmer is not None
        rise = warmer.metrics["soc_temp_c"] - cooler.metrics["soc_temp_c"]
        assert (6 if device.outdoor else 1.5) < rise < 9


def test_two_devices_of_a_model_are_not_alike_and_the_same_seed_is_the_same_device() -> None:
    first, again, other = one_site(seed=1), one_site(seed=1), one_site(seed=2)
    told = [
        [scenario.build()[name].report(START) for name in ("s-cam-01", "s-nvr")] for scenario in (first, again, other)
    ]
    assert told[0] == told[1]
    assert told[0] != told[2]


def test_a_site_hangs_together() -> None:
    scenario = one_site()
    parents = {spec.id: spec.parent_id for spec in scenario.devices}
    kinds = {spec.id: spec.kind for spec in scenario.devices}
    assert kinds["s-router"] is Kind.ROUTER and parents["s-router"] is None
    assert parents["s-switch"] == "s-router"
    assert parents["s-cam-01"] == parents["s-nvr"] == "s-switch"
    assert parents["s-cam-03"] == parents["s-cam-05"] == "s-router"  # Wi-Fi


def test_devices_alike_say_the_same_tuple_of_names_in_every_report() -> None:
    scenario = one_site(cameras=("Lensa B4", "Lensa B4"))
    first, second = scenario.build()["s-cam-01"], scenario.build()["s-cam-02"]
    for step in range(300):
        one, other = first.report(START + 900.0 * step), second.report(START + 900.0 * step)
        assert one is not None and other is not None
        assert one.names == tuple(one.metrics)
        assert one.names is other.names
        assert ("cert_days_left" in one.names) is (step % 4 == 0)


def test_what_is_said_has_the_digits_that_firmware_sends() -> None:
    for device in one_site().build().values():
        for step in range(200):
            report = device.report(START + 900.0 * step)
            assert report is not None
            said = report.metrics
            assert said["ntp_age_s"] == int(said["ntp_age_s"])
            assert abs(said["soc_temp_c"] * 10 - round(said["soc_temp_c"] * 10)) < 1e-9
            assert abs(said["clock_offset_s"] * 1000 - round(said["clock_offset_s"] * 1000)) < 1e-9


def test_a_report_out_of_the_rhythm_is_right_and_leaves_the_rhythm_alone() -> None:
    calm, asked = one_site().build()["s-cam-01"], one_site().build()["s-cam-01"]
    calm.complete_every = asked.complete_every = 1
    for step in range(300):
        now = START + 900.0 * step
        regular, same = calm.report(now), asked.report(now)
        assert regular is not None and same is not None
        assert regular.states["daynight"] == same.states["daynight"]
        assert regular.metrics["ntp_age_s"] == same.metrics["ntp_age_s"]
        assert abs(regular.metrics["case_temp_c"] - same.metrics["case_temp_c"]) < 3
        if step % 10 == 0:
            between = asked.report(now + 120.0)
            assert between is not None
            assert between.metrics.keys() <= same.metrics.keys()
            assert between.metrics["ntp_age_s"] == (same.metrics["ntp_age_s"] + 120) % 3600


def test_the_pace_of_the_reports_changes_nothing_in_the_world() -> None:
    """What is foreseen for a day at once is what each instant by itself would give, but for the noise."""
    slow, fast = one_site().build()["s-router"], one_site().build()["s-router"]
    for step in range(1, 96):
        now = START + 3600.0 * step
        for minute in (45, 30, 15):
            fast.report(now - 60.0 * minute)
        a, b = slow.report(now), fast.report(now)
        assert a is not None and b is not None
        assert a.metrics["ntp_age_s"] == b.metrics["ntp_age_s"]
        assert abs(a.metrics["wan_util_pct"] - b.metrics["wan_util_pct"]) < 10
        assert abs(a.metrics["mem_used_pct"] - b.metrics["mem_used_pct"]) < 3
