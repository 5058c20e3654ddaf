"""The numbers of the anomaly engine, one set for every metric of every device. ANOMALY.md says what moved them."""

from typing import Final

EVENT_AT: Final = 3.0
"""An event on the device's page: about one false in 4,000 reports."""
TICKET_AT: Final = 7.0
"""Strong enough alone: both far from everything seen and surprising in its course."""
QUIET_ROWS: Final = 60
"""One event an incident: the next needs more rows than this in between."""

FIRST_ROWS: Final = 32
"""Rows before the histograms start; their cells hold the values until then (so at most `BINS`)."""
REFIT_ROW: Final = 300
"""The bins are laid anew once over what was seen, so that they fit it."""
NOVEL_FROM: Final = 50
"""Rows before a range means anything."""
SHORT: Final = 9
LONG: Final = 25
"""Rows over which surprise is averaged: a burst, and an episode."""
JUDGE_FROM: Final = 30
"""Surprises older than `LONG` rows that must be known before one is judged."""
MEMORY_ROWS: Final = 8000
"""The usual surprise is a mean over about so many rows."""
DEVIATION_FLOOR: Final = 50.0
"""Added to the spread of surprise, in thousandths of a decade: a calm series does not cry at nothing."""
GROWTH: Final = 1.0001
"""Each count weighs so much more than the one before: half of the past fades in 6,931 rows."""

LEVEL_ALPHA: Final = 0.05
WHOLE_ALPHA: Final = 0.01
"""Of the mean that stands in for an hour of the week not seen yet."""
DAY_SIGHTINGS: Final = 20
WEEK_SIGHTINGS: Final = 10
"""The mean of an hour of the day forgets with 1 / 20, of an hour of the week with 1 / 10."""

NOVELTY_WEIGHT: Final = 5.0
FULL_BEYOND: Final = 0.12
FULL_GAP: Final = 0.15
"""Distances, in ranges, at which novelty outside and inside the range counts in full."""
BLOCK_ROWS: Final = 2000
BLOCKS: Final = 4
"""The range seen is that of the last 6,000 to 8,000 rows: a glitch does not blind for good."""
CLIP: Final = 32.0
"""A value farther out than so many ranges enters the history as if it were there."""
REFIT_BELOW: Final = 5
"""A history squeezed into so few bins is laid anew, at the end of a block."""
STRAY: Final = 2.0
"""Counts at either end that do not hold the bins open."""
COARSE_COUNTS: Final = 64.0
"""What such a history weighs afterwards: its form is not known in the finer bins."""

TINY: Final = 1e-9
"""Least range, as a share of the values: a series that never changed counts any change in full."""

LIMIT: Final = 1e30
"""Larger values are taken as this."""
LAST_TIME: Final = 1e14
"""Later times (or earlier than minus this) are not times."""
