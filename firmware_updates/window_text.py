"""Windows as people write and read them: parsing of the words a person types, sentences, and the JSON of the CLI."""

from datetime import date, datetime, time, timedelta
from typing import Literal

from firmware_updates.window import (
    Interval,
    Weekday,
    Window,
    WindowError,
    merged_intervals,
    next_interval,
    occurrences,
    zone_of,
)

Locale = Literal["en", "id"]

_DAYS: dict[Locale, tuple[str, ...]] = {
    "en": ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays"),
    "id": ("Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu"),
}
_SHORT: dict[Locale, tuple[str, ...]] = {
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "id": ("Sen", "Sel", "Rab", "Kam", "Jum", "Sab", "Min"),
}
_FULL: dict[Locale, tuple[str, ...]] = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "id": _DAYS["id"],
}
_MONTHS: dict[Locale, tuple[str, ...]] = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "id": ("Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des"),
}
_WORDS: dict[Locale, dict[str, str]] = {
    "en": {"daily": "Every day", "each": "{}", "on": "On {}", "and": "and", "or": "or", "next": "next", "now": "now",
           "until": "until", "except": "except", "none": "no window comes", "at": "{}-{}", "several": ", and ",
           "meet": "on {} between {} and {} ({})"},
    "id": {"daily": "Setiap hari", "each": "Setiap {}", "on": "Pada {}", "and": "dan", "or": "atau",
           "next": "berikutnya", "now": "sekarang", "until": "sampai", "except": "kecuali",
           "none": "tidak ada jendela", "at": "{}-{}", "several": ", dan ",
           "meet": "pada {} antara {} dan {} ({})"},
}  # fmt: skip
NIGHTLY = "daily 01:00-05:00"
_MAX_DAYS = 4000  # ten years of daily windows: more in one answer is a typing error


def parse_weekdays(text: str) -> frozenset[Weekday]:
    """Days from `Sat,Sun`, `Mon-Fri`, `Fri-Mon` or `daily`; WindowError names the word that is not a day."""
    if text.strip().lower() in ("daily", "all"):
        return frozenset(Weekday)
    days: set[Weekday] = set()
    for word in text.split(","):
        first, dash, last = (part.strip()[:3].upper() for part in word.partition("-"))
        try:
            low, high = Weekday[first], Weekday[last] if dash else Weekday[first]
        except KeyError:
            raise WindowError(f"not a weekday: {word.strip()!r} (use Mon,Tue,Wed,Thu,Fri,Sat,Sun or daily)") from None
        days.update(Weekday((low + step) % 7) for step in range((high - low) % 7 + 1))
    return frozenset(days)


def parse_time(text: str) -> time:
    """HH:MM; 24:00 is midnight."""
    hours, colon, minutes = text.strip().partition(":")
    if colon and len(hours) in (1, 2) and len(minutes) == 2 and (hours + minutes).isascii():
        try:
            return time(int(hours) % 24 if (hours, minutes) == ("24", "00") else int(hours), int(minutes))
        except ValueError:
            pass
    raise WindowError(f"not a time of day: {text!r} (use HH:MM)")


def parse_date(text: str) -> date:
    """YYYY-MM-DD."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise WindowError(f"not a date: {text!r} (use YYYY-MM-DD)") from None


def parse_window(zone: str, days: str, start: str, end: str) -> Window:
    """A recurring window from the words of a command line or a form."""
    return Window(zone, parse_weekdays(days), parse_time(start), parse_time(end))


def parse_windows(zone: str, text: str) -> tuple[Window, ...]:
    """A schedule in one line: clauses such as `Sat,Sun 02:00-04:00`, `2026-12-01 22:00-06:00` (once) and
    `daily 01:00-05:00 except 2026-12-25,2027-01-01`, parted by semicolons. Nothing means NIGHTLY.
    """
    return tuple(_parse_clause(zone, clause.strip()) for clause in (text.strip() or NIGHTLY).split(";"))


def _parse_clause(zone: str, clause: str) -> Window:
    when, _, left_out = clause.partition(" except ")
    days, _, hours = when.strip().rpartition(" ")
    start, dash, end = hours.partition("-")
    if not dash or not days:
        raise WindowError(f"not a window: {clause!r} (use Sat,Sun 02:00-04:00)")
    exceptions = frozenset(parse_date(word) for word in left_out.split(",")) if left_out else frozenset()
    once = days[0].isdecimal()
    return Window(
        zone,
        weekdays=frozenset() if once else parse_weekdays(days),
        start=parse_time(start),
        end=parse_time(end),
        dates=frozenset(parse_date(word) for word in days.split(",")) if once else frozenset(),
        exceptions=exceptions,
    )


def intervals_report(window: Window, first: date, last: date) -> dict[str, list[str]]:
    """What `siaga windows --json` prints for occurrences that start in [first, last].

    `intervals`: "opens/closes" in UTC, touching ones joined; `skipped`: start dates the clock leaps over wholly.
    """
    if not 0 <= (last - first).days <= _MAX_DAYS:
        raise WindowError(f"from {first} to {last}: must be in order and at most {_MAX_DAYS} days")
    found = list(occurrences(window, first, last))
    return {
        "intervals": [f"{_stamp(one.opens)}/{_stamp(one.closes)}" for one in merged_intervals(found)],
        "skipped": [each.day.isoformat() for each in found if not each.intervals],
    }


def windows_report(zone: str, days: str, start: str, end: str, first: str, last: str) -> dict[str, list[str]]:
    """`intervals_report` straight from the words of the command line; WindowError is the one-line message."""
    return intervals_report(parse_window(zone, days, start, end), parse_date(first), parse_date(last))


def describe(windows: tuple[Window, ...], locale: Locale, now: datetime) -> str:
    """One plain sentence: "Saturdays and Sundays 02:00-04:00 WIB; next: Sat 28 Nov 02:00"."""
    words = _WORDS[locale]
    what = _sentence([_one(window, locale, now) for window in windows], words["several"])
    return f"{what}; {_when(next_interval(windows, now), windows[0].zone, locale, now)}"


def appointment(opens: datetime, closes: datetime, zone: str, locale: Locale) -> str:
    """When an install may start, as one says it: "on Sunday 25 Oct between 01:30 and 04:00 (CEST)"."""
    since, until = (at.astimezone(zone_of(zone)) for at in (opens, closes))
    day = f"{_FULL[locale][since.weekday()]} {_day(since.date(), locale)}"
    return _WORDS[locale]["meet"].format(day, f"{since:%H:%M}", f"{until:%H:%M}", zone_label(zone, opens))


def _one(window: Window, locale: Locale, now: datetime) -> str:
    words = _WORDS[locale]
    parts = []
    if len(window.weekdays) == 7:
        parts.append(words["daily"])
    elif window.weekdays:
        parts.append(words["each"].format(_list([_DAYS[locale][day] for day in sorted(window.weekdays)], words["and"])))
    if window.dates:
        parts.append(words["on"].format(_list([_day(day, locale) for day in sorted(window.dates)], words["and"])))
    days = _sentence(parts, words["several"])
    hours = words["at"].format(f"{window.start:%H:%M}", f"{window.end:%H:%M}")
    left_out = sorted(day for day in window.exceptions if day >= now.astimezone(zone_of(window.zone)).date())
    but = f" ({words['except']} {_list([_day(day, locale) for day in left_out], words['and'])})" if left_out else ""
    return f"{days} {hours} {zone_label(window.zone, now)}{but}"


def _when(found: Interval | None, zone: str, locale: Locale, now: datetime) -> str:
    words = _WORDS[locale]
    if found is None:
        return words["none"]
    local = (found.closes if found.opens <= now else found.opens).astimezone(zone_of(zone))
    moment = f"{_SHORT[locale][local.weekday()]} {_day(local.date(), locale)} {local:%H:%M}"
    return f"{words['now']}, {words['until']} {moment}" if found.opens <= now else f"{words['next']}: {moment}"


def zone_label(zone: str, now: datetime) -> str:
    """WIB, CET, or UTC+05:45 where the zone has no letters of its own."""
    local = now.astimezone(zone_of(zone))
    name = local.tzname() or zone
    if name[0] not in "+-":
        return name
    offset = local.utcoffset() or timedelta()
    sign, minutes = ("-" if offset < timedelta() else "+"), int(abs(offset).total_seconds()) // 60
    return f"UTC{sign}{minutes // 60:02}:{minutes % 60:02}"


def _sentence(clauses: list[str], joint: str) -> str:
    """Joined clauses; only the words a clause begins with lose their capital, never the name of a day."""
    later = (c[0].lower() + c[1:] if c.startswith(("On ", "Pada ", "Every ", "Setiap ")) else c for c in clauses[1:])
    return joint.join([clauses[0], *later])


def _list(items: list[str], last: str) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"


def _day(day: date, locale: Locale) -> str:
    return f"{day.day} {_MONTHS[locale][day.month - 1]}"


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%MZ}" if at.second == 0 else f"{at:%Y-%m-%dT%H:%M:%SZ}"
