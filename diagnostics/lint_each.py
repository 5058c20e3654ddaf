"""What is wrong with a rule by itself, whatever the others say: can never fire, can never recover, fires on healthy
devices.
"""

from collections.abc import Iterator
from itertools import combinations

from diagnostics.catalogue import Catalogue, Metric
from diagnostics.faults import Faults
from diagnostics.rule_file import FIRMWARE
from diagnostics.rule_parts import Guard
from diagnostics.rules import Baseline, Count, Forecast, Frozen, Level, Peer, Rule, Signature, Silence, StateIs

MOST = 0.5
FASTEST_S = 20.0
"""Nobody reports more often for long, and no device starts faster."""
MAX_EXAMPLE_REPORTS = 20_000
NOTABLE, TIMEOUTS = 2.0, 1000.0


def errors_of(rule: Rule, catalogue: Catalogue, faults: Faults) -> Iterator[str]:
    """Why the rule must not be used, one line each."""
    for name in (rule.fault_class, rule.site_class):
        if name and name not in faults:
            yield f"fault class '{name}' has no texts: describe it in faults.toml"
    yield from _impossible_guards(rule.when, catalogue)
    for example in rule.examples:
        if example.reports > MAX_EXAMPLE_REPORTS:
            yield (
                f"example: {example.say}: takes {example.reports:.0f} reports, at most {MAX_EXAMPLE_REPORTS}: "
                "report less often (every_s)"
            )
    match rule:
        case Level():
            yield from _level(rule, catalogue)
        case Forecast() if not rule.exact:
            yield from _forecast(rule, catalogue.metric[rule.metric])
        case Peer():
            if (rule.steps[0].limit <= 0) == (rule.direction == "above"):
                yield "half of all devices lie on that side of their peers: give a limit away from 0"
        case Count():
            yield from _count(rule)
        case StateIs():
            yield from _state(rule, catalogue)
        case Signature():
            yield from _signature(rule, catalogue)
        case Baseline() if rule.steps[0].limit < NOTABLE:
            yield f"would fire on every device again and again: 3 is notable, 7 a ticket; limit {rule.steps[0].limit:g}"
        case Frozen() if rule.steps[0].limit <= 1:
            yield "would fire on every device: each value is the first of its kind; count at least 2 samples"
        case Silence():
            yield from _silence(rule)
        case _:
            pass


def warnings_of(rule: Rule) -> Iterator[str]:
    """What its author should look at again."""
    if not rule.examples:
        yield "has no example: add one series that fires and one that does not"
    if isinstance(rule, Level) and 0 < rule.average_s < 2 * FASTEST_S:
        yield f"average_s: {rule.average_s:g} s hold a single report of most devices: leave it out or make it longer"
    if rule.min_samples > 1 and rule.for_s and rule.for_s > rule.min_samples * 86_400.0:
        yield f"waits {rule.for_s / 86_400.0:g} days: most faults are seen by then"


def _level(rule: Level, catalogue: Catalogue) -> Iterator[str]:
    for guard in rule.when:
        if guard.metric == rule.metric and not rule.relative and not rule.per and rule.of == "value":
            limit = rule.steps[0].limit
            edge = guard.below if rule.direction == "above" else guard.above
            if edge is not None and (edge <= limit if rule.direction == "above" else edge >= limit):
                yield f"can never fire: its guard on '{rule.metric}' ends at {edge:g}, its limit is {limit:g}"
    if rule.of == "value" and not rule.per and not rule.relative:
        yield from _limits_of(rule, catalogue.metric[rule.metric], guarded=bool(rule.when))
    if rule.relative and (rule.steps[0].limit < 1) == (rule.direction == "above"):
        yield "1.0 is usual: as it stands it fires on every healthy device; turn direction or limit round"
    if rule.per == rule.metric:
        yield "per: a metric divided by itself is always 1"


def _count(rule: Count) -> Iterator[str]:
    limit = rule.steps[0].limit
    if limit <= 0:
        yield "fires without anything having happened: count at least 1"
    if rule.of in {"boots", "changes"} and limit > 1 + rule.window_s / FASTEST_S:
        yield f"can never fire: {limit:g} {rule.of} do not fit into window_s = {rule.window_s:g}"


def _state(rule: StateIs, catalogue: Catalogue) -> Iterator[str]:
    if rule.differs_from == rule.state:
        yield f"can never fire: '{rule.state}' never differs from itself"
    words = catalogue.state[rule.state].values if rule.state != FIRMWARE else ()
    if words and set(words) <= set(rule.one_of):
        yield f"would fire on every device: these are all the words of '{rule.state}'"
    if words and set(words) <= set(rule.none_of):
        yield f"can never fire: '{rule.state}' has no other words"


def _signature(rule: Signature, catalogue: Catalogue) -> Iterator[str]:
    if late := [sign.say for sign in rule.signs if sign.within_s > rule.span_s]:
        yield f"'{late[0]}' may come after the span has ended: make span_s at least its within_s"
    if rule.steps[0].limit > 1 + rule.window_s / FASTEST_S:
        yield f"can never fire: {rule.steps[0].limit:g} times do not fit into window_s = {rule.window_s:g}"
    for sign in rule.signs:
        metric = catalogue.metric.get(sign.metric)
        if metric is not None and not _reached(metric, sign.above, sign.below):
            yield f"can never fire: no value of '{sign.metric}' gives the sign '{sign.say}'"


def _silence(rule: Silence) -> Iterator[str]:
    if rule.steps[0].limit > TIMEOUTS:
        yield f"can hardly fire: {rule.steps[0].limit:g} timeouts are months or years of silence"
    for name in ("for_s", "site_wait_s", "settle_s", "when"):
        if getattr(rule, name):
            yield f"{name}: who is silent says nothing more: give its time as limit, in timeouts, and remove {name}"
    if rule.min_samples > 1:
        yield "can never fire: who is silent gives no second sample: remove min_samples"


def _reached(metric: Metric, above: float | None, below: float | None) -> bool:
    """Whether a value that is physically possible lies between the bounds."""
    low, high = metric.range
    return (above is None or above < high) and (below is None or below > low) and _between(above, below)


def _between(above: float | None, below: float | None) -> bool:
    return above is None or below is None or above < below


def _limits_of(rule: Level, metric: Metric, *, guarded: bool) -> Iterator[str]:
    low, high = metric.healthy
    first = rule.steps[0]
    width = high - low
    inside = (high - first.limit if rule.direction == "above" else first.limit - low) if width else 0.0
    beyond = first.limit <= low if rule.direction == "above" else first.limit >= high
    if not guarded and (beyond or inside > MOST * width):
        yield (
            f"would fire on most of the fleet: healthy is {low:g} to {high:g} {metric.unit}, "
            f"the limit is {rule.direction} {first.limit:g}: move it out of there or add a guard (when)"
        )
    clear = first.limit if first.clear is None else first.clear
    if clear < low if rule.direction == "above" else clear > high:
        yield f"can never recover: a healthy device does not reach its clear level {clear:g}: move it into the range"
    edge = metric.range[1] if rule.direction == "above" else metric.range[0]
    for step in rule.steps:
        if step.limit == edge and edge != (high if rule.direction == "above" else low):
            yield f"limit {step.limit:g} is the edge of the physical range: it can hardly be reached; move it inward"


def _forecast(rule: Forecast, metric: Metric) -> Iterator[str]:
    if not metric.range[0] <= rule.limit <= metric.range[1]:
        low, high = metric.range
        yield f"limit {rule.limit:g} can never be reached: '{rule.metric}' goes from {low:g} to {high:g}"
    low, high = metric.healthy
    if rule.limit <= low if rule.towards == "above" else rule.limit >= high:
        yield f"would fire on most of the fleet: healthy is {low:g} to {high:g}, which lies past limit {rule.limit:g}"
    sign = 1.0 if rule.towards == "above" else -1.0
    if rule.from_level is not None and sign * rule.from_level >= sign * rule.limit:
        yield f"can never fire in time: from_level {rule.from_level:g} lies beyond limit {rule.limit:g}"
    if any(step.limit > 365 for step in rule.steps):
        yield "looks more than a year ahead: steps are days until the limit"


def _impossible_guards(guards: tuple[Guard, ...], catalogue: Catalogue) -> Iterator[str]:
    for guard in guards:
        metric = catalogue.metric.get(guard.metric)
        if metric is not None and not _reached(metric, guard.above, guard.below):
            yield f"can never fire: no value of '{guard.metric}' satisfies its guard"
    for one, other in combinations(guards, 2):
        if one.metric and one.metric == other.metric:
            if not (_between(one.above, other.below) and _between(other.above, one.below)):
                yield f"can never fire: its guards on '{one.metric}' exclude each other"
        elif one.state and one.state == other.state and _exclude(one, other):
            yield f"can never fire: its guards on state '{one.state}' exclude each other"


def _exclude(one: Guard, other: Guard) -> bool:
    if one.known is not None and other.known is not None:
        return one.known != other.known
    for first, second in ((one, other), (other, one)):
        if first.one_of and (second.known is False or set(first.one_of) <= set(second.none_of)):
            return True
    return bool(one.one_of and other.one_of) and not set(one.one_of) & set(other.one_of)
