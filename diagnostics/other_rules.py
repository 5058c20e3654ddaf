"""What of a device's memory outlives a change of the rules: the past of every metric, and the episodes of rules that
measure the same thing as before.

A new limit, severity, waiting time or guard leaves a rule what it is. Another metric, window or kind makes another
rule under the old name: what was remembered for it would be read as something that it is not.
"""

from collections.abc import Iterable
from dataclasses import fields

from diagnostics.engine import Plan
from diagnostics.memory import Memory
from diagnostics.rules import Rule
from diagnostics.tracks import Block, Track

FREE = frozenset(
    {
        "version",
        "reason",
        "reason_id",
        "examples",
        "applies_to",
        "when",
        "outside",
        "for_s",
        "clear_for_s",
        "clear_after_s",
        "min_samples",
        "clear_samples",
        "settle_s",
        "site_share_max",
        "site_class",
        "site_wait_s",
        "explained_by",
        "watch",
        "steps",
        "severity",
        "from_level",
        "min_points",
        "max_points",
        "spread_max",
        "persist",
        "no_plateau",
        "reset_drop",
        "reset_on_boot",
    }
)
"""Settings that may change without making another rule."""


def same_measure(one: Rule, other: Rule) -> bool:
    """Whether both measure the same thing for the same fault class."""
    return type(one) is type(other) and all(
        getattr(one, part.name) == getattr(other, part.name) for part in fields(one) if part.name not in FREE
    )


def gone(before: Plan, plan: Plan) -> tuple[Rule, ...]:
    """The rules, as they were, that are gone or are other rules now. Cost: milliseconds, once for many devices."""
    return tuple(rule for name, rule in before.rules.items() if not _goes_on(rule, plan.rules.get(name)))


def leave_behind(memory: Memory, rules: Iterable[Rule]) -> None:
    """Forget what was kept for rules that are gone. Their episodes stay for the caller to end."""
    for rule in rules:
        for kept in (memory.windows, memory.signs, memory.streams):
            if kept is not None:
                kept.pop(rule.name, None)


def _goes_on(before: Rule, after: Rule | None) -> bool:
    return after is not None and same_measure(before, after)


def judge_by(memory: Memory, plan: Plan) -> None:
    """Put what is kept of a device in its places under other rules. Exactly what a restart with these rules would do,
    but for the past of metrics, which stays, track by track.
    """
    before, memory.plan = memory.plan, plan
    memory.states = plan.shared_words(memory.states)
    for recent in memory.recent:
        names = recent.shape.names
        recent.shape = plan.shapes.get(names) or plan.shape(names)
    if memory.peers is not None and before.peers != plan.peers:
        kept = {name: memory.peers[place : place + 2] for name, place in before.peers.items() if name in plan.peers}
        memory.peers = None
        for name, (value, at) in kept.items():
            memory.keep_peering(name, value, at)
    if before.watched != plan.watched:
        memory.stuck_values = memory.stuck_runs = None
    old = {block.tracks[0].cycle_s: block for block in memory.blocks}
    memory.blocks = tuple(
        [
            _block(tracks, depth, old.get(tracks[0].cycle_s))
            for tracks, depth in zip(plan.blocks, plan.depths, strict=True)
        ]
    )
    memory.signs, memory.streams = memory.signs or None, memory.streams or None


def _block(tracks: tuple[Track, ...], depth: int, old: Block | None) -> Block:
    if old is not None and old.tracks == tracks and old.depth == depth:
        old.tracks = tracks  # one tuple for all devices, as if it were new
        old.bounds = ()  # they were those of the other rules
        return old
    fresh = Block(tracks, depth)
    if old is not None:
        fresh.inherit(old)
    return fresh
