"""From a report in order to the rules that have reason to look at it. The hot path: a healthy report ends here.

Keeps the device's memory of values, states and counters up to date; sampling.py does so once an hour for the
downsampled past. Severities are judging.py's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import le
from typing import NamedTuple

from diagnostics.engine import Plan
from diagnostics.measures import Moment, note_count, under_way
from diagnostics.memory import NAN, Memory, Recent
from diagnostics.patience import next_sample, weary
from diagnostics.peers import PeerGroups
from diagnostics.rule_file import SEEN_CLOCK, SEEN_IMPOSSIBLE
from diagnostics.rule_parts import holding
from diagnostics.rules import Signature
from diagnostics.sampling import sample
from diagnostics.shapes import Shape
from diagnostics.telemetry import Report

KEPT_STATES = 64


class Read(NamedTuple):
    """A report read by a shape: its values in the order of the shape's names (a list: comparing the numbers of an array
    makes each of them anew), and the newest of the same shape before it. `inside`: all lie in their bands, where no
    rule on a level needs to look. `calm`: nothing but the sample that is due gives any rule a reason to look.
    """

    shape: Shape
    values: list[float]
    recent: Recent | None
    inside: bool
    calm: bool


def sort_values(read: Read, said: dict[str, float], outside: set[str]) -> dict[str, float]:
    """Drop impossible values (from what was said too; they become NaN in `read`), add the rules whose own good range
    a value left to `outside`.

    Returns the possible values by name.
    """
    metrics = dict(said)
    if read.inside:
        return metrics
    shape, values = read.shape, read.values
    for position, (low, value, high) in enumerate(zip(shape.lows, values, shape.highs, strict=True)):
        if low <= value <= high:
            continue
        least, most = shape.possible[position]
        if not least <= value <= most:
            name = shape.names[position]
            if name in said:
                values[position] = NAN
                del said[name], metrics[name]
            continue
        for watcher in shape.watchers[position]:
            if not watcher.low <= value <= watcher.high:
                outside.add(watcher.rule)
    return metrics


def unmoved(memory: Memory, shape: Shape, values: Sequence[float], said: Mapping[str, float]) -> bool | None:
    """Whether the values outside their band give no rule a reason to look: they lie in the good range of each rule
    whose guards hold. (A value that stays where a guarded rule would look costs little for all its life.) Or they are
    possible, and levels are not judged with this report. None: one of them is impossible, or missing.
    """
    if weary(memory):
        return (all(map(le, shape.least, values)) and all(map(le, values, shape.most))) or None
    states = memory.states
    for position, (low, value, high) in enumerate(zip(shape.lows, values, shape.highs, strict=True)):
        if low <= value <= high:
            continue
        least, most = shape.possible[position]
        if not least <= value <= most:
            return None
        for watcher in shape.watchers[position]:
            if not watcher.low <= value <= watcher.high and holding(watcher.guards, said, states):
                return False
    return True


def clock_fits(memory: Memory) -> bool:
    """Whether no rule needs to look at what the gateway sees of the device's clock."""
    if weary(memory):
        return True
    low, high = memory.plan.seen[0]
    return low <= -memory.clock.offset <= high


def hear_gateway_metrics(memory: Memory, metrics: dict[str, float], impossible: int, outside: set[str]) -> None:
    """Add what the gateway itself measures; its rules look when it is out of band."""
    plan = memory.plan
    memory.impossible += impossible
    clock_s = metrics[SEEN_CLOCK] = -memory.clock.offset
    dropped = metrics[SEEN_IMPOSSIBLE] = float(impossible)
    clock_band, dropped_band = plan.seen
    if clock_band[0] <= clock_s <= clock_band[1] and dropped_band[0] <= dropped <= dropped_band[1]:
        return
    for name, value in ((SEEN_CLOCK, clock_s), (SEEN_IMPOSSIBLE, dropped)):
        watchers = plan.watchers.get(name, ())
        outside.update([watcher.rule for watcher in watchers if not watcher.low <= value <= watcher.high])


def nothing_new(memory: Memory, said: dict[str, str]) -> bool:
    """Whether a report's states are what is known already, and none that ends by absence is absent."""
    known = memory.states
    if not memory.transient:
        return not said or said.items() <= known.items()
    words = memory.plan.catalogue.state
    return said.items() <= known.items() and all(
        name in said or name not in words or not words[name].while_sent for name in known
    )


def hear_states(memory: Memory, said: dict[str, str], at: float, due: set[str]) -> dict[str, str]:
    """Merge the states of a report; what changed, with the word before. Rules on changed states become due."""
    plan = memory.plan
    changed = {}
    known = dict(memory.states)
    words = plan.catalogue.state
    for name in [name for name in known if name not in said]:
        word = words.get(name)
        if word is not None and word.while_sent:
            changed[name] = known.pop(name)
    for name, value in said.items():
        before = known.get(name, "")
        if value != before and (before or len(known) < KEPT_STATES):
            known[name] = value
            changed[name] = before
    memory.states = plan.shared_words(known)
    memory.transient = sum(words[name].while_sent for name in known if name in words)
    for name, before in changed.items():
        rules = plan.by_state.get(name, ())
        due.update(rules)
        for rule_name in rules if before else ():
            rule = plan.rules[rule_name]
            if rule.kind == "count" and (not rule.one_of or known.get(name) in rule.one_of):
                note_count(rule, memory, at, 1.0)
    return changed


def hear_firmware(memory: Memory, report: Report, peers: PeerGroups, due: set[str]) -> None:
    """A new version runs: other peers now, and rules that compare versions look."""
    peers.leave(memory)
    peers.releases.runs(memory.device.model, memory.firmware, report.firmware, report.received_at)
    memory.firmware_since = report.received_at if memory.firmware else 0.0
    memory.firmware = report.firmware
    due.update(memory.plan.by_state.get("firmware", ()))


def hear_counters(memory: Memory, read: Read, at: float, *, booted: bool, due: set[str]) -> None:
    """Growth of counters goes into the windows of the rules that count it.

    A counter that fell began anew: after a restart with what it shows now, else (a new part) with nothing.
    """
    plan, values = memory.plan, read.values
    bases = memory.bases
    for position, name in read.shape.counters:
        value = values[position]
        if value != value:  # noqa: PLR0124 - not there, or impossible
            continue
        if bases is None:
            bases = memory.bases = {}
        base = bases.get(name)
        if base == value:
            continue
        bases[name] = value
        if base is None:
            continue
        grown = value - base if value > base else value if booted else 0.0
        if grown > 0:
            rules = plan.counters[name]
            for rule_name in rules:
                note_count(plan.rules[rule_name], memory, at, grown)
            due.update(rules)


def hear_boot(memory: Memory, at: float, boots: int, due: set[str]) -> None:
    """The device restarted `boots` times since its last report. Expected restarts are not counted."""
    plan = memory.plan
    for block in memory.blocks:
        block.restart()
    unexpected = boots
    if at <= memory.expected_until and memory.expected_boots:
        taken = min(memory.expected_boots, boots)
        memory.expected_boots -= taken
        unexpected -= taken
    if not unexpected:
        return
    reason = memory.states.get("reset_reason", "")
    for name in plan.on_boot:
        rule = plan.rules[name]
        if isinstance(rule, Signature):
            due.add(name)
        elif rule.kind == "count" and (not rule.reasons or reason in rule.reasons):
            note_count(rule, memory, at, float(unexpected))
            due.add(name)


def hear_ratios(plan: Plan, metrics: dict[str, float], due: set[str]) -> None:
    """Rules on the ratio of two metrics, when it leaves their band."""
    for metric, per, low, high, name in plan.ratios:
        value, divisor = metrics.get(metric), metrics.get(per)
        if value is not None and divisor and not low <= value / divisor <= high:
            due.add(name)


def keep_values(memory: Memory, read: Read, moment: Moment, packed: bytes) -> None:
    """Remember the newest values of this shape."""
    shape, recent, at = read.shape, read.recent, moment.at
    due = next_sample(memory, at, moment.outside) if moment.sampled else 0.0
    if recent is None:
        memory.keep(Recent(shape, at, packed, due))
    else:
        if not moment.whole:
            memory.set_aside(recent, packed)
        recent.at, recent.packed = at, packed
    if moment.sampled:
        for other in memory.recent:
            if other.shape is shape or _within(other.shape, shape):
                other.due = due


@lru_cache(maxsize=1024)
def _within(part: Shape, whole: Shape) -> bool:
    return part.known <= whole.known


def prepare(memory: Memory, report: Report, read: Read, boots: int, peers: PeerGroups) -> Moment:
    """Everything that a report with something to look at does to the memory; the moment with the rules that are due.

    `boots`: restarts since the report before, 0 = none.
    """
    at = report.effective_at
    if read.calm:
        seen = {SEEN_CLOCK: -memory.clock.offset, SEEN_IMPOSSIBLE: 0.0}
        moment = Moment(at, report.metrics | seen, memory.states)
    else:
        moment = _hear(memory, report, read, boots, peers)
    if read.recent is None or at >= read.recent.due:
        sample(memory, read.shape, read.values, moment, peers)
    return moment


def _hear(memory: Memory, report: Report, read: Read, boots: int, peers: PeerGroups) -> Moment:
    due: set[str] = set()
    outside: set[str] = set()
    at = report.effective_at
    said = len(report.metrics)
    metrics = sort_values(read, report.metrics, outside)
    impossible = said - len(metrics)
    hear_gateway_metrics(memory, metrics, impossible, outside)
    changed = {} if nothing_new(memory, report.states) else hear_states(memory, report.states, at, due)
    if report.firmware and report.firmware != memory.firmware:
        hear_firmware(memory, report, peers, due)
    if boots:
        memory.booted_at = at - report.uptime_s if report.uptime_s is not None else at
        hear_boot(memory, at, boots, due)
    if memory.signs and not weary(memory):
        due.update(under_way(memory, at))
    if read.shape.counters:
        hear_counters(memory, read, at, booted=boots > 0, due=due)
    if memory.plan.ratios:
        hear_ratios(memory.plan, metrics, due)
    moment = Moment(at, metrics, memory.states, booted=boots > 0, changed=changed, due=due, outside=outside)
    moment.whole = len(report.metrics) == len(read.values)
    return moment
