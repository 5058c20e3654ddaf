"""Business time, exact across every change of the clock."""

import math
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tickets.calendar import ROUND_THE_CLOCK, BusinessHours, after_open, open_seconds, parse_hours

OFFICE = "Mon-Fri 08:00-12:00; Mon-Fri 13:00-17:00"
HOUR = 3600.0


def at(zone: str, text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("zone", "text", "start", "end", "hours"),
    [
        ("Asia/Jakarta", OFFICE, "2026-11-20T07:00", "2026-11-20T18:00", 8),
        ("Asia/Jakarta", OFFICE, "2026-11-20T11:00", "2026-11-20T14:00", 2),
        ("Asia/Jakarta", OFFICE, "2026-11-20T16:00", "2026-11-23T09:00", 2),
        ("Asia/Jakarta", OFFICE, "2026-11-21T00:00", "2026-11-23T00:00", 0),
        ("Europe/Berlin", "daily 00:00-00:00", "2026-03-29T00:00", "2026-03-30T00:00", 23),
        ("Europe/Berlin", "daily 00:00-00:00", "2026-10-25T00:00", "2026-10-26T00:00", 25),
        ("Europe/Berlin", "daily 01:00-04:00", "2026-03-29T00:00", "2026-03-29T12:00", 2),
        ("Europe/Berlin", "daily 01:00-04:00", "2026-10-25T00:00", "2026-10-25T12:00", 4),
        ("America/New_York", "Sat 22:00-06:00", "2026-10-31T00:00", "2026-11-02T00:00", 9),
        ("Asia/Jakarta", "", "2026-11-20T11:00", "2026-11-22T11:00", 48),
        ("Asia/Jakarta", OFFICE, "2026-11-20T14:00", "2026-11-20T11:00", 0),
    ],
)
def test_time_counts_while_the_wall_clock_reads_business_hours(
    zone: str, text: str, start: str, end: str, hours: float
) -> None:
    assert open_seconds(parse_hours(zone, text), at(zone, start), at(zone, end)) == hours * HOUR


def test_holidays_do_not_count() -> None:
    hours = parse_hours("Asia/Jakarta", OFFICE, [date(2026, 12, 25)])
    monday = at("Asia/Jakarta", "2026-12-21T00:00")
    assert open_seconds(hours, monday, monday + 7 * 86400) == 4 * 8 * HOUR
    assert after_open(hours, at("Asia/Jakarta", "2026-12-24T16:00"), 2 * HOUR) == at("Asia/Jakarta", "2026-12-28T09:00")


@pytest.mark.parametrize(
    ("start", "hours", "expected"),
    [
        ("2026-11-20T11:00", 2, "2026-11-20T14:00"),
        ("2026-11-20T11:00", 1, "2026-11-20T12:00"),
        ("2026-11-20T16:30", 1, "2026-11-23T08:30"),
        ("2026-11-21T10:00", 8, "2026-11-23T17:00"),
        ("2026-11-21T10:00", 0, "2026-11-21T10:00"),
        ("2026-11-21T10:00", -1, "2026-11-21T10:00"),
    ],
)
def test_a_due_time_skips_nights_lunch_and_weekends(start: str, hours: float, expected: str) -> None:
    office = parse_hours("Asia/Jakarta", OFFICE)
    assert after_open(office, at("Asia/Jakarta", start), hours * HOUR) == at("Asia/Jakarta", expected)


def test_hours_that_never_come_make_time_stand_still() -> None:
    once = parse_hours("UTC", "2026-11-20 08:00-10:00")
    start = at("UTC", "2026-11-20T09:00")
    assert open_seconds(once, start, start + 9e7) == HOUR
    assert after_open(once, start, 2 * HOUR) == math.inf
    assert after_open(ROUND_THE_CLOCK, start, 5.0) == start + 5.0


def test_what_are_no_hours_is_one_line() -> None:
    with pytest.raises(ValueError, match="not a weekday: 'Someday'"):
        parse_hours("UTC", "Someday 08:00-10:00")


ZONES = st.sampled_from(
    [
        "Asia/Jakarta",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "America/St_Johns",
    ]
)
CLAUSE = st.builds(
    "{} {:02}:{:02}-{:02}:{:02}".format,
    st.sampled_from(["daily", "Mon-Fri", "Sat,Sun", "Wed", "Fri-Mon"]),
    st.integers(0, 23),
    st.sampled_from([0, 15, 30]),
    st.integers(0, 23),
    st.sampled_from([0, 15, 45]),
)
HOURS = st.builds(parse_hours, ZONES, st.lists(CLAUSE, min_size=1, max_size=3).map("; ".join))
# Around the changes of the clock of these zones in 2026.
MOMENTS = st.builds(
    lambda day, minute: datetime(2026, 1, 1, tzinfo=UTC).timestamp() + day * 86400 + minute * 60,
    st.one_of(st.integers(60, 100), st.integers(270, 310)),
    st.integers(0, 1439),
)


def is_open(hours: BusinessHours, moment: float) -> bool:
    """By the wall clock alone."""
    for window in hours.windows:
        local = datetime.fromtimestamp(moment, ZoneInfo(window.zone))
        today, wall = local.date(), local.time()
        over_midnight = window.end <= window.start
        begins = today.weekday() in window.weekdays and wall >= window.start and (over_midnight or wall < window.end)
        yesterday = (today - timedelta(days=1)).weekday() in window.weekdays
        if begins or (over_midnight and yesterday and wall < window.end):
            return True
    return False


@given(HOURS, MOMENTS, st.integers(0, 2 * 1440))
def test_business_time_is_the_minutes_that_the_wall_clock_reads_as_open(
    hours: BusinessHours, start: float, minutes: int
) -> None:
    expected = sum(is_open(hours, start + 60 * n + 1) for n in range(minutes))
    assert open_seconds(hours, start, start + 60 * minutes) == 60 * expected


@given(HOURS, MOMENTS, st.floats(1.0, 200 * HOUR))
def test_after_so_much_business_time_exactly_so_much_has_passed(
    hours: BusinessHours, start: float, seconds: float
) -> None:
    end = after_open(hours, start, seconds)
    assert open_seconds(hours, start, end) == pytest.approx(seconds, abs=1e-3)
    assert open_seconds(hours, start, end - 0.5) < seconds


@given(HOURS, MOMENTS, st.integers(0, 9000), st.integers(0, 9000))
def test_business_time_adds_up(hours: BusinessHours, start: float, first: int, second: int) -> None:
    middle, end = start + 60 * first, start + 60 * (first + second)
    assert open_seconds(hours, start, middle) + open_seconds(hours, middle, end) == open_seconds(hours, start, end)
