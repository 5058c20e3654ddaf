"""From a report in order to the rules that have reason to look at it. The hot path: a healthy report ends here.

Keeps the device's memory of values, states, counters and samples up to date; severities are judging.py's business.
"""

from __future__ import annotations

from array import array
from operator import le

from diagnostics.baseline import Stream
from diagnostics.engine import Plan, Shape
from diagnostics.measures import Moment, note_count
from diagnostics.memory import Memory, Recent
from diagnostics.peers import PeerGroups
from diagnostics.rule_file import SEEN_CLOCK, SEEN_IMPOSSIBLE
from diagnostics.rules import Baseline, Peer, Signature
from diagnostics.telemetry import Report

SAMPLE_S = 3600.0
SAMPLE_SLACK_S = 60.0
STUCK_S = 2700.0
NAN = float("nan")
KEPT_STATES = 64


def sort_values(
    plan: Plan, shape: Shape, values: array[float], said: dict[str, float], due: set[str]
) -> dict[str, float]:
    """Drop impossible values (from what was said too; they become NaN in `values`), add the rules of metrics outside
    their band to `due`.

    Returns the possible values by name.
    """
    if all(map(le, shape.lows, values)) and all(map(le, values, shape.highs)):
        return dict(said)
    metrics = {}
    for position, name in enumerate(shape.names):
        value = values[position]
        if not shape.lows[position] <= value <= shape.highs[position]:
            if not plan.catalogue.possible(name, value):
                values[position] = NAN
                del said[name]
                continue
            due.update(plan.by_metric.get(name, ()))
        metrics[name] = value
    return metrics


def hear_gateway_metrics(memory: Memory, metrics: dict[str, float], impossible: int, due: set[str]) -> None:
    """Add what the gateway itself measures; its rules look when it is out of band."""
    plan = memory.plan
    memory.impossible += impossible
    for name, value in ((SEEN_CLOCK, -memory.clock.offset), (SEEN_IMPOSSIBLE, float(impossible))):
        metrics[name] = value
        rules = plan.by_metric.get(name)
        if rules and not plan.bands[name][0] <= value <= plan.bands[name][1]:
            due.update(rules)


def nothing_new(memory: Memory, said: dict[str, str]) -> bool:
    """Whether a report's states are what is known already."""
    if memory.transient:
        return False
    return said.items() <= memory.states.items()


def hear_states(memory: Memory, said: dict[str, str], at: float, due: set[str]) -> dict[str, str]:
    """Merge the states of a report; what changed, with the word before. Rules on changed states become due."""
    plan = memory.plan
    changed = {}
    known = memory.states
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
    memory.transient = sum(words[name].while_sent for name in known if name in words)
    for name, before in changed.items():
        rules = plan.by_state.get(name, ())
        due.update(rules)
        for rule_name in rules if before else ():
            rule = plan.rules[rule_name]
            if rule.kind == "count" and (not rule.one_of or known.get(name) in rule.one_of):
                note_count(rule, memory, at, 1.0)
    return changed


def hear_firmware(memory: Memory, firmware: str, peers: PeerGroups, due: set[str]) -> None:
    """A new version runs: other peers now, and rules that compare versions look."""
    peers.leave(memory)
    memory.firmware = firmware
    due.update(memory.plan.by_state.get("firmware", ()))


def hear_counters(memory: Memory, metrics: dict[str, float], at: float, *, booted: bool, due: set[str]) -> None:
    """Growth of counters goes into the windows of the rules that count it.

    A counter that fell began anew: after a restart with what it shows now, else (a new part) with nothing.
    """
    plan = memory.plan
    bases = memory.bases
    for name, rules in plan.counters.items():
        value = metrics.get(name)
        if value is None:
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


def looked_at(memory: Memory, shape: Shape, values: array[float]) -> bool:
    """Whether a counter moved or a ratio left its band: what the bands of single metrics cannot say."""
    bases = memory.bases
    for position, name in shape.counters:
        if bases is None or bases.get(name) != values[position]:
            return True
    for position, per, low, high in shape.ratios:
        if values[per] and not low <= values[position] / values[per] <= high:
            return True
    return False


def hear_ratios(plan: Plan, metrics: dict[str, float], due: set[str]) -> None:
    """Rules on the ratio of two metrics, when it leaves their band."""
    for metric, per, low, high, name in plan.ratios:
        value, divisor = metrics.get(metric), metrics.get(per)
        if value is not None and divisor and not low <= value / divisor <= high:
            due.add(name)


def sample(memory: Memory, moment: Moment, peers: PeerGroups, due: set[str]) -> None:
    """The hourly sample: feeds the downsampled past, runs of equal values, peers and baselines."""
    plan = memory.plan
    moment.sampled = True
    completed = []
    for number, block in enumerate(memory.blocks):
        if block.roll(moment.at):
            completed.append(number)
    moment.completed = frozenset(completed)
    for place in (*plan.forecasts, *plan.days) if completed else ():
        if place[0] in moment.completed:
            due.update(plan.forecasts.get(place, ()))
            due.update(plan.days.get(place, ()))
    metrics = moment.metrics
    for metric, places in plan.feeds.items():
        value = metrics.get(metric)
        if value is None:
            continue
        for block_number, column in places:
            block = memory.blocks[block_number]
            track = block.tracks[column]
            if not track.when or track.holds(metrics, moment.states):
                block.feed(column, value)
    if plan.watched and moment.at - memory.stuck_at >= STUCK_S:
        _watch_for_freezing(memory, moment)
    for name in plan.on_sample:
        rule = plan.rules[name]
        if isinstance(rule, Peer):
            newest = moment.metrics.get(rule.metric)
            if newest is not None and moment.guarded(rule):
                peers.share(rule, memory, newest)
        elif isinstance(rule, Baseline) and rule.metric in moment.metrics:
            if memory.streams is None:
                memory.streams = {}
            if name not in memory.streams:
                memory.streams[name] = Stream()
            memory.streams[name].update(moment.at, moment.metrics[rule.metric])
        due.add(name)


def _watch_for_freezing(memory: Memory, moment: Moment) -> None:
    watched = memory.plan.watched
    if memory.stuck_values is None or memory.stuck_runs is None:
        memory.stuck_values = array("d", [NAN] * len(watched))
        memory.stuck_runs = array("H", bytes(2 * len(watched)))
    memory.stuck_at = moment.at
    for position, name in enumerate(watched):
        value = moment.metrics.get(name)
        if value is None:
            continue
        if value == memory.stuck_values[position]:
            memory.stuck_runs[position] = min(65_535, memory.stuck_runs[position] + 1)
        else:
            memory.stuck_values[position] = value
            memory.stuck_runs[position] = 1


def keep_values(memory: Memory, shape: Shape, at: float, values: array[float], *, sampled: bool) -> None:
    """Remember the newest values of this shape."""
    recent = memory.recent.get(shape)
    due = at + SAMPLE_S - SAMPLE_SLACK_S
    if recent is None:
        memory.keep(shape, Recent(at, values, due))
    else:
        recent.at, recent.values = at, values
    if sampled:
        for other, known in memory.recent.items():
            if other is shape or other.known <= shape.known:
                known.due = due


def prepare(
    memory: Memory, report: Report, shape: Shape, values: array[float], boots: int, peers: PeerGroups
) -> Moment:
    """Everything that a report with something to look at does to the memory; the moment with the rules that are due.

    `boots`: restarts since the report before, 0 = none.
    """
    due: set[str] = set()
    at = report.effective_at
    metrics = sort_values(memory.plan, shape, values, report.metrics, due)
    hear_gateway_metrics(memory, metrics, len(shape.names) - len(metrics), due)
    changed = {} if nothing_new(memory, report.states) else hear_states(memory, report.states, at, due)
    if report.firmware and report.firmware != memory.firmware:
        hear_firmware(memory, report.firmware, peers, due)
    if boots:
        memory.booted_at = at - report.uptime_s if report.uptime_s is not None else at
        hear_boot(memory, at, boots, due)
    if memory.plan.counters:
        hear_counters(memory, metrics, at, booted=boots > 0, due=due)
    if memory.plan.ratios:
        hear_ratios(memory.plan, metrics, due)
    moment = Moment(at, metrics, memory.states, booted=boots > 0, changed=changed, due=due)
    recent = memory.recent.get(shape)
    if recent is None or at >= recent.due:
        sample(memory, moment, peers, due)
    return moment
