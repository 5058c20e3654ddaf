"""When does a slow trend reach its limit? Theil-Sen slope with Sen's rank interval; an interval of dates, not a date.

Theil (1950), Sen (1968): the slope is the median of the slopes between all pairs of points, its interval two order
statistics of them (normal approximation of Kendall's S). Robust against 29 % of outliers. Cost: n^2/2 for n <= 28.
"""

from dataclasses import dataclass
from math import sqrt

Z80 = 1.2816  # two-sided 80 %
EARLIER = 0.8
LATER = 1.55
SHORTER = 0.8


@dataclass(frozen=True, slots=True)
class Trend:
    """A straight line through points: `level` at day 0 and `slope` a day, each with its 80 % interval and the residual
    spread.
    """

    level: float
    slope: float
    slope_low: float
    slope_high: float
    spread: float


@dataclass(frozen=True, slots=True)
class Reach:
    """Days until the limit is reached: 80 % interval and median. `latest` may be infinite."""

    earliest: float
    median: float
    latest: float


def fit(points: list[tuple[float, float]]) -> Trend:
    """Theil-Sen through at least three points (day, value) in rising order of days."""
    count = len(points)
    slopes = sorted(
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for position, earlier in enumerate(points)
        for later in points[position + 1 :]
    )
    pairs = len(slopes)
    slope = (slopes[(pairs - 1) // 2] + slopes[pairs // 2]) / 2
    reach = Z80 * sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = slopes[max(0, int((pairs - reach) / 2))]
    high = slopes[min(pairs - 1, int((pairs + reach) / 2 + 1))]
    levels = sorted(value - slope * day for day, value in points)
    level = (levels[(count - 1) // 2] + levels[count // 2]) / 2
    off = sorted(abs(value - level) for value in levels)
    spread = 1.4826 * (off[(count - 1) // 2] + off[count // 2]) / 2
    return Trend(level, slope, low, high, spread)


def of_late(points: list[tuple[float, float]], least: int, whole: Trend) -> Trend:
    """The trend of the longest newest stretch whose slope the newest `least` points bear out: it lies in their interval
    (`whole` is the trend of all). What lies before is the time before the trouble, which would put the date off by as
    much again. Cost: that of about four fits.
    """
    newest = fit(points[-least:])
    trend, count = whole, len(points)
    while not newest.slope_low <= trend.slope <= newest.slope_high:
        count = max(least, int(SHORTER * count))
        trend = fit(points[-count:])
    return trend


def recalibrated(whole: Reach, recent: Reach | None) -> Reach:
    """The interval that people are told: what two stretches of history say, the longer and the newest, widened for what
    no straight line knows (measured on even seeds of the scoreboard, so that at least 80 % of the dates lie inside).
    """
    both = (whole, recent if recent is not None else whole)
    return Reach(
        EARLIER * min(part.earliest for part in both),
        sqrt(both[0].median * both[1].median),
        LATER * max(part.latest for part in both),
    )


def reach(trend: Trend, limit: float, now_level: float, sign: float) -> Reach | None:
    """Days from day 0 to the limit; None when the trend's interval does not exclude standing still (or leads away).

    `sign` +1: the limit lies above. `now_level` (the newest point) starts the earliest date, if it is the worse one.
    """
    slowest, fastest = (trend.slope_low, trend.slope_high) if sign > 0 else (-trend.slope_high, -trend.slope_low)
    slope = sign * trend.slope
    if slowest <= 0 or slope <= 0:
        return None
    left = sign * (limit - trend.level)
    nearest = min(left, sign * (limit - now_level)) - trend.spread
    return Reach(
        max(0.0, nearest / fastest),
        max(0.0, left / slope),
        max(0.0, (left + trend.spread) / slowest),
    )
