"""`siaga score` on fleets so small that they take seconds: the board, its parts, its drill-down."""

import json

import pytest

from diagnostics.changes import Severity
from diagnostics.score import How
from gateway.cli import main
from gateway.scoreboard_run import Course, how_it_opens, run_part
from gateway.tickets.policy import Advise, Append, Decision, Leave, Link, Open, Raise, Reason, Reopen

SMALL = Course(seed=2, days=3.0, devices=20, per_class=0)


def test_the_board_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["score", "--seed", "3", "--devices", "60", "--days", "2", "--episodes", "0", "--workers", "2", "--json"]
    code = main(words)
    assert code == 0, capsys.readouterr().err
    board = json.loads(capsys.readouterr().out)
    assert board["reports"] > 3000
    assert board["own_outages"] == 2
    assert board["tickets_during_own_outage"] == 0
    assert board["classes"]["F40"]["injected"] == 2
    assert (board["own_clock_wrong"], board["tickets_by_own_clock"]) == (4, 0)


def test_our_own_clock_wrong_for_days_on_end_opens_nothing_on_anybody() -> None:
    outcome = run_part(Course(seed=2, days=10.0, devices=40, per_class=0), lambda _: None)
    assert [round((till - since) / 3600, 1) for since, till in outcome.wrong_clocks] == [20.0, 9.0, 1.0, 0.2]
    assert [ticket for ticket in outcome.tickets if ticket.fault_class in {"F21", "OFFLINE", "F39"}] == []


def test_several_seeds_are_one_board_with_a_headline_each(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--devices", "20", "--days", "1", "--episodes", "0", "--workers", "1", "--json"]
    assert main(["score", "--seed", "1", "3", *words]) == 0
    board = json.loads(capsys.readouterr().out)
    assert (board["seeds"], board["seeds_are"]) == ([1, 3], "odd")
    assert board["by_seed"].keys() == {"1", "3"}
    assert board["reports"] > 3000
    assert board["cpu_seconds"] > 0
    assert board["targets"]["no_duplicates"] is True
    assert main(["score", "--seed", "1", "2", *words]) == 0
    assert json.loads(capsys.readouterr().out)["seeds_are"] == "odd and even"


@pytest.mark.parametrize(
    ("decision", "how"),
    [
        (Open(Reason.FIRST_EPISODE), How.NEW),
        (Advise(Reason.OUT_OF_WARRANTY_AND_CONTRACT), How.NEW),
        (Link(Reason.AFTER_CLOSING, "SG-1", advisory=False), How.NEW),
        (Reopen(Reason.CAME_BACK, Severity.HIGH), How.REOPENED),
        (Reopen(Reason.WORSE_AFTER_SOLVING, Severity.HIGH), None),
        (Append(Reason.ANOTHER_EPISODE, another=True), How.NOTED),
        (Raise(Reason.WORSE, Severity.HIGH, another=True), How.NOTED),
        (Raise(Reason.WORSE, Severity.HIGH), None),
        (Leave(Reason.SAME_EPISODE), None),
    ],
)
def test_what_the_policy_decides_is_a_ticket_one_open_again_or_a_line(decision: Decision, how: How | None) -> None:
    assert how_it_opens(decision) is how


def test_the_board_is_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "--devices", "20", "--days", "1", "--episodes", "0", "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert "false tickets per 100 device-months, healthy  0.00 (0.00 to" in said
    assert "tickets in 2 outages of our own" in said
    assert "F40   We receive no reports" in said


def test_more_episodes_than_fit_are_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "--devices", "20", "--days", "1", "--episodes", "5", "--workers", "1"]) == 2
    assert capsys.readouterr().err.count("\n") >= 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--devices", "5"], "5: from 20 to 100000, in steps of 10"),
        (["--devices", "25"], "25: from 20 to 100000, in steps of 10"),
        (["--devices", "many"], "invalid whole number value: 'many'"),
        (["--days", "nan"], "nan: from 1 to 3660"),
        (["--interval", "0"], "0: from 10 to 43200"),
        (["--interval", "inf"], "inf: from 10 to 43200"),
        (["--workers", "0"], "0: from 1 to 64"),
        (["--episodes", "-1"], "-1: from 0 to 10000"),
    ],
)
def test_what_makes_no_fleet_is_refused_before_anything_is_played(words, says, capsys) -> None:
    with pytest.raises(SystemExit):
        main(["score", *words])
    assert says in capsys.readouterr().err


def test_a_class_that_does_not_exist_is_told_before_minutes_of_playing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "--explain", "F99"]) == 2
    assert "--explain F99: no such fault class; they are F01, F02" in capsys.readouterr().err


def test_the_same_course_gives_the_same_tickets() -> None:
    first, second = (run_part(SMALL, lambda _: None) for _ in range(2))
    assert (first.tickets, first.reports) == (second.tickets, second.reports)


def test_halves_of_a_fleet_are_the_whole() -> None:
    halves = [run_part(Course(2, 2.0, 40, 0, part=part, parts=2), lambda _: None) for part in range(2)]
    whole = run_part(Course(2, 2.0, 40, 0), lambda _: None)
    assert sum(half.reports for half in halves) == whole.reports
    assert {**halves[0].sites, **halves[1].sites} == whole.sites
