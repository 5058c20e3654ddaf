"""When customers hear of something, and of what."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.notify.grouping import IN_A_SPAN, SPAN_S, QuietHours, Wait, next_letter, worth_telling
from gateway.ports.notifications import ASKS
from tests.gateway.notify.parts import line

NOON = 1_795_238_000.0  # 12:13 in Jakarta
NIGHT = QuietHours.parse("21:00-07:00")
WIB = "Asia/Jakarta"


def types(lines) -> list[str]:
    return [one.type for one in worth_telling(lines)]


def test_the_first_event_waits_half_a_minute_for_companions() -> None:
    moment = next_letter([line("ticket.opened", NOON)], [], WIB, NIGHT, NOON + 1)
    assert (moment.at, moment.wait) == (NOON + 30, Wait.COMPANIONS)
    assert next_letter([line("ticket.opened", NOON)], [], WIB, NIGHT, NOON + 30).wait is Wait.NOTHING


def test_letters_to_one_customer_are_five_minutes_apart() -> None:
    moment = next_letter([line("ticket.opened", NOON)], [NOON - 60], WIB, NIGHT, NOON + 40)
    assert (moment.at, moment.wait) == (NOON + 240, Wait.BETWEEN)


def test_after_five_letters_in_four_hours_the_rest_comes_in_one_but_an_answer_does_not_wait() -> None:
    mailed = [NOON - 3000 + 600 * place for place in range(5)]
    moment = next_letter([line("ticket.opened", NOON)], mailed, WIB, NIGHT, NOON + 1000)
    assert (moment.at, moment.wait) == (mailed[0] + SPAN_S, Wait.ENOUGH)
    answered = [line("ticket.opened", NOON), line("ticket.replied", NOON + 1)]
    assert next_letter(answered, mailed, WIB, NIGHT, NOON + 1000).wait is Wait.NOTHING


def test_a_letter_waits_for_the_morning_of_its_reader() -> None:
    late = datetime(2026, 11, 21, 22, 30, tzinfo=ZoneInfo(WIB)).timestamp()
    moment = next_letter([line("ticket.opened", late)], [], WIB, NIGHT, late + 60)
    assert moment.wait is Wait.QUIET
    assert datetime.fromtimestamp(moment.at, ZoneInfo(WIB)) == datetime(2026, 11, 22, 7, 0, tzinfo=ZoneInfo(WIB))
    early = datetime(2026, 11, 22, 3, 0, tzinfo=ZoneInfo(WIB)).timestamp()
    assert next_letter([line("ticket.opened", early)], [], WIB, NIGHT, early + 60).at == moment.at
    # The same moment is day elsewhere, for no quiet hours, and for a zone nobody knows (UTC).
    for zone, quiet in (("Europe/Berlin", NIGHT), (WIB, None), ("Nowhere/Land", NIGHT)):
        assert next_letter([line("ticket.opened", late)], [], zone, quiet, late + 60).wait is Wait.NOTHING


@pytest.mark.parametrize("urgent", [line("ticket.opened", 0.0, severity="critical"), line("ticket.replied", 0.0)])
def test_what_cannot_wait_does_not_wait_for_the_morning(urgent) -> None:
    late = datetime(2026, 11, 21, 23, 30, tzinfo=ZoneInfo(WIB)).timestamp()
    assert next_letter([urgent], [], WIB, NIGHT, late).wait is Wait.NOTHING


def test_quiet_hours_within_a_day_and_those_that_are_none() -> None:
    siesta = QuietHours.parse("13:00-15:00")
    assert siesta is not None
    at = datetime(2026, 11, 21, 14, 0, tzinfo=ZoneInfo(WIB)).timestamp()
    assert siesta.over_at(at, WIB) == at + 3600
    assert siesta.over_at(at - 7200, WIB) == at - 7200
    assert QuietHours.parse("") is None
    for wrong in ("all night", "21:00", "21:00-21:00", "25:00-07:00"):
        with pytest.raises(ValueError, match="quiet hours"):
            QuietHours.parse(wrong)


def test_what_opened_and_solved_itself_meanwhile_is_not_told() -> None:
    came, went = line("ticket.opened", 1.0), line("ticket.solved", 2.0)
    assert types([came, went]) == []
    assert types([came, went, line("ticket.reopened", 3.0)]) == ["ticket.reopened"]
    assert types([came, line("ticket.replied", 1.5), went]) == ["ticket.replied", "ticket.solved"]
    assert types([went]) == ["ticket.solved"]  # its opening was told in an earlier letter
    assert types([went, line("ticket.reopened", 3.0), line("ticket.solved", 4.0)]) == ["ticket.solved"]


def test_every_ticket_and_every_question_is_told_once() -> None:
    told = worth_telling(
        [
            line("ticket.opened", 1.0, "a"),
            line("ticket.opened", 2.0, "b"),
            line(ASKS, 3.0, "", attempt_id="x", event="1"),
            line(ASKS, 4.0, "", attempt_id="x", event="2"),
            line(ASKS, 5.0, "", attempt_id="y", event="3"),
        ]
    )
    assert [(one.ticket_id, one.event_id) for one in told][2:] == [("", "2"), ("", "3")]
    assert [one.ticket_id for one in told][:2] == ["a", "b"]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.floats(0, 12 * 3600), st.sampled_from(["ticket.opened", "ticket.solved"])), min_size=1, max_size=80
    )
)
def test_however_many_faults_there_are_a_customer_gets_few_letters_and_every_event_is_in_one(events) -> None:
    waiting = sorted(
        (line(type_, NOON + at, f"t{place}") for place, (at, type_) in enumerate(events)), key=lambda it: it.at
    )
    mailed: list[float] = []
    told = 0
    now = NOON
    while waiting:
        here = [one for one in waiting if one.at <= now]
        if not here:
            now = waiting[0].at
            continue
        moment = next_letter(here, [at for at in mailed if at > now - SPAN_S], WIB, None, now)
        if moment.wait is not Wait.NOTHING:
            assert moment.at > now, "it always knows when"
            now = moment.at
            continue
        told += len(here)
        waiting = waiting[len(here) :]
        mailed.append(now)
    assert told == len(events)
    for at in mailed:
        assert sum(at - SPAN_S < other <= at for other in mailed) <= IN_A_SPAN
    assert all(later - earlier >= 300 for earlier, later in pairwise(mailed))
