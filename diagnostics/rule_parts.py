"""The parts that every kind of rule is made of: steps with hysteresis, guards, scope, examples. Data only."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict

from diagnostics.changes import Severity

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


def _severity(word: object) -> object:
    if isinstance(word, str) and word.upper() in Severity.__members__:
        return Severity[word.upper()]
    raise ValueError("severity is one of info, warning, high, critical")


_TOLD = re.compile(r"(site )?(((opened|raised|lowered) (info|warning|high|critical))|recovered|withdrawn)")


def _told(words: str) -> str:
    if not _TOLD.fullmatch(words):
        raise ValueError(f"'{words}' is no change: opened, raised or lowered with a severity; recovered, withdrawn")
    return words


SeverityWord = Annotated[Severity, BeforeValidator(_severity)]
Direction = Literal["above", "below"]
YEAR_S = 366 * 86_400.0
Number = Annotated[float, Strict()]
"""As TOML has it: neither a text nor true."""
Whole = Annotated[int, Strict()]
Seconds = Annotated[Number, Field(ge=0, le=YEAR_S)]
Span = Annotated[Number, Field(gt=0, le=YEAR_S)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One severity: entered past `limit`, left only past `clear` (None: the limit itself). Units are the rule's
    measure.
    """

    __pydantic_config__ = STRICT

    severity: SeverityWord
    limit: Number
    clear: Number | None = None

    @property
    def left_at(self) -> float:
        """The level past which it is left."""
        return self.limit if self.clear is None else self.clear


def check_steps(steps: tuple[Step, ...], direction: Direction) -> None:
    """ValueError unless severities rise with the measure and every clear level lies on the good side of its limit."""
    if not steps:
        raise ValueError("steps: give at least one severity step")
    sign = 1.0 if direction == "above" else -1.0
    for before, after in pairwise(steps):
        if after.severity <= before.severity or sign * after.limit <= sign * before.limit:
            raise ValueError(
                f"steps: a worse severity needs a limit further {direction}; order them from mild to severe"
            )
    for step in steps:
        if sign * step.left_at > sign * step.limit:
            raise ValueError(f"steps: clear {step.left_at:g} must not lie {direction} its limit {step.limit:g}")
    for milder, worse in pairwise(steps):
        if sign * worse.left_at < sign * milder.left_at:
            raise ValueError(
                f"steps: the worse severity would outlast the milder one: its clear {worse.left_at:g} "
                f"must not lie beyond {milder.left_at:g}"
            )


def severity_of(
    measure: float, steps: tuple[Step, ...], direction: Direction, current: Severity | None
) -> Severity | None:
    """The severity a measure demands, given the current one: a step is entered at its limit and left past its clear
    level.
    """
    demanded = None
    above = direction == "above"
    for step in steps:
        clear = step.clear
        if clear is None or current is None or current < step.severity:
            if measure >= step.limit if above else measure <= step.limit:
                demanded = step.severity
        elif measure > clear if above else measure < clear:
            demanded = step.severity
    return demanded


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A condition on another state or metric of the same report. An unknown state is in `none_of`, never in `one_of`.

    `known` = false: the device has never said this state.
    """

    __pydantic_config__ = STRICT

    state: str = ""
    one_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()
    known: bool | None = None
    metric: str = ""
    above: Number | None = None
    below: Number | None = None

    def __post_init__(self) -> None:
        if bool(self.state) == bool(self.metric):
            raise ValueError("a guard names one state or one metric")
        if self.state and sum((bool(self.one_of), bool(self.none_of), self.known is not None)) != 1:
            raise ValueError("a guard on a state has one_of or none_of or known")
        if self.metric and self.above is None and self.below is None:
            raise ValueError("a guard on a metric has above or below")

    def holds(self, metrics: Mapping[str, float], states: Mapping[str, str]) -> bool:
        """Whether the report satisfies it; a metric that is not there does not."""
        if self.state:
            word = states.get(self.state)
            if self.known is not None:
                return (word is not None) == self.known
            return word in self.one_of if self.one_of else word not in self.none_of
        value = metrics.get(self.metric)
        if value is None or (self.above is not None and value <= self.above):
            return False
        return self.below is None or value < self.below


def holding(guards: tuple[Guard, ...], metrics: Mapping[str, float], states: Mapping[str, str]) -> bool:
    """Whether all guards hold."""
    for guard in guards:  # noqa: SIM110 - all() costs a generator, a hundred times a second and device
        if not guard.holds(metrics, states):
            return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliesTo:
    """Which devices: kinds and models, () = all. A device that never sends the metric is never judged anyway."""

    __pydantic_config__ = STRICT

    kinds: tuple[Literal["camera", "recorder", "router", "switch"], ...] = ()
    models: tuple[str, ...] = ()

    def covers(self, kind: str, model: str) -> bool:
        """Whether a device of this kind and model is judged by the rule."""
        return (not self.kinds or kind in self.kinds) and (not self.models or model in self.models)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One sign of a signature: a metric past a limit, a state entered, a restart for a reason, or an event."""

    __pydantic_config__ = STRICT

    say: str
    metric: str = ""
    above: Number | None = None
    below: Number | None = None
    state: str = ""
    one_of: tuple[str, ...] = ()
    boot: bool = False
    reasons: tuple[str, ...] = ()  # values of the state reset_reason; () = any
    event: str = ""
    within_s: Seconds = 0.0  # after the sign before it; 0 = only the signature's span counts

    def __post_init__(self) -> None:
        if sum((bool(self.metric), bool(self.state), self.boot, bool(self.event))) != 1:
            raise ValueError("a sign is exactly one of metric, state, boot or event")
        if self.metric and (self.above is None) == (self.below is None):
            raise ValueError("a sign on a metric has above or below")
        if self.state and not self.one_of:
            raise ValueError("a sign on a state has one_of")


Value = float | tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of an example's series. A value [from, to] is a straight line; `noise` alternates around it.

    `boot`: the segment begins with a restart. `silent`: no reports. `events`: ONVIF topics at its beginning.
    `clock_error_s`: how far the device's clock is ahead (negative: behind).
    """

    __pydantic_config__ = STRICT

    for_s: Span
    metrics: Mapping[str, Value] = field(default_factory=dict)
    noise: Mapping[str, float] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)
    boot: bool = False
    silent: bool = False
    events: tuple[str, ...] = ()
    clock_error_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """Other devices of the same model and site that live through the example with constant values."""

    __pydantic_config__ = STRICT

    count: Annotated[int, Field(ge=1, le=100)]
    metrics: Mapping[str, float] = field(default_factory=dict)
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A series and the changes it must give: "opened warning", "raised high", "lowered ...", "recovered", in order.

    The segments run `repeat` times. What an example proves is said in `say`. `twins`: so many devices of the same model
    and site live through the same reports.
    """

    __pydantic_config__ = STRICT

    say: str
    segments: tuple[Segment, ...]
    expect: tuple[Annotated[str, AfterValidator(_told)], ...]
    every_s: Span = 900.0
    repeat: Annotated[Whole, Field(ge=1, le=1000)] = 1
    kind: Literal["camera", "recorder", "router", "switch"] = "camera"
    peers: Peers | None = None
    twins: Annotated[Whole, Field(ge=0, le=20)] = 0

    @property
    def reports(self) -> float:
        """How many the subject sends."""
        return self.repeat * sum(part.for_s / self.every_s for part in self.segments)
