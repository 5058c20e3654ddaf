"""`siaga score nab`: the anomaly engine on the Numenta Anomaly Benchmark, at its one threshold, beside two floors.

The engine is given one row after another: no length, no minimum, no maximum, nothing ahead.
"""

import argparse
import json
import multiprocessing
import os
import time
import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from diagnostics.baseline import Stream
from diagnostics.baseline_numbers import EVENT_AT, QUIET_ROWS, TICKET_AT
from gateway.score_data import find_data
from gateway.score_series import PROFILES, Benchmark, Series, Tally, read_benchmark, tally

EVENTS = f"events (>= {EVENT_AT:g})"
TICKETS = f"tickets (>= {TICKET_AT:g})"
BLIND = "blind, every 500 rows"
EXTREMES = "new high or low alone"
BLIND_ROWS = 500
NEWS_SHARE = 0.01
"""Of the range so far, by which a new high or low must exceed it."""
WATCHED = 400
"""Rows after which a stream has everything it will ever have: what its memory is measured on."""
TIMED = 3000
PASSES = 4
"""The time of a point is the best of so many passes over so many rows of three series, one process running."""


@dataclass(frozen=True, slots=True)
class Run:
    """One series gone through: the verdict of each way to alert, ours first."""

    series: Series
    tallies: dict[str, Tally]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one metric of one device asks of the gateway."""

    us_a_point: float
    bytes_a_stream: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--data", metavar="PATH", help="the benchmark's folder (data/ and labels/), or the one above it"
    )
    parser.add_argument("--labels", metavar="FILE", help="the windows, where they are not in labels/ of the data")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Score and print; ValueError (exit 2) where the data are missing or malformed."""
    data = find_data(arguments.data, "nab", "data")
    benchmark = read_benchmark(data, Path(arguments.labels) if arguments.labels else None)
    series = benchmark.series
    runs = measure(series, arguments.workers)
    cost = Cost(time_of_a_point(series), memory_of_a_stream(series))
    if arguments.json:
        print(json.dumps({**as_json(runs, cost), **left_out(benchmark)}))
    else:
        _print_tables(runs, cost)
        _print_left_out(left_out(benchmark))
    return 0


def measure(series: Sequence[Series], workers: int) -> list[Run]:
    """Go through every series, the longest first, with a progress bar on stderr; in the order given."""
    work = sorted(series, key=lambda one: -len(one.values))
    done: dict[str, Run] = {}
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("scoring", total=sum(len(one.values) for one in work))
        for result in _each(work, min(workers, len(work))):
            done[result.series.name] = result
            bar.advance(task, len(result.series.values))
    return [done[one.name] for one in series]


def _each(work: list[Series], workers: int) -> Iterator[Run]:
    if workers <= 1:
        yield from map(go_through, work)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap_unordered(go_through, work)


def go_through(series: Series) -> Run:
    """All verdicts on one series."""
    stream = Stream()
    events: list[int] = []
    strong: list[int] = []
    for row, (at, value) in enumerate(zip(series.times, series.values, strict=True)):
        if stream.update(at, value) is not None:
            events.append(row)
        if stream.score >= TICKET_AT:
            strong.append(row)
    alerts = {
        EVENTS: events,
        TICKETS: one_an_incident(strong),
        BLIND: list(range(BLIND_ROWS, len(series.values), BLIND_ROWS)),
        EXTREMES: one_an_incident(new_extremes(series.values)),
    }
    return Run(series, {name: tally(series, rows) for name, rows in alerts.items()})


def new_extremes(values: Sequence[float]) -> Iterator[int]:
    """Rows (from 50 on) that lie outside everything before by more than `NEWS_SHARE` of the range."""
    lowest = highest = values[0]
    for row, value in enumerate(values):
        if row >= 50 and max(value - highest, lowest - value) > NEWS_SHARE * (highest - lowest) > 0:
            yield row
        lowest, highest = min(lowest, value), max(highest, value)


def one_an_incident(rows: Iterable[int]) -> list[int]:
    """The rows without those within `QUIET_ROWS` of the last one kept."""
    kept: list[int] = []
    for row in rows:
        if not kept or row - kept[-1] > QUIET_ROWS:
            kept.append(row)
    return kept


def time_of_a_point(series: Sequence[Series]) -> float:
    """Microseconds of CPU time an update takes."""
    best = float("inf")
    chosen = series[:: max(1, len(series) // 3)][:3]
    points = sum(len(one.values[:TIMED]) for one in chosen)
    for _ in range(PASSES):
        started = time.process_time()
        for one in chosen:
            _feed(Stream(), one, TIMED)
        best = min(best, time.process_time() - started)
    return 1e6 * best / points


def memory_of_a_stream(series: Sequence[Series]) -> float:
    """Bytes a stream that has left its learning, everything it holds included, as the allocator counts them."""
    chosen = series[:10]
    streams = [_feed(Stream(), chosen[0], WATCHED)]
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    streams.extend(_feed(Stream(), one, WATCHED) for one in chosen)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / (len(streams) - 1)


def _feed(stream: Stream, series: Series, rows: int) -> Stream:
    for at, value in zip(series.times[:rows], series.values[:rows], strict=True):
        stream.update(at, value)
    return stream


def total(runs: Sequence[Run], name: str, group: str | None = None) -> Tally:
    """The sum over all series, or those of a group."""
    return sum((r.tallies[name] for r in runs if group in (None, r.series.group)), Tally())


def as_json(runs: Sequence[Run], cost: Cost) -> dict[str, object]:
    """Everything measured."""
    return {
        "series": len(runs),
        "rows": sum(len(one.series.values) for one in runs),
        "threshold": EVENT_AT,
        "us_a_point": round(cost.us_a_point, 2),
        "bytes_a_stream": round(cost.bytes_a_stream),
        "results": {name: _figures(total(runs, name)) for name in runs[0].tallies},
        "groups": {group: _figures(total(runs, EVENTS, group)) for group in sorted({r.series.group for r in runs})},
        "files": {one.series.name: _figures(one.tallies[EVENTS]) for one in runs},
    }


def left_out(benchmark: Benchmark) -> dict[str, object]:
    """What the copy holds that could not be judged."""
    return {
        "unlabelled": list(benchmark.unlabelled),
        "labelled_without_file": list(benchmark.absent),
        "windows_without_rows": benchmark.empty_windows,
    }


def _print_left_out(parts: dict[str, object]) -> None:
    said = [f"{name.replace('_', ' ')} {len(part) if isinstance(part, list) else part}" for name, part in parts.items()]
    if any(parts.values()):
        Console().print(f"Not judged: {', '.join(said)}.")


def _figures(result: Tally) -> dict[str, object]:
    scores = {profile: result.score(profile) for profile in PROFILES}
    return {
        **{profile: None if score is None else round(score, 2) for profile, score in scores.items()},
        "windows": result.windows,
        "found": result.found,
        "false_alerts": result.false_alerts,
        "false_per_1000_rows": round(result.false_per_1000_rows, 3),
    }


def _print_tables(runs: Sequence[Run], cost: Cost) -> None:
    console = Console()
    console.print(_table("Numenta Anomaly Benchmark", {name: total(runs, name) for name in runs[0].tallies}))
    groups = sorted({one.series.group for one in runs})
    console.print(_table(f"{EVENTS}, by kind of data", {group: total(runs, EVENTS, group) for group in groups}))
    rows = sum(len(one.series.values) for one in runs)
    console.print(
        f"{len(runs)} series, {rows:,} rows; {cost.us_a_point:.1f} us of CPU a point, "
        f"{cost.bytes_a_stream:,.0f} bytes a stream.\nFalse: alerts outside every window, and in 1,000 such rows."
    )


def _table(title: str, results: dict[str, Tally]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for heading in ("", *PROFILES, "found", "false", "/1000"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for name, result in results.items():
        scores = [result.score(profile) for profile in PROFILES]
        table.add_row(
            name,
            *("-" if score is None else f"{score:.1f}" for score in scores),
            f"{result.found}/{result.windows}",
            str(result.false_alerts),
            f"{result.false_per_1000_rows:.2f}",
        )
    return table
