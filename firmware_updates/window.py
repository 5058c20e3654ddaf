"""Maintenance windows: in which instants an install may start, exactly, in every zone and across every clock change.

An instant is inside a window iff the wall clock of the zone reads [start, end) of an occurrence at that instant. So an
occurrence is the preimage of an interval of wall-clock time, never start + duration: it may be empty (all of it lies in
a gap), shorter or longer than it looks, or two intervals (an overlap cut by its edge), and is still one occurrence.
What people read about windows is in `window_text`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

_DAY = 86_400
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_MARGIN = 26 * 3600  # no zone was ever further than this from UTC
_BLOCK = 7  # days that one cached block of intervals answers for
_SEARCH_DAYS = 400  # a weekly window opens at least once in this span unless its exceptions forbid it


class WindowError(ValueError):
    """A window that cannot be meant: the message says which part, in one line."""


class Weekday(IntEnum):
    """ISO order, Monday is 0 as in `date.weekday()`."""

    MON = 0
    TUE = 1
    WED = 2
    THU = 3
    FRI = 4
    SAT = 5
    SUN = 6


class Interval(NamedTuple):
    """Half-open [opens, closes), both aware and in UTC, opens < closes."""

    opens: datetime
    closes: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """Local hours in which an install may start.

    `weekdays` name the days on which an occurrence starts; `dates` adds one-off start dates; `exceptions` are start
    dates left out, whichever way they came. `end <= start` means the next day, so 00:00-00:00 is a whole day.
    """

    zone: str
    weekdays: frozenset[Weekday]
    start: time
    end: time
    dates: frozenset[date] = frozenset()
    exceptions: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        zone_of(self.zone)
        if not self.weekdays and not self.dates:
            raise WindowError("a window needs at least one weekday or one date")
        for name, at in (("start", self.start), ("end", self.end)):
            if at.tzinfo is not None or at.second or at.microsecond:
                raise WindowError(f"{name} must be a whole minute of local time, HH:MM")


class Occurrence(NamedTuple):
    """What became of one start date: no interval at all if the clock skipped it wholly."""

    day: date
    intervals: tuple[Interval, ...]


def zone_of(name: str) -> ZoneInfo:
    """The IANA zone, or WindowError."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError) as error:
        raise WindowError(f"unknown time zone {name!r}: use an IANA name such as Asia/Jakarta") from error


def occurrences(window: Window, first: date, last: date) -> Iterator[Occurrence]:
    """Every occurrence that starts on a local date in [first, last], empty ones too."""
    for ordinal in range(first.toordinal(), last.toordinal() + 1):
        day = date.fromordinal(ordinal)
        if _starts_on(window, day):
            yield Occurrence(day, tuple(_interval(span) for span in _resolve(window, ordinal - _EPOCH_ORDINAL)))


def next_interval(windows: tuple[Window, ...], now: datetime) -> Interval | None:
    """The interval that is open now or opens next, over all the windows together; None if none opens within 400 days.

    Touching intervals are one. A schedule that never closes is told in pieces at least a day long.
    """
    span = next_span(windows, now.timestamp())
    return None if span is None else _interval(span)


def next_span(windows: tuple[Window, ...], at: float) -> tuple[int, int] | None:
    """`next_interval` in epoch seconds."""
    day = int(at // _DAY)
    block = day - day % _BLOCK
    while block <= day + _SEARCH_DAYS:
        for span in _spans(windows, block):
            if span[1] > at:
                return span
        block += _BLOCK
    return None


def is_open(windows: tuple[Window, ...], now: datetime) -> bool:
    """Whether an install may start at this instant as far as the windows go."""
    found = next_interval(windows, now)
    return found is not None and found.opens <= now


def merged_intervals(found: Iterable[Occurrence]) -> list[Interval]:
    """The intervals of occurrences in order, touching ones as one."""
    spans = [(int(one.opens.timestamp()), int(one.closes.timestamp())) for each in found for one in each.intervals]
    return [_interval(span) for span in _merge(spans)]


def local_date_at(zone: str, at: float) -> date:
    """The date on the wall calendar of the zone at this instant (epoch seconds)."""
    return datetime.fromtimestamp(at, zone_of(zone)).date()


@lru_cache(maxsize=65_536)
def end_of_local_day(zone: str, day: date) -> datetime:
    """The first instant after which the zone's calendar never again reads `day` or an earlier date (UTC)."""
    ordinal = day.toordinal() - _EPOCH_ORDINAL
    last = ordinal * _DAY - _MARGIN
    for since, until, offset in _pieces(zone, ordinal):
        reached = min(until, (ordinal + 1) * _DAY - offset)
        if reached > since:
            last = reached
    return _instant(last)


def _starts_on(window: Window, day: date) -> bool:
    chosen = day.weekday() in window.weekdays or day in window.dates
    return chosen and day not in window.exceptions


def _starts(window: Window, first: int, last: int) -> list[int]:
    """The days since 1970 in [first, last) on which an occurrence starts."""
    if not window.dates and not window.exceptions:
        return [day for day in range(first, last) if (day + 3) % 7 in window.weekdays]  # 1970 began on a Thursday
    return [day for day in range(first, last) if _starts_on(window, date.fromordinal(day + _EPOCH_ORDINAL))]


@lru_cache(maxsize=65_536)
def _pieces(zone: str, day: int) -> tuple[tuple[int, int, int], ...]:
    """(from, until, offset) in epoch seconds, covering every instant that can read local days `day` and `day + 1`.

    Probes daily and bisects: in the zone database no two changes of one zone lie closer than six days (2000-2037).
    """
    info = zone_of(zone)
    since, end = day * _DAY - _MARGIN, (day + 2) * _DAY + _MARGIN
    offset = _offset(info, since)
    found: list[tuple[int, int, int]] = []
    probe = since
    while probe < end:
        ahead = min(probe + _DAY, end)
        if _offset(info, ahead) != offset:
            low, high = probe, ahead
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(info, middle) == offset else (low, middle)
            found.append((since, high, offset))
            since, offset = high, _offset(info, ahead)
        probe = ahead
    found.append((since, end, offset))
    return tuple(found)


def _offset(info: ZoneInfo, at: int) -> int:
    local = datetime.fromtimestamp(at, info)
    return int((local.utcoffset() or timedelta()).total_seconds())


def _wall(window: Window) -> tuple[int, int]:
    """Seconds from the start date's midnight to the edges, as the wall clock counts them."""
    start = window.start.hour * 3600 + window.start.minute * 60
    end = window.end.hour * 3600 + window.end.minute * 60
    return start, end if end > start else end + _DAY


def _resolve(window: Window, day: int) -> list[tuple[int, int]]:
    """UTC spans (epoch seconds) in which the wall clock reads the occurrence that starts on `day` (days since 1970)."""
    start, end = (day * _DAY + edge for edge in _wall(window))
    spans = []
    for since, until, offset in _pieces(window.zone, day):
        opens, closes = max(since, start - offset), min(until, end - offset)
        if opens < closes:
            spans.append((opens, closes))
    return _merge(spans)


@lru_cache(maxsize=65_536)
def _steady(zone: str, block: int) -> int | None:
    """The offset, if the zone's clock does not change near the block."""
    first, last = _pieces(zone, block - 3), _pieces(zone, block + _BLOCK + 1)
    middle = _pieces(zone, block + _BLOCK // 2)
    offsets = {offset for pieces in (first, middle, last) for _, _, offset in pieces}
    return offsets.pop() if len(offsets) == 1 else None


@lru_cache(maxsize=4096)
def _week_starts(weekdays: frozenset[Weekday], block: int) -> tuple[int, ...]:
    """Midnights (epoch seconds, of a clock at UTC) of the chosen weekdays around a block: shared by all zones."""
    return tuple(day * _DAY for day in range(block - 3, block + _BLOCK + 2) if (day + 3) % 7 in weekdays)


@lru_cache(maxsize=65_536)
def _spans(windows: tuple[Window, ...], block: int) -> tuple[tuple[int, int], ...]:
    """Merged spans that end after the first instant of `block` and open before its last one."""
    until = (block + _BLOCK) * _DAY
    spans: list[tuple[int, int]] = []
    for window in windows:
        offset = _steady(window.zone, block)
        start, end = _wall(window)
        weekly = not window.dates and not window.exceptions
        if offset is not None and weekly and len(windows) == 1 and end - start < _DAY:  # nothing to merge
            since, length = start - offset, end - start
            opens = (at + since for at in _week_starts(window.weekdays, block))
            return tuple([(at, at + length) for at in opens if at < until])
        days = _starts(window, block - 3, block + _BLOCK + 2)
        if offset is None:
            for day in days:
                spans += _resolve(window, day)
        else:
            spans += [(day * _DAY + start - offset, day * _DAY + end - offset) for day in days]
    return tuple(span for span in _merge(spans) if span[0] < until)


def _merge(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for opens, closes in sorted(spans):
        if merged and opens <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], closes))
        else:
            merged.append((opens, closes))
    return merged


def _interval(span: tuple[int, int]) -> Interval:
    return Interval(_instant(span[0]), _instant(span[1]))


def _instant(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)
