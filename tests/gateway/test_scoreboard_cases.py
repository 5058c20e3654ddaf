"""`siaga score --explain`: what went wrong, told by when it happened, by series, and by what the rules made of it."""

import io
import json

import pytest
from rich.console import Console

from diagnostics.changes import Scope
from diagnostics.score import Fault, Raised, judge
from diagnostics.score_report import report
from diagnostics.telemetry import Report
from gateway.cli import main
from gateway.scoreboard_cases import NEAREST, Case, as_data, cases_of, seen_of, shown
from gateway.scoreboard_run import DAY, START, Course
from gateway.scoreboard_text import COLUMNS, headlines, print_case, print_cases, ruler, spark
from gateway.scoreboard_watch import Watch
from tests.diagnostics.fleets import HOT, Play

SMALL = Course(seed=2, days=3.0, devices=20, per_class=0)
SITES = {f"s00{site}-cam-0{number}": f"s00{site}" for site in range(2) for number in range(1, 8)}
PERIOD = (START, START + 3 * DAY)


def fault(device: str = "s000-cam-01", name: str = "F07", **more) -> Fault:
    return Fault(device, name, START + DAY, START + 2 * DAY, START + 2.5 * DAY, "s000", **more)


def raised(
    device: str, at: float, name: str = "F07", scope: Scope = Scope.DEVICE, rule: str = "heat-level@1"
) -> Raised:
    return Raised(scope, device, name, START + at * DAY, rule)


def text_of(cases: list[Case], watch: Watch, name: str = "F07") -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    print_cases(console, name, 2, cases, watch)
    return console.export_text()


def test_late_and_false_cases_are_shown_with_series_and_other_tickets_of_the_place() -> None:
    late, false = raised("s000-cam-01", 2.2), raised("s001-cam-01", 1.0)
    other = raised("s000", 1.5, "F39", Scope.SITE, "site-silent@1")
    tickets = [other, late, false]
    score = judge(tickets, [fault()], SITES, PERIOD)
    cases = cases_of("F07", score, [fault()], tickets, SITES)
    assert [(case.what, case.place) for case in cases] == [("late", "s000-cam-01"), ("false", "s001-cam-01")]
    assert cases[0].meanwhile == (other,)
    watch = seen_of(cases, "F07", SMALL, SITES)
    said = text_of(cases, watch)
    assert "F07 late, 4.8 h after the customer noticed: s000-cam-01" in said
    assert "began day 1.00; noticed day 2.00; repaired day 2.50; ticket day 2.20 by heat-level@1" in said
    assert "meanwhile: F39 s000 day 1.50" in said
    assert "F07 false: s001-cam-01" in said
    assert "ticket day 1.00 by heat-level@1, and nothing was wrong" in said
    assert said.count("soc_temp_c") == 2
    data = json.loads(json.dumps([as_data(case, watch, 2) for case in cases]))
    assert data[0]["day"] == {"onset": 1.0, "visible": 2.0, "ended": 2.5, "ticket": 2.2}
    assert data[0]["meanwhile"] == [[1.5, "s000", "F39", "site-silent@1"]]
    assert len(data[0]["devices"]["s000-cam-01"]["series"]["soc_temp_c"]) > 200
    assert (data[1]["lead_h"], data[1]["seed"], data[1]["day"]["visible"]) == (None, 2, None)


def test_a_class_that_went_well_shows_what_came_closest() -> None:
    faults = [fault(device) for device in list(SITES)[:5]]
    tickets = [raised(device, 1.1 + 0.1 * number) for number, device in enumerate(list(SITES)[:5])]
    score = judge(tickets, faults, SITES, PERIOD)
    cases = cases_of("F07", score, faults, tickets, SITES)
    assert [case.place for case in cases] == ["s000-cam-05", "s000-cam-04", "s000-cam-03"]
    assert len(cases) == NEAREST
    said = text_of(cases, Watch())
    assert "F07, seed 2: nothing was missed, late or false; these came closest" in said
    assert "F07 in time, 12.0 h before the customer noticed: s000-cam-05" in said


def test_a_class_of_which_nothing_happened_says_so() -> None:
    score = judge([], [], SITES, PERIOD)
    cases = cases_of("F16", score, [], [], SITES)
    assert cases == []
    assert "F16, seed 2: nothing of it happened on this board" in text_of(
        cases, seen_of(cases, "F16", SMALL, SITES), "F16"
    )


def test_a_step_is_never_late_but_slow() -> None:
    faults = [
        Fault("gateway", "F40", START + at * DAY, START + at * DAY, START + (at + 0.1) * DAY, "", "gateway", "step")
        for at in (1, 8)
    ]
    tickets = [raised("gateway", at, "F40", Scope.GATEWAY, "blindness@1") for at in (1.01, 8.05)]
    score = judge(tickets, faults, SITES, (START, START + 10 * DAY))
    cases = cases_of("F40", score, faults, tickets, SITES)
    assert [case.what for case in cases] == ["slow", "slow"]
    said = text_of(cases, Watch(), "F40")
    assert said.index("F40 slow, 1.20 h from fault to ticket") < said.index("F40 slow, 0.24 h from fault to ticket")


def test_a_missed_fault_of_a_site_shows_those_of_its_devices_that_tell_something() -> None:
    whole = fault("s000-router", "F44", scope="site", affected=tuple(SITES)[:7])
    score = judge([], [whole], SITES, PERIOD)
    (case,) = cases_of("F44", score, [whole], [], SITES)
    assert (case.what, case.lead_h, len(case.devices)) == ("missed", None, 8)
    watch = Watch()
    watch.series = {(device, "vin_v"): [(START + DAY, 12.0)] for device in list(SITES)[1:7]}
    watch.happened = {"s000-router": [(START + DAY, "restart (power)")]}
    assert shown(case, watch) == ["s000-cam-02", "s000-cam-03", "s000-cam-04", "s000-cam-05"]
    watch.series = {}
    assert shown(case, watch) == ["s000-router"]
    console = Console(width=200, record=True, file=io.StringIO())
    print_case(console, "F44", case, watch)
    assert "day 1.00 restart (power)" in console.export_text()


def test_a_false_ticket_of_a_site_looks_at_its_devices_and_one_of_the_fleet_at_none() -> None:
    site = raised("s001", 1.0, "F44", Scope.SITE, "feeder-sags@2")
    fleet = raised("Lensa B4 2.4.2", 1.0, "F44", Scope.FLEET, "release-harms@1")
    score = judge([site, fleet], [], SITES, PERIOD)
    first, second = cases_of("F44", score, [], [site, fleet], SITES)
    assert (len(first.devices), second.devices) == (7, ())


def test_many_happenings_are_cut_short_and_counted() -> None:
    watch = Watch()
    watch.happened = {"s000-cam-01": [(START + DAY + minute, f"word {minute}") for minute in range(30)]}
    score = judge([], [fault()], SITES, PERIOD)
    (case,) = cases_of("F07", score, [fault()], [], SITES)
    said = text_of([case], watch)
    assert "word 23" in said
    assert "word 24" not in said
    assert "and 6 more" in said


def test_what_rules_made_of_it_and_restarts_are_told() -> None:
    devices = tuple(device for device in SITES if SITES[device] == "s000")
    case = Case("false", "s000", START + 9 * DAY, None, None, None, "", devices)
    watch = seen_of([case], "F10", Course(seed=2, days=10.0, devices=20, per_class=0), SITES)
    words = [said for device in devices for _, said in watch.happened.get(device, ())]
    assert "firmware 3.1.3" in words
    assert any(said.startswith("restart (") for said in words)


def test_each_turn_of_a_rule_is_told_with_what_held_it() -> None:
    play, watch = Play(HOT), Watch(frozenset({"cam", "stranger"}), "F07")

    def report(celsius: float, firmware: str = "1.0.0", **states: str) -> None:
        play.wait(60)
        play.report(soc_temp_c=celsius, firmware=firmware, states=states)
        said = Report("cam", play.boot.get("cam", 1), 1, play.now, play.now, {"soc_temp_c": celsius}, states)
        said.effective_at = play.now
        watch.report(said, play.fleet)

    report(60.0)
    report(85.0, maintenance="on")
    report(85.0, maintenance="off")
    play.reboot()
    report(60.0, "1.0.1", reset_reason="update", maintenance="off")
    words = [said for _, said in watch.happened["cam"]]
    assert words == [
        "hot@1 firing, held: maintenance",
        "hot@1 firing",
        "restart (update)",
        "firmware 1.0.1",
        "hot@1 quiet",
    ]
    assert [value for _, value in watch.series["cam", "soc_temp_c"]] == [60.0, 85.0, 85.0, 60.0]
    watch.report(Report("stranger", 1, 1, play.now, play.now, {}, {}), play.fleet)
    assert "stranger" not in watch.happened


def test_a_series_and_its_ruler_share_their_columns() -> None:
    points = [(float(number), float(number % 10)) for number in range(500)]
    line = spark(points, 0.0, 500.0)
    assert line.endswith(" 0 to 9")
    assert spark([(0.0, 5.0), (10.0, 5.0)], 0.0, 10.0).count("-") == 2
    assert line[COLUMNS] == " "
    case = Case("late", "d", START + 3 * DAY, START + 4 * DAY, START + 6 * DAY, START + 5 * DAY, "r@1", ("d",))
    assert [place for place, letter in enumerate(ruler(case)) if letter != "·"] == [41, 54, 68, 82]
    assert "".join(letter for letter in ruler(case) if letter != "·") == "bntr"


def test_explain_is_part_of_the_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["score", "--seed", "2", "--devices", "40", "--days", "7", "--episodes", "0", "--workers", "1", "--json"]
    assert main([*words, "--explain", "F40"]) == 0
    board = json.loads(capsys.readouterr().out)
    assert len(board["cases"]) == 2
    assert board["cases"][-1]["what"] == "slow"
    assert {case["seed"] for case in board["cases"]} == {2}


def test_the_figures_say_their_targets_and_whether_they_are_met() -> None:

    faults = [fault("s000-cam-01"), fault("s000-cam-02")]
    tickets = [raised("s000-cam-01", 1.5), raised("s001-cam-01", 1.0)]
    board = report(judge(tickets, faults, SITES, PERIOD))
    extra = {"reports": 10, "seconds": 1.0, "reports_per_cpu_second": 10}
    rows = {what: (measured, target) for what, measured, target in headlines({**board, **extra})}
    assert rows["degradations ticketed before they are seen"][1] == "target 95 %: NOT met"
    assert rows["classes below 85 %"] == ("F07", "target none: NOT met")
    assert rows["lead in hours, median"] == ("12.0", "target 48 h: NOT met")
    assert rows["  by class and rule"][0] == "1 F07 heat-level@1"
    assert rows["tickets per site outage"] == ("no outage", "target 1: nothing to judge")
