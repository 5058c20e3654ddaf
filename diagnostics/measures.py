"""The measure of each kind of rule: one number from a report and the device's memory, or None for no evidence.

Each function may keep what it needs in the memory; none of them knows severities or time limits (episodes.py does).
"""

import msgspec

from diagnostics.forecast import fit, of_late, reach, recalibrated
from diagnostics.memory import Memory, SignatureProgress
from diagnostics.patience import weary
from diagnostics.rule_file import FIRMWARE
from diagnostics.rule_parts import Sign, holding
from diagnostics.rules import Count, Forecast, Frozen, Level, Rule, Signature, StateIs

DAY = 86_400.0
NEVER_DAYS = 36_500.0
FULL_WINDOW = 0.75
KEPT_AVERAGED = 32
"""So many values of a mean are remembered, however often a device reports."""
PLATEAU = 1.25


class Moment(msgspec.Struct, eq=False):
    """One report (or event) as rules see it. `metrics` holds only possible values, also what the gateway itself
    measures.
    """

    at: float
    metrics: dict[str, float]
    states: dict[str, str]
    sampled: bool = False
    whole: bool = True  # no value of the report's shape is missing or impossible
    booted: bool = False
    changed: dict[str, str] = {}  # states that changed, with the word before
    topics: tuple[str, ...] = ()
    completed: frozenset[int] = frozenset()  # blocks whose cycle was completed
    due: set[str] = set()  # rules with a reason to look that does not come again
    outside: set[str] = set()  # rules on levels that a value may be outside of the good range of

    def guarded(self, rule: Rule) -> bool:
        """Whether the rule's guards let this report be evidence."""
        return holding(rule.when, self.metrics, self.states)


def _windows(memory: Memory, name: str) -> list[tuple[float, float]]:
    if memory.windows is None:
        memory.windows = {}
    return memory.windows.setdefault(name, [])


def level(rule: Level, memory: Memory, moment: Moment) -> float | None:
    """The value, its short mean, a complete day's aggregate, or any of them against the device's usual."""
    if rule.of != "value":
        return _day(rule, memory, moment)
    value = moment.metrics.get(rule.metric)
    if value is None:
        return None
    if rule.per:
        divisor = moment.metrics.get(rule.per)
        return value / divisor if divisor else None
    if rule.relative:
        usual = usual_value(rule, memory, newest=True)
        return value / usual if usual else None
    return _averaged(rule, memory, moment.at, value) if rule.average_s else value


def _averaged(rule: Level, memory: Memory, at: float, value: float) -> float | None:
    window = _windows(memory, rule.name)
    if not window or at - window[-1][0] >= rule.average_s / KEPT_AVERAGED:
        window.append((at, value))
    while window[0][0] < at - rule.average_s:
        del window[0]
    if at - window[0][0] < FULL_WINDOW * rule.average_s:
        return value if len(window) == 1 and weary(memory) else None  # it stands for the time since the sample before
    return sum(sample for _, sample in window) / len(window)


def usual_value(rule: Level, memory: Memory, *, newest: bool) -> float | None:
    """The median of the device's last daily values; None before three are known. `newest`: include the last complete
    day.
    """
    block, column = memory.plan.column[rule.name]
    return memory.blocks[block].usual(column, rule.usual_days, newest=newest)


def _day(rule: Level, memory: Memory, moment: Moment) -> float | None:
    block, column = memory.plan.column[rule.name]
    if block not in moment.completed:
        return None
    value = memory.blocks[block].newest(column)
    if value is None or not rule.relative:
        return value
    usual = usual_value(rule, memory, newest=False)
    return value / usual if usual else None


def count(rule: Count, memory: Memory, moment: Moment) -> float:
    """How many fell into the window (`note_count` put them there)."""
    if memory.windows is None or rule.name not in memory.windows:
        return 0.0
    window = memory.windows[rule.name]
    while window and window[0][0] <= moment.at - rule.window_s:
        del window[0]
    if not window:
        del memory.windows[rule.name]
        return 0.0
    return sum(number for _, number in window)


KEPT_COUNTS = 128


def note_count(rule: Rule, memory: Memory, at: float, number: float) -> None:
    """Put something countable into a rule's window. Bounded: what is too much for the window joins the newest entry."""
    window = _windows(memory, rule.name)
    if len(window) >= KEPT_COUNTS:
        window[-1] = (window[-1][0], window[-1][1] + number)
        return
    window.append((at, number))
    if len(window) > 1 and at < window[-2][0]:
        window.sort()


def state_is(rule: StateIs, memory: Memory, moment: Moment) -> float | None:
    """1 while the state is wrong, 0 while it is right or not sent (where absence ends it), None while it is unknown."""
    word = _word(rule.state, memory, moment)
    if not word:
        return _absent(rule.state, memory)
    if rule.differs_from:
        other = _word(rule.differs_from, memory, moment)
        return float(word != other) if other else _absent(rule.differs_from, memory)
    return float(word in rule.one_of) if rule.one_of else float(word not in rule.none_of)


def _word(state: str, memory: Memory, moment: Moment) -> str:
    return memory.firmware if state == FIRMWARE else moment.states.get(state, "")


def _absent(state: str, memory: Memory) -> float | None:
    """What the absence of a state says: nothing, unless it ends so."""
    known = memory.plan.catalogue.state.get(state)
    return 0.0 if known is not None and known.while_sent else None


def forecast(rule: Forecast, memory: Memory, moment: Moment) -> float | None:
    """Days until the limit; NEVER_DAYS while the gates are shut (good evidence); None between cycles."""
    if rule.exact:
        left = moment.metrics.get(rule.metric)
        if left is not None:
            _keep_reach(rule, memory, moment.at, (left, left, left))
        return left
    block, column = memory.plan.column[rule.name]
    if block not in moment.completed:
        return None
    newest = memory.blocks[block].newest(column)
    if newest is None:
        return None
    sign = 1.0 if rule.towards == "above" else -1.0
    if sign * newest >= sign * rule.limit:
        _keep_reach(rule, memory, moment.at, (0.0, 0.0, 0.0))
        return 0.0
    reached = told = None
    points = []
    if rule.from_level is None or sign * newest > sign * rule.from_level:
        points = memory.blocks[block].points(column, rule.max_points)
    if len(points) >= rule.min_points:
        trend = fit(points)
        if trend.slope_high - trend.slope_low <= rule.spread_max * abs(trend.slope):
            reached = reach(trend, rule.limit, newest, sign)
        if reached is not None:
            recent = reach(fit(points[-rule.min_points :]), rule.limit, newest, sign)
            if not rule.no_plateau or (recent is not None and recent.median <= PLATEAU * reached.median):
                lately = reach(of_late(points, rule.min_points, trend), rule.limit, newest, sign)
                told = recalibrated(lately or reached, recent)
    if reached is None or told is None:
        if memory.reaches is not None:
            memory.reaches.pop(rule.fault_class, None)
        return NEVER_DAYS
    _keep_reach(rule, memory, moment.at, (told.earliest, told.median, told.latest))
    return min(NEVER_DAYS, reached.earliest)


def _keep_reach(rule: Forecast, memory: Memory, at: float, days: tuple[float, float, float]) -> None:
    if memory.reaches is None:
        memory.reaches = {}
    first, middle, last = (at + min(NEVER_DAYS, part) * DAY for part in days)
    memory.reaches[rule.fault_class] = (first, middle, last)


def frozen(rule: Frozen, memory: Memory, moment: Moment) -> float | None:
    """The longest run of equal hourly samples, of one metric or of any watched."""
    if not moment.sampled or memory.stuck_runs is None:
        return None
    if rule.metric:
        return float(memory.stuck_runs[memory.plan.watched.index(rule.metric)])
    return float(max(memory.stuck_runs, default=0))


def signature(rule: Signature, memory: Memory, moment: Moment) -> float:
    """How often all signs came in their order within the span, lately."""
    if memory.signs is None:
        memory.signs = {}
    progress = memory.signs.get(rule.name)
    if progress is None:
        blank: list[float | None] = [None] * len(rule.signs)
        progress = memory.signs[rule.name] = SignatureProgress(list(blank), list(blank))
    began, came = progress.began, progress.came
    for position, sign in enumerate(rule.signs):
        if not _shown(sign, moment):
            continue
        start: float | None = moment.at
        if position:
            before, start = came[position - 1], began[position - 1]
            if before is None or start is None or moment.at - start > rule.span_s:
                continue
            if sign.within_s and moment.at - before > sign.within_s:
                continue
        began[position], came[position] = start, moment.at
    if came[-1] == moment.at:
        progress.complete.append(moment.at)
        progress.began, progress.came = [None] * len(began), [None] * len(came)
    progress.complete = [at for at in progress.complete[-KEPT_COUNTS:] if at > moment.at - rule.window_s]
    times = len(progress.complete)
    if not times and not any(at is not None and moment.at - at <= rule.span_s for at in progress.came):
        del memory.signs[rule.name]
    return float(times)


def under_way(memory: Memory, at: float) -> list[str]:
    """The signatures that have begun on a device and may go on with any report: a later sign of theirs is a metric."""
    plan = memory.plan
    return [
        name
        for name, progress in (memory.signs or {}).items()
        if name in plan.chains and _begun(plan.rules[name], progress, at)
    ]


def _begun(rule: Rule, progress: SignatureProgress, at: float) -> bool:
    assert isinstance(rule, Signature)
    for came in progress.came:  # noqa: SIM110 - asked with every report
        if came is not None and at - came <= rule.span_s:
            return True
    return False


def _shown(sign: Sign, moment: Moment) -> bool:
    if sign.metric:
        value = moment.metrics.get(sign.metric)
        if value is None:
            return False
        return value > sign.above if sign.above is not None else value < (sign.below or 0.0)
    if sign.state:
        return sign.state in moment.changed and moment.states.get(sign.state) in sign.one_of
    if sign.boot:
        return moment.booted and (not sign.reasons or moment.states.get("reset_reason") in sign.reasons)
    return sign.event in moment.topics
