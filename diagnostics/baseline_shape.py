"""The decayed histogram of one feature: how it starts, widens and is fitted anew.

A histogram is a stretch of a shared array of 4-byte floats (old counts fade long before 2^24): `BINS` counts between
two cells that stay empty, so that the caller may look at both neighbours of any bin. Bins lie from `low`, each `width`.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

BINS = 32
STRIDE = BINS + 2
MARGIN = 0.25
"""Room left beside the first values on either side, in ranges."""
NO_RANGE = 1e-9
"""Least range, as a share of the values and as such: values all the same, or so close that doubles blur them."""


FAINTEST = 0.2
"""Counts below this are forgotten: a lone sighting after some 16,000 rows."""

Placement = tuple[float, float]
"""(left edge of the first bin, width of one bin)."""


def place(lowest: float, highest: float) -> Placement:
    """Bins over the range seen and a margin on both sides."""
    span = max(highest - lowest, NO_RANGE, NO_RANGE * max(abs(lowest), abs(highest)))
    return lowest - MARGIN * span, (1 + 2 * MARGIN) * span / BINS


def start(values: Sequence[float]) -> tuple[Placement, array[float]]:
    """The first histogram of a feature: where its bins lie, and its counts with an empty cell at both ends."""
    low, width = place(min(values), max(values))
    counts = array("f", bytes(4 * STRIDE))
    for value in values:
        counts[1 + int((value - low) / width)] += 1.0
    return (low, width), counts


def widen(counts: array[float], placement: Placement, value: float) -> tuple[Placement, array[float]]:
    """Double the range towards `value` until a bin holds it; old bins fall whole into new ones."""
    low, width = placement
    new_low, new_width = low, width
    while not new_low <= value < new_low + BINS * new_width:
        if value < new_low:
            new_low -= BINS * new_width
        new_width *= 2
    new = array("f", bytes(4 * STRIDE))
    for old, count in enumerate(counts):
        if count:
            new[1 + min(int((low + (old - 0.5) * width - new_low) / new_width), BINS - 1)] += count
    return (new_low, new_width), new


def faded(counts: array[float], divisor: float) -> array[float]:
    """The same history at a smaller weight; what is fainter than `FAINTEST` is forgotten."""
    return array("f", [kept if (kept := count / divisor) >= FAINTEST else 0.0 for count in counts])


def occupied(counts: array[float], stray: float) -> tuple[int, int]:
    """First and last bin (1-based cells) that hold the history once at most `stray` is cut off either tail."""
    first, last, cut = 1, STRIDE - 2, 0.0
    while first < last and (cut := cut + counts[first]) <= stray:
        first += 1
    cut = 0.0
    while last > first and (cut := cut + counts[last]) <= stray:
        last -= 1
    return first, last


def refit(counts: array[float], placement: Placement, cells: tuple[int, int]) -> tuple[Placement, array[float]]:
    """Lay the bins over the given cells alone, each spread evenly; what lies outside is forgotten."""
    low, width = placement
    first, last = cells
    target = place(low + (first - 1) * width, low + last * width)
    return target, spread(counts, placement, cells, target)


def spread(counts: Sequence[float], placement: Placement, cells: tuple[int, int], target: Placement) -> array[float]:
    """The counts of the given cells in bins laid otherwise, each spread evenly over those it overlaps."""
    low, width = placement
    new_low, new_width = target
    new = array("f", bytes(4 * STRIDE))
    for old in range(cells[0], cells[1] + 1):
        left = (low + (old - 1) * width - new_low) / new_width
        right = left + width / new_width
        for cell in range(int(left), min(int(right), BINS - 1) + 1):
            share = (min(right, cell + 1) - max(left, cell)) / (right - left)
            new[1 + cell] += counts[old] * share
    return new
