"""Streams saved by earlier versions: their histograms had 40 bins instead of 32 and a burst was 7 rows, not 9.

What was learnt is carried over: counts are spread over the wider bins, the burst is summed again from the surprises
kept. Only a stream that was in the middle of its first rows, with more of them than are gathered now, starts anew.
"""

from __future__ import annotations

from array import array
from itertools import chain
from struct import Struct
from typing import Any, Final

from diagnostics import baseline_shape as shape
from diagnostics.baseline_numbers import FIRST_ROWS, LONG, SHORT

MARK: Final = b"SIB1"
SAVED: Final = Struct("<4sQI10d210f125H35d192f192s8d")
_VIEWS: Final = 5
_BINS: Final = 40
_STRIDE: Final = 42
_FIRST_ROWS: Final = 40
_FIELDS: Final = 7
"""Of a view, in order: left edge and width of its bins, sum of its counts; sums of its last surprises over a burst and
an episode; mean and mean square of the earlier ones.
"""


def converted(saved: bytes) -> list[Any] | None:
    """The values of a saved stream in the order of the present form; None where it must start anew."""
    _, rows, quiet, *values = SAVED.unpack(saved)
    numbers, rest = values[:10], values[10:]
    cells, rest = rest[: _STRIDE * _VIEWS], rest[_STRIDE * _VIEWS :]
    recent, rest = rest[: LONG * _VIEWS], rest[LONG * _VIEWS :]
    spans, rest = rest[: _FIELDS * _VIEWS], rest[_FIELDS * _VIEWS :]
    if FIRST_ROWS <= rows < _FIRST_ROWS:
        return None
    shift = (_FIRST_ROWS - FIRST_ROWS) % LONG * _VIEWS
    recent = [*recent[-shift:], *recent[:-shift]]
    shapes: list[array[float]] = []
    for view in range(_VIEWS):
        counts = cells[view * _STRIDE : (view + 1) * _STRIDE]
        span = slice(view * _FIELDS, (view + 1) * _FIELDS)
        if rows < FIRST_ROWS:
            shapes.append(array("f", counts[: shape.STRIDE]))
            continue
        low, width, _, _, *usual = spans[span]
        target = (low, width * _BINS / shape.BINS)
        shapes.append(shape.spread(counts, (low, width), (1, _BINS), target))
        burst = sum(recent[(rows - 1 - FIRST_ROWS - back) % LONG * _VIEWS + view] for back in range(SHORT))
        spans[span] = [*target, sum(shapes[view]), burst, *usual]
    return [rows, quiet, *numbers, *chain.from_iterable(shapes), *recent, *spans, *rest]
