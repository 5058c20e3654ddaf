"""Odd reports: impossible values, and names that are never the same. They cost no more than others.

A report is read by its shape, the tuple of its names. Names in another order are read as the shape that is known. A
device may introduce some shapes of its own; beyond that its reports are read as its widest shape, with gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from operator import le

from diagnostics.memory import DOUBLE, KEPT_OLDER, NAN, Memory, Recent
from diagnostics.patience import NOVELTIES, weary
from diagnostics.rule_file import SEEN_IMPOSSIBLE
from diagnostics.rule_parts import holding
from diagnostics.shapes import Shape

_GAP = DOUBLE.pack(NAN)


def shape_of(memory: Memory, names: tuple[str, ...]) -> Shape:
    """The shape to read a report by that is not of the device's newest one. Its names may be others (`with_gaps`).

    It follows from what is remembered of the device alone, so that a replay reads every report as it was read.
    """
    plan, recent = memory.plan, memory.recent
    for known in recent:
        if known.shape.names == names:
            return known.shape
    strange = memory.novelties >= NOVELTIES
    for known in recent:
        if known.shape.known.issuperset(names) and (strange or len(known.shape.names) == len(names)):
            return known.shape
    if not (strange and recent):
        memory.novelties += 1
        return plan.shapes.get(names) or plan.shape(names)
    said = frozenset(names)
    widest = max(recent, key=lambda known: len(known.shape.names)).shape
    together = tuple(sorted(said | widest.known))
    if len(together) > KEPT_OLDER:
        together = names
    return plan.shapes.get(together) or plan.shape(together)


def with_gaps(shape: Shape, metrics: dict[str, float]) -> list[float]:
    """The values in the order of the shape; not a number for what is not there."""
    return [*map(metrics.get, shape.names, repeat(NAN))]


def passed_by(memory: Memory, recent: Recent, values: list[float], said: dict[str, float]) -> bool:
    """Whether a report with gaps or impossible values gives no rule a reason to look. If so, the impossible ones are
    dropped (from what was said too) and the others remembered.
    """
    shape, tired, states = recent.shape, weary(memory), memory.states
    impossible: list[int] = []
    well = len(said) < len(values)
    if not well and not (any(map(le, values, shape.most)) and any(map(le, shape.least, values))):
        return _nothing_said(memory, recent, values, said)  # every value lies beyond the same end
    if well:
        filled = [*map(said.get, shape.names, shape.lows)]  # what is not there is good
        well = all(map(le, shape.lows, filled)) and all(map(le, filled, shape.highs))
    triples = enumerate(zip(shape.lows, values, shape.highs, strict=True))
    for position, (low, value, high) in triples if not well else ():
        if low <= value <= high:
            continue
        least, most = shape.possible[position]
        if not least <= value <= most:
            if shape.names[position] in said:
                impossible.append(position)
        elif not tired:
            for watcher in shape.watchers[position]:
                if not watcher.low <= value <= watcher.high and holding(watcher.guards, said, states):
                    return False
    if not tired:
        low, high = memory.plan.band(SEEN_IMPOSSIBLE)
        if not low <= len(impossible) <= high or looked_at(memory, shape, values):
            return False
    if len(impossible) == len(said):
        values = [NAN] * len(values)
        said.clear()
    else:
        for position in impossible:
            values[position] = NAN
            del said[shape.names[position]]
    memory.impossible += len(impossible)
    packed = shape.values.pack(*values)
    memory.set_aside(recent, packed)
    recent.packed = packed
    return True


def _nothing_said(memory: Memory, recent: Recent, values: list[float], said: dict[str, float]) -> bool:
    """The same for a report whose values are impossible without exception."""
    if not weary(memory):
        low, high = memory.plan.band(SEEN_IMPOSSIBLE)
        if not low <= len(values) <= high or looked_at(memory, recent.shape, values):
            return False
    said.clear()
    memory.impossible += len(values)
    packed = _GAP * len(values)
    memory.set_aside(recent, packed)
    recent.packed = packed
    return True


def looked_at(memory: Memory, shape: Shape, values: Sequence[float]) -> bool:
    """Whether a counter moved or a ratio left its band: what the bands of single metrics cannot say. (What a counter
    grows by meanwhile is not lost on a device whose counters are looked at now and then.)
    """
    bases = memory.bases
    if weary(memory):
        return False
    for position, name in shape.counters:
        value = values[position]
        if (bases is None or bases.get(name) != value) and value == value:  # noqa: PLR0124 - a gap
            return True
    for position, per, low, high in shape.ratios:
        if values[per] and not (low <= (ratio := values[position] / values[per]) <= high or ratio != ratio):  # noqa: PLR0124
            return True
    return False
