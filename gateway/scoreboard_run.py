"""One half of the scoreboard's fleet in virtual time: simulator, fleet memory and ticket policy; no sockets, no
store.
"""

import gc
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

from device_sim import wire
from device_sim.fleet import score_fleet
from device_sim.scenario import Scenario, WrongClock
from device_sim.virtual import Arrival, play
from diagnostics.catalogue import load_catalogue
from diagnostics.changes import Change
from diagnostics.engine import Engine
from diagnostics.fleet import Fleet
from diagnostics.rule_file import load_default_rules
from diagnostics.score import Fault, How, Raised
from diagnostics.telemetry import Event, Presence, Report
from diagnostics.topology import Device
from gateway.scoreboard_watch import Watch
from gateway.tickets.edits import Identity, carry_out
from gateway.tickets.entitlement import Entitlement
from gateway.tickets.policy import (
    Advise,
    Append,
    Decision,
    Known,
    Link,
    Open,
    Raise,
    Reason,
    Reopen,
    decide,
    episodes_after,
    priority_at,
)

START = 1_767_225_600.0  # 1 January 2026, midnight UTC
DAY = 86_400.0
TICK_S = 60.0
SILENT_INTERVALS = 5.3
"""1 to 5 % of the reports are lost without retry: five in a row by chance come once in ten thousand device-months."""


WRONG_CLOCKS = (
    (0.23, 20 * 3600.0, 5400.0),
    (0.53, 9 * 3600.0, -2700.0),
    (0.68, 3600.0, 3 * DAY),
    (0.86, 600.0, 120.0),
)
"""Where in the run, for how long, by how much."""


@dataclass(frozen=True, slots=True)
class Course:
    """What to run. The same course gives the same tickets."""

    seed: int
    days: float
    devices: int
    per_class: int
    interval_s: float = 900.0
    part: int = 0
    parts: int = 1
    sites: frozenset[str] = frozenset()  # only these sites (none = all)


@dataclass(slots=True, eq=False)
class Outcome:
    """What came of a part: tickets, truth, counts."""

    tickets: list[Raised] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    sites: dict[str, str] = field(default_factory=dict)
    reports: int = 0
    cpu_seconds: float = 0.0
    wrong_clocks: list[tuple[float, float]] = field(default_factory=list)  # since, till


def how_it_opens(decision: Decision) -> How | None:
    """Whether the decision tells an agent of trouble: a ticket, one that is open again, or a note on an open one."""
    match decision:
        case Open() | Advise() | Link():
            return How.NEW
        case Reopen(reason=reason) if reason is not Reason.WORSE_AFTER_SOLVING:
            return How.REOPENED
        case Append(another=True) | Raise(another=True):
            return How.NOTED
        case _:
            return None


class Desk:
    """Applies the ticket policy to changes and keeps the latest ticket of each key, as the ledger would."""

    def __init__(self) -> None:
        self.opened: list[Raised] = []
        self._known: dict[str, Known] = {}

    def take(self, change: Change, now: float, at: float) -> None:
        """One change of health. `now` by our own clock, `at` in truth."""
        known = self._known.get(change.key)
        decision = decide(known, change, Entitlement.CONTRACT, now)
        episodes = episodes_after(known, change, decision)
        how = how_it_opens(decision)
        number = f"SG-{len(self.opened) + 1}"
        identity = Identity(number, number, change.scope_id, "", "")
        edit = carry_out(decision, known.ticket if known else None, identity, change, priority_at(change, 0.0), now)
        if how is not None:
            scope = (change.scope, change.scope_id, change.fault_class)
            self.opened.append(Raised(*scope, at, change.rule, change.impact, change.parent, how))
        if edit is not None:
            self._known[change.key] = Known(edit[0], episodes)
        elif known is not None:
            self._known[change.key] = Known(known.ticket, episodes)


def scenario_of(course: Course) -> Scenario:
    """The whole fleet and what will happen to it, with two outages of our own, and our own clock wrong four times: set
    ahead for most of a day, behind for a working day, three days ahead for an hour, two minutes ahead for ten.
    """
    scenario = score_fleet(course.seed, START, days=course.days, devices=course.devices, per_class=course.per_class)
    if not scenario.outages:
        scenario.outages = [
            (START + 0.41 * course.days * DAY, START + 0.41 * course.days * DAY + 1800.0),
            (START + 0.77 * course.days * DAY, START + 0.77 * course.days * DAY + 7200.0),
        ]
    if not scenario.wrong_clocks:
        scenario.wrong_clocks = [
            WrongClock(START + share * course.days * DAY, START + share * course.days * DAY + lasts_s, error_s)
            for share, lasts_s, error_s in WRONG_CLOCKS
        ]
    return scenario


def _only(scenario: Scenario, names: frozenset[str]) -> Scenario:
    devices = [spec for spec in scenario.devices if spec.site_id in names]
    return replace(
        scenario,
        sites=[site for site in scenario.sites if site.id in names],
        devices=devices,
        episodes=[episode for episode in scenario.episodes if episode.site_id in names],
        confounders={spec.id: scenario.confounders[spec.id] for spec in devices if spec.id in scenario.confounders},
    )


def run_part(course: Course, tell: Callable[[float], None], watch: Watch | None = None) -> Outcome:
    """Run this part of the course; `tell` hears the share done, `watch` what some devices say."""
    whole = scenario_of(course)
    scenario = whole.part(course.part, course.parts) if course.parts > 1 else whole
    if course.sites:
        scenario = _only(scenario, course.sites)
    end = START + course.days * DAY
    silence_s = SILENT_INTERVALS * course.interval_s
    devices = [
        Device(
            spec.id, spec.kind.value, spec.model.name, spec.site_id, spec.parent_id or "", spec.group or "", silence_s
        )
        for spec in scenario.devices
    ]
    gc.freeze()  # what is alive now lives until the end
    began = time.process_time()
    outcome = Outcome(sites={device.device_id: device.site_id for device in devices})
    watch = watch or Watch()
    fleet = Fleet(Engine(load_default_rules(load_catalogue()), load_catalogue()), devices, START)
    desk = Desk()
    clock = OurClock(scenario)
    tick_at, told_at = START, START
    for arrival in play(scenario, end=end, interval_s=course.interval_s):
        at = arrival.received_at
        if at >= tick_at:
            while at >= tick_at:
                seen = clock.reading(tick_at)
                for change in fleet.tick(seen):
                    desk.take(change, seen, tick_at)
                tick_at += TICK_S
            if at >= told_at + DAY:
                told_at += DAY
                tell((told_at - START) / (end - START))
        _arrive(fleet, desk, arrival, clock.reading(at), outcome, watch)
    outcome.cpu_seconds = time.process_time() - began
    outcome.tickets = desk.opened
    outcome.wrong_clocks = [(wrong.since, wrong.till) for wrong in scenario.wrong_clocks]
    outcome.faults = [
        Fault(
            truth.device_id,
            truth.fault,
            truth.onset,
            truth.customer_visible_at,
            truth.recovered_at,
            truth.site_id,
            truth.scope,
            truth.shape,
            tuple(truth.affected),
            truth.imitates,
        )
        for truth in scenario.truths()
    ]
    return outcome


class OurClock:
    """Our own clock over a run, as wrong as the scenario wants it."""

    __slots__ = ("_error_s", "_turns", "_until")

    def __init__(self, scenario: Scenario) -> None:
        edges = sorted(
            {START - DAY, *(edge for wrong in scenario.wrong_clocks for edge in (wrong.since, wrong.till)), math.inf}
        )
        self._turns = iter([(until, scenario.receiver_error_s(since)) for since, until in pairwise(edges)])
        self._until, self._error_s = next(self._turns)

    def reading(self, at: float) -> float:
        """What it says at a true instant; the instants must rise."""
        while at >= self._until:
            self._until, self._error_s = next(self._turns)
        return at + self._error_s


def _arrive(fleet: Fleet, desk: Desk, arrival: Arrival, now: float, outcome: Outcome, watch: Watch) -> None:
    """One message; `now` is what our own clock says."""
    at, device_id, body = arrival.received_at, arrival.device_id, arrival.body
    if isinstance(body, tuple):
        outcome.reports += len(body)
        for said in body:
            report = Report(
                device_id,
                said.boot,
                said.seq,
                said.at,
                now,
                said.metrics,  # its own: nobody reads the simulator's copy again
                said.states,
                said.uptime_s,
                said.firmware,
                names=said.names,
            )
            for change in fleet.observe(report):
                desk.take(change, now, at)
            if device_id in watch.devices:
                watch.report(report, fleet)
    elif isinstance(body, wire.Event):
        words = {name: str(value) for name, value in body.data.items()}
        heard = Event(device_id, body.boot, body.seq, body.at, now, body.topic, words)
        for change in fleet.event(heard):
            desk.take(change, now, at)
        if device_id in watch.devices:
            watch.event(heard)
    else:
        fleet.presence(Presence(device_id, body.boot, body.state == "online", now))
