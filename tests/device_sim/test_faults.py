"""Every fault: a beginning, signs, a moment at which the customer notices, an end, and a truth that tells all that."""

import itertools
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_sim.faults import FAULTS
from device_sim.faults.fault import Shape
from device_sim.spells import Episode
from device_sim.wire import Report
from tests.device_sim.fleets import START, afflict, one_site

TABLE = tomllib.loads((Path(__file__).parents[2] / "device_sim" / "metrics.toml").read_text())
EVERY_FAULT = sorted(FAULTS)
# what a repair replaces, or what went on beside the fault, is not again as it was
RENEWED = {
    "sd_life_used_pct", "sd_written_gb", "sd_power_loss_cnt", "cert_days_left", "reset_reason", "serial",
    "ptz_stall_cnt", "mem_used_pct", "battery_pct", "charge_wh_per_d",
}  # fmt: skip


def life(fault_id: str, climate: str = "jakarta") -> tuple[Episode, list[tuple[float, Report | None, Report | None]]]:
    """The afflicted device and its healthy twin, side by side until a day after the repair."""
    sick, well = one_site(climate=climate), one_site(climate=climate)
    episode = afflict(sick, fault_id)
    device, twin = sick.build()[episode.device_id], well.build()[episode.device_id]
    device.complete_every = twin.complete_every = 1
    steps = range(int((episode.end - START) / 900) + 96)
    return episode, [(START + 900 * i, device.report(START + 900 * i), twin.report(START + 900 * i)) for i in steps]


def test_all_classes_of_the_catalogue_are_here_but_our_own_outage() -> None:
    """F43 and F44 are not in the catalogue's table but in its column of look-alikes."""
    assert [f"F{number:02d}" for number in range(1, 45) if number != 40] == EVERY_FAULT


@pytest.mark.parametrize("fault_id", EVERY_FAULT)
def test_a_fault_shows_after_its_onset_stays_physical_and_ends_with_the_repair(fault_id: str) -> None:
    episode, told = life(fault_id)
    fault = FAULTS[fault_id]
    signs = {name for name, entry in TABLE["metric"].items() if fault_id in entry["faults"]}
    signs |= {name for name, entry in TABLE["state"].items() if fault_id in entry["faults"]}
    signs |= {"soc_temp_c"} if fault_id == "F41" else set()
    early = late = after = 0
    for now, report, twin in told:
        different = report is None or twin is None or (report.boot, report.firmware) != (twin.boot, twin.firmware)
        if report is not None and twin is not None:
            assert report.names == tuple(report.metrics)
            for name, value in report.metrics.items():
                low, high = TABLE["metric"][name]["physical"]
                assert low <= value <= high, (name, value)
            a, b = report.metrics | report.states, twin.metrics | twin.states
            different |= any(a.get(name) != b.get(name) for name in signs) or abs(report.at - twin.at) > 1
        if now < episode.onset:
            assert not different, (now, report)
        elif now < episode.visible_at:
            early += different
        elif now < episode.end:
            late += different
        elif now >= episode.end + 4500 and report is not None:
            after += report.metrics.keys() != twin.metrics.keys() if twin else 0
    assert late > 0
    assert early > 0 or fault.shape is Shape.STEP
    assert after == 0


@pytest.mark.parametrize("u", [0.05, 0.95])
@pytest.mark.parametrize("fault_id", EVERY_FAULT)
def test_every_variant_of_a_fault_shows_once_it_is_visible_and_stays_physical(fault_id: str, u: float) -> None:
    sick, well = one_site(), one_site()
    episode = afflict(sick, fault_id)
    episode.u = (u, u, u, u)
    device, twin = sick.build()[episode.device_id], well.build()[episode.device_id]
    device.complete_every = twin.complete_every = 1
    now, shown = START, 0
    while now < episode.end:
        report, other = device.report(now), twin.report(now)
        if report is not None:
            for name, value in report.metrics.items():
                low, high = TABLE["metric"][name]["physical"]
                assert low <= value <= high, (name, value)
        shown += now >= episode.visible_at and (report != other or device.cut)
        now += 1800
    assert shown > 0


@pytest.mark.parametrize("fault_id", EVERY_FAULT)
def test_the_customer_notices_after_the_onset_and_the_repair_comes_last(fault_id: str) -> None:
    episode = afflict(one_site(), fault_id)
    truth = episode.truth()
    assert truth.onset < truth.customer_visible_at < truth.recovered_at
    assert truth.device_id in truth.affected


@given(
    st.floats(0, 30 * 86400), st.floats(60, 30 * 86400), st.floats(60, 5 * 86400),
    st.floats(-40 * 86400, 40 * 86400), st.floats(1, 5000),
)  # fmt: skip
def test_a_quickened_fault_keeps_its_order_and_reaches_the_customer_when_its_truth_says(
    onset: float, lead_s: float, repair_s: float, pivot: float, speed: float
) -> None:
    episode = Episode(FAULTS["F22"], "d", "s", onset, lead_s, repair_s, (0, 0, 0, 0), pivot=onset + pivot, speed=speed)
    assert onset < episode.visible_at <= episode.end
    assert episode.age_s(episode.visible_at) == pytest.approx(lead_s, rel=1e-6, abs=0.01 * speed)
    assert episode.visible_at <= onset + lead_s + 1e-3


def test_power_over_ethernet_fails_at_dusk_and_says_brownout() -> None:
    episode, told = life("F16")
    boots = [
        (now, after.states["reset_reason"])
        for (_, before, _), (now, after, _) in itertools.pairwise(told)
        if before and after and after.boot > before.boot and now >= episode.visible_at
    ]
    assert boots
    assert {reason for _, reason in boots} == {"brownout"}
    dusk = [now for now, _ in boots if 10 <= (now / 3600) % 24 <= 13]  # 17-20 h in Jakarta
    assert dusk


def test_a_new_card_starts_at_zero() -> None:
    episode, told = life("F01")
    at_end = next(report for now, report, _ in told if report and now > episode.end + 4500)
    assert at_end.metrics["sd_life_used_pct"] == 0
    assert at_end.states["rec_phase"] == "ramp_up"
    worst = max(report.metrics["sd_life_used_pct"] for _, report, _ in told if report)
    assert worst >= 97


def test_a_clock_without_ntp_moves_the_stamps_and_the_device_does_not_know() -> None:
    episode, told = life("F21")
    now, report, _ = next(row for row in told if row[0] >= episode.visible_at)
    assert report is not None
    assert abs(report.at - now) > 55
    assert abs(report.metrics["clock_offset_s"]) < 1
    assert report.metrics["ntp_age_s"] > 86400


def test_a_certificate_that_ends_takes_the_device_off_the_air_on_the_exact_date() -> None:
    scenario = one_site()
    episode = afflict(scenario, "F29")
    device = scenario.build()[episode.device_id]
    device.complete_every = 1
    now = START
    while not device.cut:
        report = device.report(now)
        now += 900
    assert report is not None
    assert episode.visible_at <= now - 900 < episode.visible_at + 900
    assert report.metrics["cert_days_left"] <= 0


def test_a_swapped_unit_counts_its_boots_from_elsewhere() -> None:
    episode, told = life("F42")
    before = [report for now, report, _ in told if report and now < episode.onset][-1]
    after = next(report for now, report, _ in told if report and now > episode.onset + 900)
    assert after.boot < before.boot
    assert after.states["serial"] != before.states["serial"]


def test_frozen_telemetry_repeats_its_values_while_its_sequence_runs_on() -> None:
    episode, told = life("F41")
    during = [report for now, report, _ in told if report and episode.onset + 900 < now < episode.end]
    assert len({report.metrics["soc_temp_c"] for report in during}) == 1
    assert [report.seq for report in during] == list(range(during[0].seq, during[0].seq + len(during)))


def test_a_fault_asked_of_a_device_that_cannot_have_it_is_refused_in_one_line() -> None:
    from random import Random

    for device_id, fault_id in (("s-router", "F01"), ("nobody", "F01"), ("s-cam-01", "F99")):
        with pytest.raises(ValueError, match=r"^[^\n]+$"):
            one_site().afflict(device_id, fault_id, onset=START, lead_s=1, repair_s=1, random=Random(1))


def whole_site(fault_id: str, u: tuple[float, float, float, float]) -> tuple[Episode, dict[str, list[Report]]]:
    """Everybody's reports until the repair."""
    scenario = one_site()
    episode = afflict(scenario, fault_id)
    episode.u = u
    told: dict[str, list[Report]] = {spec.id: [] for spec in scenario.devices}
    for name, device in scenario.build().items():
        for step in range(int((episode.end - START) / 900)):
            report = device.report(START + 900 * step)
            if report is not None:
                told[name].append(report)
    return episode, told


def boots(told: list[Report], since: float) -> list[tuple[float, str]]:
    return [
        (after.at, after.states["reset_reason"])
        for before, after in itertools.pairwise(told)
        if after.boot > before.boot and after.at >= since
    ]


def test_a_switch_without_enough_power_drops_the_last_cameras_at_night_and_leaves_the_others_alone() -> None:
    episode, told = whole_site("F43", (0.1, 0.5, 0.1, 0.1))
    peak = max(report.metrics["poe_budget_pct"] for report in told["s-switch"] if report.at < episode.visible_at)
    assert 90 < peak <= 105
    restarted = {name: boots(reports, episode.visible_at) for name, reports in told.items()}
    assert {name for name, found in restarted.items() if found} == {"s-cam-02", "s-cam-04"}  # the last two ports
    assert {reason for _, reason in restarted["s-cam-04"]} == {"power"}
    night = [report.metrics["poe_v"] for report in told["s-cam-01"] if report.states["daynight"] == "night"]
    assert max(night) - min(night) > 2.5  # it sags for those that stay on, too


def test_a_switch_that_cuts_ports_instead_of_sagging_keeps_its_voltage() -> None:
    _, told = whole_site("F43", (0.9, 0.5, 0.9, 0.1))
    assert min(report.metrics["poe_v"] for report in told["s-cam-01"]) > 46.5


def test_a_weak_feeder_takes_all_adapters_of_the_site_in_the_same_second_and_no_other_device() -> None:
    episode, told = whole_site("F44", (0.5, 0.5, 0.5, 0.5))
    dips = {
        name: [report.at for report in reports if report.metrics.get("vin_v", 12.0) < 10.9]
        for name, reports in told.items()
    }
    assert {name for name, found in dips.items() if found} == {"s-router", "s-nvr", "s-cam-03"}
    late = [{round(at / 900) for at in found if at > episode.visible_at} for found in dips.values() if found]
    assert len(set.intersection(*late)) > 0.7 * max(map(len, late))
    assert max(report.metrics["vin_ripple_mv"] for report in told["s-router"]) < 75
    assert all(found[0] > episode.onset for found in dips.values() if found)
    assert {reason for _, reason in boots(told["s-nvr"], episode.onset)} == {"brownout"}
