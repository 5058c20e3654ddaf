from datetime import UTC, date, datetime, time

import pytest

from firmware_updates.window import Weekday, Window, WindowError
from firmware_updates.window_text import (
    describe,
    intervals_report,
    parse_date,
    parse_time,
    parse_weekdays,
    parse_window,
    parse_windows,
    windows_report,
    zone_label,
)

NOW = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)


def test_the_command_line_prints_exact_intervals_and_says_what_the_clock_skipped():
    report = windows_report("Europe/Rome", "Sat,Sun", "02:00", "04:00", "2026-03-28", "2026-03-29")
    assert report == {
        "intervals": ["2026-03-28T01:00Z/2026-03-28T03:00Z", "2026-03-29T01:00Z/2026-03-29T02:00Z"],
        "skipped": [],
    }
    assert windows_report("America/New_York", "Sun", "02:00", "03:00", "2026-03-08", "2026-03-08") == {
        "intervals": [],
        "skipped": ["2026-03-08"],
    }


def test_seconds_are_written_only_where_history_has_them():
    monrovia = parse_window("Africa/Monrovia", "daily", "02:00", "04:00")
    assert intervals_report(monrovia, date(1971, 6, 1), date(1971, 6, 1))["intervals"] == [
        "1971-06-01T02:44:30Z/1971-06-01T04:44:30Z"
    ]


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("Sat,Sun", {5, 6}),
        ("monday - fri", {0, 1, 2, 3, 4}),
        ("Fri-Mon", {4, 5, 6, 0}),
        ("daily", set(range(7))),
        ("ALL", set(range(7))),
    ],
)
def test_weekdays_are_read_as_people_write_them(text, days):
    assert parse_weekdays(text) == days


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_weekdays, "Sat,Caturday", "not a weekday: 'Caturday'"),
        (parse_weekdays, "", "not a weekday"),
        (parse_time, "2", "not a time of day: '2'"),
        (parse_time, "25:00", "not a time of day"),
        (parse_time, "24:01", "not a time of day"),
        (parse_time, "-1:00", "not a time of day"),
        (parse_date, "29-03-2026", "not a date: '29-03-2026'"),
    ],
)
def test_what_cannot_be_read_is_named(parse, text, message):
    with pytest.raises(WindowError, match=message):
        parse(text)


def test_a_span_back_in_time_is_refused():
    with pytest.raises(WindowError, match="must be in order"):
        windows_report("UTC", "daily", "02:00", "04:00", "2026-03-29", "2026-03-28")


def test_midnight_may_be_written_as_24():
    assert parse_time("24:00") == time(0)
    assert parse_time("9:05") == time(9, 5)


def test_a_weekend_window_reads_as_one_sentence_in_both_languages():
    windows = (parse_window("Asia/Jakarta", "Sat,Sun", "02:00", "04:00"),)
    assert describe(windows, "en", NOW) == "Saturdays and Sundays 02:00-04:00 WIB; next: Sat 28 Nov 02:00"
    assert describe(windows, "id", NOW) == "Setiap Sabtu dan Minggu 02:00-04:00 WIB; berikutnya: Sab 28 Nov 02:00"


def test_an_open_window_says_until_when():
    windows = (parse_window("Asia/Jakarta", "daily", "04:00", "06:00"),)
    assert describe(windows, "en", NOW) == "Every day 04:00-06:00 WIB; now, until Sun 22 Nov 06:00"
    assert describe(windows, "id", NOW) == "Setiap hari 04:00-06:00 WIB; sekarang, sampai Min 22 Nov 06:00"


def test_exceptions_one_off_dates_and_several_windows_are_told():
    first = Window(
        "Asia/Kathmandu",
        frozenset({Weekday.MON, Weekday.WED, Weekday.FRI}),
        time(1),
        time(2),
        exceptions=frozenset({date(2026, 12, 25), date(2020, 1, 1)}),
    )
    second = Window("Asia/Kathmandu", frozenset(), time(3), time(4), dates=frozenset({date(2026, 12, 1)}))
    assert describe((first, second), "en", NOW) == (
        "Mondays, Wednesdays and Fridays 01:00-02:00 UTC+05:45 (except 25 Dec), and On 1 Dec 03:00-04:00 UTC+05:45; "
        "next: Mon 23 Nov 01:00"
    ).replace("and On", "and on")
    both = Window("Asia/Jakarta", frozenset({Weekday.SUN}), time(3), time(4), dates=frozenset({date(2026, 12, 1)}))
    assert describe((both,), "id", NOW).startswith("Setiap Minggu, dan pada 1 Des 03:00-04:00 WIB")


def test_a_window_that_is_over_says_so():
    past = Window("UTC", frozenset(), time(3), time(4), dates=frozenset({date(2020, 12, 1)}))
    assert describe((past,), "en", NOW) == "On 1 Dec 03:00-04:00 UTC; no window comes"
    assert describe((past,), "id", NOW) == "Pada 1 Des 03:00-04:00 UTC; tidak ada jendela"


def test_zones_without_letters_are_told_by_their_offset():
    assert zone_label("America/St_Johns", NOW) == "NST"
    assert zone_label("Pacific/Marquesas", NOW) == "UTC-09:30"


def test_the_name_of_a_day_keeps_its_capital_in_the_middle_of_a_sentence():
    windows = (parse_window("UTC", "Sat", "02:00", "04:00"), parse_window("UTC", "Sun", "03:00", "04:00"))
    assert describe(windows, "en", NOW).startswith("Saturdays 02:00-04:00 UTC, and Sundays 03:00-04:00 UTC; next")


def test_a_schedule_is_written_in_one_line_and_nothing_means_every_night():
    assert parse_windows("Asia/Jakarta", " ") == (parse_window("Asia/Jakarta", "daily", "01:00", "05:00"),)
    weekly, once = parse_windows("UTC", "Sat,Sun 02:00-04:00 except 2026-12-26,2026-12-27; 2026-12-01 22:00-06:00")
    assert weekly == Window(
        "UTC",
        frozenset({Weekday.SAT, Weekday.SUN}),
        time(2),
        time(4),
        exceptions=frozenset({date(2026, 12, 26), date(2026, 12, 27)}),
    )
    assert once == Window("UTC", frozenset(), time(22), time(6), dates=frozenset({date(2026, 12, 1)}))


@pytest.mark.parametrize("text", ["Sat 02:00", "02:00-04:00", "Sat 02:00-04:00;"])
def test_a_schedule_that_cannot_be_read_is_refused(text):
    with pytest.raises(WindowError, match="not a window"):
        parse_windows("UTC", text)
