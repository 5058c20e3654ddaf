"""The demo and scenarios from TOML."""

import json
from pathlib import Path

import pytest

from device_sim.models import Kind
from device_sim.scenario import SCENARIOS, WrongClock, demo, load
from tests.device_sim.fleets import START, one_site


def test_the_demo_has_two_customers_three_sites_and_forty_devices_that_fit_together() -> None:
    inventory = json.loads(json.dumps(demo(1, START).inventory()))
    assert {customer["language"] for customer in inventory["customers"]} == {"id", "en"}
    assert {site["zone"] for site in inventory["sites"]} == {"Asia/Jakarta", "Asia/Makassar", "Europe/London"}
    ids = {device["id"] for device in inventory["devices"]}
    assert len(ids) == len(inventory["devices"]) >= 40
    assert {device["kind"] for device in inventory["devices"]} == {kind.value for kind in Kind}
    assert all(device["parent_id"] is None or device["parent_id"] in ids for device in inventory["devices"])
    assert {device["site_id"] for device in inventory["devices"]} == {site["id"] for site in inventory["sites"]}


def test_the_inventory_holds_no_truth() -> None:
    text = json.dumps(demo(1, START).inventory())
    assert not any(word in text for word in ("fault", "onset", "F01", "visible"))


def test_a_quickened_demo_is_noticed_minutes_after_the_start_and_never_before() -> None:
    scenario = demo(1, START)
    scenario.quicken(1440)
    truths = scenario.truths()
    assert len(truths) == 10
    assert all(START + 90 < truth.customer_visible_at < START + 900 for truth in truths)
    assert {truth.fault for truth in truths if truth.onset > START} == {"F39"}
    assert json.loads(scenario.truths_json())[0]["fault"] == truths[0].fault


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('climate = "jakarta"', 'climate = "atlantis"'),
        ('fault = "F01"', 'fault = "F77"'),
        ('device = "melati-kemang-cam-02"', 'device = "nobody"'),
        ('model = "Lensa B4", group = "entrance"', 'model = "Lensa Z9"'),
        ('model = "Lensa B4", group = "entrance"', 'model = "Rekam R8"'),
        ('language = "id"', ""),
        ("[[customer]]", "[[customer"),
        ("lead_d = 18", 'lead_d = "long"'),
    ],
)
def test_a_wrong_scenario_is_refused_in_one_line_that_names_the_file(tmp_path: Path, was: str, becomes: str) -> None:
    text = (SCENARIOS / "demo.toml").read_text()
    assert was in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(was, becomes, 1))
    with pytest.raises(ValueError, match=r"^mine\.toml: [^\n]+$"):
        load(path, seed=1, start=START)


def test_weather_can_be_ordered(tmp_path: Path) -> None:
    text = (SCENARIOS / "demo.toml").read_text()
    path = tmp_path / "hot.toml"
    path.write_text(
        text + '\n[[weather]]\nsite = "melati-kemang"\nkind = "heat"\nafter_s = -86400\nfor_s = 172800\nstrength = 6\n'
    )
    scenario = load(path, seed=1, start=START)
    assert [spell.kind for spell in scenario.weather["melati-kemang"]] == ["heat"]


def test_the_receivers_clock_is_wrong_while_its_spell_lasts_and_no_truth_speaks_of_it() -> None:
    scenario = one_site()
    scenario.wrong_clocks = [WrongClock(START + 10, START + 20, 60.0), WrongClock(START + 15, START + 30, -5.0)]
    assert [scenario.receiver_error_s(START + at) for at in (9, 10, 15, 20, 30)] == [0, 60, 55, -5, 0]
    assert not scenario.truths()
    assert scenario.part(0, 2).wrong_clocks == scenario.wrong_clocks
