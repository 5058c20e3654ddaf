"""What other rules would have said on stored history: the difference of tickets, before the rules are activated. Pure.

Stored samples become reports again (one per device and time) and run through a fresh fleet under the old and under the
new rules. Only device faults are compared: silence cannot be told from samples alone, since nothing says what was
expected.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from diagnostics.catalogue import Catalogue
from diagnostics.changes import Change, ChangeKind, Severity
from diagnostics.engine import Engine
from diagnostics.fleet import Fleet
from diagnostics.rule_file import RuleSet
from diagnostics.telemetry import Report
from diagnostics.topology import Device

SAME_WITHIN_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Stored:
    """The metrics (and states, where they were kept) of one device at one effective time."""

    device_id: str
    at: float
    metrics: Mapping[str, float]
    states: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Opened:
    """A ticket that a rule set opens, and closes (None: still open at the end)."""

    device_id: str
    fault_class: str
    rule: str
    severity: Severity
    opened_at: float
    recovered_at: float | None


class Verdict(Enum):
    """What becomes of a ticket under the new rules."""

    NEW = "new"
    LOST = "lost"
    EARLIER = "earlier"
    LATER = "later"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Difference:
    """One ticket under both rule sets; `shift_s` is how much later it opens (negative: earlier)."""

    verdict: Verdict
    before: Opened | None
    after: Opened | None
    shift_s: float = 0.0


def tickets(rules: RuleSet, catalogue: Catalogue, devices: Sequence[Device], history: Iterable[Stored]) -> list[Opened]:
    """The tickets that a rule set opens on history (in rising order of time)."""
    fleet = Fleet(Engine(rules, catalogue), devices, 0.0)
    running: dict[str, dict[str, Change]] = {}
    first: dict[str, Change] = {}
    found: list[Opened] = []
    seq: dict[str, int] = {}
    for stored in history:
        seq[stored.device_id] = seq.get(stored.device_id, 0) + 1
        report = Report(
            stored.device_id, 1, seq[stored.device_id], None, stored.at, dict(stored.metrics), dict(stored.states)
        )
        for change in fleet.observe(report):
            _note(change, running, first, found)
    found += [_opened(change, None) for change in first.values()]
    return sorted(found, key=lambda ticket: (ticket.opened_at, ticket.device_id, ticket.fault_class))


def _note(change: Change, running: dict[str, dict[str, Change]], first: dict[str, Change], found: list[Opened]) -> None:
    open_rules = running.setdefault(change.key, {})
    if change.kind is ChangeKind.OPENED:
        first.setdefault(change.key, change)
        open_rules[change.rule] = change
    elif change.kind is ChangeKind.RECOVERED:
        open_rules.pop(change.rule, None)
        if not open_rules and (began := first.pop(change.key, None)) is not None:
            found.append(_opened(began, change.received_at))


def _opened(change: Change, recovered_at: float | None) -> Opened:
    return Opened(change.scope_id, change.fault_class, change.rule, change.severity, change.received_at, recovered_at)


def compare(before: Sequence[Opened], after: Sequence[Opened]) -> list[Difference]:
    """Pair tickets of the same device and class that lie nearest, within a week; the rest is new or lost."""
    left = list(after)
    differences = []
    for old in before:
        alike = [
            new
            for new in left
            if (new.device_id, new.fault_class) == (old.device_id, old.fault_class)
            and abs(new.opened_at - old.opened_at) <= SAME_WITHIN_S
        ]
        if not alike:
            differences.append(Difference(Verdict.LOST, old, None))
            continue
        new = min(alike, key=lambda one: abs(one.opened_at - old.opened_at))
        left.remove(new)
        shift = new.opened_at - old.opened_at
        verdict = Verdict.SAME if shift == 0 else Verdict.EARLIER if shift < 0 else Verdict.LATER
        differences.append(Difference(verdict, old, new, shift))
    differences += [Difference(Verdict.NEW, None, new) for new in left]
    return differences


def backtest(
    old: RuleSet, new: RuleSet, catalogue: Catalogue, devices: Sequence[Device], history: Sequence[Stored]
) -> list[Difference]:
    """The ticket diff of two rule sets on the same history."""
    return compare(tickets(old, catalogue, devices, history), tickets(new, catalogue, devices, history))
