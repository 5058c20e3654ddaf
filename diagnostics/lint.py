"""What is wrong with rules that parse: can never fire, can never recover, would fire on healthy devices, say it twice.

Errors must be mended before the rules may be used; warnings are for their author to judge.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from diagnostics.catalogue import Catalogue
from diagnostics.faults import Faults
from diagnostics.lint_each import MOST, errors_of, warnings_of
from diagnostics.rule_file import RuleSet, metrics_of
from diagnostics.rule_parts import severity_of
from diagnostics.rules import Forecast, Level, Rule, StateIs


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
    known = rules.by_name()
    found: list[Problem] = []
    for rule in rules.rules:
        found += [Problem(rule.name, says, error=True) for says in errors_of(rule, catalogue, faults)]
        found += [Problem(rule.name, says, error=True) for says in _explanations(rule, known)]
        found += [Problem(rule.name, says, error=False) for says in (*warnings_of(rule), *_circles(rule, known))]
    for group in _groups(rules):
        found += [problem for one, other in combinations(group, 2) for problem in _together(one, other)]
    return sorted(found, key=lambda problem: not problem.error)


def _groups(rules: RuleSet) -> Iterator[list[Rule]]:
    """Rules that may contradict or repeat each other: of one fault class, for the same devices and reports."""
    groups: dict[object, list[Rule]] = {}
    for rule in rules.rules:
        groups.setdefault((rule.fault_class, rule.kind, rule.applies_to, rule.when), []).append(rule)
    yield from groups.values()


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
    """Rules that would fire on most of the fleet as it is: refused, or a warning where the fleet is small. A warning
    for those that judge nobody here.
    """
    found = []
    for rule in rules:
        if fleet and (says := _nobody(rule, fleet)):
            found.append(Problem(rule.name, says, error=False))
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


def _nobody(rule: Rule, fleet: Sequence[Sighting]) -> str:
    """Why the rule judges none of these devices; "" if it judges some."""
    covered = [device for device in fleet if rule.applies_to.covers(device.kind, device.model)]
    if not covered:
        return f"applies to none of the {len(fleet)} devices here: correct its kinds and models"
    for metric in metrics_of(rule):
        if not metric.startswith("seen_") and not any(metric in device.metrics for device in covered):
            return f"judges nobody yet: none of the {len(covered)} devices it applies to sends '{metric}'"
    return ""


def _explanations(rule: Rule, known: Mapping[str, Rule]) -> Iterator[str]:
    """What it says of its neighbours and its parent."""
    if rule.site_class and rule.site_share_max is None:
        yield "site_class without site_share_max: say from which share of the site on it is the site's"
    for name in rule.explained_by:
        if name not in known:
            yield f"explained_by names no rule '{name}': correct it"
        elif known[name].site_share_max is None:
            yield f"explained_by '{name}', which does not watch its site: give that rule a site_share_max"
        elif known[name].applies_to.kinds == ("camera",):
            yield f"explained_by '{name}', which judges cameras only: nothing hangs on a camera"


def _circles(rule: Rule, known: Mapping[str, Rule]) -> Iterator[str]:
    """Rules that explain themselves, by way of others: true only where such devices hang on one another."""
    reached, open_ends = set(), list(rule.explained_by)
    while open_ends:
        name = open_ends.pop()
        if name not in reached and name in known:
            reached.add(name)
            open_ends += known[name].explained_by
    if rule.name in reached:
        yield "explains itself by way of explained_by: of devices in a chain only the topmost would have a ticket"


def _together(one: Rule, other: Rule) -> Iterator[Problem]:
    """Contradictions and overlaps of two rules for the same devices and reports."""
    if _bare(one) == _bare(other):
        yield Problem(other.name, f"says the same as rule '{one.name}': drop one", error=False)
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


def _bare(rule: Rule) -> Rule:
    return replace(rule, name="", version=1, reason="", reason_id="", examples=())
