"""Will it finish? One possible course of a rollout, by events: windows, chance to be online, caps, budget, waves.

A course assumes that the release is good and that each device is online in each of its windows with its own chance,
once a day in windows that never close. Times are epoch seconds.
"""

import heapq
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from firmware_updates.policy import Policy
from firmware_updates.window import Window, next_span

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Candidate:
    """A device that could be updated, as the simulation sees it."""

    device_id: str
    site_id: str
    wave: int
    windows: tuple[Window, ...]
    online_chance: float


@dataclass(frozen=True, slots=True)
class Demand:
    """What an install asks for: it takes `busy_s`, starts `fit_s` before a window ends, and is at risk till soaked."""

    busy_s: float
    fit_s: float


class _Kind(IntEnum):
    DONE = 0  # places are freed before they are given out again
    WAVE = 1
    OPEN = 2


_Cell = tuple[str, tuple[Window, ...]]


@dataclass(frozen=True, slots=True)
class _Opening:
    cell: _Cell
    members: list[Candidate]
    last: float


def spans_of(windows: tuple[Window, ...], fit_s: float, since: float, until: float) -> list[tuple[float, float]]:
    """[first, last) instants at which an install may start, in pieces of at most a day."""
    found = []
    at = since
    while (span := next_span(windows, at)) is not None and span[0] < until:
        first, last = max(at, float(span[0])), min(until, span[1] - fit_s)
        while first < last:
            found.append((first, min(last, first + DAY_S)))
            first += DAY_S
        at = float(span[1])
    return found


def slots(spans: Iterable[tuple[float, float]], at_risk_s: float, cap: int) -> int:
    """How many installs fit at one site, one behind the other on `cap` places."""
    return sum(int((last - first) // at_risk_s) + 1 for first, last in spans) * cap


@dataclass(slots=True)
class Course:
    """Run it once with `run`; `done_at` then holds when each device had soaked."""

    candidates: Sequence[Candidate]
    demand: Demand
    policy: Policy
    since: float
    until: float
    spans: Mapping[tuple[Window, ...], Sequence[tuple[float, float]]]
    chance: random.Random
    waves: int
    done_at: dict[str, float] = field(default_factory=dict)
    _events: list[tuple[float, int, int, object]] = field(default_factory=list)
    _serial: int = 0
    _at_risk: int = 0
    _site_load: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _ready: list[_Cell] = field(default_factory=list)
    _blocked: dict[str, list[_Cell]] = field(default_factory=lambda: defaultdict(list))
    _online: dict[_Cell, list[Candidate]] = field(default_factory=lambda: defaultdict(list))
    _held: dict[int, list[Candidate]] = field(default_factory=lambda: defaultdict(list))
    _open_until: dict[_Cell, float] = field(default_factory=dict)
    _wave: int = 0
    _wave_risk: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    _wave_left: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    _wave_size: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    _started: set[str] = field(default_factory=set)
    _soaking: bool = False
    _patience_over: bool = False

    def run(self) -> dict[str, float]:
        """When each device was done; those that are missing were not by the end."""
        cells: dict[_Cell, list[Candidate]] = defaultdict(list)
        for one in self.candidates:
            cells[one.site_id, one.windows].append(one)
            self._wave_left[one.wave] += 1
            self._wave_size[one.wave] += 1
        for (site, windows), members in cells.items():
            self.chance.shuffle(members)
            for first, last in self.spans[windows]:
                self._push(first, _Kind.OPEN, _Opening((site, windows), members, last))
        self._push(self.since + self.policy.wave_patience_s, _Kind.WAVE, self._wave)
        self._maybe_next_wave(self.since)
        while self._events:
            at, kind, _, what = heapq.heappop(self._events)
            if at > self.until:
                break
            self._happen(at, kind, what)
            self._fill(at)
        return self.done_at

    def _push(self, at: float, kind: _Kind, what: object) -> None:
        self._serial += 1
        heapq.heappush(self._events, (at, kind, self._serial, what))

    def _happen(self, at: float, kind: int, what: object) -> None:
        if kind == _Kind.OPEN:
            assert isinstance(what, _Opening)
            self._open(what)
        elif kind == _Kind.DONE:
            assert isinstance(what, Candidate)
            self._done(what, at)
        elif what == self._wave:
            self._next_wave(at)

    def _open(self, opening: "_Opening") -> None:
        cell = opening.cell
        self._open_until[cell] = opening.last
        members = opening.members  # shared by all openings of the cell: it only shrinks
        members[:] = [one for one in members if one.device_id not in self._started]
        draw = self.chance.random
        online = [one for one in members if draw() < one.online_chance]
        self._online[cell] = [one for one in online if one.wave <= self._wave]
        for one in online:
            if one.wave > self._wave:
                self._held[one.wave].append(one)
        if online:
            self._ready.append(cell)

    def _done(self, one: Candidate, at: float) -> None:
        self.done_at[one.device_id] = at
        self._at_risk -= 1
        self._site_load[one.site_id] -= 1
        self._wave_risk[one.wave] -= 1
        self._wave_left[one.wave] -= 1
        self._ready += self._blocked.pop(one.site_id, ())
        self._maybe_next_wave(at)

    def _maybe_next_wave(self, at: float) -> None:
        size, left = self._wave_size[self._wave], self._wave_left[self._wave]
        nearly_all = size - left >= self.policy.wave_settled * size and not self._wave_risk[self._wave]
        if (nearly_all or self._patience_over) and not self._soaking and self._wave < self.waves - 1:
            self._soaking = True
            self._push(at + (self.policy.wave_soak_s if size else 0.0), _Kind.WAVE, self._wave)

    def _next_wave(self, at: float) -> None:
        if self._wave >= self.waves - 1:
            return
        if self._wave_left[self._wave] == self._wave_size[self._wave] > 0:  # the first success opens the next one
            self._patience_over = True
            return
        self._wave += 1
        self._soaking = self._patience_over = False
        for one in self._held.pop(self._wave, ()):
            cell = (one.site_id, one.windows)
            if self._open_until[cell] > at:
                self._online[cell].append(one)
                self._ready.append(cell)
        self._push(at + self.policy.wave_patience_s, _Kind.WAVE, self._wave)
        self._maybe_next_wave(at)

    def _fill(self, at: float) -> None:
        room = self.policy.k0 + self.policy.per_success * len(self.done_at) - self._at_risk
        while room > 0 and self._ready:
            cell = self._ready.pop()
            waiting = self._online[cell]
            if not waiting or at >= self._open_until[cell]:
                continue
            if self._site_load[cell[0]] >= self.policy.site_cap:
                self._blocked[cell[0]].append(cell)
                continue
            one = waiting.pop()
            self._ready.append(cell)
            if one.device_id in self._started:
                continue
            self._start(one, at)
            room -= 1

    def _start(self, one: Candidate, at: float) -> None:
        self._started.add(one.device_id)
        self._at_risk += 1
        self._site_load[one.site_id] += 1
        self._wave_risk[one.wave] += 1
        soak_s = self.policy.canary_soak_s if one.wave == 0 else self.policy.soak_s
        self._push(at + self.demand.busy_s + soak_s, _Kind.DONE, one)
