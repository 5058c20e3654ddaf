"""Honest bounds of what was counted: Wilson for shares, Garwood for rates. 95 %, two-sided."""

from math import exp, inf, lgamma, log, sqrt

Z95 = 1.959964
TAIL = 0.025


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Bounds of a share (Wilson 1927); (0, 1) when nothing was counted."""
    if not total:
        return 0.0, 1.0
    share = hits / total
    square = Z95 * Z95
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = Z95 * sqrt(share * (1 - share) / total + square / (4 * total * total)) / (1 + square / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def _at_most(count: int, mean: float) -> float:
    """P(X <= count) of a Poisson variable."""
    return sum(exp(number * log(mean) - mean - lgamma(number + 1)) for number in range(count + 1))


def _bisect(count: int, target: float) -> float:
    low, high = 0.0, 10.0 + 4.0 * count
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(count, middle) > target else (low, middle)
    return (low + high) / 2


def poisson(count: int, exposure: float) -> tuple[float, float]:
    """Bounds of a rate from a count over an exposure (Garwood 1936); (0, inf) without exposure."""
    if exposure <= 0:
        return 0.0, inf
    low = _bisect(count - 1, 1 - TAIL) if count else 0.0
    return low / exposure, _bisect(count, TAIL) / exposure


def quantile(values: list[float], share: float) -> float | None:
    """The value below which this share lies (linear between neighbours); None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
