"""Languages, times, and the words that customers read."""

from dataclasses import replace

import pytest
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from diagnostics.changes import Evidence, Impact, Severity
from gateway.ports.history import Column
from gateway.ports.registry import RegisteredDevice
from gateway.tickets.ticket import CloseCode, Entry, HistoryEntry, State, Ticket, WaitingFor
from gateway.web import repair, times, wording
from gateway.web.catalogue import extracted
from gateway.web.charts import Plot, draw
from gateway.web.knowledge import Knowledge, number
from gateway.web.language import LANGUAGES, LOCALE, n_, speak
from gateway.web.standing import Judged, Standing
from gateway.web.updates import UpdateView
from tests.gateway.web.world import CATALOGUE, FAULTS

NOW = 1_795_244_700.0  # Sat 21 Nov 2026 14:05 in Jakarta
HOUR = 3600.0
WIB = "Asia/Jakarta"
KNOW = Knowledge(FAULTS, CATALOGUE)
CAMERA = RegisteredDevice("cam", "Kasir", "camera", "CAM", "shop", warranty_until="2025-01-31")
TICKET = Ticket(
    "t", "SG-1042", "device:cam:F01", "device", "cam", "cam", "shop", "c", "F01", Severity.HIGH, State.OPEN, "wear@3",
    False, NOW - 5 * HOUR, NOW, 1, 2, Evidence("sd_life_used_pct", 80.0, 80.0, 30.0, NOW - 8 * HOUR), None, NOW,
    owner="sari", promise_at=NOW + 3 * HOUR,
)  # fmt: skip
HISTORY = [
    HistoryEntry(NOW - 5 * HOUR, Entry.OPENED, "wear@3", "first"),
    HistoryEntry(NOW - HOUR, Entry.TAKEN, "sari", "taken"),
]


@pytest.fixture(autouse=True)
def english():
    speak("en")
    yield
    speak("en")


def messages():
    with (LOCALE / "id" / "LC_MESSAGES" / "messages.po").open("rb") as source:
        return read_po(source, locale="id")


def test_every_message_is_translated_and_none_is_stale() -> None:
    ours, theirs = extracted(), messages()
    assert {str(it.id) for it in ours} == {str(it.id) for it in theirs}, "run python -m gateway.web.catalogue"
    empty = [it.id for it in theirs if it.id and not (it.string if isinstance(it.string, str) else it.string[0])]
    assert empty == []
    assert [it.id for it in theirs if it.fuzzy] == []


def test_placeholders_survive_translation() -> None:
    import re

    for it in messages():
        source = " ".join(it.id) if isinstance(it.id, tuple) else it.id
        said = it.string if isinstance(it.string, str) else it.string[0]
        wanted = set(re.findall(r"%\((\w+)\)s", source)) if source else set()
        assert set(re.findall(r"%\((\w+)\)s", said)) <= wanted | {"num"}, source
        assert wanted - {"num"} <= set(re.findall(r"%\((\w+)\)s", said)) | {"num"}, source


def test_indonesian_has_one_plural_form() -> None:
    assert messages().num_plurals == 1
    speak("id")
    assert [n_("%(num)s device", "%(num)s devices", count) for count in (0, 1, 2)] == [
        "0 perangkat",
        "1 perangkat",
        "2 perangkat",
    ]


def test_zones_are_called_as_people_there_call_them() -> None:
    assert times.when(NOW, NOW, WIB) == "14:05 WIB today"
    assert times.when(NOW, NOW, "Asia/Makassar") == "15:05 WITA today"
    assert times.when(NOW, NOW, "Asia/Jayapura") == "16:05 WIT today"
    assert times.when(NOW, NOW, "Europe/Berlin") == "08:05 CET today"
    assert times.when(NOW, NOW, "Asia/Kathmandu") == "12:50 UTC+05:45 today"
    assert times.when(NOW, NOW, "Not/AZone") == "07:05 UTC today"
    speak("id")
    assert times.when(NOW, NOW, WIB) == "14.05 WIB hari ini"


def test_yesterday_and_tomorrow_are_by_the_readers_calendar() -> None:
    assert times.when(NOW - 15 * HOUR, NOW, WIB) == "23:05 WIB yesterday"
    assert times.when(NOW + 10 * HOUR, NOW, WIB) == "00:05 WIB tomorrow"
    assert times.when(NOW - 15 * HOUR, NOW, "UTC") == "16:05 UTC yesterday"
    assert times.when(NOW + 9 * 86_400, NOW, WIB) == "14:05 WIB on Mon 30 Nov"
    assert times.when(NOW + 300 * 86_400, NOW, WIB).endswith("2027")


def test_spans_of_tables_are_short_and_signed() -> None:
    assert [times.short_span(it) for it in (-360, 0, 5400, 40 * HOUR, 9 * 86_400)] == [
        "−6 min",
        "0 min",
        "1 h",
        "40 h",
        "9 d",
    ]
    assert times.calendar_day("2027-06-30") == "30 Jun 2027"
    assert times.calendar_day("") == ""


@given(st.floats(-1e9, 1e9, allow_nan=False))
def test_a_number_never_loses_its_size(value) -> None:
    speak("en")
    back = float(number(value).replace(",", "").replace("−", "-"))
    assert abs(back - value) <= max(0.005, abs(value) * 0.01) + 1e-9  # 0.375 is written as 0.38


def lines(standing: Standing, ticket: Ticket | None = None, **more):
    judged = Judged(CAMERA, standing, None, ticket, since=more.pop("since", NOW - 2 * HOUR), **more)
    return wording.say(judged, HISTORY, {"sari": "Sari"}, KNOW, NOW, WIB)


def test_a_ticket_names_its_number_who_has_it_and_by_when_they_call() -> None:
    said = lines(Standing.US, TICKET)
    assert said.headline == "We are already on it. Ticket SG-1042."
    assert said.saw == "Memory card is wearing out, since 12:05 WIB today."
    assert "Sari from support took it at 13:05 WIB today." in said.next
    assert "You hear from us before 17:05 WIB today." in said.next
    assert said.reach == "You do not have to call. If you do, say SG-1042."
    assert len(said.can) == 2


def test_a_promise_that_was_missed_is_owned_up_to() -> None:
    late = replace(TICKET, promise_at=NOW - HOUR)
    assert "We are sorry" in repair.promise(late, NOW, WIB)
    soon = replace(TICKET, promise_at=NOW + 600)
    assert "we tell you before then" in repair.promise(soon, NOW, WIB)
    assert repair.promise(replace(TICKET, promise_at=None), NOW, WIB) == ""


def test_a_forecast_is_told_as_a_date_and_never_after_it() -> None:
    ahead = replace(TICKET, impact=Impact(NOW + 2 * 86_400, NOW + 3 * 86_400, NOW + 4 * 86_400))
    assert repair.impact(ahead, NOW, WIB).startswith("You will probably notice nothing before 14:05 WIB on Mon 23 Nov.")
    near = replace(TICKET, impact=Impact(NOW - HOUR, NOW + HOUR, NOW + 2 * HOUR))
    assert "at any time" in repair.impact(near, NOW, WIB)
    past = replace(TICKET, impact=Impact(NOW - 3 * HOUR, NOW - HOUR, NOW + HOUR))
    assert repair.impact(past, NOW, WIB) == ""


def test_an_advisory_says_when_the_warranty_ended_and_promises_nothing() -> None:
    said = lines(Standing.ADVISORY, replace(TICKET, advisory=True))
    assert "31 Jan 2025" in said.next
    assert "nothing happens without your yes" in said.next
    assert "You hear from us" not in said.next


def test_a_device_without_any_warranty_and_a_report_of_the_customers_own_have_their_words() -> None:
    bare = Judged(
        replace(CAMERA, warranty_until=""), Standing.ADVISORY, None, replace(TICKET, advisory=True), since=NOW
    )
    said = wording.say(bare, HISTORY, {}, KNOW, NOW, WIB)
    assert said.next.startswith("There is no warranty or service for this device")
    reported = replace(TICKET, fault_class="REPORTED")
    assert lines(Standing.US, reported).saw == "You told us about a problem at 12:05 WIB today."
    assert repair.path(reported, HISTORY, {})[0].title == "You told us"
    speak("id")
    assert times.span(7200) == "2 jam"
    assert times.ago(NOW - 120, NOW) == "2 menit yang lalu"


def test_a_question_to_the_customer_is_shown_in_its_own_words() -> None:
    asking = replace(TICKET, state=State.PENDING, waiting_for=WaitingFor.CUSTOMER)
    asked = [*HISTORY, HistoryEntry(NOW, Entry.REPLY, "sari", "reply", "May we restart it tonight?")]
    judged = Judged(CAMERA, Standing.US_WAIT, None, asking, since=NOW)
    assert wording.say(judged, asked, {}, KNOW, NOW, WIB).next.startswith("May we restart it tonight?")


@pytest.mark.parametrize("spoken", LANGUAGES)
@pytest.mark.parametrize("standing", Standing)
def test_every_state_has_its_words_in_both_languages(standing, spoken) -> None:
    speak(spoken)
    with_ticket = standing in (
        Standing.US_WAIT,
        Standing.YOU,
        Standing.US,
        Standing.ADVISORY,
        Standing.AREA,
        Standing.WATCH,
    )
    said = lines(standing, TICKET if with_ticket else None, update=UpdateView("r", "2", "installing", True, NOW))
    assert said.headline
    assert wording.short(standing)
    assert said.saw
    assert "%(" not in f"{said}"
    technical = ("RSSI", "MQTT", "firmware", "error 0x", "telemetri")
    assert [word for word in technical if word.casefold() in f"{said}".casefold()] == []


def test_the_top_of_the_page_counts_what_needs_the_reader() -> None:
    def top(*standings: Standing) -> str:
        return " ".join(wording.summary([Judged(CAMERA, it, None) for it in standings])[2:])

    ok, you, us = Standing.OK, Standing.YOU, Standing.US
    assert top(you, us, ok, ok) == "1 of your 4 devices needs you. We are already working on 1 more."
    assert top(you, you, ok).startswith("2 of your 3 devices need you.")
    assert top(you).startswith("1 of your 1 device needs you.")
    assert top(us, ok) == "We are working on 1 of your devices. You do not need to do anything."
    assert top(ok, ok) == "Everything is working. You do not need to do anything."
    assert top(ok, Standing.UNKNOWN).startswith("Nothing needs you.")
    assert top(Standing.UNKNOWN) == "We have too little information to say. "
    assert top().startswith("No devices yet.")


def test_the_path_of_a_repair_has_four_steps() -> None:
    moods = [it.mood for it in repair.path(TICKET, HISTORY, {"sari": "Sari"})]
    assert moods == ["done", "done", "now", "later"]
    fresh = replace(TICKET, state=State.NEW, owner="")
    assert [it.mood for it in repair.path(fresh, HISTORY[:1], {})] == ["done", "now", "later", "later"]
    solved = replace(TICKET, state=State.SOLVED, solved_at=NOW, close_code=CloseCode.AUTO)
    assert [it.mood for it in repair.path(solved, HISTORY, {})] == ["done"] * 4


def plot_of(values: list[float], limit: float | None = None, *, below: bool = False) -> Plot:
    found = draw([Column(k, v, v, v, 1) for k, v in enumerate(values)], 0, len(values), limit, below=below)
    assert found is not None
    return found


def test_what_a_chart_shows_is_said_in_a_sentence() -> None:
    past = wording.chart_says(KNOW, "sd_life_used_pct", plot_of([79.0, 81.0], 80.0), 80.0, 30.0)
    assert past == "Memory card wear: past the point at which we act. The dashed line is that point."
    near = wording.chart_says(KNOW, "sd_life_used_pct", plot_of([60.0, 70.0], 80.0), 80.0, 30.0)
    assert near == "Memory card wear: on its way to the point at which we act. The dashed line is that point."
    far = wording.chart_says(KNOW, "sd_life_used_pct", plot_of([30.0, 31.0], 80.0), 80.0, 30.0)
    assert far == "Memory card wear: on its way to the point at which we act.", "no line is drawn, none is spoken of"
    falling = wording.chart_says(KNOW, "rssi_dbm", plot_of([-60.0, -75.0], -70.0, below=True), -70.0, -55.0)
    assert "past the point" in falling
    grown = wording.chart_says(KNOW, "vin_ripple_mv", plot_of([90.0, 110.0], 75.0), 75.0, 100.0)
    assert "past the point" in grown, "what is usual for the device has grown with its trouble"
    dip = wording.chart_says(KNOW, "vin_v", plot_of([12.0, 10.0, 12.0], 10.9, below=True), 10.9, 12.1)
    assert "already went past" in dip
    assert wording.chart_says(KNOW, "soc_temp_c", plot_of([49.0, 50.0])) == (
        "Temperature inside the device: as it should be."
    )
    assert "not as it should" in wording.chart_says(KNOW, "soc_temp_c", plot_of([94.0, 95.0]))
    assert wording.chart_says(KNOW, "own_metric", plot_of([0.0, 1.0])) == "own metric"
