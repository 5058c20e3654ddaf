"""Randomness that is cheap and the same on every run: a ring of Gaussian values read at a pace of each device's own."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH: Final = 48
_LENGTH: Final = 32_768
_source = Random("siaga/noise")
_ring = [max(-3.8, min(3.8, _source.gauss(0.0, 1.0))) for _ in range(_LENGTH)]
_RING: Final = tuple(_ring + _ring[:WIDTH])
_PLACES: Final = np.lib.stride_tricks.sliding_window_view(np.array(_RING), WIDTH)


class Noise:
    """A stream of rows of 48 standard normal values, clipped at 3.8; two devices never walk in step for long. `turn` is
    the number of the present row: whoever makes a report goes on by one.
    """

    __slots__ = ("_start", "_stride", "turn")

    def __init__(self, seed: str) -> None:
        random = Random(f"{seed}/noise")
        self.turn = 0
        self._start = random.randrange(_LENGTH)
        self._stride = 2 * random.randrange(_LENGTH // 4, _LENGTH // 2) + 1  # odd: visits every place of the ring

    @property
    def row(self) -> tuple[float, ...]:
        """The present row."""
        at = (self._start + self._stride * self.turn) % _LENGTH
        return _RING[at : at + WIDTH]

    def coming(self, count: int) -> NDArray[np.float64]:
        """The present row and those after it, each a column here, then their absolute values; without going on."""
        rows = _PLACES[(self._start + self._stride * np.arange(self.turn, self.turn + count)) % _LENGTH].T
        return np.concatenate((rows, np.abs(rows)))
