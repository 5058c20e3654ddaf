"""What a change of health does to tickets, decision by decision."""

from dataclasses import replace

import pytest

from diagnostics.changes import Change, ChangeKind, Evidence, Impact, Scope, Severity
from gateway.tickets.edits import Identity, carry_out
from gateway.tickets.entitlement import Entitlement
from gateway.tickets.policy import (
    PART_RECURRENCE_S,
    REOPEN_S,
    Advise,
    Append,
    Decision,
    Episode,
    Known,
    Leave,
    Link,
    Lower,
    Open,
    Raise,
    Reason,
    Reopen,
    Resolve,
    decide,
    episodes_after,
    priority_at,
)
from gateway.tickets.ticket import CloseCode, State, Ticket

NOW = 1_795_000_000.0
BEGUN = NOW - 3600.0
OWED = Entitlement.WARRANTY
KINDS = ChangeKind


def change(
    kind: ChangeKind,
    severity: Severity = Severity.WARNING,
    rule: str = "hot@1",
    since: float = BEGUN,
    at: float | None = None,
    value: float = 91.0,
) -> Change:
    evidence = Evidence("soc_temp_c", value, 85.0, 61.0, since)
    when = since if at is None else at
    return Change(kind, Scope.DEVICE, "cam-1", "SENSOR_HOT", rule, severity, when, when, evidence)


def known(
    state: State = State.OPEN, *episodes: Episode, severity: Severity = Severity.WARNING, **more: object
) -> Known:
    edit = carry_out(
        Open(Reason.FIRST_EPISODE),
        None,
        Identity("t1", "SG-1001", "cam-1", "site", "customer"),
        change(KINDS.OPENED, severity),
        NOW,
        NOW,
    )
    assert edit
    solved = {"solved_at": NOW, "close_code": CloseCode.AUTO} if state in {State.SOLVED, State.CLOSED} else {}
    ticket = replace(edit[0], state=state, **(solved | more))  # type: ignore[arg-type]
    return Known(ticket, episodes or (hot(),))


def hot(*, running: bool = True, severity: Severity = Severity.WARNING, since: float = BEGUN) -> Episode:
    return Episode("hot", since, severity, running)


def fan(severity: Severity = Severity.WARNING, *, running: bool = True) -> Episode:
    return Episode("fan", BEGUN, severity, running)


def decided(before: Known | None, then: Change, entitlement: Entitlement = OWED, now: float = NOW) -> Decision:
    return decide(before, then, entitlement, now)


@pytest.mark.parametrize("kind", [KINDS.OPENED, KINDS.RAISED])
def test_a_first_episode_opens_a_ticket_and_an_advisory_where_nothing_is_owed(kind: ChangeKind) -> None:
    assert decided(None, change(kind)) == Open(Reason.FIRST_EPISODE)
    assert decided(None, change(kind), Entitlement.UNKNOWN) == Open(Reason.FIRST_EPISODE)
    assert decided(None, change(kind), Entitlement.ENDED) == Advise(Reason.OUT_OF_WARRANTY_AND_CONTRACT)


@pytest.mark.parametrize("kind", [KINDS.LOWERED, KINDS.RECOVERED, KINDS.AMENDED, KINDS.WITHDRAWN])
def test_what_ends_or_amends_nothing_known_is_left_alone(kind: ChangeKind) -> None:
    assert decided(None, change(kind)) == Leave(Reason.NO_TICKET)
    assert decided(known(State.OPEN, fan()), change(kind)) == Leave(Reason.NOT_RUNNING)
    assert decided(known(State.OPEN, hot(running=False)), change(kind)) == Leave(Reason.NOT_RUNNING)


def test_a_repeated_opening_changes_nothing() -> None:
    for state in State:
        assert decided(known(state), change(KINDS.OPENED)) == Leave(Reason.SAME_EPISODE)
        assert decided(known(state, hot(running=False)), change(KINDS.OPENED)) == Leave(Reason.OLD_EPISODE)


@pytest.mark.parametrize("state", [State.NEW, State.OPEN, State.PENDING])
def test_another_episode_joins_the_unresolved_ticket(state: State) -> None:
    later = BEGUN + 60.0
    assert decided(known(state), change(KINDS.OPENED, since=later)) == Append(Reason.ANOTHER_EPISODE, another=True)
    assert decided(known(state, fan()), change(KINDS.OPENED)) == Append(Reason.ANOTHER_EPISODE, another=True)
    assert decided(known(state), change(KINDS.OPENED, Severity.HIGH, since=later)) == Raise(
        Reason.WORSE, Severity.HIGH, another=True
    )


def test_severity_rises_once_and_never_by_a_repetition() -> None:
    raised = change(KINDS.RAISED, Severity.HIGH, since=BEGUN + 5.0)
    assert decided(known(), raised) == Raise(Reason.WORSE, Severity.HIGH, another=False)
    assert decided(known(State.OPEN, hot(severity=Severity.HIGH), severity=Severity.HIGH), raised) == Leave(
        Reason.NO_WORSE
    )


def test_a_missed_opening_is_made_up_for_by_the_next_rise() -> None:
    assert decided(known(State.OPEN, fan()), change(KINDS.RAISED)) == Append(Reason.ANOTHER_EPISODE, another=True)


def test_severity_falls_to_what_the_other_running_episodes_hold() -> None:
    before = known(State.OPEN, hot(severity=Severity.CRITICAL), severity=Severity.CRITICAL)
    lowered = change(KINDS.LOWERED, Severity.WARNING)
    assert decided(before, lowered) == Lower(Reason.BETTER, Severity.WARNING)
    held = replace(before, episodes=(hot(severity=Severity.CRITICAL), fan(Severity.HIGH)))
    assert decided(held, lowered) == Lower(Reason.BETTER, Severity.HIGH)
    held = replace(before, episodes=(hot(severity=Severity.CRITICAL), fan(Severity.CRITICAL)))
    assert decided(held, lowered) == Leave(Reason.NO_BETTER)


@pytest.mark.parametrize("state", [State.NEW, State.OPEN, State.PENDING])
def test_recovery_solves_when_no_other_rule_sees_the_fault(state: State) -> None:
    recovered = change(KINDS.RECOVERED, at=NOW)
    assert decided(known(state), recovered) == Resolve(Reason.RECOVERED, CloseCode.AUTO)
    assert decided(known(state, hot(), fan(running=False)), recovered) == Resolve(Reason.RECOVERED, CloseCode.AUTO)
    assert decided(known(state, hot(), fan()), recovered) == Append(Reason.PARTLY_RECOVERED)
    high = known(state, hot(severity=Severity.HIGH), fan(), severity=Severity.HIGH)
    assert decided(high, recovered) == Lower(Reason.PARTLY_RECOVERED, Severity.WARNING)


def test_the_recovery_of_an_earlier_episode_does_not_solve_the_one_that_runs() -> None:
    assert decided(known(), change(KINDS.RECOVERED, at=BEGUN - 1.0)) == Leave(Reason.OLD_EPISODE)


def test_what_late_data_takes_back_is_solved_as_withdrawn() -> None:
    withdrawn = change(KINDS.WITHDRAWN)
    assert decided(known(), withdrawn) == Resolve(Reason.NEVER_WAS, CloseCode.WITHDRAWN)
    assert decided(known(State.OPEN, hot(), fan()), withdrawn) == Append(Reason.NEVER_WAS)
    high = known(State.OPEN, hot(severity=Severity.HIGH), fan(), severity=Severity.HIGH)
    assert decided(high, withdrawn) == Lower(Reason.NEVER_WAS, Severity.WARNING)


def test_a_ticket_that_solved_itself_and_never_was_is_counted_as_withdrawn() -> None:
    withdrawn = change(KINDS.WITHDRAWN)
    solved = known(State.SOLVED, hot(running=False))
    assert decided(solved, withdrawn) == Append(Reason.NEVER_WAS, code=CloseCode.WITHDRAWN)
    by_hand = known(State.SOLVED, hot(running=False), close_code=CloseCode.FIXED_ON_SITE)
    assert decided(by_hand, withdrawn) == Leave(Reason.NOT_RUNNING)
    assert decided(known(State.CLOSED, hot(running=False)), withdrawn) == Leave(Reason.NOT_RUNNING)


def test_late_data_amends_evidence_and_severity() -> None:
    before = known()
    assert decided(before, change(KINDS.AMENDED)) == Leave(Reason.SAME_EPISODE)
    assert decided(before, change(KINDS.AMENDED, since=BEGUN - 60.0)) == Append(Reason.LATE_DATA)
    assert decided(before, change(KINDS.AMENDED, Severity.HIGH)) == Raise(Reason.LATE_DATA, Severity.HIGH)
    assert decided(before, change(KINDS.AMENDED, Severity.INFO)) == Lower(Reason.LATE_DATA, Severity.INFO)


def test_late_data_of_a_rule_that_the_ticket_does_not_show_counts_only_if_its_onset_moves() -> None:
    before = known(State.OPEN, hot(), fan())
    assert decided(before, change(KINDS.AMENDED, rule="fan@1", value=3.0)) == Leave(Reason.SAME_EPISODE)
    earlier = change(KINDS.AMENDED, rule="fan@1", since=BEGUN - 60.0)
    assert decided(before, earlier) == Append(Reason.LATE_DATA)


@pytest.mark.parametrize("state", [State.SOLVED, State.CLOSED])
@pytest.mark.parametrize("kind", [KINDS.LOWERED, KINDS.RECOVERED, KINDS.AMENDED])
def test_what_improves_a_solved_ticket_is_left_alone(state: State, kind: ChangeKind) -> None:
    assert decided(known(state), change(kind, at=NOW)) == Leave(Reason.ALREADY_SOLVED)


def test_a_fault_that_comes_back_within_72_hours_is_the_same_ticket() -> None:
    before = known(State.SOLVED, hot(running=False))
    again = change(KINDS.OPENED, Severity.HIGH, since=NOW + 60.0)
    assert decided(before, again, now=NOW + REOPEN_S) == Reopen(Reason.CAME_BACK, Severity.HIGH)
    assert decided(before, again, now=NOW + REOPEN_S + 1) == Link(Reason.AFTER_REOPEN_WINDOW, "t1", advisory=False)
    assert decided(before, again, Entitlement.ENDED, NOW + REOPEN_S + 1) == Link(
        Reason.AFTER_REOPEN_WINDOW, "t1", advisory=True
    )


def test_after_closing_a_new_ticket_refers_to_the_old_one() -> None:
    before = known(State.CLOSED, hot(running=False))
    again = change(KINDS.OPENED, since=NOW + 60.0)
    assert decided(before, again) == Link(Reason.AFTER_CLOSING, "t1", advisory=False)


def test_a_fault_that_gets_worse_after_a_person_solved_it_is_open_again() -> None:
    before = known(State.SOLVED, close_code=CloseCode.NO_FAULT_FOUND)
    assert decided(before, change(KINDS.RAISED, Severity.HIGH)) == Reopen(Reason.WORSE_AFTER_SOLVING, Severity.HIGH)
    assert decided(before, change(KINDS.RAISED)) == Leave(Reason.ALREADY_SOLVED)


def test_a_fault_that_outlives_a_new_part_is_flagged_as_a_wrong_root_cause() -> None:
    again = change(KINDS.OPENED, since=NOW + 60.0)
    flag = Reason.CAME_BACK_AFTER_PART_REPLACED
    solved = known(State.SOLVED, hot(running=False), close_code=CloseCode.PART_REPLACED)
    assert decided(solved, again) == Reopen(flag, Severity.WARNING)
    closed = known(State.CLOSED, hot(running=False), close_code=CloseCode.PART_REPLACED)
    assert decided(closed, again, now=NOW + PART_RECURRENCE_S) == Link(flag, "t1", advisory=False)
    assert decided(closed, again, now=NOW + PART_RECURRENCE_S + 1) == Link(Reason.AFTER_CLOSING, "t1", advisory=False)


def test_a_closed_ticket_without_a_time_of_solving_counts_from_its_last_edit() -> None:
    before = known(State.CLOSED, hot(running=False), solved_at=None, updated_at=NOW, close_code=CloseCode.PART_REPLACED)
    again = change(KINDS.OPENED, since=NOW + 60.0)
    assert isinstance(decided(before, again, now=NOW + 5.0), Link)


def after(before: Known | None, then: Change) -> tuple[Episode, ...]:
    return episodes_after(before, then, decided(before, then))


def test_episodes_are_remembered_by_rule_whatever_its_version() -> None:
    assert after(None, change(KINDS.OPENED)) == (hot(),)
    assert after(known(State.OPEN, fan()), change(KINDS.OPENED)) == (fan(), hot())
    upgraded = change(KINDS.RAISED, Severity.HIGH, rule="hot@2", since=BEGUN + 9.0)
    assert after(known(), upgraded) == (hot(severity=Severity.HIGH),)
    assert after(known(), change(KINDS.OPENED, since=BEGUN + 9.0)) == (hot(since=BEGUN + 9.0),)
    assert after(known(), change(KINDS.OPENED)) == (hot(),)
    assert after(known(State.OPEN, fan()), change(KINDS.RAISED)) == (fan(), hot())
    assert after(known(State.OPEN, hot(running=False)), change(KINDS.OPENED)) == (hot(running=False),)


def test_an_ended_episode_is_remembered_so_that_its_repetition_is_known() -> None:
    assert after(known(), change(KINDS.RECOVERED, at=NOW)) == (hot(running=False),)
    assert after(known(), change(KINDS.WITHDRAWN)) == (hot(running=False),)
    assert after(known(), change(KINDS.RECOVERED, at=BEGUN - 1.0)) == (hot(),)
    assert after(known(State.OPEN, fan()), change(KINDS.RECOVERED, at=NOW)) == (fan(),)
    assert after(None, change(KINDS.RECOVERED)) == ()


def test_an_amended_episode_moves_its_onset_and_a_lowered_one_does_not() -> None:
    assert after(known(), change(KINDS.AMENDED, since=BEGUN - 60.0)) == (hot(since=BEGUN - 60.0),)
    assert after(known(), change(KINDS.LOWERED, Severity.INFO, since=BEGUN + 9.0)) == (hot(severity=Severity.INFO),)
    assert after(known(State.OPEN, hot(running=False)), change(KINDS.LOWERED)) == (hot(running=False),)
    assert after(known(State.OPEN, fan()), change(KINDS.AMENDED)) == (fan(),)


def test_a_linked_ticket_starts_with_the_episodes_that_still_run() -> None:
    before = known(State.CLOSED, hot(running=False), fan(running=False), Episode("lens", BEGUN, Severity.INFO, True))
    assert [e.rule for e in after(before, change(KINDS.OPENED, since=NOW))] == ["lens", "hot"]


def test_priority_is_the_earliest_impact_minus_the_time_to_act() -> None:
    forecast = replace(change(KINDS.OPENED), impact=Impact(NOW + 100.0, NOW + 200.0, NOW + 300.0))
    assert priority_at(forecast, 30.0) == NOW + 70.0
    ranks = [priority_at(change(KINDS.OPENED, severity), 30.0) for severity in sorted(Severity, reverse=True)]
    assert ranks == sorted(ranks)
    assert ranks[0] == BEGUN - 30.0


def test_carrying_out_needs_the_ticket_that_was_decided_on() -> None:
    identity = Identity("t1", "SG-1001", "cam-1", "site", "customer")
    with pytest.raises(ValueError, match="Resolve needs a ticket"):
        carry_out(Resolve(Reason.RECOVERED, CloseCode.AUTO), None, identity, change(KINDS.RECOVERED), NOW, NOW)


def carried(before: Known, then: Change, entitlement: Entitlement = OWED) -> Ticket:
    decision = decided(before, then, entitlement)
    edit = carry_out(decision, before.ticket, Identity("t2", "SG-1002", "cam-1", "s", "c"), then, NOW, NOW)
    assert edit
    return edit[0]


def test_the_severity_of_a_ticket_follows_its_decisions() -> None:
    assert carried(known(), change(KINDS.RAISED, Severity.CRITICAL)).severity is Severity.CRITICAL
    assert carried(known(), change(KINDS.AMENDED, Severity.INFO)).severity is Severity.INFO
    came_back = change(KINDS.OPENED, Severity.INFO, since=NOW)
    assert carried(known(State.SOLVED, hot(running=False)), came_back).severity is Severity.INFO


def test_a_linked_advisory_is_an_advisory() -> None:
    before = known(State.CLOSED, hot(running=False))
    again = change(KINDS.OPENED, since=NOW)
    linked = carried(before, again, Entitlement.ENDED)
    assert (linked.advisory, linked.linked_to, linked.number) == (True, "t1", "SG-1002")
    assert not carried(before, again).advisory
