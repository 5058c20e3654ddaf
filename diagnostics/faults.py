"""Fault classes: what a fault is called, what the customer will notice and when, and what to do. In English and
Indonesian.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from diagnostics.problems import RuleFileError, first_problem
from diagnostics.rule_parts import STRICT, Seconds
from diagnostics.rules import Rule

Sentence = Annotated[str, Field(min_length=2, max_length=1500)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """The same words in English and Indonesian."""

    __pydantic_config__ = STRICT

    en: Sentence
    id: Sentence

    def words(self, language: str) -> str:
        """In a language: "id", else English."""
        return self.id if language == "id" else self.en


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultClass:
    """One kind of fault, the second half of a ticket's key.

    `notice`: what the customer will notice and when, in the future tense of a warning. `support`: what an agent does
    first. `customer`: what the customer can do meanwhile. `article`: self-help, a few sentences. `part`: what may have
    to be replaced (None: nothing). `repair`: how it is usually solved. `time_to_act_s`: from ticket to solution as a
    rule (parts, visit, window). `lead_days`: usual days from first sign to effect (the catalogue's range).
    `horizon_days`: how long before the onset a warning still counts as true on the scoreboard.
    """

    __pydantic_config__ = STRICT

    name: Text
    cause: Text
    notice: Text
    support: Text
    customer: Text
    article: Text
    repair: Literal["remote", "visit", "self", "none"]
    can_wait: bool
    time_to_act_s: Seconds
    lead_days: tuple[float, float]
    part: Text | None = None
    horizon_days: float = 7.0


Faults = Mapping[str, FaultClass]
_FAULTS = TypeAdapter(dict[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{1,23}$")], FaultClass])


def parse_faults(text: str, where: str) -> Faults:
    """Parse [fault.ID] tables. RuleFileError in one line."""
    try:
        return _FAULTS.validate_python(tomllib.loads(text).get("fault", {}))
    except tomllib.TOMLDecodeError as problem:
        raise RuleFileError(str(problem), where=where) from None
    except ValidationError as problem:
        raise RuleFileError(f"fault.{first_problem(problem)}", where=where) from None


def load_faults() -> Faults:
    """The shipped fault classes."""
    return parse_faults((files("diagnostics") / "faults.toml").read_text(encoding="utf-8"), "faults.toml")


def check_fault_classes(rules: Iterable[Rule], faults: Faults) -> None:
    """RuleFileError if a rule feeds a class that has no texts."""
    for rule in rules:
        for name in (rule.fault_class, rule.site_class):
            if name and name not in faults:
                said = f"fault class '{name}' is not in faults.toml: correct it or describe it"
                raise RuleFileError(said, rule=rule.name)
