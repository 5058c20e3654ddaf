"""What is remembered of one metric of one device: about 3.2 KB as it lies in memory, 2.3 KB saved."""

from __future__ import annotations

from array import array
from struct import Struct
from typing import Self

from diagnostics import baseline_before as before
from diagnostics.baseline_numbers import BLOCKS, LONG, QUIET_ROWS
from diagnostics.baseline_score import Feature
from diagnostics.baseline_shape import STRIDE

VIEWS = len(Feature)
WEEK = 168
HOURS = WEEK + 24
"""The hours of the week, then those of the day."""
BURST = 3
FORM = Struct("7d")
"""Of a view: left edge and width of its bins, sum of its counts; sums of its last surprises over `SHORT` and `LONG`
rows (the first is field `BURST`); mean and mean square of the earlier ones."""

MARK = b"SIB2"
NUMBERS = (
    "score",
    "_weight",
    "_origin",
    "_previous",
    "_level",
    "_whole",
    "_lowest",
    "_highest",
    "_block_lowest",
    "_block_highest",
)
SAVED = Struct(
    f"<4sQI{len(NUMBERS)}d{STRIDE * VIEWS}f{LONG * VIEWS}H{FORM.size // 8 * VIEWS}d{HOURS}f{HOURS}s{2 * BLOCKS}d"
)


class Memory:
    """State of fixed size. `rows` counts the values taken; `score` is that of the last one, 0 while learning."""

    __slots__ = (*NUMBERS, "_extremes", "_means", "_quiet", "_recent", "_shapes", "_sightings", "_spans", "rows")

    def __init__(self) -> None:
        self.rows = 0
        self.score = 0.0
        self._quiet = QUIET_ROWS
        self._weight = 1.0
        # Values are kept as distances from the first, so that 4-byte numbers are precise around any level.
        self._origin = self._previous = self._level = self._whole = 0.0
        self._lowest = self._highest = self._block_lowest = self._block_highest = 0.0
        self._shapes = array("f", bytes(4 * STRIDE * VIEWS))
        self._recent = array("H", bytes(2 * LONG * VIEWS))
        self._spans = bytearray(FORM.size * VIEWS)
        self._means = array("f", bytes(4 * HOURS))
        self._sightings = bytearray(HOURS)
        self._extremes = array("d", bytes(8 * 2 * BLOCKS))

    def to_bytes(self) -> bytes:
        """Everything, exactly, in one byte order for all machines."""
        return SAVED.pack(
            MARK,
            self.rows,
            self._quiet,
            *(getattr(self, name) for name in NUMBERS),
            *self._shapes,
            *self._recent,
            *memoryview(self._spans).cast("d"),
            *self._means,
            bytes(self._sightings),
            *self._extremes,
        )

    @classmethod
    def from_bytes(cls, saved: bytes) -> Self:
        """The stream as it was saved, by this version or the one before; `ValueError` for anything else.

        What an earlier version cannot be asked for (`baseline_before.py`) is a stream that begins to learn.
        """
        if len(saved) == before.SAVED.size and saved.startswith(before.MARK):
            earlier = before.converted(saved)
            if earlier is None:
                return cls()
            values = iter(earlier)
        elif len(saved) == SAVED.size and saved.startswith(MARK):
            values = iter(SAVED.unpack(saved)[1:])
        else:
            raise ValueError(f"not a saved baseline: {len(saved)} bytes beginning {saved[:4]!r}, not {SAVED.size}")
        stream = cls()
        stream.rows, stream._quiet = next(values), next(values)
        for name in NUMBERS:
            setattr(stream, name, next(values))
        for kept in (stream._shapes, stream._recent, memoryview(stream._spans).cast("d"), stream._means):
            for place in range(len(kept)):
                kept[place] = next(values)
        stream._sightings[:] = next(values)
        stream._extremes[:] = array("d", values)
        return stream
