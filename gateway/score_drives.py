"""Disk drives as `siaga score smart` goes through them: what each reported, what was judged of it, and when.

The only clock in the data is power-on hours; on it nothing is looked ahead: the record of a model holds what other
drives had come to at that age.
"""

import csv
import lzma
import multiprocessing
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from zlib import crc32

from rich.console import Console
from rich.progress import track

from diagnostics.wear import Counters, DiskMemory, judge, record_ratio, remember

FILE = "smart_intervals.csv.xz"
MONTH_H = 730.5
STEP_H = 720
"""A drive is judged when a counter changes, and at least so often."""
GRID_H = 240
"""The record of a model is brought up to date so often."""
FLEET = ""
"""In the record: all models together."""
CHUNK = 500
MOST_HOURS = 1_000_000
"""Power-on hours beyond this (114 years) are a mistake of the file."""


@dataclass(frozen=True, slots=True)
class Drive:
    """One drive: from when to when it was watched (power-on hours), and what it reported from which hour on."""

    number: str
    model: str
    failed: bool
    end_h: int
    reports: tuple[tuple[int, Counters], ...]

    @property
    def device_months(self) -> float:
        """How long it was watched."""
        return (self.end_h - self.reports[0][0]) / MONTH_H

    @property
    def reported(self) -> bool:
        """Whether it belongs to the half that the points were not chosen on."""
        return bool(crc32(self.number.encode()) & 1)


@dataclass(frozen=True, slots=True)
class Course:
    """A drive gone through: the hours at which its points reached a new height, and when the plain rules spoke."""

    drive: Drive
    alone: tuple[tuple[float, int], ...]
    """(points, hour), both rising, from the drive's own counters."""
    with_record: tuple[tuple[float, int], ...]
    plain: dict[str, int | None]


def _over(value: int | None, least: int = 1) -> bool:
    return value is not None and value >= least


PLAIN: dict[str, Callable[[Counters], bool]] = {
    "any of 5, 187, 188, 197, 198 > 0": lambda c: any(
        map(_over, (c.reallocated, c.uncorrectable, c.timeouts, c.pending, c.offline))
    ),
    "5 >= 10, or 187 > 0, or 197 > 0": lambda c: _over(c.reallocated, 10) or _over(c.uncorrectable) or _over(c.pending),
    "197 > 0": lambda c: _over(c.pending),
    "two of 5, 187, 197, 198 > 0": lambda c: (
        sum(map(_over, (c.reallocated, c.uncorrectable, c.pending, c.offline))) >= 2
    ),
}


class Record:
    """Failures and device-months of every model up to an age: what a fleet of that age would know."""

    def __init__(self, drives: Iterable[Drive]) -> None:
        failures: dict[str, Counter[int]] = defaultdict(Counter)
        slots: dict[str, Counter[int]] = defaultdict(Counter)
        for drive in drives:
            for name in (drive.model, FLEET):
                slots[name].update(range(drive.reports[0][0] // GRID_H + 1, drive.end_h // GRID_H + 1))
                if drive.failed:
                    failures[name][drive.end_h // GRID_H + 1] += 1
        last = max((slot for counted in slots.values() for slot in counted), default=0) + 1
        self._failures = {name: list(accumulate(failures[name][slot] for slot in range(last + 1))) for name in slots}
        self._slots = {name: list(accumulate(slots[name][slot] for slot in range(last + 1))) for name in slots}

    def ratio(self, model: str, hour: int) -> float:
        """How much oftener than all drives the model had failed by that age."""
        return record_ratio(*self._until(model, hour), *self._until(FLEET, hour))

    def _until(self, name: str, hour: int) -> tuple[int, float]:
        slot = min(hour // GRID_H, len(self._slots[name]) - 1)
        return self._failures[name][slot], self._slots[name][slot] * GRID_H / MONTH_H


def read_labels(file: Path) -> dict[str, bool]:
    """Whether each drive failed: a CSV with the columns drive and failed; ValueError with the line."""
    labels = {}
    line = 1
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            for row in csv.DictReader(lines):
                line += 1
                labels[row["drive"]] = bool(int(row["failed"]))
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise ValueError(f"{file.name} line {line}: {error!r}") from error
    return labels


def read_drives(file: Path, labels: Mapping[str, bool] | None = None) -> list[Drive]:
    """Every drive of the file; ValueError with the line for what is malformed.

    `labels`: who failed at its last hour, where the file's own column is not to be believed or is empty.
    """
    rows: dict[tuple[str, str], list[tuple[int, int, bool, Counters]]] = defaultdict(list)
    line = 1
    try:
        with lzma.open(file, "rt", newline="", encoding="utf-8-sig") as lines:
            for row in csv.DictReader(lines):
                line += 1
                counters = Counters(*(_count(row[f"smart_{number}"]) for number in (5, 187, 188, 197, 198)))
                failed = labels is None and row["failed"] == "1"
                interval = (*_hours(row["hours_from"], row["hours_to"]), failed, counters)
                rows[row["drive"], row["model"]].append(interval)
    except (KeyError, TypeError, ValueError, EOFError, csv.Error, lzma.LZMAError) as error:
        raise ValueError(f"{file.name} line {line}: {error!r}") from error
    if not rows:
        raise ValueError(f"{file} holds no drive")
    drives = [_drive(*key, sorted(intervals, key=lambda one: one[0])) for key, intervals in rows.items()]
    if labels is None:
        return drives
    strange = next((drive.number for drive in drives if drive.number not in labels), None)
    if strange is not None:
        raise ValueError(f"the labels do not say whether drive {strange} failed")
    return [replace(drive, failed=labels[drive.number]) for drive in drives]


def _hours(start: str, end: str) -> tuple[int, int]:
    first, last = int(start), int(end)
    if not 0 <= first <= last <= MOST_HOURS:
        raise ValueError(f"no interval of power-on hours: {first} to {last}")
    return first, last


def _count(text: str) -> int | None:
    return None if text == "" else int(text)


def _drive(number: str, model: str, intervals: list[tuple[int, int, bool, Counters]]) -> Drive:
    _, end_h, failed, _ = intervals[-1]
    return Drive(number, model, failed, end_h, tuple((start, counters) for start, _, _, counters in intervals))


def go_through_all(drives: Sequence[Drive], record: Record, workers: int) -> list[Course]:
    """Judge every drive over its life, with a progress bar on stderr."""
    chunks = [(drives[first : first + CHUNK], record) for first in range(0, len(drives), CHUNK)]
    bar = track(
        _each(chunks, min(workers, len(chunks))), "scoring", len(chunks), console=Console(stderr=True), transient=True
    )
    return [course for courses in bar for course in courses]


def _each(chunks: list[tuple[Sequence[Drive], Record]], workers: int) -> Iterator[list[Course]]:
    if workers <= 1:
        yield from map(_go_through_chunk, chunks)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap(_go_through_chunk, chunks)


def _go_through_chunk(chunk: tuple[Sequence[Drive], Record]) -> list[Course]:
    drives, record = chunk
    return [go_through(drive, record) for drive in drives]


def go_through(drive: Drive, record: Record) -> Course:
    """One drive as it would be judged day by day: nothing is known of later reports or of its end."""
    memory: DiskMemory | None = None
    alone: list[tuple[float, int]] = []
    with_record: list[tuple[float, int]] = []
    plain: dict[str, int | None] = dict.fromkeys(PLAIN)
    for hour, counters in _reports(drive):
        memory = remember(memory, hour * 3600.0, counters)
        _keep_height(alone, judge(memory).points, hour)
        _keep_height(with_record, judge(memory, record.ratio(drive.model, hour)).points, hour)
        for name, speaks in PLAIN.items():
            if plain[name] is None and speaks(counters):
                plain[name] = hour
    return Course(drive, tuple(alone), tuple(with_record), plain)


def _reports(drive: Drive) -> Iterator[tuple[int, Counters]]:
    ends = [*(start for start, _ in drive.reports[1:]), drive.end_h]
    for (start, counters), end in zip(drive.reports, ends, strict=True):
        for hour in range(start, end, STEP_H):
            yield hour, counters


def _keep_height(heights: list[tuple[float, int]], points: float, hour: int) -> None:
    if points > (heights[-1][0] if heights else 0.0):
        heights.append((points, hour))
