"""Late data: it re-evaluates the window it belongs to, may amend or withdraw what was said, and never flips
liveness.
"""

from collections.abc import Sequence

from diagnostics.changes import Change, ChangeKind
from diagnostics.episodes import Outcome, Revision, reconsider
from diagnostics.judging import Finding, evidence, judge
from diagnostics.measures import Moment, level, note_count, state_is
from diagnostics.memory import Memory
from diagnostics.openings import Openings, change
from diagnostics.peers import PeerGroups
from diagnostics.rules import Level, Rule, StateIs
from diagnostics.telemetry import Event, Report


def _measure(rule: Rule, memory: Memory, moment: Moment) -> float | None:
    """The measure of kinds that need nothing but the report itself."""
    if isinstance(rule, Level) and rule.of == "value" and not rule.relative and not rule.average_s:
        return level(rule, memory, moment)
    return state_is(rule, memory, moment) if isinstance(rule, StateIs) else None


def late_report(memory: Memory, report: Report, openings: Openings) -> Sequence[Change]:
    """Take a report that fills a hole: its effective time, its part of the downsampled past, its word on open
    episodes.
    """
    at = report.effective_at = memory.clock.of_late(report.captured_at, report.received_at)
    plan = memory.plan
    for name in [name for name, value in report.metrics.items() if not plan.catalogue.possible(name, value)]:
        del report.metrics[name]
        memory.impossible += 1
    moment = Moment(at, report.metrics, report.states)
    for metric, value in report.metrics.items():
        for block_number, column in plan.feeds.get(metric, ()):
            block = memory.blocks[block_number]
            track = block.tracks[column]
            if block.cycle == int(at // track.cycle_s) and track.holds(moment.metrics, moment.states):
                block.feed(column, value)
    changes: list[Change] = []
    times = (memory.effective_at, report.received_at)
    for name in list(memory.active):
        rule, episode = plan.rules[name], memory.active[name]
        number = _measure(rule, memory, moment) if moment.guarded(rule) else None
        if number is None:
            continue
        revision = reconsider(episode, rule, at, number)
        if revision is Revision.OPENED:
            changes += openings.merge(memory, memory.site, [Finding(rule, episode, Outcome.OPENED)], times)
        elif revision is Revision.WITHDRAWN:
            changes += openings.withdraw(memory, Finding(rule, episode, Outcome.RECOVERED), times)
        elif revision is Revision.AMENDED:
            fault = memory.faults.get(rule.fault_class)
            if fault is not None and name in fault.rules and not fault.held:
                why = evidence(rule, episode, memory)
                changes.append(change(ChangeKind.AMENDED, memory, rule, fault.rules[name], why, times))
    return changes


def late_event(memory: Memory, event: Event, openings: Openings, peers: PeerGroups) -> Sequence[Change]:
    """Take an event that fills a hole: it counts in the windows it belongs to."""
    at = event.effective_at = memory.clock.of_late(event.captured_at, event.received_at)
    due = set()
    for name in memory.plan.by_topic.get(event.topic, ()):
        rule = memory.plan.rules[name]
        if rule.kind == "count":
            note_count(rule, memory, at, 1.0)
            due.add(name)
    if not due:
        return ()
    moment = Moment(max(at, memory.effective_at), {}, memory.states, due=due)
    findings = judge(memory, moment, peers)
    return openings.merge(memory, memory.site, findings, (moment.at, event.received_at))
