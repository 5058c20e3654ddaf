"""What is known beforehand of a report: its metrics in their order, who looks at each, and where its values go."""

from dataclasses import dataclass
from struct import Struct
from sys import float_info

from diagnostics.rule_file import SEEN_CLOCK, SEEN_IMPOSSIBLE
from diagnostics.rule_parts import Guard
from diagnostics.rules import Rule
from diagnostics.tracks import Track

Band = tuple[float, float]
anything: Band = (-float_info.max, float_info.max)
"""Every finite number."""


@dataclass(frozen=True, slots=True, eq=False)
class Watcher:
    """A rule that looks at a metric, and the values it need not look at: [low, high].

    `guards` decide beforehand whether the rule would look; () where the report alone cannot say.
    """

    rule: str
    low: float
    high: float
    guards: tuple[Guard, ...]


def watcher(rule: Rule, band: Band) -> Watcher:
    """A rule as it watches one metric."""
    alone = all(guard.metric not in (SEEN_CLOCK, SEEN_IMPOSSIBLE) for guard in rule.when)
    return Watcher(rule.name, band[0], band[1], rule.when if alone else ())


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """Where the hourly sample of a metric goes: its position in the report; block and column of the track."""

    position: int
    block: int
    column: int
    track: Track


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The names of a report's metrics in their order, with the band of each. Shared by all devices that report so."""

    names: tuple[str, ...]
    values: Struct  # packs and unpacks the values as doubles in native order
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    counters: tuple[tuple[int, str], ...]  # positions of counters that rules count
    ratios: tuple[tuple[int, int, float, float], ...]  # positions of metric and divisor, low, high
    known: frozenset[str]  # the names as a set
    watchers: tuple[tuple[Watcher, ...], ...]  # who looks at each metric
    possible: tuple[Band, ...]  # physically possible values of each metric
    feeds: tuple[Feed, ...]
    stuck: tuple[tuple[int, int], ...]  # positions of metrics watched for freezing, here and in `Plan.watched`
