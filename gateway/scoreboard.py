"""`siaga score`: how early and how honest diagnostics are, on a simulated fleet with known truth, in virtual time.

Tune rules on even seeds, report odd ones. The simulator's truth reaches only the scoring, never the fleet.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from multiprocessing import Manager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from diagnostics.changes import Scope
from diagnostics.faults import load_faults
from diagnostics.score import Fault, Raised, Score, judge
from diagnostics.score_report import pool, report
from gateway.scoreboard_cases import as_data, cases_of, seen_of
from gateway.scoreboard_run import DAY, START, Course, Outcome, run_part
from gateway.scoreboard_text import WIDTH, print_board, print_cases


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--seed", type=int, nargs="+", default=[1], help="odd seeds are for reports, even ones for tuning"
    )
    parser.add_argument(
        "--devices",
        type=_within(int, 20, 100_000, step=10),
        default=400,
        help="how many, ten a site, half of them healthy with confounders",
    )
    parser.add_argument("--days", type=_within(float, 1, 3660), default=90.0, help="of virtual time")
    parser.add_argument("--episodes", type=_within(int, 0, 10_000), default=20, help="of each fault class")
    parser.add_argument(
        "--interval", type=_within(float, 10, 43_200), default=900.0, metavar="S", help="seconds between reports"
    )
    parser.add_argument(
        "--workers", type=_within(int, 1, 64), default=2, help="processes; each takes its share of the sites"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--explain", metavar="CLASS", help="show missed, late and false cases of a class with series")


def _within(kind: type[int] | type[float], low: float, high: float, step: int = 1) -> Callable[[str], float]:
    """A number of the command line that must lie in a range, whole multiples of `step` where that is not 1."""

    def number(word: str) -> float:
        value = kind(word)
        if not low <= value <= high or (step > 1 and value % step):
            raise argparse.ArgumentTypeError(
                f"{word}: from {low:g} to {high:g}" + (f", in steps of {step}" if step > 1 else "")
            )
        return value

    number.__name__ = "whole number" if kind is int else "number"
    return number


def run(arguments: argparse.Namespace) -> int:
    """Play the fleet and print the board. ValueError where the episodes cannot fit."""
    if arguments.explain and arguments.explain not in load_faults():
        raise ValueError(f"--explain {arguments.explain}: no such fault class; they are {', '.join(load_faults())}")
    console = Console(stderr=True)
    games = [_game(arguments, seed, console) for seed in arguments.seed]
    board = board_of(games, arguments.devices, arguments.days, arguments.episodes)
    out = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    if not arguments.json:
        print_board(out, board)
    if arguments.explain:
        board["cases"] = [case for game in games for case in _explain(out, game, arguments.explain, arguments.json)]
    if arguments.json:
        print(json.dumps(board, indent=1))
    return 0


@dataclass(frozen=True, slots=True)
class Game:
    """One seed, played and judged. Seconds of wall clock and of the processors of all parts."""

    course: Course
    score: Score
    faults: list[Fault]
    tickets: list[Raised]
    sites: dict[str, str]  # of each device
    reports: int
    seconds: float
    cpu_seconds: float


def _explain(console: Console, game: Game, name: str, quiet: bool) -> list[dict[str, Any]]:
    """The cases of a class in one game, written unless `quiet`, and as data."""
    cases = cases_of(name, game.score, game.faults, game.tickets, game.sites)
    watch = seen_of(cases, name, game.course, game.sites)
    if not quiet:
        print_cases(console, name, game.course.seed, cases, watch)
    return [as_data(case, watch, game.course.seed) for case in cases]


def _game(arguments: argparse.Namespace, seed: int, console: Console) -> Game:
    course = Course(
        seed,
        arguments.days,
        arguments.devices,
        arguments.episodes,
        arguments.interval,
        parts=max(1, arguments.workers),
    )
    began = time.monotonic()
    outcomes = play(course, console)
    seconds = time.monotonic() - began
    score, faults = score_of(outcomes, course)
    reports = sum(outcome.reports for outcome in outcomes)
    tickets = [ticket for outcome in outcomes for ticket in outcome.tickets]
    sites = {device: site for outcome in outcomes for device, site in outcome.sites.items()}
    cpu_seconds = sum(outcome.cpu_seconds for outcome in outcomes)
    return Game(course, score, faults, tickets, sites, reports, seconds, cpu_seconds)


def board_of(games: Sequence[Game], devices: int, days: float, episodes: int) -> dict[str, Any]:
    """All seeds together as one board, and each seed's headline."""
    board = report(pool([game.score for game in games]))
    seeds = [game.course.seed for game in games]
    kinds = {("even", "odd")[seed % 2] for seed in seeds}
    reports, seconds = sum(game.reports for game in games), sum(game.seconds for game in games)
    cpu_seconds = sum(game.cpu_seconds for game in games)
    board |= {"seeds": seeds, "seeds_are": kinds.pop() if len(kinds) == 1 else "odd and even"}
    board |= {"devices": devices, "days": days, "episodes_per_class": episodes, "reports": reports}
    board |= {"seconds": round(seconds, 1), "reports_per_second": round(reports / seconds)}
    board |= {"cpu_seconds": round(cpu_seconds, 1), "reports_per_cpu_second": round(reports / cpu_seconds)}
    if len(games) > 1:
        board["by_seed"] = {str(game.course.seed): _headline(report(game.score)) for game in games}
    return board


def _headline(board: dict[str, Any]) -> dict[str, Any]:
    names = ("coverage", "lead_h", "missed", "false_per_100_device_months", "tickets_per_site_outage", "duplicates")
    return {name: board[name] for name in names}


def play(course: Course, console: Console) -> list[Outcome]:
    """Run every part in a process of its own, with a bar of progress."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
    )
    with (
        Manager() as manager,
        ProcessPoolExecutor(course.parts) as pool,
        Progress(*columns, console=console) as progress,
    ):
        done = manager.dict()
        task = progress.add_task(f"{course.devices} devices, {course.days:g} days", total=float(course.parts))
        running: set[Future[Outcome]] = set()
        futures = [pool.submit(_work, replace(course, part=part), done) for part in range(course.parts)]
        running.update(futures)
        while running:
            _, running = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
            progress.update(task, completed=sum(done.values()))
        return [future.result() for future in futures]


def _work(course: Course, done: Any) -> Outcome:
    outcome = run_part(course, lambda share: done.__setitem__(course.part, share))
    done[course.part] = 1.0
    return outcome


def score_of(outcomes: Sequence[Outcome], course: Course) -> tuple[Score, list[Fault]]:
    """Judge all parts together. Each part notices our own outages by itself: one incident each is enough."""
    faults = list(dict.fromkeys(fault for outcome in outcomes for fault in outcome.faults))
    sites = {device: site for outcome in outcomes for device, site in outcome.sites.items()}
    tickets = [
        ticket
        for number, outcome in enumerate(outcomes)
        for ticket in outcome.tickets
        if number == 0 or ticket.scope is not Scope.GATEWAY
    ]
    clocks = outcomes[0].wrong_clocks if outcomes else []
    return judge(tickets, faults, sites, (START, START + course.days * DAY), wrong_clocks=clocks), faults
