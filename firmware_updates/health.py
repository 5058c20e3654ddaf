"""What the health gate remembers of devices: episodes of fault rules, and means of key metrics by step of two hours.

Bounded: episodes up to `EPISODES`, metrics only of watched devices (at most `WATCHED`), five days of each. What an
update explains itself (one reboot, a bounded silence) lies before a device's `since`, which is the first report of the
new version: nothing of it is counted, everything after it is.
"""

import json
from array import array
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from statistics import fmean

from firmware_updates.gate import Cohort

HOUR_S = 3600.0
STEP_S = 2 * HOUR_S
STEPS = 60  # a day before, and the three days for which a wave may be open by default, with room
BEFORE = 12  # steps: a whole day, so that nights are compared with nights
EPISODES = 50_000
WATCHED = 10_000
"""With all key metrics of all of them: about 55 MB."""
EVERYBODY = "*"
"""The key of the row of episodes; no device is called so."""


@dataclass(frozen=True, slots=True)
class KeyMetric:
    """`worse` is +1 where more is worse; a change matters from `least` on, or from `share` of what it was before."""

    name: str
    worse: int
    least: float
    share: float = 0.0


KEY_METRICS = (
    KeyMetric("fps_actual", -1, 1.0, 0.1),
    KeyMetric("gap_s_per_day", +1, 120.0, 0.5),
    KeyMetric("drop_per_min", +1, 10.0, 0.5),
    KeyMetric("loss_pct", +1, 1.0, 0.5),
    KeyMetric("soc_temp_c", +1, 4.0),
    KeyMetric("mem_used_pct", +1, 8.0),
    KeyMetric("cpu_pct", +1, 15.0),
)


class _Course:
    """Sums and counts of one metric by step, the newest `STEPS` of them."""

    __slots__ = ("_n", "_step", "_sum")

    def __init__(self) -> None:
        self._step = array("i", [-1]) * STEPS
        self._sum, self._n = array("f", [0.0]) * STEPS, array("i", [0]) * STEPS

    def add(self, step: int, value: float) -> None:
        place = step % STEPS
        if self._step[place] < step:
            self._step[place], self._sum[place], self._n[place] = step, 0.0, 0
        if self._step[place] == step:  # an older one comes too late for what is kept
            self._sum[place] += value
            self._n[place] += 1

    def export(self) -> list[list[float]]:
        """Steps, sums and counts that are known."""
        known = [row for row in zip(self._step, self._sum, self._n, strict=True) if row[2]]
        return [[row[part] for row in known] for part in range(3)]

    def load(self, kept: list[list[float]]) -> None:
        """Take back what `export` gave."""
        for step, total, n in zip(*kept, strict=True):
            place = int(step) % STEPS
            self._step[place], self._sum[place], self._n[place] = int(step), total, int(n)

    def mean(self, first: int, last: int) -> float | None:
        """Over the steps in [first, last); each counts alike. None without any."""
        kept = zip(self._step, self._sum, self._n, strict=True)
        found = [total / n for step, total, n in kept if first <= step < last]
        return fmean(found) if found else None


class HealthDiary:
    """A `HealthBook` that is told of samples and episodes. Times are epoch seconds."""

    def __init__(self) -> None:
        self._episodes: list[tuple[float, str, str]] = []
        self._watched: dict[str, dict[str, _Course]] = {}
        self._changed: set[str] = set()
        self._kept: set[str] = set()

    @property
    def watched(self) -> Collection[str]:
        """Whose samples are wanted; empty while nobody's are."""
        return self._watched

    def watch(self, device_ids: Iterable[str]) -> None:
        """Remember metrics of these devices from now on, and of no others."""
        self._watched = {one: self._watched.get(one, {}) for one in islice(device_ids, WATCHED)}
        self._changed &= self._watched.keys() | {EVERYBODY}

    def note(self, at: float, device_id: str, fault_class: str) -> None:
        """An episode opened on a device."""
        self._episodes.append((at, device_id, fault_class))
        self._changed.add(EVERYBODY)
        if len(self._episodes) > EPISODES:
            del self._episodes[: EPISODES // 10]

    def sample(self, device_id: str, at: float, metrics: Mapping[str, float]) -> None:
        """One report. Cheap for devices that nobody watches."""
        known = self._watched.get(device_id)
        if known is None:
            return
        step = int(at // STEP_S)
        self._changed.add(device_id)
        for one in KEY_METRICS:
            value = metrics.get(one.name)
            if value is not None:
                known.setdefault(one.name, _Course()).add(step, value)

    def changed(self) -> set[str]:
        """The keys whose rows have changed since they were last asked for."""
        changed, self._changed = self._changed, set()
        return changed

    def row(self, key: str) -> str | None:
        """What is kept under a key; None: nothing any more."""
        if key == EVERYBODY:
            found: object = self._episodes
        elif key in self._watched:
            found = {name: course.export() for name, course in self._watched[key].items()}
        else:
            return None
        self._kept.add(key)
        return json.dumps(found, separators=(",", ":"))

    def load(self, key: str, row: str) -> None:
        """Take back what `row` gave, before anything else is told or watched."""
        kept = json.loads(row)
        self._kept.add(key)
        if key == EVERYBODY:
            self._episodes = [(at, device_id, fault_class) for at, device_id, fault_class in kept]
            return
        courses = self._watched.setdefault(key, {})
        for name, parts in kept.items():
            courses.setdefault(name, _Course()).load(parts)

    def useless(self) -> set[str]:
        """Keys whose rows can be dropped: nobody watches these devices any more."""
        gone = self._kept - self._watched.keys() - {EVERYBODY}
        self._kept -= gone
        return gone

    def cohort(self, since: Mapping[str, float], until: float) -> Cohort:
        """See `firmware_updates.ports.HealthBook`."""
        counts: dict[str, int] = {}
        for at, device_id, fault_class in tuple(self._episodes):
            if since.get(device_id, until) <= at < until:
                counts[fault_class] = counts.get(fault_class, 0) + 1
        hours = sum(max(0.0, until - at) for at in since.values()) / HOUR_S
        worsening: dict[str, list[float]] = {}
        for device_id, at in since.items():
            for one in KEY_METRICS:
                found = self._watched.get(device_id, {}).get(one.name)
                change = None if found is None else _worsened(one, found, at, until)
                if change is not None:
                    worsening.setdefault(one.name, []).append(change)
        return Cohort(hours, counts, {name: tuple(found) for name, found in worsening.items()})


def _worsened(metric: KeyMetric, course: _Course, since: float, until: float) -> float | None:
    """How much worse after `since` than in the day before it, in units of the smallest change that matters."""
    change = int(since // STEP_S)  # the step of the change itself belongs to neither side
    before = course.mean(change - BEFORE, change)
    after = course.mean(change + 1, int(until // STEP_S) + 1)
    if before is None or after is None:
        return None
    return metric.worse * (after - before) / max(metric.least, metric.share * abs(before))
