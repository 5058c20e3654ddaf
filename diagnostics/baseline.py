"""Is this value unlike the device's own past? One `Stream` per device and metric: one pass, bounded memory and time.

A value is judged by how *surprising* it and its short history are (five views, each with a decayed histogram) and by
how far it lies from every value seen (*novelty*). Nothing here knows how long a series will be, its minimum or its
maximum, or looks ahead. Design, sources and measured figures: ANOMALY.md.
"""

from __future__ import annotations

from array import array
from math import inf, log10, sqrt

from diagnostics import baseline_shape as shape
from diagnostics.baseline_memory import BURST, FORM, VIEWS, WEEK, Memory
from diagnostics.baseline_numbers import (
    BLOCK_ROWS,
    BLOCKS,
    CLIP,
    COARSE_COUNTS,
    DAY_SIGHTINGS,
    DEVIATION_FLOOR,
    EVENT_AT,
    FIRST_ROWS,
    FULL_BEYOND,
    FULL_GAP,
    GROWTH,
    JUDGE_FROM,
    LAST_TIME,
    LEVEL_ALPHA,
    LIMIT,
    LONG,
    MEMORY_ROWS,
    NOVEL_FROM,
    NOVELTY_WEIGHT,
    QUIET_ROWS,
    REFIT_BELOW,
    REFIT_ROW,
    SHORT,
    STRAY,
    TINY,
    WEEK_SIGHTINGS,
    WHOLE_ALPHA,
)
from diagnostics.baseline_score import Direction, Feature, Novelty, Score, Sign
from diagnostics.baseline_shape import BINS, STRIDE

FEATURES = tuple(Feature)


class Stream(Memory):
    """One metric of one device: its memory of fixed size, and the verdict on each new value.

    Deterministic: the same rows give the same scores, with or without saving in between.
    """

    __slots__ = ()

    @property
    def usual(self) -> float:
        """The slow mean of the values (over about 100 rows): on which side of it a value lies."""
        return self._origin + self._whole

    def update(self, at: float, value: float) -> Score | None:
        """Take a value; the event it opens, if any.

        A value that is no number, or a time that is none, is not taken. Rows are taken in the order given: `at` says
        the hour of the week and nothing else.
        """
        if value != value or not -LAST_TIME < at < LAST_TIME:  # noqa: PLR0124 - the cheap test for NaN
            return None
        if not -LIMIT <= value <= LIMIT:
            value = LIMIT if value > 0 else -LIMIT
        row = self.rows
        self.rows = row + 1
        if row == 0:
            self._origin = float(value)
        x = value - self._origin
        beyond = 0.0
        if not self._block_lowest <= x <= self._block_highest:
            beyond = self._beyond(x)
            x = self._reach(row, x)
        if row % BLOCK_ROWS == 0:
            self._begin_block(row, x)
        views = self._look(at, x)
        if row <= REFIT_ROW:
            if row < FIRST_ROWS:
                self._gather(row, views)
                return None
            if row == REFIT_ROW:
                self._refit_all()
        score, gap = self._judge(row - FIRST_ROWS, views)
        if beyond:
            score += NOVELTY_WEIGHT * min(abs(beyond) / FULL_BEYOND, 1.0)
        elif gap:
            score += NOVELTY_WEIGHT * min(gap / FULL_GAP, 1.0)
        self.score = score
        if self._quiet:
            self._quiet -= 1
            return None
        if score < EVENT_AT:
            return None
        self._quiet = QUIET_ROWS
        return Score(at, value, score, self.signs(), _novelty(beyond, gap))

    def _beyond(self, x: float) -> float:
        """How far `x` lies outside the range seen, in ranges; negative below it."""
        lowest, highest = self._lowest, self._highest
        if self.rows <= NOVEL_FROM or lowest <= x <= highest:
            return 0.0
        span = max(highest - lowest, TINY * max(abs(highest), abs(lowest), TINY))
        return (x - highest if x > highest else x - lowest) / span

    def _begin_block(self, row: int, x: float) -> None:
        """Forget the range of the oldest block; fade the counts; lay squeezed histograms anew."""
        block = 2 * (row // BLOCK_ROWS % BLOCKS)
        self._extremes[block] = self._extremes[block + 1] = self._block_lowest = self._block_highest = x
        self._lowest, self._highest = min(self._extremes), max(self._extremes)
        if row == 0:
            return
        weight, self._weight = self._weight, 1.0
        for view in range(VIEWS):
            cells = shape.faded(self._shapes[view * STRIDE : (view + 1) * STRIDE], weight)
            self._keep(view, self._placement(view), cells)
            first, last = shape.occupied(cells, STRAY)
            if last - first < REFIT_BELOW:
                placement, cells = shape.refit(cells, self._placement(view), (first, last))
                self._keep(view, placement, shape.faded(cells, max(1.0, sum(cells) / COARSE_COUNTS)))

    def _reach(self, row: int, x: float) -> float:
        """Widen the ranges of the block and of all to hold `x`, pulled in when it is absurdly far; what to learn."""
        lowest, highest = self._lowest, self._highest
        if row >= NOVEL_FROM and highest > lowest:
            reach = CLIP * (highest - lowest)
            x = max(lowest - reach, min(highest + reach, x))
        block = 2 * (row // BLOCK_ROWS % BLOCKS)
        self._extremes[block] = self._block_lowest = min(self._block_lowest, x)
        self._extremes[block + 1] = self._block_highest = max(self._block_highest, x)
        self._lowest, self._highest = min(lowest, x), max(highest, x)
        return x

    def _look(self, at: float, x: float) -> tuple[float, float, float, float, float]:
        """The views of `x`, in the order of `FEATURES`; means are taken before they learn `x`."""
        self._level = level = self._level + LEVEL_ALPHA * (x - self._level)
        step, self._previous = x - self._previous, x
        means, sightings, whole = self._means, self._sightings, self._whole
        self._whole = whole + WHOLE_ALPHA * (x - whole)
        hour = int(at // 3600.0) % WEEK
        seen = sightings[hour]
        off_week = x - means[hour] if seen else x - whole
        if seen < WEEK_SIGHTINGS:
            sightings[hour] = seen = seen + 1
        means[hour] += (x - means[hour]) / seen
        hour = WEEK + hour % 24
        seen = sightings[hour]
        off_day = x - means[hour] if seen else x - whole
        if seen < DAY_SIGHTINGS:
            sightings[hour] = seen = seen + 1
        means[hour] += (x - means[hour]) / seen
        return x, level, step, off_day, off_week

    def _placement(self, view: int) -> shape.Placement:
        low, width, *_ = FORM.unpack_from(self._spans, view * FORM.size)
        return low, width

    def _keep(self, view: int, placement: shape.Placement, cells: array[float]) -> None:
        """Store the histogram of a view."""
        self._shapes[view * STRIDE : (view + 1) * STRIDE] = cells
        *_, burst, episode, usual, square = FORM.unpack_from(self._spans, view * FORM.size)
        FORM.pack_into(self._spans, view * FORM.size, *placement, sum(cells), burst, episode, usual, square)

    def _gather(self, row: int, views: tuple[float, ...]) -> None:
        """Remember a row until the histograms start with the last of the first ones."""
        for view, seen in enumerate(views):
            self._shapes[view * STRIDE + row] = seen
            if row == FIRST_ROWS - 1:
                self._keep(view, *shape.start(self._shapes[view * STRIDE : view * STRIDE + FIRST_ROWS]))

    def _refit_all(self) -> None:
        for view in range(VIEWS):
            cells = self._shapes[view * STRIDE : (view + 1) * STRIDE]
            self._keep(view, *shape.refit(cells, self._placement(view), shape.occupied(cells, 0.0)))

    def _judge(self, row: int, views: tuple[float, ...]) -> tuple[float, float]:
        """(mean of the two largest surprises, gap to the nearest value seen in ranges) of a row since the start.

        A surprise is -log10 of the share of history near the value, in thousandths of a decade. It is judged as a mean
        over the last rows, in standard deviations of what was usual until `LONG` rows ago, and learnt only afterwards.
        """
        spans, recent, weight = self._spans, self._recent, self._weight
        unpack, pack = FORM.unpack_from, FORM.pack_into
        self._weight = weight * GROWTH
        newest = row % LONG * VIEWS
        left_short = (row - SHORT) % LONG * VIEWS
        learnt = row - LONG
        rate = 0.0 if learnt < 0 else 1.0 / (learnt + 1) if learnt < MEMORY_ROWS else 1.0 / MEMORY_ROWS
        gap = first = second = 0.0
        first_cell = 1
        field = 0
        for seen in views:
            low, width, total, burst, episode, usual, square = unpack(spans, field)
            place = (seen - low) / width
            if not 0.0 <= place < BINS:
                low, width = self._hold(field // FORM.size, seen)
                place = min((seen - low) / width, BINS - 1.0)
            shapes = self._shapes
            cell = first_cell + int(place)
            count = shapes[cell]
            near = count + (shapes[cell - 1] + shapes[cell + 1]) / 2.0
            if not near and not field and learnt >= NOVEL_FROM:
                gap = self._gap(cell, seen)
            shapes[cell] = count + weight
            surprise = int(1000.0 * log10((2.0 * total + BINS * weight) / (near + weight)))
            oldest = recent[newest]
            recent[newest] = surprise
            burst += surprise - recent[left_short]
            episode += surprise - oldest
            if learnt >= JUDGE_FROM:
                alarm = 0.0
                if burst > SHORT * usual:
                    alarm = burst / SHORT - usual
                if episode > LONG * usual:
                    alarm += episode / LONG - usual
                if alarm:
                    variance = square - usual * usual
                    alarm /= DEVIATION_FLOOR + (sqrt(variance) if variance > 0.0 else 0.0)
                    if alarm > first:
                        first, second = alarm, first
                    elif alarm > second:
                        second = alarm
            usual += rate * (oldest - usual)
            square += rate * (oldest * oldest - square)
            pack(spans, field, low, width, total + weight, burst, episode, usual, square)
            newest += 1
            left_short += 1
            first_cell += STRIDE
            field += FORM.size
        return (first + second) / 4.0, gap

    def _hold(self, view: int, seen: float) -> shape.Placement:
        """Widen the histogram of a view until it holds a value."""
        cells = self._shapes[view * STRIDE : (view + 1) * STRIDE]
        placement, cells = shape.widen(cells, self._placement(view), seen)
        self._keep(view, placement, cells)
        return placement

    def _gap(self, cell: int, seen: float) -> float:
        """Distance from a value in an empty bin to the nearest bin in use, in ranges."""
        low, width = self._placement(0)
        below = next((low + used * width for used in range(cell - 2, 0, -1) if self._shapes[used]), -inf)
        above = next((low + (used - 1) * width for used in range(cell + 2, STRIDE - 1) if self._shapes[used]), inf)
        span = self._highest - self._lowest
        return min(seen - below, above - seen) / span if span else 0.0

    def signs(self) -> tuple[Sign, ...]:
        """The two views whose last rows were rarest, the rarest first: why `score` is what it is, event or not."""
        bursts = [FORM.unpack_from(self._spans, view * FORM.size)[BURST] for view in range(VIEWS)]
        rarest = sorted(range(VIEWS), key=lambda view: -bursts[view])[:2]
        return tuple(Sign(FEATURES[view], 10.0 ** (-bursts[view] / SHORT / 1000.0)) for view in rarest)


def _novelty(beyond: float, gap: float) -> Novelty | None:
    if beyond:
        return Novelty(Direction.HIGH if beyond > 0 else Direction.LOW, abs(beyond))
    return Novelty(Direction.GAP, gap) if gap else None
