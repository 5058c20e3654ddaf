"""The board as plain data: every figure that one would quote, with its interval, and whether the targets are met.

The targets are those that the product is held to; a figure that cannot be known (nothing happened) is None.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from diagnostics.intervals import poisson, quantile, wilson
from diagnostics.score import ClassScore, Score

CURVE_H = (0, 1, 6, 24, 48, 96)
COVERAGE_TARGET, CLASS_TARGET = 0.95, 0.85
LEAD_MEDIAN_H, LEAD_P10_H = 48.0, 6.0
FALSE_TARGET = 0.5  # per 100 device-months of the healthy devices
SECONDS_AN_HOUR = 3600.0


def pool(scores: Sequence[Score]) -> Score:
    """Several runs (seeds) as one board: counts and times are put together, shares follow from them."""
    whole = Score({}, 0.0, 0.0, [], [], 0, [], 0, [], 0.0, 0)
    for score in scores:
        for name, part in score.classes.items():
            _join(whole.classes.setdefault(name, ClassScore(part.shape)), part)
        whole.healthy_months += score.healthy_months
        whole.free_months += score.free_months
        whole.false_healthy += score.false_healthy
        whole.false_elsewhere += score.false_elsewhere
        whole.consequences += score.consequences
        whole.per_outage += score.per_outage
        whole.own_outages += score.own_outages
        whole.during_own += score.during_own
        whole.flood_share += score.flood_share / len(scores)
        whole.tickets += score.tickets
        whole.reopened += score.reopened
        whole.wrong_clocks += score.wrong_clocks
        whole.by_wrong_clock += score.by_wrong_clock
    return whole


def _join(whole: ClassScore, part: ClassScore) -> None:
    if whole.shape == "none":
        whole.shape = part.shape  # in another run only false tickets had this class
    whole.injected += part.injected
    whole.early += part.early
    whole.late += part.late
    whole.leads += part.leads
    whole.delays += part.delays
    whole.duplicates += part.duplicates
    whole.missed += part.missed
    whole.tardy += part.tardy
    whole.false += part.false
    whole.in_interval += part.in_interval
    whole.with_interval += part.with_interval
    whole.right_dates += part.right_dates
    whole.exact_dates += part.exact_dates


def report(score: Score) -> dict[str, object]:
    """The board as plain data, ready for JSON."""
    leads = [lead for part in score.classes.values() if part.shape == "degradation" for lead in part.leads if lead > 0]
    hits, total = score.coverage()
    false = len(score.false_healthy)
    interval = sum(part.in_interval for part in score.classes.values())
    intervals = sum(part.with_interval for part in score.classes.values())
    steps = [delay for part in score.classes.values() if part.shape == "step" for delay in part.delays]
    missed = sum(len(part.missed) for part in score.classes.values())
    return {
        "coverage": _share(hits, total),
        "coverage_by_margin_h": {str(margin): _share(*score.coverage(margin)) for margin in CURVE_H},
        "lead_h": _spread(leads),
        "step_delay_s": {name: _seconds(value) for name, value in _spread(steps).items()},
        "missed": missed,
        "false_per_100_device_months": _rate(false, score.healthy_months / 100),
        "false_elsewhere_per_100_device_months": _rate(
            len(score.false_elsewhere), max(0.0, score.free_months - score.healthy_months) / 100
        ),
        "false_by_class_and_rule": _causes(score),
        "healthy_device_months": round(score.healthy_months, 1),
        "tickets": score.tickets,
        "reopened": score.reopened,
        "consequences": score.consequences,
        "duplicates": sum(part.duplicates for part in score.classes.values()),
        "tickets_per_site_outage": {str(count): number for count, number in sorted(Counter(score.per_outage).items())},
        "own_outages": score.own_outages,
        "tickets_during_own_outage": len(score.during_own),
        "own_clock_wrong": score.wrong_clocks,
        "tickets_by_own_clock": len(score.by_wrong_clock),
        "forecast_interval_coverage": _share(interval, intervals),
        "exact_dates_right": _share(
            sum(part.right_dates for part in score.classes.values()),
            sum(part.exact_dates for part in score.classes.values()),
        ),
        "flood_share": round(score.flood_share, 4),
        "targets": _targets(score, leads),
        "classes": {name: _class_report(part) for name, part in sorted(score.classes.items())},
    }


def _targets(score: Score, leads: list[float]) -> dict[str, bool | list[str] | None]:
    """Which of the product's numbers this run met."""
    hits, total = score.coverage()
    median, tenth = quantile(leads, 0.5), quantile(leads, 0.1)
    slow = {name: part for name, part in score.classes.items() if part.shape == "degradation" and part.injected}
    false = len(score.false_healthy) * 100
    return {
        "coverage_95": hits >= COVERAGE_TARGET * total if total else None,
        "classes_below_85": sorted(name for name, part in slow.items() if part.early < CLASS_TARGET * part.injected),
        "lead_median_48_h": None if median is None else median >= LEAD_MEDIAN_H,
        "lead_p10_6_h": None if tenth is None else tenth >= LEAD_P10_H,
        "false_half_per_100": false <= FALSE_TARGET * score.healthy_months if score.healthy_months else None,
        "no_duplicates": not any(part.duplicates for part in score.classes.values()),
        "one_ticket_an_outage": set(score.per_outage) == {1} if score.per_outage else None,
        "none_in_own_outage": not score.during_own,
        "none_by_own_clock": not score.by_wrong_clock,
    }


def _causes(score: Score) -> Mapping[str, int]:
    """False tickets by fault class and rule, the most frequent first."""
    counts = Counter(f"{one.fault_class} {one.rule}" for one in (*score.false_healthy, *score.false_elsewhere))
    return dict(counts.most_common())


def _class_report(part: ClassScore) -> dict[str, object]:
    return {
        "shape": part.shape,
        "injected": part.injected,
        "before_visible": part.early,
        "after_visible": part.late,
        "missed": len(part.missed),
        "coverage": _share(part.early, part.injected),
        "lead_h": _spread([lead for lead in part.leads if lead > 0]),
        "delay_h": _spread(part.delays),
        "interval_coverage": _share(part.in_interval, part.with_interval),
        "false": len(part.false),
        "duplicates": part.duplicates,
    }


def _share(hits: int, total: int) -> dict[str, float | int | None]:
    low, high = wilson(hits, total)
    share = round(hits / total, 4) if total else None
    return {"share": share, "low": round(low, 4), "high": round(high, 4), "of": total}


def _rate(count: int, exposure: float) -> dict[str, float | int | None]:
    low, high = poisson(count, exposure)
    return {
        "rate": round(count / exposure, 3) if exposure > 0 else None,
        "low": round(low, 3),
        "high": round(high, 3) if exposure > 0 else None,
        "count": count,
    }


def _spread(values: list[float]) -> dict[str, float | None]:
    found = {name: quantile(values, share) for name, share in (("p10", 0.1), ("median", 0.5), ("p95", 0.95))}
    return {name: None if value is None else round(value, 4) for name, value in found.items()}


def _seconds(hours: float | None) -> float | None:
    return None if hours is None else round(hours * SECONDS_AN_HOUR, 1)
