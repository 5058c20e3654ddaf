"""The hourly sample of a device: what feeds the downsampled past, runs of equal values, peers and baselines.

Of the rules that look at samples only those become due that are not quiet, or whose measure may be bad now: what can be
seen to be good without judging it is not judged.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import inf

from diagnostics.baseline import Stream
from diagnostics.measures import NEVER_DAYS, Moment, usual_value
from diagnostics.memory import NAN, Memory
from diagnostics.peers import PeerGroups
from diagnostics.rule_file import SEEN_CLOCK, SEEN_IMPOSSIBLE
from diagnostics.rule_parts import severity_of
from diagnostics.rules import Baseline, Forecast, Level, Peer, Rule
from diagnostics.shapes import Shape

STUCK_S = 2700.0
MOST_ALIKE = 65_535
CLOSE = 1e-6
"""Bounds are kept in single precision, on the careful side by so much."""
PLAIN = (1e-30, 1e30)


def sample(memory: Memory, shape: Shape, values: Sequence[float], moment: Moment, peers: PeerGroups) -> None:
    """Take a report as the sample of its hour; the rules that look at samples become due."""
    plan, due = memory.plan, moment.due
    moment.sampled = True
    _complete_cycles(memory, moment)
    _feed(memory, shape, values, moment)
    for name in (SEEN_CLOCK, SEEN_IMPOSSIBLE):
        for number, column in plan.feeds.get(name, ()):
            if memory.blocks[number].tracks[column].holds(moment.metrics, moment.states):
                memory.blocks[number].feed(column, moment.metrics[name])
    if plan.watched and moment.at - memory.stuck_at >= STUCK_S:
        _watch_for_freezing(memory, shape, values, moment.at)
    for name, place in plan.peers.items():
        peer = plan.rules[name]
        assert isinstance(peer, Peer)
        newest = moment.metrics.get(peer.metric)
        if newest is None or (peer.when and not moment.guarded(peer)):
            continue
        if peers.share(peer, memory, place, newest, moment.at):
            moment.outside.add(name)
    for name in plan.baselines:
        baseline = plan.rules[name]
        assert isinstance(baseline, Baseline)
        newest = moment.metrics.get(baseline.metric)
        if newest is not None:
            streams = memory.streams = memory.streams if memory.streams is not None else {}
            if name not in streams:
                streams[name] = Stream()
            streams[name].update(moment.at, newest)
            due.add(name)
    if plan.relatives:
        _compare_with_usual(memory, moment)
    if plan.frozen and memory.stuck_runs is not None:
        longest = max(memory.stuck_runs)
        for name in plan.frozen:
            if longest >= plan.rules[name].steps[0].limit:
                due.add(name)
    due.update([name for name in plan.unscreened if moment.guarded(plan.rules[name])])
    if memory.active:
        due.update([name for name in plan.on_sample if name in memory.active])


def _feed(memory: Memory, shape: Shape, values: Sequence[float], moment: Moment) -> None:
    """Put the values into the tracks that look back on them."""
    blocks, feeds = memory.blocks, shape.feeds
    if moment.whole:
        feeds = shape.singly
        if shape.rows:
            said = (*values, 1.0, 0.0)
            for row in shape.rows:
                blocks[row.block].feed_all(row.pick(said), row.extremes, values)
    for feed in feeds:
        value = values[feed.position]
        if value == value and (not feed.track.when or feed.track.holds(moment.metrics, moment.states)):  # noqa: PLR0124
            blocks[feed.block].feed(feed.column, value)


def _compare_with_usual(memory: Memory, moment: Moment) -> None:
    """Rules whose value may be too far from the device's usual one become due."""
    rules, metrics = memory.plan.relatives, moment.metrics
    block = memory.blocks[memory.plan.column[rules[0].name][0]]
    bounds = block.bounds
    if not bounds:
        block.bounds = bounds = array("f", [_bound(rule, memory) for rule in rules])
    for rule, bound in zip(rules, bounds, strict=True):
        value = metrics.get(rule.metric)
        if value is not None and (value >= bound if rule.direction == "above" else value <= bound):
            moment.outside.add(rule.name)


def _bound(rule: Level, memory: Memory) -> float:
    """The value from which on a rule on the usual value has to be asked, a little on the careful side."""
    usual = usual_value(rule, memory, newest=True)
    outward = 1.0 if rule.direction == "above" else -1.0
    if not usual:
        return outward * inf
    bound = usual * rule.steps[0].limit
    least, most = PLAIN
    if usual < 0 or not least < abs(bound) < most:
        return -outward * inf
    return bound - outward * CLOSE * abs(bound)


def _complete_cycles(memory: Memory, moment: Moment) -> None:
    """Close what ended since the sample before; rules that look back on it become due."""
    completed = [number for number, block in enumerate(memory.blocks) if block.roll(moment.at)]
    if not completed:
        return
    moment.completed = frozenset(completed)
    memory.novelties = max(0, memory.novelties - 1)
    plan, active = memory.plan, memory.active
    look = bool(memory.reaches)
    forecasts: list[str] = []
    for (number, column), names in plan.forecasts.items():
        if number in moment.completed:
            newest = None if look else memory.blocks[number].newest(column)
            if newest is not None or (active and not look):
                look = any(name in active or _may_reach(plan.rules[name], newest) for name in names)
            forecasts += names
    if look:  # all of them: one that speaks of no date takes back what another said of the same class
        moment.due.update(forecasts)
    for (number, column), names in plan.days.items():
        newest = memory.blocks[number].newest(column) if number in moment.completed else None
        if newest is not None:
            moment.due.update([name for name in names if name in active or _may_be_bad(plan.rules[name], newest)])


def _may_be_bad(rule: Rule, newest: float) -> bool:
    """Whether a complete day may be bad: one that is not compared with others says so itself."""
    assert isinstance(rule, Level)
    return bool(rule.relative) or severity_of(newest, rule.steps, rule.direction, None) is not None


def _may_reach(rule: Rule, newest: float | None) -> bool:
    """Whether the level of a complete cycle lets a forecast speak of dates at all."""
    assert isinstance(rule, Forecast)
    if newest is None:
        return False
    if rule.from_level is None or rule.steps[0].limit >= NEVER_DAYS:
        return True
    if rule.towards == "above":
        return newest > rule.from_level or newest >= rule.limit
    return newest < rule.from_level or newest <= rule.limit


def _watch_for_freezing(memory: Memory, shape: Shape, values: Sequence[float], at: float) -> None:
    last, runs = memory.stuck_values, memory.stuck_runs
    if last is None or runs is None:
        watched = len(memory.plan.watched)
        last = memory.stuck_values = array("f", [NAN] * watched)
        runs = memory.stuck_runs = array("H", [0] * watched)
    memory.stuck_at = at
    rounded = array("f", values)  # alike in seven digits is alike
    for position, place in shape.stuck:
        value = rounded[position]
        if value == last[place]:
            runs[place] = min(MOST_ALIKE, runs[place] + 1)
        elif value == value:  # noqa: PLR0124 - not an impossible one
            last[place] = value
            runs[place] = 1
