"""Charts for pages without scripts: an SVG path. Words stay in HTML, where a phone does not shrink them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from gateway.ports.history import Column

WIDTH, HEIGHT = 640.0, 100.0


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawn series: two path data strings, where the limit runs (None: outside), and the range that was drawn."""

    line: str
    area: str
    limit_y: float | None
    low: float
    high: float
    latest: float
    crossed: bool = False
    """Whether the limit was passed at any time."""


def draw(
    columns: Sequence[Column],
    start: float,
    end: float,
    limit: float | None = None,
    least: float = 0.0,
    *,
    below: bool = False,
) -> Plot | None:
    """The means of the columns; with a limit, what came nearest to it or passed it (`below`: the limit is a lower one),
    because that is what the rule saw. A column without samples leaves a gap: nothing is drawn where nothing was heard.

    `least` is the smallest span of values to draw, so that noise looks like noise. None for fewer than two columns.
    Coordinates have one decimal: finer than a pixel, and it keeps the page small.
    """
    if len(columns) < 2:
        return None
    if limit is None:
        values = [column.mean for column in columns]
    else:
        values = [column.minimum if below else column.maximum for column in columns]
    low, high = min(values), max(values)
    crossed = limit is not None and (low <= limit if below else high >= limit)
    if limit is not None and low - (high - low) <= limit <= high + (high - low):
        low, high = min(low, limit), max(high, limit)
    if high - low < least:
        low, high = (low + high - least) / 2, (low + high + least) / 2
    margin = (high - low) * 0.12 or max(abs(high) * 0.1, 1.0)
    bottom, top = low - margin, high + margin

    def y(value: float) -> float:
        return HEIGHT * (1 - (value - bottom) / (top - bottom))

    step = min(later.start - earlier.start for earlier, later in pairwise(columns))
    runs: list[list[tuple[float, float]]] = [[]]
    for place, (column, value) in enumerate(zip(columns, values, strict=True)):
        if place and column.start - columns[place - 1].start > 1.5 * step:
            runs.append([])
        runs[-1].append(((column.start + step / 2 - start) / (end - start) * WIDTH, y(value)))
    line, area = [], []
    for run in runs:
        points = [f"{x:.1f} {height:.1f}" for x, height in run]
        if len(points) == 1:  # a lone column is a short dash, not an invisible point
            points.append(f"{run[0][0] + 2:.1f} {run[0][1]:.1f}")
        line.append("M" + "L".join(points))
        area.append(f"M{points[0].split()[0]} {HEIGHT:g}L" + "L".join(points) + f"L{points[-1].split()[0]} {HEIGHT:g}Z")
    inside = limit is not None and bottom <= limit <= top
    return Plot(
        "".join(line),
        "".join(area),
        round(y(limit), 1) if inside and limit is not None else None,
        min(values),
        max(values),
        values[-1],
        crossed,
    )
