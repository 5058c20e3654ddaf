"""What the anomaly engine says, as data: the wording belongs to whoever shows it."""

from dataclasses import dataclass
from enum import StrEnum


class Feature(StrEnum):
    """A view of the series that has a histogram of its own, in the order in which a stream keeps them."""

    VALUE = "value"
    LEVEL = "level"
    """Its exponential mean."""
    STEP = "step"
    """Its change since the report before."""
    DAY_HOUR = "day_hour"
    """Its distance from the mean of its hour of the day."""
    WEEK_HOUR = "week_hour"
    """Its distance from the mean of its hour of the week."""


class Direction(StrEnum):
    """Where a value lies that is unlike every value seen."""

    HIGH = "high"
    LOW = "low"
    GAP = "gap"
    """Inside the range, yet far from all values."""


@dataclass(frozen=True, slots=True)
class Sign:
    """How rare the last values of one view were (`baseline_numbers.SHORT` of them)."""

    feature: Feature
    share_of_history: float
    """Geometric mean of the share of the past that looked so: above 0, at most 1."""


@dataclass(frozen=True, slots=True)
class Novelty:
    """A value apart from all others within memory."""

    direction: Direction
    by_share_of_range: float
    """Distance from the nearest value seen over the range seen: 0.05 is "a new high by 5 %"."""


@dataclass(frozen=True, slots=True)
class Score:
    """An event worth showing; at least `baseline_numbers.EVENT_AT`."""

    at: float
    value: float
    score: float
    signs: tuple[Sign, ...]
    """The two views whose last values were rarest, the rarest first."""
    novelty: Novelty | None
