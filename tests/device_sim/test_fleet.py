"""The fleet that diagnostics are judged by: enough of each fault, one at a time, beside healthy devices."""

import itertools
from collections import Counter, defaultdict

import pytest

from device_sim.confounders import CONFOUNDERS, OF_A_SITE, Disturbance
from device_sim.environment import DAY_S
from device_sim.faults import FAULTS
from device_sim.fleet import WARM_UP_D, score_fleet
from tests.device_sim.fleets import START, one_site
from tests.device_sim.test_physics import TABLE


def test_the_usual_fleet_has_twenty_episodes_of_every_class_and_half_of_it_stays_healthy() -> None:
    scenario = score_fleet(1, START)
    assert len(scenario.devices) == 400
    assert Counter(episode.fault.id for episode in scenario.episodes) == dict.fromkeys(FAULTS, 20)
    ill = {device for truth in scenario.truths() for device in truth.affected}
    assert 0.45 < 1 - len(ill) / 400 < 0.6
    assert all(episode.onset >= START + WARM_UP_D * DAY_S for episode in scenario.episodes)
    assert all(episode.end < START + 90 * DAY_S for episode in scenario.episodes)


def test_a_device_has_one_fault_at_a_time_with_rest_between() -> None:
    times = defaultdict(list)
    for episode in score_fleet(3, START).episodes:
        times[episode.device_id].append((episode.onset, episode.end))
    for spans in times.values():
        spans.sort()
        assert all(later[0] - earlier[1] >= 2 * DAY_S for earlier, later in itertools.pairwise(spans))


def test_the_same_fault_seldom_comes_back_to_a_device_and_not_soon() -> None:
    ends: dict[tuple[str, str], float] = {}
    soon = 0
    for episode in sorted(score_fleet(3, START).episodes, key=lambda episode: episode.onset):
        key = (episode.device_id, episode.fault.id)
        soon += key in ends and episode.onset < ends[key] + 10 * DAY_S
        ends[key] = episode.end
    assert soon <= 8
    assert len(ends) > 700


def test_where_chance_left_too_few_hosts_another_device_is_drawn() -> None:
    scenario = score_fleet(18, START)
    assert Counter(episode.fault.id for episode in scenario.episodes) == dict.fromkeys(FAULTS, 20)


def test_seeds_differ_and_repeat() -> None:
    first, again, other = (score_fleet(seed, START).truths_json() for seed in (1, 1, 2))
    assert first == again != other


def test_a_fleet_too_small_for_its_episodes_is_refused_in_one_line() -> None:
    with pytest.raises(
        ValueError, match=r"^no room for episode \d+ of F\d\d: more devices or days, or fewer episodes$"
    ):
        score_fleet(1, START, days=30, devices=20, per_class=20)


@pytest.mark.parametrize("name", sorted(CONFOUNDERS))
def test_a_confounder_is_physically_possible_passes_and_is_no_fault(name: str) -> None:
    kind = CONFOUNDERS[name]
    scenario, calm = one_site(), one_site()
    spec = next(spec for spec in scenario.devices if kind.suits(spec))
    shortest, longest = kind.lasts_s
    lasts = max(1800.0, min((shortest + longest) / 2, 9 * DAY_S))
    start = START + 0.3 * DAY_S
    scenario.confounders[spec.id] = [Disturbance(kind, start, start + lasts, 0.5)]
    assert not scenario.truths()
    device, twin = scenario.build()[spec.id], calm.build()[spec.id]
    device.complete_every = twin.complete_every = 1
    seen = 0
    now = START
    while now < start + lasts + DAY_S:
        report, other = device.report(now), twin.report(now)
        if report is not None and other is not None:
            for metric, value in report.metrics.items():
                low, high = TABLE["metric"][metric]["physical"]
                assert low <= value <= high
            assert report.states.keys() <= TABLE["state"].keys()
            seen += report.metrics != other.metrics or report.states != other.states or abs(report.at - other.at) > 1
        seen += report is None or device.cut or device.held
        if now < start:
            assert seen == 0
        now += 900
    assert seen > 0
    assert not (device.cut or device.held or device.down)


def test_a_bad_release_reaches_several_devices_of_its_model_within_days() -> None:
    scenario = score_fleet(3, START)
    models = {spec.id: spec.model.name for spec in scenario.devices}
    cohorts = defaultdict(list)
    for episode in scenario.episodes:
        if episode.fault.id == "F31" and episode.release:
            cohorts[models[episode.device_id], episode.release].append(episode)
    assert sum(map(len, cohorts.values())) >= 16
    for episodes in cohorts.values():
        assert len(episodes) == 4
        assert max(episode.onset for episode in episodes) - min(episode.onset for episode in episodes) <= 2 * DAY_S


def test_a_bad_release_is_good_for_others_of_the_model_who_say_it_too_and_never_have_a_fault() -> None:
    scenario = score_fleet(3, START)
    one = next(episode for episode in scenario.episodes if episode.release)
    ill = {episode.device_id for episode in scenario.episodes if episode.release == one.release}
    well = {
        name
        for name, spells in scenario.confounders.items()
        if any(isinstance(spell, Disturbance) and spell.release == one.release for spell in spells)
    }
    assert len(ill) == len(well) == 4
    assert not well & {device for episode in scenario.episodes for device in episode.affected or (episode.device_id,)}
    fleet = scenario.build()
    said: dict[str, set[str]] = {}
    for name, device in fleet.items():
        if device.spec.model.name == fleet[one.device_id].spec.model.name:
            reports = (device.report(one.onset + 3600 * (step - 20)) for step in range(400))
            said[name] = {report.firmware for report in reports if report}
    assert {name for name, versions in said.items() if one.release in versions} == ill | well
    for name in well:
        assert len(said[name]) >= 2, "the bad one, and the one after"


def test_what_comes_to_a_site_comes_to_all_of_its_devices_that_can_feel_it() -> None:
    scenario = score_fleet(3, START)
    spells = [
        (spec.site_id, spell.kind.name, spell.start, spec.model.name)
        for spec in scenario.devices
        for spell in scenario.confounders[spec.id]
        if isinstance(spell, Disturbance) and spell.kind.name in OF_A_SITE
    ]
    dips, reboots = ({spell for spell in spells if spell[1] == name} for name in ("mains dip", "access point reboot"))
    assert {model for *_, model in dips} == {"Lensa W1", "Rekam R8", "Rekam R16", "Simpul T1"}
    assert {model for *_, model in reboots} == {"Lensa W1"}


def test_a_streets_feeder_dips_at_several_sites_at_the_same_instants() -> None:
    scenario = score_fleet(3, START)
    streets = defaultdict(list)
    for episode in scenario.episodes:
        if episode.fault.id == "F44":
            streets[episode.u[1]].append(episode)
    joint = [episodes for episodes in streets.values() if len(episodes) > 1]
    assert [len(episodes) for episodes in joint] == [3, 3]
    for episodes in joint:
        assert len({episode.site_id for episode in episodes}) == 3
        assert len({episode.onset for episode in episodes}) == 1
    fleet = scenario.build()
    at = joint[0][0].onset
    dips: dict[str, set[int]] = {}
    for episode in joint[0]:
        device = fleet[f"{episode.site_id}-router"]
        reports = (device.report(at + 900.0 * step) for step in range(-96, int(episode.lead_s // 900)))
        dips[episode.site_id] = {
            int(report.uptime_s + device.booted_at) // 900
            for report in reports
            if report and report.metrics["vin_v"] < 10.9
        }
    first, *others = dips.values()
    assert first
    assert all(first & other for other in others)


def test_the_truth_of_a_bad_release_is_one_for_its_maker() -> None:
    truths = [truth for truth in score_fleet(3, START).truths() if truth.fault == "F45"]
    assert 4 <= len(truths) <= 5
    for truth in truths:
        assert (truth.scope, truth.shape, len(truth.affected)) == ("release", "step", 4)
        assert truth.onset < truth.customer_visible_at < truth.recovered_at


def test_a_recorder_whose_new_disk_still_fills_is_not_short_of_recordings_at_the_same_time() -> None:
    def new_disks(devices: int) -> list[tuple[str, float]]:
        scenario = score_fleet(2, START, days=45.0, devices=devices, per_class=1)
        shorts = {episode.device_id: episode for episode in scenario.episodes if episode.fault.id == "F05"}
        found = [
            (name, spell.start)
            for name, spells in scenario.confounders.items()
            for spell in spells
            if isinstance(spell, Disturbance) and spell.kind.name == "new disk fills up"
        ]
        for name, at in found:
            assert name not in shorts or not shorts[name].onset - 31 * DAY_S < at < shorts[name].end
        return found

    assert new_disks(40) == []  # chance gave one, to the recorder that is short of recordings
    assert len(new_disks(200)) >= 3
