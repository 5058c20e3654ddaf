"""How early, how honest: the judge of tickets against what really happened, and the bounds of what it counts."""

import json

import pytest

from diagnostics.backtest import Stored, Verdict, backtest, compare, tickets
from diagnostics.changes import Impact, Scope
from diagnostics.score import Fault, How, Raised, judge
from diagnostics.score_report import pool, report
from tests.diagnostics.fleets import CATALOGUE, HOT, T0, camera, rules

H, D = 3600.0, 86_400.0
SITES = {f"s{site}-{number}": f"s{site}" for site in range(4) for number in range(5)}
PERIOD = (T0, T0 + 90 * D)


def fault(device: str = "s0-1", name: str = "F07", onset: float = 10 * D, lead: float = 5 * D, **more) -> Fault:
    start = T0 + onset
    return Fault(device, name, start, start + lead, start + lead + 2 * D, SITES[device], **more)


def ticket(device: str = "s0-1", name: str = "F07", at: float = 12 * D, scope: Scope = Scope.DEVICE, **more) -> Raised:
    return Raised(scope, device, name, T0 + at, "rule@1", **more)


def board(tickets: list[Raised], faults: list[Fault]):
    return judge(tickets, faults, SITES, PERIOD)


def test_a_ticket_before_the_customer_notices_is_early_by_its_lead():
    score = board([ticket(at=12 * D)], [fault()])
    part = score.classes["F07"]
    assert (part.early, part.late, part.leads, part.delays) == (1, 0, [72.0], [48.0])
    assert score.coverage() == (1, 1)
    assert score.coverage(margin_h=73) == (0, 1)
    assert not score.false_healthy


def test_a_ticket_after_that_is_late_and_none_is_missed():
    score = board([ticket(at=16 * D)], [fault(), fault("s1-1")])
    part = score.classes["F07"]
    assert (part.early, part.late, len(part.missed), len(part.tardy)) == (0, 1, 1, 1)


def test_a_ticket_before_the_onset_is_false_not_clever():
    score = board([ticket(at=9 * D)], [fault()])
    assert len(score.false_elsewhere) == 1
    assert score.classes["F07"].false


def test_a_second_ticket_of_the_same_key_is_a_duplicate():
    score = board([ticket(at=12 * D), ticket(at=13 * D)], [fault()])
    assert score.classes["F07"].duplicates == 1


def test_a_fault_that_comes_back_is_noticed_by_the_ticket_that_opens_again():
    first, second = fault(onset=10 * D), fault(onset=18 * D)
    again = ticket(at=20 * D, how=How.REOPENED)
    score = board([ticket(at=12 * D), ticket(at=13 * D, how=How.NOTED), again], [first, second])
    part = score.classes["F07"]
    assert (part.early, part.duplicates, part.delays) == (2, 0, [48.0, 48.0])
    assert (score.tickets, score.reopened) == (1, 1)
    noted = board([ticket(at=12 * D), ticket(at=20 * D, how=How.NOTED)], [first, second])
    assert noted.classes["F07"].early == 2


def test_a_ticket_that_opens_again_for_nothing_is_false_and_a_line_on_an_open_one_is_not():
    score = board([ticket("s3-3", at=D, how=How.REOPENED), ticket("s3-3", at=2 * D, how=How.NOTED)], [])
    assert (len(score.false_healthy), score.consequences) == (1, 0)


def test_a_fault_of_a_site_is_told_by_any_of_its_devices_or_by_the_site():
    uplink = fault("s1-0", "F19", scope="site", affected=tuple(d for d in SITES if d[:2] == "s1"))
    for told in (ticket("s1-3", "F19"), ticket("s1", "F19", scope=Scope.SITE), ticket("x", "F19", scope=Scope.FLEET)):
        assert board([told], [uplink]).classes["F19"].early == 1
    assert board([ticket("s2", "F19", scope=Scope.SITE)], [uplink]).classes["F19"].missed
    assert board([ticket("s1", "F19", scope=Scope.SITE)], [fault("s1-0", "F19")]).classes["F19"].missed


def test_an_outage_whose_ticket_opens_again_has_one_ticket():
    devices = tuple(d for d in SITES if d[:2] == "s1")
    outage = Fault("s1-0", "F39", T0 + D, T0 + D, T0 + 2 * D, "s1", "site", "step", devices)
    site = ticket("s1", "F39", D + 60, Scope.SITE, how=How.REOPENED)
    assert board([site], [outage]).per_outage == [1]
    new = ticket("s1", "F39", D + 30, Scope.SITE)
    assert board([new, site], [outage]).per_outage == [1]


def test_other_classes_on_an_ill_device_are_consequences_and_on_a_healthy_one_false():
    score = board([ticket(name="F24"), ticket("s3-3", "F24")], [fault()])
    assert (score.consequences, len(score.false_healthy), len(score.false_elsewhere)) == (1, 1, 0)
    assert score.classes["F24"].shape == "none"


def test_a_fault_after_the_end_is_not_judged():
    assert board([], [fault(onset=95 * D)]).classes["F07"].injected == 0


def test_one_outage_is_judged_by_its_one_ticket():
    outage = Fault(
        "s1-0", "F39", T0 + D, T0 + D, T0 + 2 * D, "s1", "site", "step", tuple(d for d in SITES if d[:2] == "s1")
    )
    site = ticket("s1", "F39", D + 120, Scope.SITE)
    score = board(
        [site, ticket("s1-2", "OFFLINE", D + 300), ticket("s2-2", "OFFLINE", D + 300)], [outage, fault("s1-3", onset=D)]
    )
    assert score.per_outage == [2]
    assert (score.consequences, len(score.false_healthy)) == (1, 1)
    assert score.classes["F39"].delays == [pytest.approx(120 / H)]


def test_a_site_verdict_over_a_faulty_switch_is_a_consequence():
    switch = fault("s2-0", "F38", scope="switch", affected=("s2-0", "s2-1"))
    score = board([ticket("s2-1", "F38"), ticket("s2", "F39", scope=Scope.SITE)], [switch])
    assert (score.classes["F38"].early, score.consequences) == (1, 1)


def test_tickets_during_our_own_outage_are_counted_apart():
    own = Fault("gateway", "F40", T0 + D, T0 + D, T0 + D + H, "", "gateway", "step")
    score = board([ticket("gateway", "F40", D + 60, Scope.GATEWAY), ticket("s2-2", "OFFLINE", D + 300)], [own])
    assert (score.own_outages, len(score.during_own), score.classes["F40"].late) == (1, 1, 1)


def test_a_ticket_that_says_we_do_not_hear_blames_no_device_and_is_no_false_one():
    score = board([ticket("gateway", "F40", D, Scope.GATEWAY)], [fault()])
    assert (score.false_healthy, score.false_elsewhere, score.consequences) == ([], [], 0)
    assert (score.tickets, "F40" in score.classes) == (1, False)


def test_forecasts_are_judged_by_their_interval():
    good = Impact(T0 + 14 * D, T0 + 15 * D, T0 + 16 * D)
    score = board([ticket(impact=good), ticket("s1-1", impact=Impact(T0, T0, T0))], [fault(), fault("s1-1")])
    part = score.classes["F07"]
    assert (part.with_interval, part.in_interval, part.exact_dates) == (2, 1, 0)
    assert report(score)["classes"]["F07"]["interval_coverage"]["share"] == 0.5


def test_a_date_that_is_told_as_exact_is_no_interval_and_is_right_within_an_hour():
    def exact(at: float) -> Impact:
        return Impact(at, at, at)

    seen = fault().visible_at
    ills = [fault(), fault("s1-1"), fault("s2-1")]
    tickets = [ticket(impact=exact(seen + H)), ticket("s1-1", impact=exact(seen - 2 * H))]
    score = board([*tickets, ticket("s2-1")], ills)
    part = score.classes["F07"]
    assert (part.exact_dates, part.right_dates, part.with_interval) == (2, 1, 0)
    told = report(pool([score, score]))
    assert (told["exact_dates_right"]["share"], told["exact_dates_right"]["of"]) == (0.5, 4)
    assert told["forecast_interval_coverage"]["of"] == 0


def test_a_flood_is_more_than_ten_openings_in_ten_minutes():
    score = board([ticket("s3-3", "F24", 12 * D) for _ in range(11)] + [ticket("s3-3", "F24", 20 * D)], [fault()])
    assert score.flood_share == 0.5


def test_the_board_is_plain_json_even_of_nothing():
    empty = report(judge([], [], {}, PERIOD))
    full = report(board([ticket(), ticket("s3-3")], [fault()]))
    assert json.loads(json.dumps(full))["coverage"] == {"share": 1.0, "low": 0.2065, "high": 1.0, "of": 1}
    assert empty["coverage"]["share"] is None
    assert empty["false_per_100_device_months"]["rate"] is None
    assert full["classes"]["F07"]["before_visible"] == 1


def test_several_runs_are_one_board():
    one = board([ticket(), ticket("s3-3", "F24")], [fault()])
    two = board([ticket("s0-1", "F24", 50 * D)], [fault(), fault("s1-1", "F24")])
    both = report(pool([one, two]))
    assert both["coverage"]["of"] == 3
    assert both["coverage"]["share"] == pytest.approx(1 / 3, abs=1e-4)
    assert both["classes"]["F24"]["shape"] == "degradation"
    assert both["false_by_class_and_rule"] == {"F24 rule@1": 2}
    assert both["missed"] == 2


def test_the_board_says_which_targets_were_met():
    good = report(board([ticket()], [fault()]))["targets"]
    assert good == {
        "coverage_95": True,
        "classes_below_85": [],
        "lead_median_48_h": True,
        "lead_p10_6_h": True,
        "false_half_per_100": True,
        "no_duplicates": True,
        "one_ticket_an_outage": None,
        "none_in_own_outage": True,
        "none_by_own_clock": True,
    }
    bad = report(board([ticket("s3-3", name="F24")], [fault()]))["targets"]
    assert (bad["coverage_95"], bad["classes_below_85"], bad["false_half_per_100"]) == (False, ["F07"], False)
    assert bad["lead_median_48_h"] is None
    none = report(judge([], [], {}, PERIOD))["targets"]
    assert (none["coverage_95"], none["false_half_per_100"]) == (None, None)


@pytest.mark.parametrize(("months", "met"), [(200.0, True), (199.9, False), (198.0, False)])
def test_one_false_ticket_is_few_enough_in_two_hundred_healthy_device_months_and_not_before(months, met):
    score = board([ticket("s3-3", "F24")], [])
    score.healthy_months = months
    assert report(score)["targets"]["false_half_per_100"] is met


# --- backtest ---------------------------------------------------------------------------------------------------------
def history(*spells: tuple[str, float, float, float]) -> list[Stored]:
    """Hours of 50 degrees, with spells (device, from hour, to hour, value)."""
    rows = []
    for hour in range(400):
        for device in ("cam0", "cam1"):
            hot = [value for name, start, end, value in spells if name == device and start <= hour < end]
            rows.append(Stored(device, T0 + hour * H, {"soc_temp_c": hot[0] if hot else 50.0}, {}))
    return rows


DEVICES = [camera("cam0"), camera("cam1")]
STRICT = HOT.replace("limit = 80, clear = 75", "limit = 70, clear = 60")


def test_other_rules_on_the_same_history_give_the_difference_of_tickets():
    past = history(("cam0", 10, 12, 72), ("cam0", 12, 20, 85), ("cam1", 50, 60, 72), ("cam1", 300, 310, 85))
    differences = backtest(rules(HOT), rules(STRICT), CATALOGUE, DEVICES, past)
    assert [(one.verdict, one.shift_s) for one in differences] == [
        (Verdict.EARLIER, -2 * H),
        (Verdict.SAME, 0.0),
        (Verdict.NEW, 0.0),
    ]
    back = backtest(rules(STRICT), rules(HOT), CATALOGUE, DEVICES, past)
    assert [one.verdict for one in back] == [Verdict.LATER, Verdict.LOST, Verdict.SAME]


def test_tickets_of_history_know_when_they_ended():
    past = history(("cam0", 10, 20, 85), ("cam1", 390, 400, 85))
    first, second = tickets(rules(HOT + HOT.replace('"hot"', '"again"')), CATALOGUE, DEVICES, past)
    assert (first.opened_at, first.recovered_at) == (T0 + 10 * H, T0 + 20 * H)
    assert (second.device_id, second.recovered_at) == ("cam1", None)


def test_nothing_compared_with_nothing_is_no_difference():
    assert compare([], []) == []


def test_a_ticket_of_what_a_fault_only_looks_like_is_a_wrong_diagnosis_not_a_consequence():
    switch = Fault(
        "s0-0", "F43", T0 + 10 * D, T0 + 15 * D, T0 + 17 * D, "s0", "switch", affected=("s0-0", "s0-1"),
        imitates=("F16",),
    )  # fmt: skip
    score = board([ticket("s0-0", "F43"), ticket("s0-1", "F16"), ticket("s0-1", "F24")], [switch])
    assert score.consequences == 1
    assert [one.fault_class for one in score.false_elsewhere] == ["F16"]
    both = board([ticket("s0-0", "F43"), ticket("s0-1", "F16")], [switch, fault("s0-1", "F16")])
    assert not both.false_elsewhere


def test_tickets_that_our_own_wrong_clock_made_are_counted_and_miss_the_target():
    wrong = [(T0 + 20 * D, T0 + 21 * D)]
    tickets = [
        ticket("s1-0", "F21", 20.5 * D),
        ticket("s2-0", "F21", 40 * D),
        ticket("s2-0", "F07", 20.5 * D),
        ticket("s0-1", "F21", 20.5 * D),
        ticket("gateway", "F40", 20.6 * D, Scope.GATEWAY),
    ]
    score = judge(tickets, [fault("s0-1", "F21", onset=18 * D)], SITES, PERIOD, wrong_clocks=wrong)
    assert [(one.scope_id, one.fault_class) for one in score.by_wrong_clock] == [("s1-0", "F21"), ("gateway", "F40")]
    plain = report(score)
    assert (plain["own_clock_wrong"], plain["tickets_by_own_clock"]) == (1, 2)
    assert plain["targets"]["none_by_own_clock"] is False
    assert report(pool([score, score]))["tickets_by_own_clock"] == 4


def test_a_release_is_told_once_to_its_maker_and_any_other_such_ticket_is_false():
    release = Fault("cam 2.4.2", "F45", T0 + 10 * D, T0 + 12 * D, T0 + 14 * D, "", "release", "step", ("s0-1", "s1-1"))
    told = Raised(Scope.FLEET, "cam 2.4.2", "F45", T0 + 11 * D, "release-harms@1")
    wrong = Raised(Scope.FLEET, "cam 2.4.3", "F45", T0 + 11 * D, "release-harms@1")
    score = board([told, wrong, ticket("s0-1", "F07", 11 * D)], [release])
    assert (score.classes["F45"].early, score.classes["F45"].false) == (1, [wrong])
    assert len(score.classes["F07"].false) == 1, "a bad release excuses no other ticket by itself"
    assert score.free_months == pytest.approx(20 * 3.0)
