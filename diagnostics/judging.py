"""Judging one moment of one device: run the rules that have reason to look, advance their episodes, say what came of
it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from diagnostics import measures
from diagnostics.changes import Evidence, Impact
from diagnostics.engine import in_order
from diagnostics.episodes import KEPT_SAMPLES, NOTHING, QUIET, Episode, Outcome, advance
from diagnostics.measures import Moment
from diagnostics.memory import Memory
from diagnostics.patience import MANY, spend, weary
from diagnostics.peers import PeerGroups
from diagnostics.rule_parts import severity_of
from diagnostics.rules import (
    Baseline,
    Count,
    Forecast,
    Frozen,
    Level,
    Peer,
    Rule,
    Signature,
    Silence,
    StateIs,
)

EVIDENCE_SAMPLES = 64
CROWD = 8
"""With so many rules not quiet at once, nothing further begins that levels or samples show: it bounds what a device can
make us remember. No fault of the scoreboard ever moves more than six of the shipped."""
CROWD_SAMPLES = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """What one value did to one rule's episode."""

    rule: Rule
    episode: Episode
    outcome: Outcome


def _silence(_rule: Silence, _memory: Memory, _moment: Moment) -> float:
    return 0.0  # here is a report; silence itself is judged by the passing of time


MEASURES: dict[type[Rule], Callable[[Any, Memory, Moment], float | None]] = {
    Level: measures.level,
    Count: measures.count,
    StateIs: measures.state_is,
    Forecast: measures.forecast,
    Frozen: measures.frozen,
    Signature: measures.signature,
    Silence: _silence,
}


def measure(rule: Rule, memory: Memory, moment: Moment, peers: PeerGroups) -> float | None:
    """The rule's number for this moment; None = no evidence."""
    known = MEASURES.get(type(rule))
    if known is not None:
        return known(rule, memory, moment)
    assert isinstance(rule, Peer | Baseline)
    value = moment.metrics.get(rule.metric) if moment.sampled else None
    if value is None:
        return None
    return (
        peers.measure(rule, memory, value, moment.at)
        if isinstance(rule, Peer)
        else baseline_measure(rule, memory, value)
    )


def baseline_measure(rule: Baseline, memory: Memory, value: float) -> float:
    """The newest score of the device's stream, 0 on the side that does not count."""
    assert memory.streams is not None  # this sample fed it
    stream = memory.streams[rule.name]
    if rule.direction_of != "any" and (value > stream.usual) != (rule.direction_of == "above"):
        return 0.0
    return stream.score


def _window_done(rule: Rule, memory: Memory) -> bool:
    """Whether an averaging window holds only good values; then it is dropped, and the band decides again."""
    if memory.windows is None or not isinstance(rule, Level) or rule.name not in memory.windows:
        return True
    low, high = memory.plan.bands[rule.metric]
    if all(low <= value <= high for _, value in memory.windows[rule.name]):
        del memory.windows[rule.name]
        return True
    return False


def _to_judge(memory: Memory, moment: Moment) -> set[str]:
    """The rules that are due or not quiet."""
    active, outside = memory.active, moment.outside
    if not (active or outside or memory.spent):
        return moment.due
    if weary(memory) and not moment.sampled:
        return moment.due
    if memory.spent or len(active) + len(outside) >= MANY:
        spend(memory, outside, sampled=moment.sampled)
    resting = memory.plan.resting
    begun = active if moment.sampled or resting.isdisjoint(active) else active.keys() - resting
    return moment.due.union(begun) if len(active) >= CROWD else moment.due.union(outside, begun)


def judge(memory: Memory, moment: Moment, peers: PeerGroups) -> Sequence[Finding]:
    """Evaluate the due and the active rules, in the order of the rule files."""
    wanted = _to_judge(memory, moment)
    if not wanted:
        return ()
    findings = []
    plan, active, at = memory.plan, memory.active, moment.at
    plain, metrics = plan.plain, moment.metrics
    kept = KEPT_SAMPLES if len(active) < CROWD else CROWD_SAMPLES
    for name in in_order(plan, wanted):
        rule = plan.rules[name]
        # What looks back on whole cycles heeds its guards when samples are taken (`Track.when`), not today.
        if rule.when and not (name in plan.cycles or moment.guarded(rule)):
            if rule.outside == "hold":
                continue
            number: float | None = None if name not in active else GOOD
        elif name in plain:
            number = metrics.get(plain[name])
        else:
            number = measure(rule, memory, moment, peers)
        episode = active.get(name)
        if episode is None:
            windowed = isinstance(rule, Level) and rule.average_s > 0
            if not windowed and (number is None or severity_of(number, rule.steps, rule.direction, None) is None):
                continue  # nothing was wrong and nothing is
            if len(active) >= CROWD and (name in moment.outside or name in plan.resting):
                continue
            episode = memory.begin(name, _begin(rule, memory, moment))
            active = memory.active
        if at < memory.booted_at + rule.settle_s:
            continue
        outcome = NOTHING
        if number is GOOD:
            outcome = advance(episode, rule, at, _good_number(rule), kept)
        elif number is not None:
            outcome = advance(episode, rule, at, number, kept)
        if outcome is not NOTHING:
            findings.append(Finding(rule, episode, outcome))
        if episode.phase is QUIET and episode.forgettable(at) and _window_done(rule, memory):
            memory.end(name)
    return findings


GOOD = float("-inf")


def _good_number(rule: Rule) -> float:
    """A measure that is good for every step: what a guard that says "clear" stands for."""
    clear = rule.steps[0].clear
    limit = rule.steps[0].limit if clear is None else clear
    return limit - 1.0 if rule.direction == "above" else limit + 1.0


def _begin(rule: Rule, memory: Memory, moment: Moment) -> Episode:
    """A quiet episode that knows the last good value: the evidence of what was usual."""
    episode = Episode(good_before=memory.effective_at)
    if isinstance(rule, Level) and rule.of == "value" and not rule.per and not rule.relative:
        before = memory.latest(rule.metric)
        if before is not None and before[0] < moment.at:
            episode.trail.extend(before)
            episode.good_before = before[0]
    return episode


def subject(rule: Rule) -> str:
    """The name of the signal a rule judges: a metric, a state, or what it counts."""
    if isinstance(rule, StateIs):
        return rule.state
    if isinstance(rule, Count):
        return rule.metric or rule.topic or rule.state or "boots"
    if isinstance(rule, Signature):
        return next((sign.metric for sign in rule.signs if sign.metric), "signature")
    if isinstance(rule, Silence):
        return "silence"
    if isinstance(rule, Frozen):
        return rule.metric or "frozen"
    return rule.metric


def evidence(rule: Rule, episode: Episode, memory: Memory) -> Evidence:
    """Why: the deciding signal now, its limit, what was usual, and the samples around the onset."""
    metric = subject(rule)
    step = next((part for part in rule.steps if part.severity == episode.severity), rule.steps[0])
    samples = tuple(episode.samples[-EVIDENCE_SAMPLES:])
    usual = samples[0][1] if samples and samples[0][0] < episode.since else None
    value: float | None = samples[-1][1] if samples else None
    limit: float | None = step.limit
    note = f"Rule {rule.label}: {rule.reason}"
    if isinstance(rule, Forecast):
        newest = memory.latest(rule.metric)
        value = newest[1] if newest else None
        limit = None if rule.exact else rule.limit
        note = f"In {samples[-1][1]:.1f} days at the earliest." if samples else note
        samples = ()
        if not rule.exact:
            block, column = memory.plan.column[rule.name]
            began = memory.blocks[block].cycle * rule.cycle_s
            samples = tuple((began + day * 86_400.0, level) for day, level in memory.blocks[block].points(column))
    elif isinstance(rule, Signature):
        note = "In order: " + "; ".join(sign.say for sign in rule.signs) + f" ({value or 0:.0f} times)."
        value = limit = usual = None  # what is counted are the signs, not the metric that the first of them is about
        samples = ()
    elif isinstance(rule, Frozen) and not rule.metric and memory.stuck_runs is not None:
        metric = memory.plan.watched[memory.stuck_runs.index(max(memory.stuck_runs))]
    elif isinstance(rule, Peer | Baseline):
        newest = memory.latest(rule.metric)
        note = f"{value or 0:.1f} {'away from its peers' if isinstance(rule, Peer) else 'on the scale of surprise'}."
        value = newest[1] if newest else None
        limit = None
    if episode.flapping:
        note += " It comes and goes."
    return Evidence(metric, value, limit, usual, episode.since, samples, note)


def impact(rule: Rule, memory: Memory) -> Impact | None:
    """When the customer would notice, if a forecast of the same fault class knows."""
    dates = (memory.reaches or {}).get(rule.fault_class)
    return Impact(*dates) if dates is not None else None
