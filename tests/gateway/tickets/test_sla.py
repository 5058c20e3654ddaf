"""Service levels: warned before they are missed, paused while others are waited for, exact whatever happens."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnostics.changes import Severity
from gateway.tickets.calendar import ROUND_THE_CLOCK, open_seconds, parse_hours
from gateway.tickets.edits import Identity, from_customer, note, reopen, reported, solve, take, wait
from gateway.tickets.sla import (
    MISSED,
    Goal,
    Policy,
    Sla,
    Stopwatch,
    Target,
    begin,
    due_at,
    follow,
    milestones,
    promised,
    step,
    tell,
    used,
)
from gateway.tickets.ticket import CloseCode, Ticket, WaitingFor

HOUR = 3600.0
OFFICE = parse_hours("Asia/Jakarta", "Mon-Fri 08:00-12:00; Mon-Fri 13:00-17:00")
FRIDAY_16 = datetime(2026, 11, 20, 16, tzinfo=ZoneInfo("Asia/Jakarta")).timestamp()
MONDAY_8 = FRIDAY_16 + 64 * HOUR
TARGET = Target(first_response_s=2 * HOUR, next_update_s=4 * HOUR, solution_s=8 * HOUR)
POLICY = Policy("gold", OFFICE, ((Severity.HIGH, TARGET), (Severity.CRITICAL, Target(HOUR, HOUR, 4 * HOUR))))
ALWAYS = replace(POLICY, hours=ROUND_THE_CLOCK)


def fresh(now: float = FRIDAY_16) -> Ticket:
    return reported(Identity("t", "SG-1", "cam-1", "s", "c"), "picture", "black", "c", False, now)[0]


def after(sla: Sla, edit: tuple[Ticket, object], now: float) -> tuple[Sla, Ticket]:
    ticket, line = edit
    _, sla = tell(sla, now)
    return follow(sla, ticket, line.kind, now), ticket  # type: ignore[attr-defined]


def test_a_new_ticket_has_its_first_response_and_solution_promised_in_business_time() -> None:
    sla = promised(POLICY, fresh(), FRIDAY_16)
    assert due_at(sla, Goal.FIRST_RESPONSE) == MONDAY_8 + HOUR
    assert due_at(sla, Goal.SOLUTION) == MONDAY_8 + 8 * HOUR
    assert due_at(sla, Goal.NEXT_UPDATE) is None


def test_what_is_not_promised_is_not_watched() -> None:
    for severity in (Severity.INFO, Severity.WARNING):
        sla = promised(POLICY, replace(fresh(), severity=severity), FRIDAY_16)
        assert milestones(sla) == []


def test_somebody_is_warned_at_half_three_quarters_and_nine_tenths_before_it_is_missed() -> None:
    sla = promised(ALWAYS, fresh(), FRIDAY_16)
    told: list[tuple[float, Goal, float]] = []
    for minute in range(9 * 60):
        now = FRIDAY_16 + 60.0 * minute
        found, sla = tell(sla, now)
        told += [((now - FRIDAY_16) / HOUR, one.goal, one.share) for one in found]
    assert told == [
        (1.0, Goal.FIRST_RESPONSE, 0.5),
        (1.5, Goal.FIRST_RESPONSE, 0.75),
        (1.8, Goal.FIRST_RESPONSE, 0.9),
        (2.0, Goal.FIRST_RESPONSE, MISSED),
        (4.0, Goal.SOLUTION, 0.5),
        (6.0, Goal.SOLUTION, 0.75),
        (pytest.approx(7.2), Goal.SOLUTION, 0.9),
        (8.0, Goal.SOLUTION, MISSED),
    ]
    assert sla.missed == {Goal.FIRST_RESPONSE, Goal.SOLUTION}


def test_after_an_outage_of_ours_only_the_last_milestone_is_told() -> None:
    found, sla = tell(promised(ALWAYS, fresh(), FRIDAY_16), FRIDAY_16 + 1.9 * HOUR)
    assert [(one.goal, one.share) for one in found] == [(Goal.FIRST_RESPONSE, 0.9)]
    assert tell(sla, FRIDAY_16 + 1.9 * HOUR)[0] == []


def test_a_reply_is_the_first_response_and_starts_the_next_update() -> None:
    ticket, sla = fresh(), promised(ALWAYS, fresh(), FRIDAY_16)
    now = FRIDAY_16 + HOUR
    sla, ticket = after(sla, note(ticket, "ana", "internal", now, to_customer=False), now)
    assert due_at(sla, Goal.FIRST_RESPONSE) == FRIDAY_16 + 2 * HOUR
    sla, ticket = after(sla, note(ticket, "ana", "We look at it.", now, to_customer=True), now)
    assert due_at(sla, Goal.FIRST_RESPONSE) is None
    assert due_at(sla, Goal.NEXT_UPDATE) == now + 4 * HOUR
    late = now + 5 * HOUR
    sla, ticket = after(sla, note(ticket, "ana", "Still at it.", late, to_customer=True), late)
    assert Goal.NEXT_UPDATE not in sla.missed  # a new promise began
    assert due_at(sla, Goal.NEXT_UPDATE) == late + 4 * HOUR


def test_time_stands_still_while_we_wait_for_the_customer_and_runs_while_we_wait_for_parts() -> None:
    ticket, sla = fresh(), promised(ALWAYS, fresh(), FRIDAY_16)
    now = FRIDAY_16 + HOUR
    sla, ticket = after(sla, wait(ticket, "ana", WaitingFor.CUSTOMER, now), now)
    assert milestones(sla) == []
    now += 100 * HOUR
    sla, ticket = after(sla, from_customer(ticket, "budi", "wrote", "here", now), now)
    assert due_at(sla, Goal.SOLUTION) == now + 7 * HOUR
    sla, ticket = after(sla, wait(ticket, "ana", WaitingFor.PARTS, now), now)
    assert due_at(sla, Goal.SOLUTION) == now + 7 * HOUR


def test_a_solution_stops_the_time_and_reopening_goes_on_from_there() -> None:
    ticket, sla = fresh(), promised(ALWAYS, fresh(), FRIDAY_16)
    now = FRIDAY_16 + 3 * HOUR
    sla, ticket = after(sla, solve(ticket, "ana", CloseCode.FIXED_REMOTELY, "", now), now)
    assert milestones(sla) == []
    now += 50 * HOUR
    sla, ticket = after(sla, reopen(ticket, "", "budi", "no", now), now)
    assert due_at(sla, Goal.SOLUTION) == now + 5 * HOUR
    assert due_at(sla, Goal.FIRST_RESPONSE) is None
    sla, ticket = after(sla, note(ticket, "ana", "Sorry", now, to_customer=True), now)
    sla, ticket = after(sla, solve(ticket, "ana", CloseCode.FIXED_ON_SITE, "", now + HOUR), now + HOUR)
    sla, ticket = after(sla, note(ticket, "ana", "Done", now + HOUR, to_customer=True), now + HOUR)
    assert milestones(sla) == []
    assert sla.missed == {Goal.FIRST_RESPONSE}  # the solution itself was not seen as a response


def test_a_higher_severity_shortens_what_is_left_and_says_so_if_nothing_is() -> None:
    ticket, sla = fresh(), promised(ALWAYS, fresh(), FRIDAY_16)
    now = FRIDAY_16 + 1.5 * HOUR
    worse = replace(ticket, severity=Severity.CRITICAL)
    sla, ticket = after(sla, take(worse, "ana", now), now)
    assert due_at(sla, Goal.SOLUTION) == FRIDAY_16 + 4 * HOUR
    found, sla = tell(sla, now)
    assert [(one.goal, one.share) for one in found] == [(Goal.FIRST_RESPONSE, MISSED)]
    assert due_at(sla, Goal.FIRST_RESPONSE) is None


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["take", "customer", "parts", "hear", "reply", "solve", "reopen"]), st.integers(0, 3 * 1440)
    ),
    max_size=12,
)
BERLIN = parse_hours("Europe/Berlin", "Mon-Sat 08:00-12:00; Mon-Sat 22:00-03:30")
BEFORE_THE_CHANGE = datetime(2026, 10, 23, 9, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


@given(EVENTS, st.sampled_from([ROUND_THE_CLOCK, BERLIN]))
def test_a_solution_has_used_exactly_the_business_time_in_which_it_ran(events: list[tuple[str, int]], hours) -> None:  # type: ignore[no-untyped-def]
    policy = Policy("p", hours, ((Severity.HIGH, Target(HOUR, HOUR, 500 * HOUR)),))
    now = BEFORE_THE_CHANGE
    ticket = fresh(now)
    sla = promised(policy, ticket, now)
    expected, running = 0.0, True
    steps = {
        "take": lambda: take(ticket, "ana", now),
        "customer": lambda: wait(ticket, "ana", WaitingFor.CUSTOMER, now),
        "parts": lambda: wait(ticket, "ana", WaitingFor.PARTS, now),
        "hear": lambda: from_customer(ticket, "budi", "wrote", "", now),
        "reply": lambda: note(ticket, "ana", "", now, to_customer=True),
        "solve": lambda: solve(ticket, "ana", CloseCode.FIXED_REMOTELY, "", now),
        "reopen": lambda: reopen(ticket, "", "budi", "", now),
    }
    for verb, minutes in events:
        expected += open_seconds(hours, now, now + 60 * minutes) if running else 0.0
        now += 60.0 * minutes
        try:
            edit = steps[verb]()
        except ValueError:
            edit = note(ticket, "ana", "not now", now, to_customer=False)
        sla, ticket = after(sla, edit, now)
        running = ticket.state.value in {"new", "open"} or ticket.waiting_for is WaitingFor.PARTS
        (solution,) = (watch for watch in sla.watches if watch.goal is Goal.SOLUTION)
        assert used(sla, solution, now) == pytest.approx(expected)
        assert (solution.since is not None) == running
        due = due_at(sla, Goal.SOLUTION)
        if due is not None:
            assert open_seconds(hours, now, due) == pytest.approx(max(0.0, 500 * HOUR - expected), abs=1e-3)
    assert isinstance(sla.watches[0], Stopwatch)


def test_a_ticket_without_a_contract_and_an_advisory_promise_nothing() -> None:
    advisory = replace(fresh(), advisory=True)
    assert begin(None, fresh(), FRIDAY_16) == (None, fresh())
    assert begin(POLICY, advisory, FRIDAY_16) == (None, advisory)
    sla, ticket = begin(POLICY, fresh(), FRIDAY_16)
    assert sla is not None
    assert ticket.promise_at == due_at(sla, Goal.FIRST_RESPONSE)


def test_a_reply_promises_the_next_update_unless_a_person_has_promised_a_time() -> None:
    sla, ticket = begin(ALWAYS, fresh(), FRIDAY_16)
    assert sla is not None
    now = FRIDAY_16 + HOUR
    replied, line = note(ticket, "ana", "We look at it.", now, to_customer=True)
    found, sla, after_it = step(sla, replied, line.kind, now)
    assert [(one.kind, one.reason) for one in found] == [("ticket.sla_warning", "first_response_50")]
    assert after_it.promise_at == now + 4 * HOUR
    own = replace(replied, promise_at=now + 2 * HOUR)
    assert step(sla, own, line.kind, now)[2].promise_at == now + 2 * HOUR
    late = now + 9 * HOUR
    missed = [one for one in tell(sla, late)[0] if one.goal is Goal.NEXT_UPDATE]
    assert [(one.kind, one.reason) for one in missed] == [("ticket.sla_missed", "next_update_100")]
