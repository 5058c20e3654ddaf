"""Virtual time: the order of receipt, what the network does, outages, and the same again for the same seed."""

import itertools
import json
from random import Random

from msgspec.structs import replace

from device_sim.confounders import OF_A_SITE, Disturbance
from device_sim.fleet import score_fleet
from device_sim.scenario import Scenario
from device_sim.virtual import Arrival, play
from device_sim.wire import Report, Status
from tests.device_sim.fleets import START, afflict, one_site

DAY = 86400.0


def arrivals(scenario: Scenario, days: float, **options: bool) -> list[Arrival]:
    return list(play(scenario, end=START + days * DAY, **options))


def small_fleet(seed: int = 4) -> Scenario:
    """Two sites with all confounders, and a few faults from the first day on."""
    scenario = score_fleet(seed, START, days=10, devices=20, per_class=0)
    for device_id, fault_id in (
        ("s000-cam-01", "F16"),
        ("s001-cam-04", "F20"),
        ("s000-nvr", "F22"),
        ("s001-switch", "F38"),
    ):
        random = Random(f"{seed}/{fault_id}")
        scenario.afflict(device_id, fault_id, onset=START + 0.3 * DAY, lead_s=DAY, repair_s=DAY, random=random)
    return scenario


def test_everything_comes_in_the_order_of_receipt_and_not_before_it_was_measured() -> None:
    told = arrivals(small_fleet(), 4)
    assert all(a.received_at <= b.received_at for a, b in itertools.pairwise(told))
    assert len({arrival.device_id for arrival in told}) == 20
    assert all(START <= arrival.received_at <= START + 4 * DAY for arrival in told)


def test_the_same_seed_is_the_same_run_and_a_scenario_can_be_played_again() -> None:
    scenario = small_fleet()
    first = arrivals(scenario, 3)
    assert first == arrivals(scenario, 3)
    assert first == arrivals(small_fleet(), 3)
    assert first != arrivals(small_fleet(5), 3)


def test_parts_of_a_fleet_together_are_the_whole() -> None:
    scenario = small_fleet()
    whole = arrivals(scenario, 3)
    parts = [arrival for index in range(2) for arrival in arrivals(scenario.part(index, 2), 3)]
    assert sorted(parts, key=lambda a: (a.received_at, a.device_id, a.leaf)) == sorted(
        whole, key=lambda a: (a.received_at, a.device_id, a.leaf)
    )


def test_some_reports_are_lost_and_some_come_twice() -> None:
    scenario = one_site()
    told = [a for a in arrivals(scenario, 12) if a.leaf == "telemetry"]
    keys = [(a.device_id, report.boot, report.seq) for a in told for report in a.body]  # type: ignore[union-attr]
    sent = 12 * 96 * len(scenario.devices)
    lost = 1 - len(set(keys)) / sent
    assert 0.01 < lost < 0.05
    assert 0.002 < len(keys) / len(set(keys)) - 1 < 0.01


def test_json_is_the_same_story_and_fits_a_message() -> None:
    scenario = small_fleet()
    bare, coded = arrivals(scenario, 3), arrivals(scenario, 3, encode=True)
    assert [replace(a, payload=b"") for a in coded] == bare
    for arrival in coded:
        assert 0 < len(arrival.payload) <= 16 * 1024
        body = json.loads(arrival.payload)
        if arrival.leaf == "telemetry":
            rows = body if isinstance(body, list) else [body]
            assert [row["seq"] for row in rows] == [report.seq for report in arrival.body]  # type: ignore[union-attr]


def test_what_the_firmware_notices_by_itself_is_told_within_seconds() -> None:
    for fault_id, leaf in (("F12", "event"), ("F34", "event"), ("F42", "telemetry")):
        scenario = one_site()
        episode = afflict(scenario, fault_id)
        told = [a for a in arrivals(scenario, 1.1) if a.device_id == episode.device_id and a.leaf == leaf]
        after = [a.received_at - episode.start for a in told if a.received_at >= episode.start]
        assert 0 < after[0] < 6, fault_id


def outage(u: float) -> tuple[Scenario, float, float]:
    scenario = one_site()
    lasts = 4 * 3600.0
    episode = scenario.afflict("s-router", "F39", onset=START + DAY + 400, lead_s=60, repair_s=lasts, random=Random(1))
    episode.u = (u, 0, 0, 0)
    return scenario, episode.start, episode.end


def test_a_site_without_its_line_goes_silent_together_and_sends_everything_later() -> None:
    scenario, since, till = outage(0.9)
    told = arrivals(scenario, 3)
    during = [a for a in told if since < a.received_at < till]
    assert {(a.leaf, a.body.state) for a in during if isinstance(a.body, Status)} == {("status", "offline")}
    assert max(a.received_at for a in during) < since + 180
    assert len([a for a in during if a.leaf == "status"]) == len(scenario.devices)
    late = [r for a in told if a.leaf == "telemetry" and a.received_at > till for r in a.body if since < r.at < till]
    assert len(late) > 0.9 * 16 * len(scenario.devices)  # type: ignore[arg-type]
    assert {r.boot for r in late} == {r.boot for a in told if a.leaf == "telemetry" for r in a.body}  # type: ignore[union-attr]


def test_a_site_without_power_keeps_nothing_and_boots() -> None:
    scenario, since, till = outage(0.1)
    told = arrivals(scenario, 3)
    reports: list[tuple[float, str, Report]] = [
        (a.received_at, a.device_id, r) for a in told if a.leaf == "telemetry" for r in a.body  # type: ignore[union-attr]
    ]  # fmt: skip
    assert not [r for _, _, r in reports if since + 2 < r.at < till]
    for spec in scenario.devices:
        before = [r for at, name, r in reports if name == spec.id and at < since][-1]
        first = next(r for at, name, r in reports if name == spec.id and at > till)
        assert (first.boot, first.states["reset_reason"]) == (before.boot + 1, "power")
        assert first.uptime_s < 4 * 3600


def test_in_our_own_outage_nothing_arrives_and_nothing_is_lost() -> None:
    dark, bright = one_site(), one_site()
    since, till = START + DAY, START + DAY + 6 * 3600
    dark.outages = [(since, till)]
    told = arrivals(dark, 2)
    assert not [a for a in told if since <= a.received_at < till]

    def kept(of: list[Arrival]) -> set[tuple[str, int, int]]:
        return {(a.device_id, r.boot, r.seq) for a in of if a.leaf == "telemetry" for r in a.body}  # type: ignore[union-attr]

    during = [a for a in told if a.leaf == "telemetry" for r in a.body if since < r.at < till - 1]  # type: ignore[union-attr]
    assert len(during) > 0.9 * 24 * len(dark.devices)
    assert all(a.received_at < till + 300 for a in during)
    assert not [a for a in told if a.leaf == "status"]
    assert [truth.fault for truth in dark.truths()] == ["F40"]
    assert not bright.truths()
    assert len(kept(told)) > 0.94 * 2 * 96 * len(dark.devices)


def test_a_device_behind_a_rebooting_access_point_is_back_within_minutes() -> None:
    scenario = one_site()
    kind = OF_A_SITE["access point reboot"]
    phase = next(a.received_at for a in arrivals(one_site(), 1) if a.device_id == "s-cam-03") - START
    since = START + 40 * 900 + phase - 60
    scenario.confounders["s-cam-03"] = [Disturbance(kind, since, since + 300, 0.5)]
    told = [a for a in arrivals(scenario, 1) if a.device_id == "s-cam-03"]
    states = [(a.body.state, a.received_at - since) for a in told if isinstance(a.body, Status)]
    assert [state for state, _ in states] == ["offline", "online"]
    assert 300 < states[1][1] < 360
    gaps = [b.received_at - a.received_at for a, b in itertools.pairwise(told) if a.received_at < since + 900]
    assert max(gaps[35:]) < 4 * 900
