"""`siaga bench`: messages a second and CPU a message, by stage and as a whole, medians with spread of one run."""

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from diagnostics.catalogue import load_catalogue
from diagnostics.rule_file import RuleSet, load_default_rules, parse_rules
from gateway.bench import ingest, node_red, stages, stores
from gateway.bench import rules as judging
from gateway.bench.history import measure_history
from gateway.bench.ingest import Figure
from gateway.bench.stores import Stored

METRICS = ("per_second", "cpu_us", "peak_mb", "p50_ms", "p99_ms")
PARTS = ("stages", "rules", "history", "embedded", "single", "broker", "store")
TITLES = {
    "stages": "CPU us a message by stage, each alone",
    "rules": "the cost of judging a report",
    "history": "embedded history",
}
EMBEDDED, OTHER = "embedded, to the store", "Node-RED, batched flow, to the store"
NOT_THERE = "two processes: this version runs as one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=3, help="rounds a measurement (medians are printed)")
    parser.add_argument("--seconds", type=float, default=5.0, help="load a round")
    parser.add_argument("--rules", type=int, default=100, help="rules that judge every report")
    parser.add_argument("--devices", type=int, default=1000, help="registered devices")
    parser.add_argument("--only", choices=PARTS, help="one part of it")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print. 3 if the gateway under test does not start."""
    wanted = [arguments.only] if arguments.only else PARTS
    with tempfile.TemporaryDirectory(prefix="siaga-bench-rules-") as folder, Progress(transient=True) as progress:
        rules_file = Path(folder) / "rules.toml"
        rules = many_rules(arguments.rules)
        rules_file.write_text(rules)
        task = progress.add_task("measuring", total=len(wanted) * arguments.rounds)
        found: dict[str, Any] = {"machine": machine(), "rules": arguments.rules, "devices": arguments.devices}
        speeds: list[float] = []
        for part in wanted:
            if part in ("stages", "rules", "history"):
                parsed: RuleSet = parse_rules(rules, str(rules_file), load_catalogue())
                found[TITLES[part]] = _alone(part, parsed)
                progress.advance(task, arguments.rounds)
                continue
            rounds: dict[str, list[Figure]] = {}
            for _ in range(arguments.rounds):
                speeds.append(stages.reference()[0])
                for name, figure in _round(part, arguments, rules_file):
                    if figure is not None:
                        rounds.setdefault(name, []).append(figure)
                progress.advance(task)
            found |= {name: _summary(figures) for name, figures in rounds.items()}
        if speeds:
            found["reference"] = {"median": median(speeds), "all": [round(each, 2) for each in speeds]}
        found["left out"] = _left_out(wanted, found)
    if arguments.json:
        print(json.dumps(found))
    else:
        _print(found)
    return 0


def _alone(part: str, rules: RuleSet) -> dict[str, tuple[float, float, float]]:
    """What is measured in this process: each figure with its median, least and most."""
    if part == "stages":
        return stages.measure(rules)
    if part == "rules":
        return dict(judging.measure())
    return {name: (value, value, value) for name, value in asdict(measure_history()).items()}


def _left_out(wanted: Sequence[str], found: dict[str, Any]) -> list[str]:
    """What was not measured, and why."""
    out = [NOT_THERE] if "broker" in wanted else []
    if "broker" in wanted and "mosquitto + paho" not in found:
        out.append("mosquitto + paho: mosquitto is not installed")
    if "store" in wanted and OTHER not in found:
        why = (
            "mosquitto is not installed" if node_red.executable() else "no node-red on PATH or in SIAGA_BENCH_NODE_RED"
        )
        out.append(f"Node-RED: {why}")
    return out


def many_rules(count: int) -> str:
    """The shipped rules, and copies of a level rule on other metrics until there are so many."""
    catalogue = load_catalogue()
    shipped = load_default_rules(catalogue)
    text = (Path(__file__).parents[2] / "diagnostics" / "default_rules.toml").read_text()
    names = [name for name, metric in catalogue.metric.items() if metric.kind == "gauge" and name in stages.METRICS]
    extra = []
    for number in range(max(0, count - len(shipped.rules))):
        name = names[number % len(names)]
        low, top = catalogue.metric[name].range
        share = (top - low) / 10_000
        extra.append(
            f'\n[[rule]]\nkind = "level"\nname = "bench-{number}"\nversion = 1\nfault_class = "F23"\n'
            f'metric = "{name}"\n'
            f'direction = "above"\nsteps = [{{ severity = "warning", limit = {low + share * (9_000 + number):.4f}, '
            f"clear = {low + share * 8_900:.4f} }}]\n"
            'reason = "a rule of the bench, beyond every healthy value"\n'
        )
    return text + "".join(extra)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}


def _round(part: str, arguments: argparse.Namespace, rules: Path) -> list[tuple[str, Figure | None]]:
    devices, seconds = arguments.devices, arguments.seconds
    if part == "embedded":
        return [("embedded, 8 pipelined connections", ingest.embedded(devices, 8, 500, seconds, rules))]
    if part == "single":
        return [("embedded, 1,000 connections of one message", ingest.embedded(devices, 1000, 1, seconds, rules))]
    if part == "store":
        return [
            (EMBEDDED, _all_stored(stores.embedded(seconds / 2, rules))),
            ("mosquitto + paho, to the store", _all_stored(stores.over_broker(seconds / 2, rules))),
            (OTHER, _all_stored(stores.by_node_red(seconds / 2))),
        ]
    return [
        ("mosquitto + paho", ingest.over_broker(8, 500, seconds, rules)),
        ("bare paho subscriber that does nothing", ingest.bare_paho(8, 500, seconds)),
    ]


def _all_stored(stored: Stored | None) -> Figure | None:
    """The figure of a road on which nothing was lost. OSError if something was: then it says nothing."""
    if stored is None:
        return None
    if stored.lines < stored.figure.messages:
        raise OSError(f"only {stored.lines} of {stored.figure.messages} messages came to the store")
    return stored.figure


def _summary(figures: list[Figure]) -> dict[str, Any]:
    rows = [asdict(figure) for figure in figures]
    return {
        name: {"median": median(row[name] for row in rows), "all": [round(row[name], 2) for row in rows]}
        for name in METRICS
    }


def _print(found: dict[str, Any]) -> None:
    console = Console(width=max(120, Console().width))
    console.print(f"{found['rules']} rules, {found['devices']} registered devices, {found['machine']}")
    for title in TITLES.values():
        if title in found:
            table = Table(title, "median", "least..most")
            for name, (middle, least, most) in found[title].items():
                table.add_row(name, _said(middle), f"{_said(least)}..{_said(most)}" if least != most else "")
            console.print(table)
    table = Table("whole gateway", "messages/s", "CPU us a message", "peak MB", "p50 ms", "p99 ms", title="medians")
    for name, row in found.items():
        if isinstance(row, dict) and "per_second" in row:
            rates = row["per_second"]["all"]
            table.add_row(
                name,
                f"{row['per_second']['median']:,.0f} [{min(rates):,.0f}..{max(rates):,.0f}]",
                f"{row['cpu_us']['median']:.1f} [{min(row['cpu_us']['all'])}..{max(row['cpu_us']['all'])}]",
                f"{row['peak_mb']['median']:.0f}",
                f"{row['p50_ms']['median']:.0f}",
                f"{row['p99_ms']['median']:.0f}",
            )
    if table.row_count:
        console.print(table)
        speeds = found["reference"]
        console.print(
            f"reference: json.loads and dumps of one report took {speeds['median']:.1f} us"
            f" [{min(speeds['all'])}..{max(speeds['all'])}] between the rounds; compare runs by it."
        )
        console.print("messages/s: acknowledged (by the gateway after their commit). CPU: of the one process measured.")
    if EMBEDDED in found and OTHER in found:
        times = found[OTHER]["cpu_us"]["median"] / found[EMBEDDED]["cpu_us"]["median"]
        console.print(
            f"Node-RED takes {times:.1f} times the CPU a message of the gateway, which also judges and commits."
        )
    for line in found["left out"]:
        console.print(f"not measured: {line}")


def _said(value: float) -> str:
    return f"{value:,.1f}" if value >= 10 else f"{value:.2f}"
