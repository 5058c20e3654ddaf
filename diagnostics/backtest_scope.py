"""What a backtest looks at, and what it cannot say: history keeps metrics at effective times, and nothing else. Pure.

Rules meet only in their fault class (one ticket a class and device), so a change of some rules can only change tickets
of the classes that they feed, before or after.
"""

from dataclasses import dataclass, replace
from enum import Enum

from diagnostics.catalogue import Catalogue
from diagnostics.rule_file import RuleSet, metrics_of
from diagnostics.rules import Baseline, Count, Forecast, Frozen, Level, Peer, Rule, Signature, Silence, StateIs

DAY_S = 86_400.0
LONGEST_LOOKBACK_S = 28 * DAY_S


class Unseen(Enum):
    """What a rule needs that history does not keep."""

    STATES = "states"  # words such as day or night: the rule never fires here
    EVENTS = "events"
    RESTARTS = "restarts"
    SILENCE = "silence"
    OWN_MEASURES = "own_measures"  # what the gateway sees itself, such as the clock's offset
    PEERS = "peers"  # compared with the devices of the sample alone
    GUARD_OPEN = "guard_open"  # a guard that an unknown word satisfies: it fires more often here


@dataclass(frozen=True, slots=True)
class Limit:
    """A rule that this backtest judges otherwise than the live fleet would. `blind`: not at all."""

    rule: str
    unseen: Unseen
    blind: bool


def affected(old: RuleSet, new: RuleSet) -> tuple[RuleSet, RuleSet]:
    """The rules of both sets whose tickets may differ."""
    before, after = old.by_name(), new.by_name()
    changed = [name for name in before.keys() | after.keys() if _said(before.get(name)) != _said(after.get(name))]
    classes = {rule.fault_class for name in changed for rule in (before.get(name), after.get(name)) if rule}

    def kept(rules: RuleSet) -> RuleSet:
        return RuleSet(tuple(rule for rule in rules.rules if rule.fault_class in classes))

    return kept(old), kept(new)


def _said(rule: Rule | None) -> Rule | None:
    """A rule without what changes no verdict."""
    return rule and replace(rule, version=1, reason="-" * 20, reason_id="", examples=())


def metrics_needed(rules: RuleSet, catalogue: Catalogue) -> frozenset[str]:
    """Every metric that the rules look at."""
    names = {name for rule in rules.rules for name in metrics_of(rule)}
    if any(isinstance(rule, Frozen) and not rule.metric for rule in rules.rules):
        names |= {name for name, metric in catalogue.metric.items() if metric.frozen}
    return frozenset(names)


def lookback_s(rules: RuleSet) -> float:
    """How much history before the first day the rules need to be warm, at most 28 days."""
    return min(LONGEST_LOOKBACK_S, max((_lookback(rule) for rule in rules.rules), default=0.0))


def _lookback(rule: Rule) -> float:
    waits = rule.for_s + max(rule.clear_for_s, rule.clear_after_s)
    match rule:
        case Forecast(exact=False):
            return waits + rule.cycle_s * (rule.max_points + 1)
        case Level() if rule.relative or rule.of != "value":
            return waits + DAY_S * (rule.usual_days + 1)
        case Level():
            return waits + rule.average_s
        case Count() | Signature():
            return waits + rule.window_s
        case Baseline():
            return LONGEST_LOOKBACK_S
        case Frozen():
            return waits + 3600.0 * rule.steps[-1].limit
        case _:
            return waits + DAY_S


def limits(rules: RuleSet) -> list[Limit]:
    """What must be said of these rules beside the result."""
    return [Limit(rule.name, *found) for rule in rules.rules if (found := _unseen(rule))]


def _unseen(rule: Rule) -> tuple[Unseen, bool] | None:
    if isinstance(rule, Silence):
        return Unseen.SILENCE, True
    if isinstance(rule, StateIs):
        return Unseen.STATES, True
    if isinstance(rule, Count) and rule.of != "increments":
        return {"boots": Unseen.RESTARTS, "events": Unseen.EVENTS}.get(rule.of, Unseen.STATES), True
    if isinstance(rule, Signature) and (blind := _signs_unseen(rule)):
        return blind, True
    if any(name.startswith("seen_") for name in metrics_of(rule)):
        return Unseen.OWN_MEASURES, True
    if any(guard.state and (guard.one_of or guard.known) for guard in rule.when):
        return Unseen.STATES, True
    if any(guard.state for guard in rule.when):
        return Unseen.GUARD_OPEN, False
    if isinstance(rule, Peer):
        return Unseen.PEERS, False
    return None


def _signs_unseen(rule: Signature) -> Unseen | None:
    for sign in rule.signs:
        if sign.state:
            return Unseen.STATES
        if sign.event:
            return Unseen.EVENTS
        if not sign.metric:
            return Unseen.RESTARTS
    return None
