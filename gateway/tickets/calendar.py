"""Business time: how much of it passes between two instants, and when so much will have passed. Pure.

Hours are what `firmware_updates.window` calls windows: local hours in an IANA zone, any number of intervals a day,
exact across every change of the clock. Time counts while the wall clock reads one of them.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date

from firmware_updates.window import Window, next_span
from firmware_updates.window_text import parse_windows


@dataclass(frozen=True, slots=True)
class BusinessHours:
    """When work is done. No windows: round the clock. Where none opens within 400 days, time stands still."""

    windows: tuple[Window, ...] = ()


ROUND_THE_CLOCK = BusinessHours()


def parse_hours(zone: str, text: str, holidays: Collection[date] = ()) -> BusinessHours:
    """Hours such as "Mon-Fri 08:00-12:00; Mon-Fri 13:00-17:00" without the holidays; "" is round the clock.

    ValueError, one line, for what is neither.
    """
    if not text.strip():
        return ROUND_THE_CLOCK
    windows = parse_windows(zone, text)
    return BusinessHours(tuple(replace(one, exceptions=one.exceptions | frozenset(holidays)) for one in windows))


def open_seconds(hours: BusinessHours, start: float, end: float) -> float:
    """Business seconds in [start, end); 0 if the end is not after the start."""
    if not hours.windows:
        return max(0.0, end - start)
    total, at = 0.0, start
    while at < end:
        span = next_span(hours.windows, at)
        if span is None:
            break
        opens, closes = max(at, span[0]), min(end, span[1])
        total += max(0.0, closes - opens)
        at = span[1]
    return total


def after_open(hours: BusinessHours, start: float, seconds: float) -> float:
    """The first instant by which so many business seconds have passed since the start; infinity if it never comes."""
    if seconds <= 0:
        return start
    if not hours.windows:
        return start + seconds
    left, at = seconds, start
    while (span := next_span(hours.windows, at)) is not None:
        opens = max(at, span[0])
        if span[1] - opens >= left:
            return opens + left
        left -= span[1] - opens
        at = span[1]
    return math.inf
