"""A fleet in virtual time: everything that a gateway would receive, in the order of receipt, as fast as Python goes.

What the network does is here: reports lost (1-5 % by device), repeated (0.5 %), late (kept while a device is cut off,
then sent in batches), last wills 30-95 s after a device has vanished, and our own outages, in which devices keep their
reports. The same scenario gives the same arrivals. To use both cores, play `scenario.part(0, 2)` and `part(1, 2)` in
two processes: parts share no site, and a device behaves the same in a part as in the whole.
"""

from __future__ import annotations

import heapq
import math
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from device_sim.wire import Event, Report, Status, event_payload, report_payload, status_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from device_sim.device import Device
    from device_sim.scenario import Scenario

BATCH: Final = 10  # below 16 KiB whatever the model sends
_DUPLICATES: Final = 0.005
_NOTICED_S: Final = (1.0, 5.0)  # a detector of the firmware, or the boot of another unit, until its report is out


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One message at the receiver. `leaf` is telemetry, status or event; `payload` is empty unless asked for."""

    received_at: float
    device_id: str
    leaf: str
    body: tuple[Report, ...] | Status | Event
    payload: bytes = b""


class _Unit:
    """A device and its way to the gateway."""

    __slots__ = ("away", "boot", "device", "draw", "id", "kept", "latency_s", "missing", "phase_s", "random")

    def __init__(self, device: Device, seed: str, phase_s: float) -> None:
        self.device, self.id, self.phase_s = device, device.spec.id, phase_s
        self.random = Random(f"{seed}/way/{self.id}")
        self.draw = self.random.random
        self.missing = self.random.uniform(0.01, 0.05)
        self.latency_s = self.random.uniform(0.05, 0.6)
        self.kept: list[Report] = []
        self.boot = device.boot
        self.away = False


class _Play:
    """The state of one run: the units and what is due out of the regular rhythm."""

    def __init__(self, scenario: Scenario, interval_s: float, encode: bool) -> None:
        self._encode = encode
        fleet = scenario.build(interval_s=interval_s)
        self.units = [
            _Unit(device, str(scenario.seed), interval_s * Random(f"{scenario.seed}/phase/{name}").random())
            for name, device in fleet.items()
        ]
        self.units.sort(key=lambda unit: unit.phase_s)
        self._later: list[tuple[float, int, Callable[[float], Iterator[Arrival]]]] = []
        self._order = 0
        self.next_due = math.inf  # when something out of the rhythm comes next
        self._outages = sorted(scenario.outages)
        self.dark_from = self._outages[0][0] if self._outages else math.inf  # when an outage of ours is, or comes next
        by_id = {unit.id: unit for unit in self.units}
        for episode in scenario.episodes:
            if episode.fault.id == "F39":
                for device_id in episode.affected:
                    unit = by_id[device_id]
                    self._at(episode.start + unit.random.uniform(30, 95), partial(self._will, unit))
                    back = episode.end + unit.random.uniform(5, 150)
                    self._at(back, partial(self._measure, unit))
            elif episode.fault.at_once:
                unit = by_id[episode.device_id]
                self._at(episode.start + unit.random.uniform(*_NOTICED_S), partial(self._measure, unit))
        for _, ends in self._outages:
            for unit in self.units:
                back = ends + unit.random.uniform(1, 120)
                self._at(back, partial(self._measure, unit))

    def _at(self, when: float, what: Callable[[float], Iterator[Arrival]]) -> None:
        self._order += 1
        heapq.heappush(self._later, (when, self._order, what))
        self.next_due = self._later[0][0]

    def due(self, now: float) -> Iterator[Arrival]:
        """Everything out of the rhythm up to now."""
        while self._later and self._later[0][0] <= now:
            when, _, what = heapq.heappop(self._later)
            self.next_due = self._later[0][0] if self._later else math.inf
            yield from what(when)

    def _blind(self, now: float) -> bool:
        while self._outages and now >= self._outages[0][1]:
            self._outages.pop(0)
            self.dark_from = self._outages[0][0] if self._outages else math.inf
        return now >= self.dark_from

    def _vanish(self, unit: _Unit, since: float, now: float) -> Iterator[Arrival]:
        """The will of a device that has not been heard again."""
        if unit.device.now == since:
            yield from self._will(unit, now)

    def _will(self, unit: _Unit, now: float) -> Iterator[Arrival]:
        if not unit.away and not self._blind(now):
            unit.away = True
            yield self._status(now, unit, "offline")

    def _status(self, now: float, unit: _Unit, state: str) -> Arrival:
        status = Status(state, unit.boot, unit.device.now + unit.device.clock_error_s)
        return Arrival(now, unit.id, "status", status, status_payload(status) if self._encode else b"")

    def _measure(self, unit: _Unit, now: float) -> Iterator[Arrival]:
        """A report out of the rhythm: the first after an outage, or with what the firmware noticed by itself."""
        if now - unit.device.now > 1.0:
            yield from self.exception(now, unit, unit.device.report(now - unit.latency_s))

    def exception(self, now: float, unit: _Unit, report: Report | None) -> Iterator[Arrival]:
        """Whatever is not a plain report on a good day."""
        device = unit.device
        if report is None or device.cut:
            if report is not None and not self._lost(unit):
                unit.kept.append(report)
            if not unit.away:
                self._at(now + unit.random.uniform(30, 95), partial(self._vanish, unit, device.now))
            if device.next_change < now + device.interval_s:  # it will be back before its next regular report
                self._at(device.next_change + unit.random.uniform(5, 40), partial(self._measure, unit))
            return
        if not self._lost(unit):
            unit.kept.append(report)
        if self._blind(now) or device.held:
            return
        if unit.boot != device.boot and not unit.away:
            yield self._status(now, unit, "offline")
            unit.away = True
        if unit.away:
            unit.away, unit.boot = False, device.boot
            yield self._status(now, unit, "online")
        kept, unit.kept = unit.kept, []
        for first in range(0, len(kept), BATCH):
            twice = unit.draw() < _DUPLICATES
            yield self.telemetry(now, unit, tuple(kept[first : first + BATCH]), twice=twice)
        if device.events:
            for event in device.take_events():
                yield Arrival(now, unit.id, "event", event, event_payload(event) if self._encode else b"")

    def telemetry(self, now: float, unit: _Unit, reports: tuple[Report, ...], *, twice: bool) -> Arrival:
        """A message; `twice` lets it come again a little later."""
        text = b""
        if self._encode:
            texts = [report_payload(report) for report in reports]
            text = texts[0] if len(texts) == 1 else b"[" + b",".join(texts) + b"]"
        arrival = Arrival(now, unit.id, "telemetry", reports, text)
        if twice:
            again = now + unit.random.uniform(0.5, 300)
            self._at(again, lambda when: iter(() if self._blind(when) else (replace(arrival, received_at=when),)))
        return arrival

    def _lost(self, unit: _Unit) -> bool:
        return unit.draw() < unit.missing


def play(scenario: Scenario, *, end: float, interval_s: float = 900.0, encode: bool = False) -> Iterator[Arrival]:
    """All arrivals from `scenario.begin` to `end`, in order of receipt; `encode` adds the JSON."""
    run = _Play(scenario, interval_s, encode)
    slot = scenario.begin
    # The plain case is written out: it is nearly all of the work.
    while slot < end:
        for unit in run.units:
            now = slot + unit.phase_s
            if run.next_due <= now:
                yield from run.due(now)
            if now >= end:
                break
            device = unit.device
            report = device.report(now - unit.latency_s)
            if (
                report is None
                or unit.away
                or unit.kept
                or device.boot != unit.boot
                or device.cut
                or device.held
                or device.events
                or now >= run.dark_from
            ):
                yield from run.exception(now, unit, report)
                continue
            chance = unit.draw()
            if chance < unit.missing:
                continue
            twice = chance > 1.0 - _DUPLICATES
            if twice or encode:
                yield run.telemetry(now, unit, (report,), twice=twice)
            else:
                yield Arrival(now, unit.id, "telemetry", (report,))
        slot += interval_s
    yield from run.due(end)
