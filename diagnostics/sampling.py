"""The hourly sample of a device: what feeds the downsampled past, runs of equal values, peers and baselines."""

from __future__ import annotations

from array import array

from diagnostics.baseline import Stream
from diagnostics.measures import Moment
from diagnostics.memory import Memory
from diagnostics.peers import PeerGroups
from diagnostics.rule_file import SEEN_CLOCK, SEEN_IMPOSSIBLE
from diagnostics.rules import Baseline, Peer
from diagnostics.shapes import Shape

SAMPLE_S = 3600.0
STUCK_S = 2700.0
MOST_ALIKE = 65_535
NAN = float("nan")


def sample(memory: Memory, shape: Shape, values: array[float], moment: Moment, peers: PeerGroups) -> None:
    """Take a report as the sample of its hour; the rules that look at samples become due."""
    plan = memory.plan
    moment.sampled = True
    _complete_cycles(memory, moment)
    blocks = memory.blocks
    for feed in shape.feeds:
        value = values[feed.position]
        if value == value and (not feed.track.when or feed.track.holds(moment.metrics, moment.states)):  # noqa: PLR0124
            blocks[feed.block].feed(feed.column, value)
    for name in (SEEN_CLOCK, SEEN_IMPOSSIBLE):
        for number, column in plan.feeds.get(name, ()):
            if blocks[number].tracks[column].holds(moment.metrics, moment.states):
                blocks[number].feed(column, moment.metrics[name])
    if plan.watched and moment.at - memory.stuck_at >= STUCK_S:
        _watch_for_freezing(memory, shape, values, moment.at)
    for name in plan.peers:
        peer = plan.rules[name]
        assert isinstance(peer, Peer)
        newest = moment.metrics.get(peer.metric)
        if newest is not None and moment.guarded(peer):
            peers.share(peer, memory, newest, moment.at)
    for name in plan.baselines:
        baseline = plan.rules[name]
        assert isinstance(baseline, Baseline)
        newest = moment.metrics.get(baseline.metric)
        if newest is not None:
            streams = memory.streams = memory.streams if memory.streams is not None else {}
            if name not in streams:
                streams[name] = Stream()
            streams[name].update(moment.at, newest)
    moment.due.update(plan.on_sample)


def _complete_cycles(memory: Memory, moment: Moment) -> None:
    """Close what ended since the sample before; rules that look back on it become due."""
    completed = [number for number, block in enumerate(memory.blocks) if block.roll(moment.at)]
    if not completed:
        return
    moment.completed = frozenset(completed)
    for looking in (memory.plan.forecasts, memory.plan.days):
        for (number, _), names in looking.items():
            if number in moment.completed:
                moment.due.update(names)


def _watch_for_freezing(memory: Memory, shape: Shape, values: array[float], at: float) -> None:
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
