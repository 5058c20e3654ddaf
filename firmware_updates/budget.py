"""How much may be at risk: a bound that holds whatever the release does, and a test that stops a bad one early.

A failure rate seen late is biased low, because success shows after minutes and silence only at the timeout. The budget
does not wait for a rate: unproven exposure can never pass k0 + per_success x proven successes, so a release that is bad
on every device touches exactly k0 of them.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exposure:
    """Counts of one rollout: at risk now, ended badly, at risk and overdue, and successes that have soaked."""

    at_risk: int
    bad: int
    overdue: int
    mature: int


def headroom(exposure: Exposure, k0: int, per_success: int) -> int:
    """How many more grants fit; at risk and bad are counted once each, so overdue ones are in at_risk."""
    return k0 + per_success * exposure.mature - exposure.at_risk - exposure.bad


def is_exhausted(exposure: Exposure, k0: int, per_success: int) -> bool:
    """Whether nothing that is under way could ever make room again."""
    return headroom(exposure, k0, per_success) <= 0 and exposure.at_risk == 0


def must_stop(exposure: Exposure, rate: float, alpha: float) -> bool:
    """The stop test on the mature cohort: P(X >= bad | n, rate) < alpha, X binomial."""
    bad = exposure.bad + exposure.overdue
    return bad > 0 and binomial_tail(bad, bad + exposure.mature, rate) < alpha


def binomial_tail(least: int, n: int, p: float) -> float:
    """P(X >= least) for X ~ Binomial(n, p), summed from the side with fewer terms; 0 < p < 1."""
    if least <= 0:
        return 1.0
    if least > n:
        return 0.0
    if least <= n - least + 1:
        return max(0.0, 1.0 - math.fsum(_pmf(k, n, p) for k in range(least)))
    return math.fsum(_pmf(k, n, p) for k in range(least, n + 1))


def _pmf(k: int, n: int, p: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p))
