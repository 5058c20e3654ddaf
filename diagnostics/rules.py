"""The kinds of rules. Each kind yields one number a report (its *measure*); steps turn it into a severity; the episode
(episodes.py) adds time. Frozen data, parsed by rule_file.py; an impossible rule cannot be built.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from diagnostics.changes import Severity
from diagnostics.rule_parts import (
    STRICT,
    AppliesTo,
    Direction,
    Example,
    Guard,
    Number,
    Seconds,
    SeverityWord,
    Sign,
    Span,
    Step,
    Whole,
    check_steps,
)

EVERYWHERE = AppliesTo()
MOST_SAMPLES = 3000  # a month of reports every 15 minutes
Aggregate = Literal["mean", "min", "max"]
_ONE_STEP = {severity: (Step(severity=severity, limit=0.5),) for severity in Severity}
Of = Literal["value", "day_mean", "day_min", "day_max"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What every rule has. Times are seconds.

    The measure must stay bad for `for_s` and `min_samples` reports before the rule fires, and good for `clear_for_s`
    and `clear_samples` reports before it recovers, and not before `clear_after_s` have passed since the trouble began:
    what comes and goes while it develops is not cured by one long pause early on. Outside `when` a report is no
    evidence (`outside` = "hold": the verdict stays) or good evidence ("clear"). Nothing is judged in the first
    `settle_s` after a restart.
    `site_share_max`: when at least this share of the site's devices that the rule judges (3 or more of them) has the
    same trouble, the cause is not in the device and nothing opens but `site_class`, a fault of the site, if given.
    `site_wait_s`: what fires waits so long for the neighbours' word; what begins on many devices (ten, or half of a
    small fleet) of several sites within hours is nobody's and never opens. `explained_by`: rules that watch for their
    site's trouble; while the device's parent has that of one of them, nothing opens here. `watch`: shown on the
    device's page, opens no ticket. `reason_id`: the reason in Indonesian, "" for none.
    """

    __pydantic_config__ = STRICT

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    version: Annotated[Whole, Field(ge=1, le=1_000_000)]
    fault_class: str
    reason: Annotated[str, Field(min_length=20)]
    reason_id: Annotated[str, Field(min_length=20)] = ""
    applies_to: AppliesTo = EVERYWHERE
    when: tuple[Guard, ...] = ()
    outside: Literal["hold", "clear"] = "hold"
    for_s: Seconds = 0.0
    clear_for_s: Seconds = 0.0
    clear_after_s: Seconds = 0.0
    min_samples: Annotated[Whole, Field(ge=1, le=MOST_SAMPLES)] = 1
    clear_samples: Annotated[Whole, Field(ge=1, le=MOST_SAMPLES)] = 2
    settle_s: Seconds = 0.0
    site_share_max: Annotated[float, Field(gt=0, le=1)] | None = None
    site_class: str = ""
    site_wait_s: Seconds = 0.0
    explained_by: tuple[str, ...] = ()
    watch: bool = False
    examples: tuple[Example, ...] = ()

    @property
    def label(self) -> str:
        """name@version, as changes and histories quote it."""
        return f"{self.name}@{self.version}"

    @property
    def confirmations(self) -> int:
        """How many bad values in a row it takes."""
        return self.min_samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Rising(Common):
    """A rule whose measure is worse the greater it is; a step is entered at its limit, not past it."""

    @property
    def direction(self) -> Direction:
        """More is worse."""
        return "above"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level(Common):
    """Measure: the metric (`per`: divided by another metric of the same report), in its unit.

    `average_s`: mean over that long, begun by the first value outside the good range. `of`: the value itself, or the
    mean, least or greatest of the last complete day (UTC). `relative` = "usual": divided by the device's own usual
    value, the median of its last `usual_days` daily means (of the same `of`; 1.0 = as usual; at least 3 days must be
    known).
    """

    kind: Literal["level"]
    metric: str
    steps: tuple[Step, ...]
    direction: Direction = "above"
    per: str = ""
    of: Of = "value"
    relative: Literal["", "usual"] = ""
    usual_days: Annotated[int, Field(ge=3, le=28)] = 14
    average_s: Seconds = 0.0

    def __post_init__(self) -> None:
        check_steps(self.steps, self.direction)
        if self.per and (self.of != "value" or self.relative):
            raise ValueError("per: a ratio of two metrics is judged as value, not by days or against its usual value")
        if self.average_s and (self.of != "value" or self.relative):
            raise ValueError("average_s: only for plain values (a day's mean is of = day_mean)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Count(Rising):
    """Measure: how often something happened in the last `window_s`.

    boots: restarts (by `reasons`, values of the state reset_reason; an expected restart is not counted). increments:
    growth of a counter `metric`; its reset by a restart or a new part is understood. events: messages of `topic`.
    changes: changes of the word of `state` (`one_of`: only into these).
    """

    kind: Literal["count"]
    of: Literal["boots", "increments", "events", "changes"]
    window_s: Span
    steps: tuple[Step, ...]
    metric: str = ""
    topic: str = ""
    state: str = ""
    one_of: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_steps(self.steps, "above")
        needed = {"boots": "", "increments": "metric", "events": "topic", "changes": "state"}[self.of]
        given = {name for name in ("metric", "topic", "state") if getattr(self, name)}
        if given != ({needed} if needed else set()):
            raise ValueError(f"of = {self.of}: give {needed or 'neither metric, topic nor state'}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StateIs(Rising):
    """Measure: 1 while the state is one of `one_of`, none of `none_of`, or differs from that of `differs_from`; else 0.

    The word `firmware` is the version the device runs.
    """

    kind: Literal["state"]
    state: str
    severity: SeverityWord
    one_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()
    differs_from: str = ""

    def __post_init__(self) -> None:
        if sum((bool(self.one_of), bool(self.none_of), bool(self.differs_from))) != 1:
            raise ValueError("a state rule has exactly one of one_of, none_of, differs_from")

    @property
    def steps(self) -> tuple[Step, ...]:
        """One severity."""
        return _ONE_STEP[self.severity]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast(Common):
    """Measure: days until the metric reaches `limit`, where the customer notices (its early, 10 % date).

    One point a cycle (`cycle_s`): its `aggregate`. Five gates: at least `min_points` cycles; the level is past
    `from_level`; the slope's 80 % interval excludes zero and is at most `spread_max` times the slope wide; `persist`
    evaluations in a row agree; and the step's days (time to act) are near. `reset_drop`: a fall back by more than this
    is a new part: history starts anew; `reset_on_boot`: so does a restart. `exact`: the metric itself is the number of
    days left (certificates). `no_plateau`: the newest `min_points` must still lead there, at most a quarter later.
    """

    kind: Literal["forecast"]
    metric: str
    steps: tuple[Step, ...]
    limit: float = 0.0
    towards: Direction = "above"
    from_level: float | None = None
    aggregate: Aggregate = "mean"
    cycle_s: Annotated[Number, Field(ge=3600, le=31 * 86_400)] = 86_400.0
    min_points: Annotated[int, Field(ge=3, le=28)] = 5
    max_points: Annotated[int, Field(ge=3, le=28)] = 14
    spread_max: Annotated[float, Field(gt=0)] = 1.5
    persist: Annotated[int, Field(ge=1)] = 2
    no_plateau: bool = False
    reset_drop: Annotated[float, Field(gt=0)] | None = None
    reset_on_boot: bool = False
    exact: bool = False

    def __post_init__(self) -> None:
        check_steps(self.steps, "below")
        if self.min_points > self.max_points:
            raise ValueError("min_points must not exceed max_points")
        if self.exact and self.from_level is not None:
            raise ValueError("exact: a date needs no from_level")

    @property
    def confirmations(self) -> int:
        """The fourth gate; a date needs no second opinion."""
        return self.min_samples if self.exact else max(self.min_samples, self.persist)

    @property
    def direction(self) -> Direction:
        """Fewer days are worse."""
        return "below"


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline(Rising):
    """Measure: how surprising the metric is against its own past at this hour (anomaly.py; 3 = notable, 7 = ticket).

    `direction_of`: only values above, or below, what is usual count.
    """

    kind: Literal["baseline"]
    metric: str
    steps: tuple[Step, ...]
    direction_of: Literal["any", "above", "below"] = "any"

    def __post_init__(self) -> None:
        check_steps(self.steps, "above")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer(Common):
    """Measure: the metric minus the median of its peers (same model and firmware, or same site and kind), in its unit.
    A group remembers 64 members.

    `scale` = "spread": divided by the peers' robust spread (1.4826 MAD, at least the metric's noise).
    """

    kind: Literal["peer"]
    metric: str
    steps: tuple[Step, ...]
    direction: Direction = "above"
    group: Literal["model", "site"] = "site"
    scale: Literal["unit", "spread"] = "unit"
    min_peers: Annotated[Whole, Field(ge=3, le=60)] = 5

    def __post_init__(self) -> None:
        check_steps(self.steps, self.direction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen(Rising):
    """Measure: samples (one an hour) in a row with exactly the same value, of `metric` or of any watched one ("")."""

    kind: Literal["frozen"]
    steps: tuple[Step, ...]
    metric: str = ""

    def __post_init__(self) -> None:
        check_steps(self.steps, "above")


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence(Rising):
    """Measure: time without a report by the gateway's clock, in multiples of the device's silence timeout."""

    kind: Literal["silence"]
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        check_steps(self.steps, "above")
        if self.steps[0].limit < 1:
            raise ValueError("steps: a device is silent after 1 timeout, not before")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature(Rising):
    """Measure: how often in `window_s` all signs came in their order within `span_s`."""

    kind: Literal["signature"]
    signs: tuple[Sign, ...]
    span_s: Span
    window_s: Span
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        check_steps(self.steps, "above")
        if len(self.signs) < 2:
            raise ValueError("signs: a signature has two signs or more")


AnyRule = Annotated[
    Level | Count | StateIs | Forecast | Baseline | Peer | Frozen | Silence | Signature, Field(discriminator="kind")
]
Rule = Level | Count | StateIs | Forecast | Baseline | Peer | Frozen | Silence | Signature
