"""What other rules would have said on stored history: the difference of tickets, before the rules are activated. Pure.

Stored samples become reports again (one per device and time) and run through a fresh fleet under the old and under the
new rules. Only faults of devices and sites are compared; storms over the whole fleet are counted. Silence cannot be
told from samples alone, since nothing says what was expected. What else history does not tell stands in
backtest_scope.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from diagnostics.catalogue import Catalogue
from diagnostics.changes import Change, ChangeKind, Scope, Severity
from diagnostics.engine import Engine
from diagnostics.fleet import Fleet
from diagnostics.rule_file import RuleSet
from diagnostics.telemetry import Report
from diagnostics.topology import Device

SAME_WITHIN_S = 7 * 86_400.0
REOPEN_S = 72 * 3600.0
"""A fault that comes back this soon reopens its ticket."""
MONTH_S = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Stored:
    """The metrics (and states, where they were kept) of one device at one effective time."""

    device_id: str
    at: float
    metrics: Mapping[str, float]
    states: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Opened:
    """A ticket that a rule set opens, and closes (None: still open at the end). `episodes` joined it. `device_id` is
    the site's where the fault is the site's.
    """

    device_id: str
    fault_class: str
    rule: str
    severity: Severity
    opened_at: float
    recovered_at: float | None
    episodes: int = 1


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

    @property
    def ticket(self) -> Opened:
        """The ticket as the new rules have it, or else the old ones."""
        found = self.after or self.before
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class Tally:
    """What becomes of one rule's tickets. `before` and `after` are how many it opens under the old and new rules."""

    rule: str
    before: int
    after: int
    verdicts: Mapping[Verdict, int]


class Replay:
    """One rule set running over history, fed in rising order of time. Memory: a fleet's, and the tickets. `storms`: how
    often so much opened at once that the storm guard made one incident of the rest, which is not among the tickets.
    """

    def __init__(self, rules: RuleSet, catalogue: Catalogue, devices: Sequence[Device]) -> None:
        self._fleet = Fleet(Engine(rules, catalogue), devices, 0.0)
        self._running: dict[str, set[str]] = {}
        self._first: dict[str, Change] = {}
        self._found: list[Opened] = []
        self._seq: dict[str, int] = {}
        self.storms = 0

    def feed(self, history: Iterable[Stored]) -> int:
        """Take some rows; how many."""
        count = 0
        for stored in history:
            count += 1
            seq = self._seq[stored.device_id] = self._seq.get(stored.device_id, 0) + 1
            report = Report(stored.device_id, 1, seq, None, stored.at, dict(stored.metrics), dict(stored.states))
            for change in self._fleet.observe(report):
                self._note(change)
        return count

    def _note(self, change: Change) -> None:
        if change.scope not in (Scope.DEVICE, Scope.SITE):
            self.storms += change.kind is ChangeKind.OPENED
            return
        open_rules = self._running.setdefault(change.key, set())
        if change.kind is ChangeKind.OPENED:
            self._first.setdefault(change.key, change)
            open_rules.add(change.rule)
        elif change.kind is ChangeKind.RECOVERED:
            open_rules.discard(change.rule)
            if not open_rules and (began := self._first.pop(change.key, None)) is not None:
                self._found.append(_opened(began, change.received_at))

    def tickets(self) -> list[Opened]:
        """Every ticket, oldest first; episodes within the reopen window are one ticket."""
        every = [*self._found, *(_opened(change, None) for change in self._first.values())]
        joined: dict[tuple[str, str], list[Opened]] = {}
        for one in sorted(every, key=lambda it: (it.opened_at, it.device_id, it.fault_class)):
            mine = joined.setdefault((one.device_id, one.fault_class), [])
            last = mine[-1] if mine else None
            if last is not None and one.opened_at - (last.recovered_at or one.opened_at) <= REOPEN_S:
                mine[-1] = replace(last, recovered_at=one.recovered_at, episodes=last.episodes + 1)
            else:
                mine.append(one)
        found = [one for mine in joined.values() for one in mine]
        return sorted(found, key=lambda it: (it.opened_at, it.device_id, it.fault_class))


def _opened(change: Change, recovered_at: float | None) -> Opened:
    return Opened(change.scope_id, change.fault_class, change.rule, change.severity, change.received_at, recovered_at)


def tickets(rules: RuleSet, catalogue: Catalogue, devices: Sequence[Device], history: Iterable[Stored]) -> list[Opened]:
    """The tickets that a rule set opens on history (in rising order of time)."""
    replay = Replay(rules, catalogue, devices)
    replay.feed(history)
    return replay.tickets()


def _alike(old: Opened, new: Opened) -> bool:
    """Whether two tickets of a key are of one trouble: open at the same time, or opened within a week."""
    first, second = sorted((old, new), key=lambda it: it.opened_at)
    together = first.recovered_at is None or second.opened_at <= first.recovered_at
    return together or second.opened_at - first.opened_at <= SAME_WITHIN_S


def compare(before: Sequence[Opened], after: Sequence[Opened], since: float = 0.0) -> list[Difference]:
    """Pair tickets of the same device and class that lie nearest, of those that are alike; the rest is new or lost.
    What opened before `since` under both is left out: a ticket that moves across it has not come or gone.
    """
    left: dict[tuple[str, str], list[Opened]] = {}
    for new in after:
        left.setdefault((new.device_id, new.fault_class), []).append(new)
    differences = []
    for old in before:
        candidates = left.get((old.device_id, old.fault_class), [])
        alike = [new for new in candidates if _alike(old, new)]
        if not alike:
            differences.append(Difference(Verdict.LOST, old, None))
            continue
        new = min(alike, key=lambda one: abs(one.opened_at - old.opened_at))
        candidates.remove(new)
        shift = new.opened_at - old.opened_at
        verdict = Verdict.SAME if shift == 0 else Verdict.EARLIER if shift < 0 else Verdict.LATER
        differences.append(Difference(verdict, old, new, shift))
    rest = sorted((new for news in left.values() for new in news), key=lambda it: (it.opened_at, it.device_id))
    differences += [Difference(Verdict.NEW, None, new) for new in rest]
    return [it for it in differences if max(one.opened_at for one in (it.before, it.after) if one) >= since]


def tally(differences: Iterable[Difference]) -> list[Tally]:
    """Counts by rule (of the ticket as the new rules have it, or else the old ones), in the order of their names."""
    rules: dict[str, dict[Verdict, int]] = {}
    for one in differences:
        verdicts = rules.setdefault(one.ticket.rule.partition("@")[0], {})
        verdicts[one.verdict] = verdicts.get(one.verdict, 0) + 1
    return [
        Tally(
            name,
            sum(count for verdict, count in verdicts.items() if verdict is not Verdict.NEW),
            sum(count for verdict, count in verdicts.items() if verdict is not Verdict.LOST),
            verdicts,
        )
        for name, verdicts in sorted(rules.items())
    ]


def backtest(
    old: RuleSet, new: RuleSet, catalogue: Catalogue, devices: Sequence[Device], history: Sequence[Stored]
) -> list[Difference]:
    """The ticket diff of two rule sets on the same history."""
    return compare(tickets(old, catalogue, devices, history), tickets(new, catalogue, devices, history))
