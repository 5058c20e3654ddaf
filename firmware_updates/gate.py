"""The health gate: a wave against an untouched control, on the same fault rules and key metrics.

Counts (reboots, episodes of fault rules) are compared by the exact conditional test of two Poisson rates. A metric is
looked at twice: are most devices worse (rank-sum test of the changes), and are some much worse (how many got worse by a
change that matters, as two shares)? A release that leaks on a tenth of the devices moves no median. A finding counts
only if it is both unlikely (Bonferroni over all that was looked at) and large enough to matter.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from firmware_updates.budget import binomial_tail

ALPHA = 0.001
MIN_RATIO = 1.5
MIN_EXCESS = 0.05
MIN_DEVICE_HOURS = 24.0
MIN_SAMPLES = 8


class Verdict(Enum):
    """What the gate says about a wave."""

    WORSE = "worse"
    OK = "ok"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Cohort:
    """What was seen on some devices since the wave opened.

    `counts` are events in `device_hours`; `worsening` holds for each metric one number a device: how much worse it is
    than on the same device before (turned so that more is worse) in units of the smallest change that matters.
    """

    device_hours: float
    counts: Mapping[str, int] = field(default_factory=dict)
    worsening: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is worse: its name, the chance of it without cause, and the ratio or median difference."""

    name: str
    p: float
    size: float


def judge(wave: Cohort, control: Cohort) -> tuple[Verdict, tuple[Finding, ...]]:
    """WAIT until both sides were watched long enough; a clear harm is told at once."""
    names = len(wave.counts) + 2 * len(wave.worsening)
    found = []
    for name in sorted(wave.counts):
        p, ratio = compare_counts(
            wave.counts[name], wave.device_hours, control.counts.get(name, 0), control.device_hours
        )
        if p < ALPHA / names and ratio >= MIN_RATIO:
            found.append(Finding(name, p, ratio))
    for name in sorted(wave.worsening):
        ours, theirs = wave.worsening[name], control.worsening.get(name, ())
        if len(ours) < MIN_SAMPLES or len(theirs) < MIN_SAMPLES:
            continue
        p, shift = rank_sum(ours, theirs), _median(ours) - _median(theirs)
        if p < ALPHA / names and shift >= 1.0:
            found.append(Finding(name, p, shift))
            continue
        p, excess = compare_shares(ours, theirs)
        if p < ALPHA / names and excess >= MIN_EXCESS:
            found.append(Finding(f"{name} on some", p, excess))
    if found:
        return Verdict.WORSE, tuple(found)
    watched = min(wave.device_hours, control.device_hours) >= MIN_DEVICE_HOURS
    return (Verdict.OK if watched else Verdict.WAIT), ()


def compare_counts(ours: int, our_hours: float, theirs: int, their_hours: float) -> tuple[float, float]:
    """(p, ratio) that our rate is higher: given the sum, our count is binomial with our share of the hours."""
    if our_hours <= 0 or their_hours <= 0:
        return 1.0, 1.0
    p = binomial_tail(ours, ours + theirs, our_hours / (our_hours + their_hours))
    return p, (ours / our_hours) / (max(theirs, 0.5) / their_hours)


def compare_shares(ours: tuple[float, ...], theirs: tuple[float, ...]) -> tuple[float, float]:
    """(p, excess) that more of ours got worse by a change that matters: given the sum, our part of it is binomial."""
    n, m = len(ours), len(theirs)
    bad, their_bad = sum(change >= 1.0 for change in ours), sum(change >= 1.0 for change in theirs)
    return binomial_tail(bad, bad + their_bad, n / (n + m)), bad / n - their_bad / m


def rank_sum(ours: tuple[float, ...], theirs: tuple[float, ...]) -> float:
    """One-sided Mann-Whitney p that ours are larger (normal approximation with ties and continuity)."""
    both = sorted([(value, True) for value in ours] + [(value, False) for value in theirs])
    rank_total, ties, start = 0.0, 0.0, 0
    while start < len(both):
        end = start
        while end < len(both) and both[end][0] == both[start][0]:
            end += 1
        same = end - start
        rank_total += (start + end + 1) / 2 * sum(is_ours for _, is_ours in both[start:end])
        ties += same**3 - same
        start = end
    n, m = len(ours), len(theirs)
    u = rank_total - n * (n + 1) / 2
    total = n + m
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    return 0.5 * math.erfc((u - n * m / 2 - 0.5) / math.sqrt(2 * variance))


def _median(values: tuple[float, ...]) -> float:
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
