"""TOML to rules: parsed once at the edge into frozen data, or refused with one line: file, rule, mistake, what to
do.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from pydantic import TypeAdapter, ValidationError

from diagnostics.catalogue import Catalogue
from diagnostics.problems import RuleFileError, first_problem
from diagnostics.rules import AnyRule, Count, Frozen, Level, Rule, Signature, StateIs

_RULE: TypeAdapter[Rule] = TypeAdapter(AnyRule)

# What the gateway itself measures or notices of a device; rules may name these like any metric, state or event.
SEEN_CLOCK = "seen_clock_offset_s"
SEEN_IMPOSSIBLE = "seen_impossible_cnt"
BOOT_FELL = "boot/fell"
FIRMWARE = "firmware"


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules with unique names, in the order of their files."""

    rules: tuple[Rule, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for rule in self.rules:
            if rule.name in seen:
                raise RuleFileError(f"rule '{rule.name}': the name is used twice: rename one of them")
            seen.add(rule.name)

    def __add__(self, other: "RuleSet") -> "RuleSet":
        return RuleSet(self.rules + other.rules)

    def by_name(self) -> Mapping[str, Rule]:
        """Lookup by name."""
        return {rule.name: rule for rule in self.rules}


def metrics_of(rule: Rule) -> Iterator[str]:
    """Every metric that a rule names."""
    yield from (name for name in (getattr(rule, "metric", ""), getattr(rule, "per", "")) if name)
    yield from (guard.metric for guard in rule.when if guard.metric)
    if isinstance(rule, Signature):
        yield from (sign.metric for sign in rule.signs if sign.metric)


def states_of(rule: Rule) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every state that a rule names, with the words it compares with."""
    if isinstance(rule, StateIs):
        yield rule.state, rule.one_of + rule.none_of
        if rule.differs_from:
            yield rule.differs_from, ()
    elif isinstance(rule, Count):
        if rule.state:
            yield rule.state, rule.one_of
        if rule.reasons:
            yield "reset_reason", rule.reasons
    elif isinstance(rule, Signature):
        for sign in rule.signs:
            if sign.state:
                yield sign.state, sign.one_of
            if sign.reasons:
                yield "reset_reason", sign.reasons
    yield from ((guard.state, guard.one_of + guard.none_of) for guard in rule.when if guard.state)


def unknown_names(rule: Rule, catalogue: Catalogue) -> Iterator[str]:
    """What a rule names that the catalogue does not know, one readable line each."""
    for metric in metrics_of(rule):
        if metric not in catalogue.metric:
            yield f"metric '{metric}' is not in the catalogue: correct it or add it to metrics.toml"
    for state, words in states_of(rule):
        if state == FIRMWARE:
            continue
        known = catalogue.state.get(state)
        if known is None:
            yield f"state '{state}' is not in the catalogue: correct it or add it to metrics.toml"
        elif known.values and (strange := [word for word in words if word not in known.values]):
            yield f"state '{state}' is never '{strange[0]}': it is one of {', '.join(known.values)}"
    counted = catalogue.metric.get(rule.metric) if isinstance(rule, Count) else None
    if counted is not None and isinstance(rule, Count) and counted.kind != "counter":
        yield f"of = increments needs a counter; '{rule.metric}' is a gauge: use kind = level"
    judged = catalogue.metric.get(rule.metric) if isinstance(rule, Level) else None
    if judged is not None and isinstance(rule, Level) and not rule.relative and not rule.per:
        low, high = judged.range
        for step in rule.steps:
            if not low <= step.limit <= high:
                yield f"limit {step.limit:g} lies outside the physical range of '{rule.metric}' ({low:g} to {high:g})"
    if isinstance(rule, Frozen) and rule.metric in catalogue.metric and not catalogue.metric[rule.metric].frozen:
        yield f"metric '{rule.metric}' may stand still (frozen is not set in the catalogue)"


def _parse_rule(table: dict[str, Any], place: str, catalogue: Catalogue) -> Rule:
    try:
        rule = _RULE.validate_python({"examples": table.pop("example", []), **table})
    except ValidationError as problem:
        said = first_problem(problem)
        kind = table.get("kind")
        raise RuleFileError(f"{place}: {said.removeprefix(f'{kind}.').removeprefix(f'{kind}: ')}") from None
    for said in unknown_names(rule, catalogue):
        raise RuleFileError(f"{place}: {said}")
    return rule


def parse_rules(text: str, where: str, catalogue: Catalogue) -> RuleSet:
    """Parse a file of [[rule]] tables. RuleFileError in one line naming file and rule."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise RuleFileError(f"{where}: {problem}") from None
    if set(tables) - {"rule"} or not isinstance(tables.get("rule", []), list):
        raise RuleFileError(f"{where}: only [[rule]] tables belong here")
    rules = []
    for position, table in enumerate(tables.get("rule", []), 1):
        name = table.get("name", f"number {position}")
        rules.append(_parse_rule(dict(table), f"{where}: rule '{name}'", catalogue))
    try:
        return RuleSet(tuple(rules))
    except RuleFileError as problem:
        raise RuleFileError(f"{where}: {problem}") from None


def load_default_rules(catalogue: Catalogue) -> RuleSet:
    """The shipped rules."""
    return parse_rules(
        (files("diagnostics") / "default_rules.toml").read_text(encoding="utf-8"), "default_rules.toml", catalogue
    )
