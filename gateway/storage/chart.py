"""Samples and rollup buckets summed up into the columns of a chart, in any order of blocks."""

from bisect import bisect_left
from collections.abc import Sequence
from math import inf

from gateway.ports.history import Column, Grid


class Chart:
    """The columns of one grid as they fill. A sample or bucket outside the grid is ignored."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._counts = [0] * grid.columns
        self._lowest = [inf] * grid.columns
        self._highest = [-inf] * grid.columns
        self._sums = [0.0] * grid.columns

    def add_samples(self, times: Sequence[int], values: Sequence[float]) -> None:
        """Samples at rising times (milliseconds)."""
        for column, start, end in self._spans(times):
            run = values[start:end]
            self._add(column, end - start, min(run), max(run), sum(run))

    def add_buckets(
        self,
        starts: Sequence[int],
        counts: Sequence[int],
        lowest: Sequence[float],
        highest: Sequence[float],
        sums: Sequence[float],
    ) -> None:
        """Buckets at starts that never fall (milliseconds): each goes whole into the column in which it starts."""
        for column, start, end in self._spans(starts):
            low, high = min(lowest[start:end]), max(highest[start:end])
            self._add(column, sum(counts[start:end]), low, high, sum(sums[start:end]))

    def columns(self) -> list[Column]:
        """Those that have a sample, oldest first. The mean is kept between the extremes whatever rounding did."""
        grid = self._grid
        return [
            Column((grid.start_ms + index * grid.width_ms) / 1000, low, min(max(total / count, low), high), high, count)
            for index, (count, low, high, total) in enumerate(
                zip(self._counts, self._lowest, self._highest, self._sums, strict=True)
            )
            if count
        ]

    def _spans(self, times: Sequence[int]) -> list[tuple[int, int, int]]:
        """(column, first row, row after the last) for each column that the rising times touch."""
        grid, spans = self._grid, []
        row, end = bisect_left(times, grid.start_ms), bisect_left(times, grid.end_ms)
        while row < end:
            column = (times[row] - grid.start_ms) // grid.width_ms
            after = bisect_left(times, grid.start_ms + (column + 1) * grid.width_ms, row, end)
            spans.append((column, row, after))
            row = after
        return spans

    def _add(self, column: int, count: int, low: float, high: float, total: float) -> None:
        self._counts[column] += count
        self._lowest[column] = min(self._lowest[column], low)
        self._highest[column] = max(self._highest[column], high)
        self._sums[column] += total
