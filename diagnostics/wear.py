"""Is this disk about to fail? One judgement of five SMART counters, their growth, and the record of the model.

Points, not a yes or no: every sign adds what it was worth on one half of 43,534 real drives (ANOMALY.md has the
figures on the other half). Points only say "replace before it fails"; the levels are fixed by how many false tickets
they cost. Times are seconds of any clock that does not run backwards (power-on hours x 3600 will do).
"""

from dataclasses import dataclass
from enum import Enum, StrEnum
from math import log, log2
from typing import Final

GROWTH_HALF_LIFE_S: Final = 14 * 86_400.0
"""An increase counts in full when it happens and half two weeks later."""
RECORD_CAP: Final = 4.9
"""The most that the record of a model is worth: less than any lasting sign on the drive itself."""
RECORD_PER_E: Final = 2.0
"""Points for every factor e by which a model fails more often than the fleet."""
PRIOR_FAILURES: Final = 3.0
"""Failures at the fleet's rate that a model is believed to have before it has any: few cases prove little."""
SIZE_POINT: Final = 0.1
"""Points for every doubling of the counts: they order drives that show the same signs."""


class Reason(StrEnum):
    """A sign, named for the SMART attribute it is read from."""

    REALLOCATED = "5_reallocated"
    REALLOCATED_MANY = "5_reallocated_many"
    REALLOCATING = "5_growing"
    REALLOCATING_FAST = "5_growing_fast"
    REALLOCATING_WILDLY = "5_growing_wildly"
    UNCORRECTABLE = "187_uncorrectable"
    UNCORRECTABLE_NEW = "187_growing"
    TIMEOUT = "188_timeout"
    TIMEOUTS = "188_timeouts"
    TIMEOUTS_MANY = "188_timeouts_many"
    PENDING = "197_pending"
    PENDING_MANY = "197_pending_many"
    PENDING_NEW = "197_growing"
    PENDING_NEW_MANY = "197_growing_fast"
    OFFLINE = "198_offline_uncorrectable"
    SIZE = "size_of_counts"
    MODEL = "record_of_the_model"


class Level(Enum):
    """How sure, by the false tickets it costs in 1,000 device-months; the value is the least number of points."""

    WATCH = 2.8
    """About 3.5: watch, or plan the replacement of a weak model."""
    SUSPECT = 10.5
    """About 1.75: check backups and order a disk."""
    FAILING = 15.0
    """About 0.9: replace at the next visit."""
    DYING = 22.0
    """About 0.65: replace now."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Raw values as the drive reports them; None where it does not."""

    reallocated: int | None = None
    """5: sectors remapped."""
    uncorrectable: int | None = None
    """187: reads that error correction could not save."""
    timeouts: int | None = None
    """188: commands timed out; some makers pack three numbers of 16 bits, of which the lowest counts."""
    pending: int | None = None
    """197: sectors waiting to be remapped."""
    offline: int | None = None
    """198: sectors found bad by the drive's own scan."""


@dataclass(frozen=True, slots=True)
class DiskMemory:
    """All that is remembered of a drive: last counts, and recent growth that fades."""

    at: float
    reallocated: int
    uncorrectable: int
    timeouts: int
    pending: int
    offline: int
    grown_reallocated: float
    grown_uncorrectable: float
    grown_pending: float


@dataclass(frozen=True, slots=True)
class Sign:
    """What one sign adds."""

    reason: Reason
    points: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """The points and where they come from, the heaviest sign first."""

    points: float
    signs: tuple[Sign, ...]

    @property
    def level(self) -> Level | None:
        """The highest level reached."""
        return max(
            (level for level in Level if self.points >= level.value), key=lambda level: level.value, default=None
        )


SCORECARD: Final = {
    "reallocated": ((1, Sign(Reason.REALLOCATED, 5)), (256, Sign(Reason.REALLOCATED_MANY, 2))),
    "grown_reallocated": (
        (0.5, Sign(Reason.REALLOCATING, 3)),
        (4, Sign(Reason.REALLOCATING_FAST, 2)),
        (32, Sign(Reason.REALLOCATING_WILDLY, 10)),
    ),
    "uncorrectable": ((1, Sign(Reason.UNCORRECTABLE, 12)),),
    "grown_uncorrectable": ((0.5, Sign(Reason.UNCORRECTABLE_NEW, 2)),),
    "timeouts": (
        (1, Sign(Reason.TIMEOUT, 1)),
        (4, Sign(Reason.TIMEOUTS, 8)),
        (16, Sign(Reason.TIMEOUTS_MANY, 4)),
    ),
    "pending": ((1, Sign(Reason.PENDING, 10)), (9, Sign(Reason.PENDING_MANY, 10))),
    "grown_pending": ((0.5, Sign(Reason.PENDING_NEW, 1)), (4.5, Sign(Reason.PENDING_NEW_MANY, 2))),
    "offline": ((1, Sign(Reason.OFFLINE, 1)),),
}
"""Field of the memory: (from this value on, what it adds), rising. A sign adds to the ones before it."""


def remember(memory: DiskMemory | None, at: float, seen: Counters) -> DiskMemory:
    """The memory after a report; a counter that is not reported keeps its last value, a falling one has not grown.

    The first report of a drive is no growth: what it shows may be years old. A time before the last one is taken as
    the last one.
    """
    before = memory or DiskMemory(at, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0)
    at = max(at, before.at)
    kept = 0.5 ** ((at - before.at) / GROWTH_HALF_LIFE_S)
    reallocated = _known(seen.reallocated, before.reallocated)
    uncorrectable = _known(seen.uncorrectable, before.uncorrectable)
    pending = _known(seen.pending, before.pending)
    new = 0 if memory is None else 1
    return DiskMemory(
        at,
        reallocated,
        uncorrectable,
        _known(seen.timeouts, before.timeouts) & 0xFFFF,
        pending,
        _known(seen.offline, before.offline),
        before.grown_reallocated * kept + new * max(0, reallocated - before.reallocated),
        before.grown_uncorrectable * kept + new * max(0, uncorrectable - before.uncorrectable),
        before.grown_pending * kept + new * max(0, pending - before.pending),
    )


def _known(value: int | None, before: int) -> int:
    return before if value is None else max(0, value)


def judge(memory: DiskMemory, model_ratio: float = 1.0) -> Judgement:
    """Judge a drive as it was at its last report; `model_ratio` is how much oftener its model fails (`record_ratio`).

    The record speaks only where it weighs more than all that the drive itself shows.
    """
    signs = [sign for field, steps in SCORECARD.items() for least, sign in steps if getattr(memory, field) >= least]
    counts = memory.reallocated + memory.uncorrectable + memory.pending
    if counts:
        signs.append(Sign(Reason.SIZE, SIZE_POINT * log2(1 + counts)))
    points = sum(sign.points for sign in signs)
    record = min(RECORD_CAP, RECORD_PER_E * log(model_ratio)) if model_ratio > 1.0 else 0.0
    if record > points:
        return Judgement(record, (Sign(Reason.MODEL, record),))
    return Judgement(points, tuple(sorted(signs, key=lambda sign: -sign.points)))


def record_ratio(failures: float, device_months: float, fleet_failures: float, fleet_device_months: float) -> float:
    """How much oftener than the whole fleet a model has failed so far, held near 1 until it has proved itself."""
    fleet_rate = (fleet_failures + 1.0) / (fleet_device_months + 500.0)
    return (failures + PRIOR_FAILURES) / (device_months + PRIOR_FAILURES / fleet_rate) / fleet_rate
