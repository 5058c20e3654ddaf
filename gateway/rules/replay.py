"""Reading stored telemetry for a backtest: whole sites together, a stretch of time at once, so that memory is bounded
whatever the fleet and the days.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from time import perf_counter
from typing import Final

from diagnostics.backtest import MONTH_S, Difference, Replay, Stored, Tally, compare, tally
from diagnostics.backtest_scope import Limit, affected, limits, lookback_s, metrics_needed
from diagnostics.catalogue import Catalogue
from diagnostics.rule_file import RuleSet
from diagnostics.topology import Device
from gateway.ports.history import History

GROUP: Final = 64
"""Devices that are replayed together: whole sites, as neighbours and peers are compared."""
VALUES: Final = 100_000
"""About as many values are in memory at a time."""
DAY_S: Final = 86_400.0
LONGEST_S: Final = 30 * DAY_S
SHORTEST_S: Final = 600.0
SHOWN: Final = 300


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backtest is: devices done of all, reports read, the share of the whole work (0 to 1)."""

    devices: int
    of: int
    reports: int
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """The ticket diff. `devices` of `fleet` were replayed over [start, end), with `lookback_s` before it to warm up.

    `differences` are at most `SHOWN` that differ, those that come and go first; the tallies count all. `cpu_s` is what
    judging alone took. `first_at`: the oldest report that history had of that time (0: none), `heard` how many of
    the devices it had any of (-1: unknown). `edition`: the rules that the draft was held against (0: unknown).
    `storms`: how often, under each rule set, so much opened at once that the storm guard made one incident of it.
    """

    start: float
    end: float
    fleet: int
    devices: int
    reports: int
    lookback_s: float
    cpu_s: float
    seconds: float
    rules: tuple[str, ...]
    tallies: tuple[Tally, ...]
    differences: tuple[Difference, ...]
    left_out: int
    limits: tuple[Limit, ...]
    first_at: float = 0.0
    heard: int = -1
    storms: tuple[int, int] = (0, 0)
    edition: int = 0

    @property
    def judged_s(self) -> float:
        """How much of the time that was asked for history had reports of."""
        return max(0.0, self.end - max(self.start, self.first_at)) if self.first_at else 0.0

    @property
    def warm_s(self) -> float:
        """How much history there was before the first day, of the `lookback_s` that the rules need."""
        return min(self.lookback_s, max(0.0, self.start - self.first_at)) if self.first_at else 0.0

    @property
    def device_months(self) -> float:
        """What was looked at, in devices times 30 days."""
        return self.devices * (self.end - self.start) / MONTH_S


def chosen(devices: Sequence[Device], pattern: str, sample: int) -> list[Device]:
    """Devices whose id, model or site fits the pattern ("" = all), of at most about `sample` (0 = all) in whole sites.

    The sites are taken in the order of their names' digests: the same ones each time, and no kind of them first.
    """
    fits = [
        it
        for it in devices
        if not pattern or any(fnmatchcase(word, pattern) for word in (it.device_id, it.model, it.site_id))
    ]
    sites: dict[str, list[Device]] = {}
    for device in sorted(fits, key=lambda it: it.device_id):
        sites.setdefault(device.site_id, []).append(device)
    found: list[Device] = []
    for name in sorted(sites, key=lambda site: sha256(site.encode()).digest()):
        if sample and found and len(found) + len(sites[name]) > sample:
            continue
        found += sites[name][:sample] if sample else sites[name]
    return found


def groups(devices: Sequence[Device]) -> list[list[Device]]:
    """Whole sites, about `GROUP` devices at a time."""
    found: list[list[Device]] = []
    last = None
    for device in devices:
        if not found or (len(found[-1]) >= GROUP and device.site_id != last):
            found.append([])
        found[-1].append(device)
        last = device.site_id
    return found


async def rows(
    history: History, devices: Sequence[Device], metrics: Collection[str], start: float, end: float
) -> AsyncIterator[list[Stored]]:
    """Stored telemetry of some devices in rising order of time, a stretch at a time. Raises OSError."""
    known = {device.device_id: sorted(metrics & (await history.latest(device.device_id)).keys()) for device in devices}
    series = sum(len(names) for names in known.values())
    stretch, at = DAY_S, start
    while at < end and series:
        until = min(end, at + stretch)
        found: dict[tuple[float, str], dict[str, float]] = {}
        count, whole = 0, True
        for device_id, name in ((device_id, name) for device_id, names in known.items() for name in names):
            values = await history.raw(device_id, name, at, until, VALUES)
            count += len(values)
            whole = len(values) < VALUES and count <= 4 * VALUES
            if not whole and stretch > SHORTEST_S:
                break
            for one in values:
                found.setdefault((one.at, device_id), {})[name] = one.value
        if not whole and stretch > SHORTEST_S:
            stretch = max(SHORTEST_S, stretch / 4)
            continue
        yield [Stored(device_id, when, found[when, device_id], {}) for when, device_id in sorted(found)]
        at = until
        stretch = min(LONGEST_S, max(SHORTEST_S, stretch * min(8.0, VALUES / max(1, count))))


async def backtest(
    old: RuleSet,
    new: RuleSet,
    catalogue: Catalogue,
    history: History,
    devices: Sequence[Device],
    fleet: int,
    start: float,
    end: float,
    told: Callable[[Progress], None] = lambda _: None,
) -> Result:
    """Both rule sets over the same stored telemetry, a group of devices after the other. Raises OSError.

    Judging runs beside the event loop, so a gateway that does this goes on hearing its devices.
    """
    old, new = affected(old, new)
    both = RuleSet(tuple({rule.name: rule for rule in (*old.rules, *new.rules)}.values()))
    names = metrics_needed(old, catalogue) | metrics_needed(new, catalogue)
    before_s = max(lookback_s(old), lookback_s(new))
    began = perf_counter()
    differences: list[Difference] = []
    done = reports = 0
    cpu = first = 0.0
    heard: set[str] = set()
    storms = (0, 0)
    for group in groups(devices):
        replays = Replay(old, catalogue, group), Replay(new, catalogue, group)
        async for part in rows(history, group, names, start - before_s, end):
            spent, read = await asyncio.to_thread(_feed, replays, part)
            cpu += spent
            reports += read
            if part:
                first = min(first or part[0].at, part[0].at)
                heard.update(row.device_id for row in part)
                share = len(group) * (part[-1].at - start + before_s) / (end - start + before_s)
                told(Progress(done, len(devices), reports, (done + share) / len(devices)))
        storms = storms[0] + replays[0].storms, storms[1] + replays[1].storms
        differences += compare(replays[0].tickets(), replays[1].tickets(), start)
        done += len(group)
        told(Progress(done, len(devices), reports, done / len(devices)))
    differing = [one for one in differences if one.shift_s or one.before is None or one.after is None]
    differing.sort(key=lambda it: (it.before is not None and it.after is not None, -abs(it.shift_s)))
    return Result(
        start,
        end,
        fleet,
        len(devices),
        reports,
        before_s,
        cpu,
        perf_counter() - began,
        tuple(rule.name for rule in both.rules),
        tuple(tally(differences)),
        tuple(differing[:SHOWN]),
        max(0, len(differing) - SHOWN),
        tuple(limits(both)),
        first,
        len(heard),
        storms,
    )


def _feed(replays: tuple[Replay, Replay], part: Sequence[Stored]) -> tuple[float, int]:
    began = perf_counter()
    for replay in replays:
        replay.feed(part)
    return perf_counter() - began, len(part)
