"""TOML to rules: parsed once at the edge into frozen data, or refused with one line: file, rule, mistake, what to
do.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from diagnostics.catalogue import Catalogue
from diagnostics.problems import RuleFileError, first_problem
from diagnostics.rule_text import first_of_its_own, line_in, line_of_rule, without_place
from diagnostics.rules import AnyRule, Count, Frozen, Level, Rule, Signature, StateIs

_RULE: TypeAdapter[Rule] = TypeAdapter(AnyRule)
MAX_CHARS: Final = 4_000_000
MAX_RULES: Final = 2000
"""Far more than anybody writes by hand; a file that is not one of rules is refused before it is read through."""

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
                raise RuleFileError("the name is used twice: rename one of them", rule=rule.name)
            seen.add(rule.name)

    def __add__(self, other: "RuleSet") -> "RuleSet":
        return RuleSet(self.rules + other.rules)

    def by_name(self) -> Mapping[str, Rule]:
        """Lookup by name."""
        return {rule.name: rule for rule in self.rules}

    def reasons(self) -> Mapping[str, str]:
        """Reasons in Indonesian by the English ones, as far as the rules have both."""
        return {rule.reason: rule.reason_id for rule in self.rules if rule.reason_id}


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


def unknown_in_examples(rule: Rule, catalogue: Catalogue) -> Iterator[str]:
    """What a rule's examples play that no device can send, one readable line each."""
    for example in rule.examples:
        tables = [part.metrics for part in example.segments] + ([example.peers.metrics] if example.peers else [])
        for name, value in chain.from_iterable(table.items() for table in tables):
            if name not in catalogue.metric:
                yield f"example: {example.say}: metric '{name}' is not in the catalogue"
            else:
                low, high = catalogue.metric[name].range
                for number in value if isinstance(value, tuple) else (value,):
                    if not low <= number <= high:
                        yield f"example: {example.say}: {name} = {number:g}, but it lies from {low:g} to {high:g}"


def _parse_rule(table: dict[str, Any], catalogue: Catalogue) -> Rule:
    try:
        rule = _RULE.validate_python({"examples": table.pop("example", []), **table})
    except ValidationError as problem:
        said, kind = first_problem(problem), table.get("kind")
        raise RuleFileError(said.removeprefix(f"{kind}.").removeprefix(f"{kind}: ")) from None
    for said in chain(unknown_names(rule, catalogue), unknown_in_examples(rule, catalogue)):
        raise RuleFileError(said)
    return rule


def parse_rules(text: str, where: str, catalogue: Catalogue) -> RuleSet:
    """Parse a file of [[rule]] tables. RuleFileError in one line naming file, line and rule."""
    if len(text) > MAX_CHARS:
        raise RuleFileError(f"{len(text)} characters: at most {MAX_CHARS}", where=where)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        said = str(problem)
        raise RuleFileError(without_place(said), where=where, line=line_in(text, said)) from None
    except RecursionError:
        raise RuleFileError("lists within lists, far too deep: no rule needs that", where=where) from None
    found = tables.get("rule", [])
    if set(tables) - {"rule"} or not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
        raise RuleFileError("only [[rule]] tables belong here", where=where, line=first_of_its_own(text))
    if len(found) > MAX_RULES:
        raise RuleFileError(f"{len(found)} rules: at most {MAX_RULES}", where=where)
    rules: dict[str, Rule] = {}
    for position, table in enumerate(found):
        try:
            rule = _parse_rule(dict(table), catalogue)
            if rule.name in rules:
                raise RuleFileError("the name is used twice: rename one of them")
        except RuleFileError as problem:
            name = table.get("name", f"number {position + 1}")
            line = line_of_rule(text, position, problem.said)
            raise RuleFileError(problem.said, where=where, line=line, rule=str(name)) from None
        rules[rule.name] = rule
    return RuleSet(tuple(rules.values()))


def load_default_rules(catalogue: Catalogue) -> RuleSet:
    """The shipped rules."""
    return parse_rules(
        (files("diagnostics") / "default_rules.toml").read_text(encoding="utf-8"), "default_rules.toml", catalogue
    )
