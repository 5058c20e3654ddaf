"""Times as people say them: the reader's zone and language, and how long ago."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_date, format_time, format_timedelta

from gateway.web.language import _, language

# CLDR has no short English names for Indonesia's zones; people there use these.
ZONE_NAMES = {
    "Asia/Jakarta": "WIB",
    "Asia/Pontianak": "WIB",
    "Asia/Makassar": "WITA",
    "Asia/Ujung_Pandang": "WITA",
    "Asia/Jayapura": "WIT",
}


def zone_of(name: str) -> ZoneInfo:
    """The zone, or UTC for a name nobody knows."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def zone_name(at: float, zone: str) -> str:
    """As people there write it: WIB, CET, UTC+5:45."""
    if zone in ZONE_NAMES:
        return ZONE_NAMES[zone]
    name = datetime.fromtimestamp(at, zone_of(zone)).tzname() or "UTC"
    return f"UTC{name[:3]}{':' + name[3:] if len(name) > 3 else ''}" if name[0] in "+-" else name


def iso(at: float) -> str:
    """For machines: `<time datetime>`."""
    return datetime.fromtimestamp(at, ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(at: float, zone: str) -> str:
    """06:10 in English, 06.10 in Indonesian."""
    pattern = "HH.mm" if language() == "id" else "HH:mm"
    return str(format_time(datetime.fromtimestamp(at, zone_of(zone)), pattern, locale=language()))


def day(at: float, zone: str) -> str:
    """Sat 21 Nov 2026."""
    return str(format_date(datetime.fromtimestamp(at, zone_of(zone)).date(), "EEE d MMM y", locale=language()))


def when(at: float, now: float, zone: str) -> str:
    """06:10 WIB today; 09:00 WIB tomorrow; 22:15 WIB on Fri 20 Nov."""
    local, today = (datetime.fromtimestamp(time, zone_of(zone)) for time in (at, now))
    at_clock = f"{clock(at, zone)} {zone_name(at, zone)}"
    distance = (local.date() - today.date()).days
    if distance == 0:
        return _("%(clock)s today", clock=at_clock)
    if distance == -1:
        return _("%(clock)s yesterday", clock=at_clock)
    if distance == 1:
        return _("%(clock)s tomorrow", clock=at_clock)
    pattern = "EEE d MMM" if abs(distance) < 180 else "EEE d MMM y"
    return _("%(clock)s on %(day)s", clock=at_clock, day=format_date(local.date(), pattern, locale=language()))


def span(seconds: float) -> str:
    """2 hours, 2 jam."""
    return str(format_timedelta(timedelta(seconds=max(1, round(seconds))), threshold=1.2, locale=language()))


def ago(at: float, now: float) -> str:
    """2 minutes ago; in 3 hours for what is to come."""
    return str(
        format_timedelta(timedelta(seconds=round(at - now) or -1), threshold=1.2, add_direction=True, locale=language())
    )


def short_span(seconds: float) -> str:
    """For tables: −6 min, 3 h, 5 d."""
    sign, size = ("−" if seconds < 0 else ""), abs(seconds)
    if size < 3600:
        count, unit = size // 60, _("min")
    elif size < 2 * 86_400:
        count, unit = size // 3600, _("h")
    else:
        count, unit = size // 86_400, _("d")
    return f"{sign}{int(count)} {unit}"


def calendar_day(iso_day: str) -> str:
    """A registered date as people write it; "" stays "", and what is not a date stays as it is."""
    try:
        return str(format_date(date.fromisoformat(iso_day), "d MMM y", locale=language()))
    except ValueError:
        return iso_day
