"""The catalogue of metrics and states: unit, physical range, healthy range, noise, words. Read from metrics.toml.

Decides what a name means and which values are impossible; whether a possible value is bad is the rules' business.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from diagnostics.problems import RuleFileError, first_problem

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number a device may report. `range` and `healthy` are inclusive, in `unit`; `noise` is one standard
    deviation.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    unit: str
    range: Range
    healthy: Range
    meaning: str
    en: str
    id: str
    noise: Annotated[float, Field(ge=0)] = 0.0
    noise_share: Annotated[float, Field(ge=0)] = 0.0
    kind: Literal["gauge", "counter"] = "gauge"
    frozen: bool = False

    def __post_init__(self) -> None:
        if not self.range[0] <= self.healthy[0] <= self.healthy[1] <= self.range[1]:
            raise ValueError("healthy must lie inside range, and both must rise")
        if self.frozen and self.kind == "counter":
            raise ValueError("a counter may stand still: it cannot be watched for freezing")

    def noise_at(self, value: float) -> float:
        """Standard deviation from report to report around a value, in the unit."""
        return self.noise + self.noise_share * abs(value)

    def words(self, language: str) -> str:
        """What a customer calls it ("en" or "id")."""
        return self.id if language == "id" else self.en


@dataclass(frozen=True, slots=True, kw_only=True)
class StateWord:
    """One word-valued state. `values` () = free text. `while_sent`: absence in a report ends it."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    meaning: str
    en: str
    id: str
    values: tuple[str, ...] = ()
    while_sent: bool = False

    def words(self, language: str) -> str:
        """What a customer calls it ("en" or "id")."""
        return self.id if language == "id" else self.en


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Every metric and state by name."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    metric: Mapping[str, Metric]
    state: Mapping[str, StateWord] = field(default_factory=dict)

    def possible(self, name: str, value: float) -> bool:
        """Whether a value is finite and inside the physical range (an unknown metric: any finite value)."""
        metric = self.metric.get(name)
        if metric is None:
            return math.isfinite(value)
        return metric.range[0] <= value <= metric.range[1]


_CATALOGUE = TypeAdapter(Catalogue)


def parse_catalogue(text: str, where: str) -> Catalogue:
    """Parse a catalogue. RuleFileError in one line that names the file, the entry and the mistake."""
    try:
        return _CATALOGUE.validate_python(tomllib.loads(text))
    except tomllib.TOMLDecodeError as problem:
        raise RuleFileError(str(problem), where=where) from None
    except ValidationError as problem:
        raise RuleFileError(first_problem(problem), where=where) from None


def load_catalogue() -> Catalogue:
    """The shipped catalogue."""
    return parse_catalogue((files("diagnostics") / "metrics.toml").read_text(encoding="utf-8"), "metrics.toml")
