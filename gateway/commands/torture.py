"""`siaga torture`: pull every plug on real processes, and print what came of every message."""

import argparse
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from random import SystemRandom

from rich.console import Console
from rich.table import Table

from gateway.torture.scenarios import SCENARIOS, Scenario, missing, play
from gateway.torture.verdict import Verdict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--short", action="store_true", help="fewer scenarios and pulls, in well under a minute")
    parser.add_argument("--only", metavar="WORDS", action="append", help="scenarios whose name has these words")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6), help="of the random moments")
    parser.add_argument("--jobs", type=int, default=min(4, 1 + (os.cpu_count() or 1)), help="scenarios at a time")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """0: nothing was lost, doubled or out of order; 1: something was; 2: no such scenario."""
    wanted = [one for one in SCENARIOS if _wanted(one, arguments)]
    if not wanted:
        raise ValueError(f"no scenario has these words; there are: {', '.join(one.name for one in SCENARIOS)}")
    skipped = {one.name: lack for one in wanted if (lack := missing(one))}
    played = [one for one in wanted if one.name not in skipped]
    console = Console(stderr=True)
    verdicts: list[Verdict] = []
    with ThreadPoolExecutor(max(1, arguments.jobs)) as threads:
        for verdict in threads.map(lambda one: play(one, arguments.seed, short=arguments.short), played):
            verdicts.append(verdict)
            console.print(f"{verdict.scenario}: {'as promised' if verdict.good else 'BROKEN'}", highlight=False)
    if arguments.json:
        found = [{**asdict(verdict), "good": verdict.good} for verdict in verdicts]
        print(json.dumps({"seed": arguments.seed, "scenarios": found, "skipped": skipped}))
    else:
        _print(verdicts, skipped, arguments.seed)
    return 0 if all(verdict.good for verdict in verdicts) else 1


def _wanted(scenario: Scenario, arguments: argparse.Namespace) -> bool:
    if arguments.only:
        return any(words.lower() in scenario.name.lower() for words in arguments.only)
    return scenario.short or not arguments.short


def _print(verdicts: Sequence[Verdict], skipped: dict[str, str], seed: int) -> None:
    columns = ("scenario", "plugs", "accepted", "effects", "doubled", "lost", "out of order", "peak MB", "tickets", "s")
    table = Table(*columns, title="plugs pulled: ledger / history")
    for one in verdicts:
        ledger, history = one.ledger, one.history
        table.add_row(
            one.scenario,
            str(one.pulled),
            f"{one.accepted:,}",
            f"{ledger.effects:,} / {history.effects:,}",
            f"{ledger.duplicates} / {history.duplicates}",
            f"{ledger.losses} / {history.losses}",
            str(ledger.disorder),
            f"{one.peak_mb:.0f}",
            f"{one.tickets[1]} of {one.tickets[0]}",
            f"{one.seconds:.0f}",
        )
    wide = Console(width=max(120, Console().width))
    wide.print(table)
    for one in verdicts:
        for line in one.why:
            wide.print(f"[bold]BROKEN[/] {one.scenario}: {line}", highlight=False)
        for note in one.notes:
            wide.print(f"{one.scenario}: {note}", highlight=False)
    for name, lack in skipped.items():
        wide.print(f"skipped: {name}: {lack}")
    total = sum(one.accepted for one in verdicts)
    lost = sum(one.ledger.losses + one.history.losses for one in verdicts)
    doubled = sum(one.ledger.duplicates + one.history.duplicates for one in verdicts)
    pulls = sum(one.pulled for one in verdicts)
    wide.print(f"{pulls} plugs pulled, {total:,} messages accepted, {lost} lost, {doubled} doubled (seed {seed}).")
