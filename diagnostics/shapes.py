"""What is known beforehand of a report: its metrics in their order, who looks at each, and where its values go."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
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
class Row:
    """A sample in which every value is possible, as one row for a block. `pick` takes from the values, with 1 and 0
    behind them, what each sum and each count grows by; `extremes`: columns of greatest and least values, with their
    positions in the report.
    """

    block: int
    pick: Callable[[Sequence[float]], Sequence[float]]
    extremes: tuple[tuple[int, int], ...]


WIDE = 8
"""So many tracks of a block are fed faster as a row than one by one."""


def rows_of(
    feeds: Sequence[Feed], blocks: Sequence[Sequence[Track]], values: int
) -> tuple[tuple[Row, ...], tuple[Feed, ...]]:
    """A report of so many values as rows, and the feeds that are in none: those with guards, and where they are few."""
    rows = []
    singly = list(feeds)
    one, zero = values, values + 1
    for block, tracks in enumerate(blocks):
        together = [feed for feed in feeds if feed.block == block and not feed.track.when]
        if len(together) < WIDE:
            continue
        singly = [feed for feed in singly if feed not in together]
        grow = [zero] * (2 * len(tracks))
        extremes = []
        for feed in together:
            grow[len(tracks) + feed.column] = one
            if feed.track.aggregate == "mean":
                grow[feed.column] = feed.position
            else:
                extremes.append((feed.column, feed.position))
        rows.append(Row(block, itemgetter(*grow), tuple(extremes)))
    return tuple(rows), tuple(singly)


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
    least: tuple[float, ...]  # the same, as `lows` and `highs` are
    most: tuple[float, ...]
    feeds: tuple[Feed, ...]
    rows: tuple[Row, ...]  # the same by blocks, where they are many, for a report without impossible values
    singly: tuple[Feed, ...]  # those in no row
    stuck: tuple[tuple[int, int], ...]  # positions of metrics watched for freezing, here and in `Plan.watched`
