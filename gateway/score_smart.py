"""`siaga score smart`: the disk judgement on real drives, beside four plain rules, at the false tickets of each.

One ticket a drive, when it is first due. Drives are split in two by their number: the points were chosen on one half
of one copy of these data, and the other half is reported.
"""

import argparse
import json
import math
import os
import statistics
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from diagnostics.wear import Level
from gateway.score_data import find_data
from gateway.score_drives import FILE, PLAIN, Course, Record, go_through_all, read_drives, read_labels

LEAD_H = 168


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one way to open tickets came to; the horizon of the precision is the whole time a drive was watched."""

    recall: float
    recall_95: tuple[float, float]
    """Wilson interval."""
    recall_7_days: float
    precision: float
    false_per_1000_months: float
    false_95: tuple[float, float]
    """Poisson interval (Byar)."""
    median_lead_days: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--data", metavar="PATH", help=f"the folder that holds {FILE}, or the one above it")
    parser.add_argument(
        "--labels", metavar="FILE", help="who failed (CSV: drive,failed), where the data do not say it themselves"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Score and print; ValueError (exit 2) where the data are missing or malformed."""
    labels = read_labels(Path(arguments.labels)) if arguments.labels else None
    drives = read_drives(find_data(arguments.data, "smart", FILE) / FILE, labels)
    courses = go_through_all(drives, Record(drives), arguments.workers)
    half = [course for course in courses if course.drive.reported]
    results = compare(half)
    facts = {
        "drives": len(drives),
        "reported_drives": len(half),
        "reported_failures": sum(course.drive.failed for course in half),
        "reported_device_months": round(sum(course.drive.device_months for course in half)),
    }
    if arguments.json:
        print(json.dumps({**facts, "results": {name: asdict(outcome) for name, outcome in results.items()}}))
    else:
        _print_table(facts, results)
    return 0


def due(heights: Sequence[tuple[float, int]], least: float) -> int | None:
    """The hour at which the points first reached that height."""
    place = bisect_left(heights, (least, 0))
    return heights[place][1] if place < len(heights) else None


def compare(half: Sequence[Course]) -> dict[str, Outcome]:
    """The plain rules, each with ours at no more false tickets than it; then our fixed levels."""
    results: dict[str, Outcome] = {}
    for name in PLAIN:
        results[name] = outcome(half, lambda course, name=name: course.plain[name])  # type: ignore[misc]
        false = sum(course.plain[name] is not None for course in half if not course.drive.failed)
        for kind, heights in KINDS.items():
            least = _least(half, heights, false)
            results[f"{kind}, as many false as: {name}"] = outcome(half, lambda c, h=heights, t=least: due(h(c), t))  # type: ignore[misc]
    for level in Level:
        results[f"level {level.name.lower()} (>= {level.value:g})"] = outcome(
            half,
            lambda course, level=level: due(course.with_record, level.value),  # type: ignore[misc]
        )
    return results


KINDS: dict[str, Callable[[Course], Sequence[tuple[float, int]]]] = {
    "points": lambda course: course.alone,
    "points and model": lambda course: course.with_record,
}


def _least(half: Sequence[Course], heights: Callable[[Course], Sequence[tuple[float, int]]], false: int) -> float:
    """The lowest threshold that opens at most so many tickets on drives that did not fail."""
    tops = sorted((heights(c)[-1][0] if heights(c) else 0.0 for c in half if not c.drive.failed), reverse=True)
    return math.nextafter(tops[false], math.inf) if false < len(tops) else math.nextafter(0.0, 1.0)


def outcome(half: Sequence[Course], ticket: Callable[[Course], int | None]) -> Outcome:
    """Count the tickets of a way to open them."""
    leads_h: list[int] = []
    false = 0
    for course in half:
        hour = ticket(course)
        if hour is None:
            continue
        if course.drive.failed:
            leads_h.append(course.drive.end_h - hour)
        else:
            false += 1
    failures = sum(course.drive.failed for course in half)
    months = sum(course.drive.device_months for course in half) or 1.0
    return Outcome(
        len(leads_h) / max(1, failures),
        wilson(len(leads_h), failures),
        sum(lead >= LEAD_H for lead in leads_h) / max(1, failures),
        len(leads_h) / max(1, len(leads_h) + false),
        1000 * false / months,
        (1000 * byar(false, -1) / months, 1000 * byar(false, 1) / months),
        statistics.median(leads_h) / 24 if leads_h else 0.0,
    )


def wilson(hits: int, cases: int) -> tuple[float, float]:
    """The 95 % interval of a share."""
    if not cases:
        return 0.0, 1.0
    z = 1.96
    centre = hits + z * z / 2
    spread = z * math.sqrt(hits * (cases - hits) / cases + z * z / 4)
    return (centre - spread) / (cases + z * z), (centre + spread) / (cases + z * z)


def byar(events: int, side: int) -> float:
    """An end of the 95 % interval of a Poisson count: the lower (side -1) or the upper (1)."""
    count = events + (side + 1) // 2
    return count * (1 - 1 / (9 * count) + side * 1.96 / (3 * math.sqrt(count))) ** 3 if count else 0.0


def _print_table(facts: dict[str, int], results: dict[str, Outcome]) -> None:
    table = Table(
        title="Disks (SMART), the half not chosen on",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
    )
    for heading in ("", "recall", ">= 7 d", "prec.", "false", "lead"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for name, one in results.items():
        ours = ", as many false as" in name
        table.add_row(
            f"  {name.split(',')[0]}, same rate" if ours else name,
            f"{one.recall:.3f}",
            f"{one.recall_7_days:.3f}",
            f"{one.precision:.2f}",
            f"{one.false_per_1000_months:.2f}",
            f"{one.median_lead_days:.0f} d",
        )
    console = Console()
    console.print(table)
    console.print(
        f"{facts['reported_drives']:,} of {facts['drives']:,} drives, {facts['reported_failures']:,} failures, "
        f"{facts['reported_device_months']:,} device-months.\n"
        "False: tickets on drives that did not fail while watched, in 1,000 device-months.\n"
        "Precision: the drive failed at any later time. Lead: median. Data: Backblaze drive stats 2013-2016."
    )
