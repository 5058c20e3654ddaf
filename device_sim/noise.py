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
    """A stream of rows of 48 standard normal values, clipped at 3.8; two devices never walk in step for long."""

    __slots__ = ("_at", "_stride")

    def __init__(self, seed: str) -> None:
        random = Random(f"{seed}/noise")
        self._at = random.randrange(_LENGTH)
        self._stride = 2 * random.randrange(_LENGTH // 4, _LENGTH // 2) + 1  # odd: visits every place of the ring

    def move(self) -> None:
        """Go on to the next row."""
        self._at = (self._at + self._stride) % _LENGTH

    @property
    def row(self) -> tuple[float, ...]:
        """The present row."""
        return _RING[self._at : self._at + WIDTH]

    def coming(self, count: int) -> NDArray[np.float64]:
        """The present row and those after it, each a column here, then their absolute values; without going on."""
        rows = _PLACES[(self._at + self._stride * np.arange(count)) % _LENGTH].T
        return np.concatenate((rows, np.abs(rows)))
