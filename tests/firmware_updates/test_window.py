import csv
import os
from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, _zoneinfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_updates.window import (
    Interval,
    Weekday,
    Window,
    WindowError,
    end_of_local_day,
    is_open,
    local_date_at,
    merged_intervals,
    next_interval,
    occurrences,
)
from firmware_updates.window_text import parse_window, windows_report

SHARED = Path(os.environ.get("SIAGA_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
CASES = SHARED / "window_cases.csv"
EVERY_DAY = frozenset(Weekday)
ZONES = sorted(available_timezones())


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def minutes_by_brute_force(zone, day, start, end):
    """Every minute of UTC near the day, asked one by one what the wall clock reads."""
    info = ZoneInfo(zone)
    low = datetime.combine(day, start)
    high = datetime.combine(day if end > start else day + timedelta(days=1), end)
    first = datetime.combine(day, time(), UTC) - timedelta(hours=27)
    inside = set()
    for minute in range((24 * 3 + 54) * 60):
        at = first + timedelta(minutes=minute)
        if low <= at.astimezone(info).replace(tzinfo=None) < high:
            inside.add(at)
    return inside


def minutes_of(intervals):
    return {
        one.opens + timedelta(minutes=minute)
        for one in intervals
        for minute in range(int((one.closes - one.opens).total_seconds() // 60))
    }


def transition_days(zone):
    """Local dates beside every change of the zone's clock in 2000-2037, read from the zone database itself."""
    stamps = getattr(_zoneinfo.ZoneInfo(zone), "_trans_utc", ())
    near = set()
    for stamp in stamps:
        if 946_684_800 <= stamp < 2_145_916_800:
            day = datetime.fromtimestamp(stamp, UTC).astimezone(ZoneInfo(zone)).date()
            near.update(day + timedelta(days=step) for step in (-1, 0, 1))
    return sorted(near) or [date(2026, 7, 1)]


@pytest.mark.skipif(not CASES.exists(), reason=f"no {CASES}: the exact cases are not at hand")
def test_every_exact_case_across_clock_changes_is_met():
    with CASES.open() as file:
        cases = list(csv.DictReader(file))
    assert len(cases) >= 40
    for case in cases:
        day = date.fromisoformat(case["local_start_date"])
        report = windows_report(case["zone"], "daily", case["start"], case["end"], str(day), str(day))
        assert report["intervals"] == case["utc_intervals"].split(), case
        assert report["skipped"] == ([] if case["utc_intervals"] else [str(day)]), case


HALF_HOURS = st.integers(0, 95).map(lambda quarter: time(quarter // 4, quarter % 4 * 15))


@settings(deadline=None, max_examples=20)
@given(zone=st.sampled_from(ZONES), pick=st.randoms(use_true_random=False), start=HALF_HOURS, end=HALF_HOURS)
def test_an_occurrence_holds_exactly_the_minutes_whose_wall_clock_is_inside(zone, pick, start, end):
    day = pick.choice(transition_days(zone))
    window = Window(zone, EVERY_DAY, start, end)
    (found,) = occurrences(window, day, day)
    assert minutes_of(found.intervals) == minutes_by_brute_force(zone, day, start, end)
    assert list(found.intervals) == merged_intervals([found])


@settings(deadline=None, max_examples=20)
@given(
    zone=st.sampled_from(ZONES),
    pick=st.randoms(use_true_random=False),
    start=HALF_HOURS,
    end=HALF_HOURS,
    days=st.sets(st.sampled_from(Weekday), min_size=1),
    hour=st.integers(0, 71),
)
def test_the_next_interval_is_what_walking_over_the_occurrences_finds(zone, pick, start, end, days, hour):
    day = pick.choice(transition_days(zone))
    window = Window(zone, frozenset(days), start, end, exceptions=frozenset({day}))
    now = datetime.combine(day, time(), UTC) + timedelta(hours=hour - 24, minutes=7)
    found = next_interval((window,), now)
    walked = merged_intervals(occurrences(window, day - timedelta(days=12), day + timedelta(days=22)))
    coming = next(one for one in walked if one.closes > now)
    assert found is not None
    assert found.opens <= now if coming.opens <= now else found.opens == coming.opens
    assert found.closes == coming.closes or found.closes - max(found.opens, now) > timedelta(days=1)
    assert is_open((window,), now) == any(one.opens <= now < one.closes for one in walked)


@pytest.mark.torture
def test_every_zone_agrees_with_the_oracle_on_every_transition_day_until_2037():
    """Walked minute by minute once for every (day, clock changes near it, offsets): zones share these, names do not."""
    shapes = [(time(2), time(4)), (time(0), time(0)), (time(22), time(6)), (time(1, 30), time(2, 15))]
    reference, checked = {}, 0
    minutes = (24 * 3 + 30) * 60
    for zone in ZONES:
        stamps = getattr(_zoneinfo.ZoneInfo(zone), "_trans_utc", ())
        info = ZoneInfo(zone)
        for day in transition_days(zone):
            first = datetime.combine(day, time(), UTC) - timedelta(hours=15)
            last = first + timedelta(minutes=minutes)
            near = stamps[bisect_left(stamps, first.timestamp()) : bisect_right(stamps, last.timestamp())]
            offsets = (info.utcoffset(first.astimezone(info)), info.utcoffset(last.astimezone(info)))
            key = (day, tuple(near), offsets)
            if key not in reference:
                stamp = int(first.timestamp())
                clock = (datetime.fromtimestamp(stamp + 60 * step, info) for step in range(minutes))
                walls = [(at.toordinal() * 24 + at.hour) * 60 + at.minute for at in clock]
                reference[key] = [_inside(walls, day, start, end) for start, end in shapes]
            for (start, end), inside in zip(shapes, reference[key], strict=True):
                (found,) = occurrences(Window(zone, EVERY_DAY, start, end), day, day)
                spans = [
                    (round((one.opens - first).total_seconds() / 60), round((one.closes - first).total_seconds() / 60))
                    for one in found.intervals
                ]
                assert spans == inside, (zone, day, start, end)
                checked += 1
    print(f"{len(ZONES)} zones, {len(reference)} transition days walked by the minute, {checked} occurrences equal")


def _inside(walls, day, start, end):
    midnight = day.toordinal() * 24 * 60
    low, high = (midnight + edge.hour * 60 + edge.minute for edge in (start, end))
    high += 24 * 60 if end <= start else 0
    edges = [step for step in range(1, len(walls)) if (low <= walls[step] < high) != (low <= walls[step - 1] < high)]
    return list(zip(edges[::2], edges[1::2], strict=True))


def test_a_schedule_of_two_windows_that_touch_is_open_without_a_break():
    early = parse_window("Asia/Jakarta", "Sat", "02:00", "03:00")
    late = parse_window("Asia/Jakarta", "Sat", "03:00", "04:30")
    found = next_interval((late, early), utc(2026, 11, 21))
    assert found == Interval(utc(2026, 11, 27, 19), utc(2026, 11, 27, 21, 30))
    assert not is_open((early, late), utc(2026, 11, 27, 21, 30))
    assert is_open((early, late), utc(2026, 11, 27, 20))


def test_a_one_off_window_opens_once_and_never_again():
    once = Window("Europe/Rome", frozenset(), time(2), time(4), dates=frozenset({date(2027, 1, 9)}))
    assert next_interval((once,), utc(2026, 11, 21)) == Interval(utc(2027, 1, 9, 1), utc(2027, 1, 9, 3))
    assert next_interval((once,), utc(2027, 1, 9, 3)) is None
    assert not is_open((once,), utc(2027, 1, 9, 3))
    assert next_interval((), utc(2026, 11, 21)) is None


def test_an_excepted_date_is_left_out_of_a_weekly_window():
    window = Window(
        "Asia/Jakarta", frozenset({Weekday.SUN}), time(2), time(4), exceptions=frozenset({date(2026, 11, 29)})
    )
    found = next_interval((window,), utc(2026, 11, 23))
    assert found is not None
    assert found.opens == utc(2026, 12, 5, 19)


def test_the_end_of_a_local_day_is_the_last_time_the_calendar_leaves_it():
    assert end_of_local_day("Asia/Jakarta", date(2026, 11, 21)) == utc(2026, 11, 21, 17)
    assert end_of_local_day("Europe/Rome", date(2026, 3, 29)) == utc(2026, 3, 29, 22)
    # Midnight comes twice in Cairo on 29 October 2026: the day ends the second time.
    assert end_of_local_day("Africa/Cairo", date(2026, 10, 29)) == utc(2026, 10, 29, 22)
    # Samoa had no 30 December 2011: support until then ends when the 31st begins.
    assert end_of_local_day("Pacific/Apia", date(2011, 12, 30)) == utc(2011, 12, 30, 10)
    assert local_date_at("Pacific/Apia", utc(2011, 12, 30, 10).timestamp()) == date(2011, 12, 31)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Window("Mars/Olympus", EVERY_DAY, time(1), time(2)), "unknown time zone 'Mars/Olympus'"),
        (lambda: Window("../etc/passwd", EVERY_DAY, time(1), time(2)), "unknown time zone"),
        (lambda: Window("UTC", frozenset(), time(1), time(2)), "at least one weekday"),
        (lambda: Window("UTC", EVERY_DAY, time(1, 0, 1), time(2)), "start must be a whole minute"),
        (lambda: Window("UTC", EVERY_DAY, time(1), time(2, tzinfo=UTC)), "end must be a whole minute"),
    ],
)
def test_a_window_that_cannot_be_meant_is_refused_in_one_line(make, message):
    with pytest.raises(WindowError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
