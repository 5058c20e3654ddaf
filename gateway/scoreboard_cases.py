"""The drill-down of `siaga score --explain`: which cases of a class went wrong, and what was to be seen of each.

Where nothing went wrong, the cases that were nearest to it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from diagnostics.changes import Scope
from diagnostics.score import AFTER_S, DAY, HOUR, NOT_OF_DEVICES, Fault, Raised, Score, matches
from gateway.scoreboard_run import START, Course, run_part
from gateway.scoreboard_watch import Watch

CASES = 8
NEAREST = 3
BEFORE_S, AFTERWARDS_S = 3 * DAY, DAY
SEEN = 4  # devices of a site or switch whose series are shown
MEANWHILE = 6


@dataclass(frozen=True, slots=True)
class Case:
    """One fault or false ticket. Epoch seconds; `visible` and `ended` are None of a false ticket, `opened` of a missed
    fault. `devices`: whose series tell of it; `meanwhile`: other tickets of theirs.
    """

    what: str  # missed, late (of steps: slow), false, in time
    place: str
    onset: float
    visible: float | None
    ended: float | None
    opened: float | None
    rule: str
    devices: tuple[str, ...]
    meanwhile: tuple[Raised, ...] = ()

    @property
    def lead_h(self) -> float | None:
        """Hours from the ticket to what the customer saw; negative: too late."""
        return None if self.visible is None or self.opened is None else (self.visible - self.opened) / HOUR

    @property
    def span(self) -> tuple[float, float]:
        """What of its time is worth a look."""
        if self.ended is None:
            return self.onset - BEFORE_S, self.onset + AFTERWARDS_S
        return self.onset - BEFORE_S, self.ended + AFTERWARDS_S


def cases_of(
    name: str, score: Score, faults: Sequence[Fault], tickets: Sequence[Raised], sites: dict[str, str]
) -> list[Case]:
    """Missed and late ones, then false ones, up to eight of each; without any, the three with the shortest lead."""
    part = score.classes.get(name)
    if part is None:
        return []
    found = [_of_fault("missed", fault, tickets, sites) for fault in part.missed[:CASES]]
    if part.shape == "step":  # which nobody can foresee
        slow = [_of_fault("slow", fault, tickets, sites) for fault in part.tardy]
        found += sorted(slow, key=lambda case: case.onset - (case.opened or 0.0))[:NEAREST]
    else:
        found += [_of_fault("late", fault, tickets, sites) for fault in part.tardy[:CASES]]
    found += [_of_false(ticket, sites) for ticket in part.false[:CASES]]
    if not found:
        mine = [_of_fault("in time", fault, tickets, sites) for fault in faults if fault.fault_class == name]
        found = sorted((case for case in mine if case.opened is not None), key=lambda case: case.lead_h or 0.0)[
            :NEAREST
        ]
    return found


def _of_fault(what: str, fault: Fault, tickets: Sequence[Raised], sites: dict[str, str]) -> Case:
    first = min((one for one in tickets if matches(one, fault)), key=lambda one: one.opened_at, default=None)
    devices = () if fault.scope in NOT_OF_DEVICES else tuple(dict.fromkeys((fault.device_id, *fault.affected)))
    case = Case(
        what,
        fault.device_id,
        fault.onset,
        fault.visible_at,
        fault.recovered_at,
        None if first is None else first.opened_at,
        "" if first is None else first.rule,
        devices,
    )
    until = fault.recovered_at + AFTER_S
    places = {*devices, fault.site_id or sites.get(fault.device_id, "")}
    others = (
        one
        for one in tickets
        if one.scope_id in places and one.fault_class != fault.fault_class and fault.onset <= one.opened_at <= until
    )
    return replace(case, meanwhile=tuple(sorted(others, key=lambda one: one.opened_at)[:MEANWHILE]))


def _of_false(ticket: Raised, sites: dict[str, str]) -> Case:
    devices: tuple[str, ...] = ()
    if ticket.scope is Scope.DEVICE:
        devices = (ticket.scope_id,)
    elif ticket.scope is Scope.SITE:
        devices = tuple(device for device, site in sites.items() if site == ticket.scope_id)
    return Case("false", ticket.scope_id, ticket.opened_at, None, None, ticket.opened_at, ticket.rule, devices)


def seen_of(cases: Iterable[Case], name: str, course: Course, sites: dict[str, str]) -> Watch:
    """Play the sites of the cases once more, with an eye on their devices."""
    devices = frozenset(device for case in cases for device in case.devices)
    watch = Watch(devices, name)
    if devices:
        here = frozenset(sites[device] for device in devices)
        run_part(replace(course, part=0, parts=1, sites=here), lambda _: None, watch)
    return watch


def shown(case: Case, watch: Watch) -> list[str]:
    """The devices of a case that have something to show, at most four."""
    telling = [device for device in case.devices if any(known == device for known, _ in watch.series)]
    quiet = [device for device in case.devices if device not in telling and watch.happened.get(device)]
    return [*telling, *quiet][:SEEN]


def as_data(case: Case, watch: Watch, seed: int) -> dict[str, Any]:
    """A case as plain data; times are days since the beginning of the run."""
    begin, end = case.span
    days = {"onset": case.onset, "visible": case.visible, "ended": case.ended, "ticket": case.opened}
    return {
        "seed": seed,
        "what": case.what,
        "place": case.place,
        "rule": case.rule,
        "day": {word: None if at is None else day_of(at) for word, at in days.items()},
        "lead_h": None if case.lead_h is None else round(case.lead_h, 2),
        "meanwhile": [[day_of(one.opened_at), one.scope_id, one.fault_class, one.rule] for one in case.meanwhile],
        "devices": {
            device: {
                "series": {
                    metric: [[day_of(at), value] for at, value in points if begin <= at <= end]
                    for (known, metric), points in sorted(watch.series.items())
                    if known == device
                },
                "happened": [[day_of(at), words] for at, words in watch.happened.get(device, ()) if begin <= at <= end],
            }
            for device in shown(case, watch)
        },
    }


def day_of(at: float) -> float:
    """Days since the beginning of the run."""
    return round((at - START) / DAY, 4)
