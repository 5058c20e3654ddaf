"""What of a device's memory outlives a change of the rules: the past of every metric, and the episodes of rules that
measure the same thing as before.

A new limit, severity, waiting time or guard leaves a rule what it is. Another metric, window or kind makes another
rule under the old name: what was remembered for it would be read as something that it is not.
"""

from collections.abc import Sequence
from dataclasses import fields

from diagnostics.engine import Plan
from diagnostics.memory import Memory
from diagnostics.rules import Rule
from diagnostics.tracks import Block

FREE = frozenset(
    {
        "version",
        "reason",
        "examples",
        "applies_to",
        "when",
        "outside",
        "for_s",
        "clear_for_s",
        "min_samples",
        "clear_samples",
        "settle_s",
        "site_share_max",
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


def leave_behind(memory: Memory, plan: Plan) -> Sequence[Rule]:
    """Forget what was kept for rules that are gone or are other rules now; those rules, as they were.

    Their episodes stay for the caller to end.
    """
    gone = [rule for name, rule in memory.plan.rules.items() if not _goes_on(rule, plan.rules.get(name))]
    for rule in gone:
        for kept in (memory.windows, memory.signs, memory.streams):
            if kept is not None:
                kept.pop(rule.name, None)
    return gone


def _goes_on(before: Rule, after: Rule | None) -> bool:
    return after is not None and same_measure(before, after)


def take_past(memory: Memory, before: Memory) -> Memory:
    """Give a memory under new rules the downsampled past of the one under the old rules, track by track."""
    old = {block.tracks[0].cycle_s: block for block in before.blocks}
    memory.blocks = tuple(_block(block, old.get(block.tracks[0].cycle_s)) for block in memory.blocks)
    return memory


def _block(block: Block, old: Block | None) -> Block:
    fresh = Block(block.tracks, block.depth)
    if old is not None:
        fresh.inherit(old)
    return fresh
