"""How early and how honest: tickets against what really happened. Pure; knows neither simulator nor gateway.

A ticket is true for a fault when it has its key (device or site, and fault class) and opened between onset and repair;
it is in time when that was at least `L` before the customer noticed. Nothing before the onset counts as true: the truth
knows the onset exactly. A fault takes its first true ticket; further ones are duplicates. A fault that comes back while
its ticket is open, or within the days in which it is opened again, is noticed when that ticket says so: on one key
there are never two. On a device with a fault, tickets of other classes are its consequences (counted apart);
everything else is false, a ticket that was opened again for nothing too. No point adjustment.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from diagnostics.changes import Impact, Scope
from diagnostics.releases import RELEASE_CLASS

HOUR = 3600.0
DAY = 86_400.0
MONTH = 30 * DAY
AFTER_S = 2 * DAY
BLIND_AFTER_S = 900.0
EXACT_S = HOUR  # a date that is told as exact may be off by so much
FLOOD_BIN_S = 600.0
FLOOD = 10
OUTAGE_CLASS = "F39"
NOT_OF_DEVICES = frozenset({"gateway", "release"})
OF_TIME = frozenset({"F21", "OFFLINE", OUTAGE_CLASS, "F40"})
"""What a wrong clock of our own would look like."""


class How(Enum):
    """What the ticket policy made of an opening."""

    NEW = "new"  # a ticket
    REOPENED = "reopened"  # a solved ticket, open again
    NOTED = "noted"  # another episode on a ticket that is open


@dataclass(frozen=True, slots=True)
class Fault:
    """What really happened: onset, when the customer noticed, when it was repaired; epoch seconds.

    `scope` is device, switch, site, gateway or release (`device_id` is "model version" then); `shape` degradation or
    step; `affected` all devices that suffer; `imitates` classes that it only looks like: their tickets are no
    consequence of it but false.
    """

    device_id: str
    fault_class: str
    onset: float
    visible_at: float
    recovered_at: float
    site_id: str = ""
    scope: str = "device"
    shape: str = "degradation"
    affected: tuple[str, ...] = ()
    imitates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Raised:
    """A ticket as it opened, or as it said that the fault is back."""

    scope: Scope
    scope_id: str
    fault_class: str
    opened_at: float
    rule: str
    impact: Impact | None = None
    parent: str = ""
    how: How = How.NEW


@dataclass(slots=True, eq=False)
class ClassScore:
    """One fault class. Times in hours; `leads` are visible - opened, `delays` opened - onset."""

    shape: str
    injected: int = 0
    early: int = 0
    late: int = 0
    leads: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    duplicates: int = 0
    missed: list[Fault] = field(default_factory=list)
    tardy: list[Fault] = field(default_factory=list)
    false: list[Raised] = field(default_factory=list)
    in_interval: int = 0
    with_interval: int = 0
    right_dates: int = 0  # of those told as exact, which are no interval
    exact_dates: int = 0


@dataclass(slots=True, eq=False)
class Score:
    """The whole board. Device-months are of devices without any fault (`healthy`) and of all fault-free time."""

    classes: dict[str, ClassScore]
    healthy_months: float
    free_months: float
    false_healthy: list[Raised]
    false_elsewhere: list[Raised]
    consequences: int
    per_outage: list[int]
    own_outages: int
    during_own: list[Raised]
    flood_share: float
    tickets: int
    reopened: int = 0
    wrong_clocks: int = 0
    by_wrong_clock: list[Raised] = field(default_factory=list)

    def coverage(self, margin_h: float = 0.0) -> tuple[int, int]:
        """(degradations ticketed at least so long before the customer noticed, degradations)."""
        slow = [part for part in self.classes.values() if part.shape == "degradation"]
        hits = sum(lead > margin_h for part in slow for lead in part.leads if lead > 0)
        return hits, sum(part.injected for part in slow)


def _devices_of(fault: Fault) -> tuple[str, ...]:
    return fault.affected or (fault.device_id,)


def matches(ticket: Raised, fault: Fault) -> bool:
    """Whether a ticket is true for a fault."""
    if ticket.fault_class != fault.fault_class or not fault.onset <= ticket.opened_at <= fault.recovered_at + AFTER_S:
        return False
    if fault.scope == "gateway":
        return ticket.scope is Scope.GATEWAY
    if fault.scope == "release":
        return ticket.scope is Scope.FLEET and ticket.scope_id == fault.device_id
    if ticket.scope is Scope.SITE:
        return fault.scope == "site" and ticket.scope_id == fault.site_id
    return ticket.scope is Scope.FLEET or ticket.scope_id in _devices_of(fault)


def judge(
    tickets: Sequence[Raised],
    faults: Sequence[Fault],
    sites: Mapping[str, str],
    period: tuple[float, float],
    agents: int = 1,
    wrong_clocks: Sequence[tuple[float, float]] = (),
) -> Score:
    """The board of a run. `sites`: device id -> site id of every device of the fleet; `period` is (begin, end).
    `wrong_clocks`: when our own clock was wrong, which is nobody's fault: (since, till).
    """
    score = _empty(faults, sites, period)
    by_class: dict[str, list[Raised]] = {}
    for ticket in sorted(tickets, key=lambda one: one.opened_at):
        by_class.setdefault(ticket.fault_class, []).append(ticket)
    used: set[int] = set()
    for fault in faults:
        if fault.onset >= period[1]:
            continue
        _judge_fault(score.classes[fault.fault_class], fault, by_class.get(fault.fault_class, []), used)
    outages = [fault for fault in faults if fault.fault_class == OUTAGE_CLASS]
    score.per_outage = [_tickets_of_outage(outage, tickets, faults, sites) for outage in outages]
    own = [fault for fault in faults if fault.scope == "gateway"]
    score.own_outages = len(own)
    healthy = _healthy(faults, sites)
    for ticket in tickets:
        if id(ticket) in used or ticket.scope is Scope.GATEWAY or ticket.how is How.NOTED:
            continue
        if _during_own(ticket, own) and not _explained(ticket, faults, sites):
            score.during_own.append(ticket)
        if _explained(ticket, faults, sites):
            score.consequences += 1
        else:
            falsely = score.false_healthy if ticket.scope_id in healthy else score.false_elsewhere
            falsely.append(ticket)
            score.classes.setdefault(ticket.fault_class, ClassScore("none")).false.append(ticket)
    score.wrong_clocks = len(wrong_clocks)
    score.by_wrong_clock = [
        ticket
        for ticket in tickets
        if ticket.fault_class in OF_TIME
        and id(ticket) not in used
        and any(since <= ticket.opened_at <= till + DAY for since, till in wrong_clocks)
        and not _explained(ticket, faults, sites)
    ]
    score.flood_share = _flood(tickets, agents)
    score.tickets = sum(ticket.how is How.NEW for ticket in tickets)
    score.reopened = sum(ticket.how is How.REOPENED for ticket in tickets)
    return score


def _empty(faults: Sequence[Fault], sites: Mapping[str, str], period: tuple[float, float]) -> Score:
    length = period[1] - period[0]
    busy = sum(
        max(0.0, min(fault.recovered_at + AFTER_S, period[1]) - max(fault.onset, period[0])) * len(_devices_of(fault))
        for fault in faults
        if fault.scope not in NOT_OF_DEVICES
    )
    classes = {fault.fault_class: ClassScore(fault.shape) for fault in faults}
    healthy = len(_healthy(faults, sites)) * length / MONTH
    return Score(classes, healthy, (len(sites) * length - busy) / MONTH, [], [], 0, [], 0, [], 0.0, 0)


def _healthy(faults: Iterable[Fault], sites: Mapping[str, str]) -> set[str]:
    ill = {device_id for fault in faults for device_id in _devices_of(fault)}
    return set(sites) - ill


def _judge_fault(part: ClassScore, fault: Fault, tickets: Iterable[Raised], used: set[int]) -> None:
    part.injected += 1
    mine = [ticket for ticket in tickets if id(ticket) not in used and matches(ticket, fault)]
    if not mine:
        part.missed.append(fault)
        return
    used.update(map(id, mine))
    first = mine[0]
    part.duplicates += max(0, sum(ticket.how is How.NEW for ticket in mine) - 1)
    lead = (fault.visible_at - first.opened_at) / HOUR
    part.leads.append(lead)
    part.delays.append((first.opened_at - fault.onset) / HOUR)
    if lead > 0:
        part.early += 1
    else:
        part.late += 1
        part.tardy.append(fault)
    impact = first.impact
    if impact is None or lead <= 0:
        return
    if first.opened_at + EXACT_S < impact.earliest_at == impact.latest_at:  # "it is so far already" is no date
        part.exact_dates += 1
        part.right_dates += abs(fault.visible_at - impact.median_at) <= EXACT_S
    else:
        part.with_interval += 1
        part.in_interval += impact.earliest_at <= fault.visible_at <= impact.latest_at


def _during_own(ticket: Raised, own: Iterable[Fault]) -> bool:
    """Whether a ticket for silence opened while we did not hear, or just after."""
    silence = ticket.fault_class in {"OFFLINE", OUTAGE_CLASS}
    return silence and any(fault.onset <= ticket.opened_at <= fault.recovered_at + BLIND_AFTER_S for fault in own)


def _explained(ticket: Raised, faults: Iterable[Fault], sites: Mapping[str, str]) -> bool:
    """Whether a fault was there that may have this consequence: on the device, on what it hangs on, or on its site."""
    if ticket.fault_class == RELEASE_CLASS:
        return False
    for fault in faults:
        if not fault.onset <= ticket.opened_at <= fault.recovered_at + AFTER_S or fault.scope in NOT_OF_DEVICES:
            continue
        if ticket.fault_class in fault.imitates:
            continue
        if ticket.scope is Scope.FLEET or ticket.scope_id in _devices_of(fault) or ticket.parent in _devices_of(fault):
            return True
        if ticket.scope is Scope.SITE and any(sites.get(device) == ticket.scope_id for device in _devices_of(fault)):
            return True
    return False


def _tickets_of_outage(
    outage: Fault, tickets: Iterable[Raised], faults: Iterable[Fault], sites: Mapping[str, str]
) -> int:
    """Tickets for silence that one outage of a site caused (devices with a fault of their own aside).

    One that was opened again is one; that it was new or opened again in the same outage, too.
    """
    own = {
        device
        for fault in faults
        if fault is not outage and fault.onset <= outage.recovered_at and outage.onset <= fault.recovered_at + AFTER_S
        for device in _devices_of(fault)
        if fault.scope != "gateway"
    }
    mine = [
        ticket
        for ticket in tickets
        if ticket.fault_class in {"F39", "OFFLINE"}
        and outage.onset <= ticket.opened_at <= outage.recovered_at + HOUR
        and (
            ticket.scope_id == outage.site_id
            or (sites.get(ticket.scope_id) == outage.site_id and ticket.scope_id not in own)
        )
    ]
    new = [(ticket.fault_class, ticket.scope_id) for ticket in mine if ticket.how is How.NEW]
    again = {(ticket.fault_class, ticket.scope_id) for ticket in mine if ticket.how is not How.NEW}
    return len(new) + len(again - set(new))


def _flood(tickets: Iterable[Raised], agents: int) -> float:
    """Share of the 10-minute bins with openings in which an agent got more than 10."""
    bins = Counter(int(ticket.opened_at // FLOOD_BIN_S) for ticket in tickets if ticket.how is not How.NOTED)
    return sum(count > FLOOD * agents for count in bins.values()) / len(bins) if bins else 0.0
