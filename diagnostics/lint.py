"""What is wrong with rules that parse: can never fire, can never recover, would fire on healthy devices, say it twice.

Errors must be mended before the rules may be used; warnings are for their author to judge.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from diagnostics.catalogue import Catalogue, Metric
from diagnostics.faults import Faults
from diagnostics.rule_file import RuleSet
from diagnostics.rule_parts import Guard, severity_of
from diagnostics.rules import Count, Forecast, Level, Peer, Rule, Signature, StateIs

MOST = 0.5


@dataclass(frozen=True, slots=True)
class Problem:
    """One line about one rule: what is wrong and what to do."""

    rule: str
    says: str
    error: bool

    def __str__(self) -> str:
        return f"rule '{self.rule}': {'' if self.error else 'warning: '}{self.says}"


def lint(rules: RuleSet, catalogue: Catalogue, faults: Faults) -> list[Problem]:
    """All problems, errors first."""
    found = [problem for rule in rules.rules for problem in _alone(rule, catalogue, faults)]
    found += [problem for one, other in combinations(rules.rules, 2) for problem in _together(one, other)]
    found += [Problem(rule.name, says, error=True) for rule in rules.rules for says in _explanations(rule, rules)]
    return sorted(found, key=lambda problem: not problem.error)


FEW = 20


@dataclass(frozen=True, slots=True)
class Sighting:
    """A device as it is now: the newest value of each metric, and its states."""

    kind: str
    model: str
    metrics: Mapping[str, float]
    states: Mapping[str, str]


def firing_now(rule: Rule, fleet: Iterable[Sighting]) -> tuple[int, int]:
    """How many devices the rule would hold for ill by their newest values alone, of how many that it judges.

    Only for rules that one report decides (levels of plain values, states, dates); (0, 0) for the others.
    """
    ill = judged = 0
    for device in fleet:
        if rule.applies_to.covers(device.kind, device.model) and all(
            guard.holds(device.metrics, device.states) for guard in rule.when
        ):
            verdict = _bad(rule, device)
            judged += verdict is not None
            ill += bool(verdict)
    return ill, judged


def _bad(rule: Rule, device: Sighting) -> bool | None:
    if isinstance(rule, StateIs) and not rule.differs_from:
        word = device.states.get(rule.state)
        return None if word is None else word in rule.one_of if rule.one_of else word not in rule.none_of
    plain = isinstance(rule, Level) and rule.of == "value" and not rule.relative and not rule.per
    if (isinstance(rule, Level) and plain) or (isinstance(rule, Forecast) and rule.exact):
        value = device.metrics.get(rule.metric)
        return None if value is None else severity_of(value, rule.steps, rule.direction, None) is not None
    return None


def lint_now(rules: Sequence[Rule], fleet: Sequence[Sighting]) -> list[Problem]:
    """Rules that would fire on most of the fleet as it is: refused, or a warning where the fleet is small."""
    found = []
    for rule in rules:
        ill, judged = firing_now(rule, fleet)
        if not rule.watch and ill > MOST * judged:
            found.append(
                Problem(
                    rule.name,
                    f"would fire on most of the fleet now: {ill} of {judged} devices: move the limit or add a guard",
                    error=judged >= FEW,
                )
            )
    return found


def _alone(rule: Rule, catalogue: Catalogue, faults: Faults) -> Iterator[Problem]:
    def error(says: str) -> Problem:
        return Problem(rule.name, says, error=True)

    def warning(says: str) -> Problem:
        return Problem(rule.name, says, error=False)

    for name in (rule.fault_class, rule.site_class):
        if name and name not in faults:
            yield error(f"fault class '{name}' has no texts: describe it in faults.toml")
    if not rule.examples:
        yield warning("has no example: add one series that fires and one that does not")
    yield from (error(says) for says in _impossible_guards(rule.when, catalogue))
    if isinstance(rule, Level) and rule.of == "value" and not rule.per and not rule.relative:
        metric = catalogue.metric[rule.metric]
        yield from (error(says) for says in _limits_of(rule, metric, guarded=bool(rule.when)))
    if isinstance(rule, Level) and rule.relative and (rule.steps[0].limit < 1) == (rule.direction == "above"):
        yield error("1.0 is usual: as it stands it fires on every healthy device; turn direction or limit round")
    if isinstance(rule, Forecast) and not rule.exact:
        yield from (error(says) for says in _impossible_forecast(rule, catalogue.metric[rule.metric]))
    if isinstance(rule, Peer) and (rule.steps[0].limit <= 0) == (rule.direction == "above"):
        yield error("half of all devices lie on that side of their peers: give a limit away from 0")
    if isinstance(rule, Count) and rule.steps[0].limit <= 0:
        yield error("fires without anything having happened: count at least 1")
    if isinstance(rule, Signature) and (late := [sign.say for sign in rule.signs if sign.within_s > rule.span_s]):
        yield error(f"'{late[0]}' may come after the span has ended: make span_s at least its within_s")


def _explanations(rule: Rule, rules: RuleSet) -> Iterator[str]:
    """What it says of its neighbours and its parent."""
    if rule.site_class and rule.site_share_max is None:
        yield "site_class without site_share_max: say from which share of the site on it is the site's"
    known = {other.name: other for other in rules.rules}
    for name in rule.explained_by:
        if name not in known:
            yield f"explained_by names no rule '{name}': correct it"
        elif known[name].site_share_max is None:
            yield f"explained_by '{name}', which does not watch its site: give that rule a site_share_max"


def _limits_of(rule: Level, metric: Metric, *, guarded: bool) -> Iterator[str]:
    low, high = metric.healthy
    first = rule.steps[0]
    width = high - low
    inside = (high - first.limit if rule.direction == "above" else first.limit - low) if width else 0.0
    beyond = first.limit <= low if rule.direction == "above" else first.limit >= high
    if not guarded and (beyond or inside > MOST * width):
        yield (
            f"would fire on most of the fleet: healthy is {low:g} to {high:g} {metric.unit}, "
            f"the limit is {rule.direction} {first.limit:g}: move it out of there or add a guard (when)"
        )
    clear = first.limit if first.clear is None else first.clear
    if clear < low if rule.direction == "above" else clear > high:
        yield f"can never recover: a healthy device does not reach its clear level {clear:g}: move it into the range"
    edge = metric.range[1] if rule.direction == "above" else metric.range[0]
    for step in rule.steps:
        if step.limit == edge and edge != (high if rule.direction == "above" else low):
            yield f"limit {step.limit:g} is the edge of the physical range: it can hardly be reached; move it inward"


def _impossible_forecast(rule: Forecast, metric: Metric) -> Iterator[str]:
    if not metric.range[0] <= rule.limit <= metric.range[1]:
        low, high = metric.range
        yield f"limit {rule.limit:g} can never be reached: '{rule.metric}' goes from {low:g} to {high:g}"
    sign = 1.0 if rule.towards == "above" else -1.0
    if rule.from_level is not None and sign * rule.from_level >= sign * rule.limit:
        yield f"can never fire in time: from_level {rule.from_level:g} lies beyond limit {rule.limit:g}"
    if any(step.limit > 365 for step in rule.steps):
        yield "looks more than a year ahead: steps are days until the limit"


def _impossible_guards(guards: tuple[Guard, ...], catalogue: Catalogue) -> Iterator[str]:
    for guard in guards:
        metric = catalogue.metric.get(guard.metric)
        if metric is not None and (
            (guard.above is not None and guard.above >= metric.range[1])
            or (guard.below is not None and guard.below <= metric.range[0])
            or (guard.above is not None and guard.below is not None and guard.above >= guard.below)
        ):
            yield f"can never fire: no value of '{guard.metric}' satisfies its guard"
    for one, other in combinations([guard for guard in guards if guard.state], 2):
        if one.state == other.state and (
            (one.one_of and other.one_of and not set(one.one_of) & set(other.one_of))
            or (one.one_of and set(one.one_of) <= set(other.none_of))
            or (other.one_of and set(other.one_of) <= set(one.none_of))
        ):
            yield f"can never fire: its guards on state '{one.state}' exclude each other"


def _together(one: Rule, other: Rule) -> Iterator[Problem]:
    """Contradictions and overlaps of two rules."""
    if one.fault_class != other.fault_class or one.when != other.when or one.applies_to != other.applies_to:
        return
    if isinstance(one, StateIs) and isinstance(other, StateIs) and one.state == other.state:
        if one.one_of and one.one_of == other.none_of:
            yield Problem(other.name, f"contradicts rule '{one.name}': together they always fire", error=True)
        return
    if not (isinstance(one, Level) and isinstance(other, Level)) or (one.metric, one.per, one.of, one.relative) != (
        other.metric,
        other.per,
        other.of,
        other.relative,
    ):
        return
    if one.direction != other.direction:
        above, below = (one, other) if one.direction == "above" else (other, one)
        if above.steps[0].limit <= below.steps[0].limit:
            yield Problem(other.name, f"contradicts rule '{one.name}': together they fire at every value", error=True)
    elif one.steps[0].limit == other.steps[0].limit and one.average_s == other.average_s:
        yield Problem(other.name, f"overlaps rule '{one.name}': same metric, side and limit: drop one", error=False)
