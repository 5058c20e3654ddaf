"""What people may do with a ticket, and what they are told where they may not."""

from dataclasses import replace

import pytest

from diagnostics.changes import ChangeKind, Severity
from gateway.tickets.edits import (
    Identity,
    IllegalStep,
    announcement,
    carry_out,
    from_customer,
    promise,
    rating_refused,
    reopen,
    resume,
    settle,
    solve,
    take,
    wait,
)
from gateway.tickets.policy import Append, Episode, Leave, Lower, Open, Raise, Reason, Reopen
from gateway.tickets.ticket import CloseCode, Entry, State, WaitingFor
from tests.gateway.tickets.test_sla import fresh
from tests.parts.stores import HOUR, NOW, change


def solved(code: CloseCode = CloseCode.FIXED_REMOTELY):
    return solve(fresh(NOW), "ana", code, "done", NOW + HOUR)[0]


def closed():
    return settle(solved(), (), NOW + 80 * HOUR)[0]


def test_a_ticket_that_waits_may_wait_for_somebody_else_and_is_open_again_when_that_did_not_help() -> None:
    waiting, _ = wait(take(fresh(NOW), "ana", NOW)[0], "ana", WaitingFor.PARTS, NOW)
    other, line = wait(waiting, "ana", WaitingFor.UPDATE_WINDOW, NOW + 1)
    assert (other.state, other.waiting_for, line.reason) == (State.PENDING, WaitingFor.UPDATE_WINDOW, "update_window")
    back, line = resume(other, "ana", "update_failed", NOW + 2)
    assert (back.state, back.waiting_for, line.kind) == (State.OPEN, None, Entry.NOTE)
    with pytest.raises(IllegalStep, match="waits for nothing"):
        resume(back, "ana", "update_failed", NOW + 3)


def test_what_a_customer_says_ends_only_the_waiting_for_the_customer() -> None:
    for reason, state in ((WaitingFor.CUSTOMER, State.OPEN), (WaitingFor.PARTS, State.PENDING)):
        waiting, _ = wait(fresh(NOW), "ana", reason, NOW)
        assert from_customer(waiting, "budi", "wrote", "here", NOW + 1)[0].state is state


def test_a_promise_lies_in_the_future_and_a_solved_ticket_promises_nothing() -> None:
    assert promise(fresh(NOW), "ana", NOW + HOUR, NOW)[0].promise_at == NOW + HOUR
    with pytest.raises(IllegalStep, match="must lie in the future"):
        promise(fresh(NOW), "ana", NOW, NOW)
    for ticket in (solved(), closed()):
        with pytest.raises(IllegalStep, match="nothing left to promise"):
            promise(ticket, "ana", NOW + 200 * HOUR, NOW)


def test_only_a_solved_ticket_that_nothing_followed_can_be_reopened() -> None:
    assert reopen(solved(), "", "budi", "again", NOW + 2 * HOUR)[0].state is State.OPEN
    for ticket, successor, said in (
        (solved(), "SG-9", "followed by SG-9"),
        (closed(), "", "closed for good"),
        (fresh(NOW), "", "is not solved"),
    ):
        with pytest.raises(IllegalStep, match=said):
            reopen(ticket, successor, "budi", "", NOW + 100 * HOUR)


def test_a_solved_ticket_cannot_be_taken() -> None:
    for ticket in (solved(), closed()):
        with pytest.raises(IllegalStep, match="reopen it before"):
            take(ticket, "ana", NOW)


@pytest.mark.parametrize(
    ("code", "running", "state"),
    [
        (CloseCode.FIXED_ON_SITE, True, State.OPEN),
        (CloseCode.FIXED_ON_SITE, False, State.CLOSED),
        (CloseCode.NO_FAULT_FOUND, True, State.CLOSED),
    ],
)
def test_what_was_called_fixed_and_is_still_seen_opens_again_when_it_would_be_closed(code, running, state) -> None:
    episodes = (Episode("hot", NOW, Severity.WARNING, running),)
    assert settle(solved(code), episodes, NOW + 80 * HOUR)[0].state is state


@pytest.mark.parametrize(
    ("ticket", "stars", "given", "said"),
    [
        (fresh(NOW), 5, None, "not solved yet"),
        (solved(), 6, None, "one to five stars"),
        (solved(), 0, None, "one to five stars"),
        (solved(), 4, 3, "has been rated"),
        (closed(), 4, None, None),
    ],
)
def test_a_customer_rates_a_solved_ticket_once_with_one_to_five_stars(ticket, stars, given, said) -> None:
    refused = rating_refused(ticket, stars, given)
    assert said in refused if said else refused is None


def test_a_trouble_that_eases_lowers_the_ticket_and_a_decision_to_leave_it_changes_nothing() -> None:
    eased = change(ChangeKind.LOWERED)
    done = carry_out(Lower(Reason.BETTER, Severity.INFO), fresh(NOW), None, eased, NOW, NOW)
    assert done is not None
    assert (done[0].severity, done[1].kind) == (Severity.INFO, Entry.LOWERED)
    assert carry_out(Leave(Reason.NO_BETTER), fresh(NOW), None, eased, NOW, NOW) is None
    assert announcement(Lower(Reason.BETTER, Severity.INFO)) is None


def test_what_changes_a_ticket_needs_one_and_a_closed_one_is_final() -> None:
    worse = Raise(Reason.WORSE, Severity.CRITICAL, False)
    with pytest.raises(IllegalStep, match="needs a ticket"):
        carry_out(worse, None, None, change(), NOW, NOW)
    with pytest.raises(IllegalStep, match="cannot become"):
        wait(replace(closed()), "ana", WaitingFor.PARTS, NOW)


def test_a_ticket_that_is_open_again_is_told() -> None:
    assert announcement(Reopen(Reason.CAME_BACK, Severity.HIGH)) == "ticket.reopened"


def test_the_evidence_and_the_rule_beside_it_are_always_of_one_rule() -> None:
    who = Identity("t1", "SG-1", "cam-1", "site", "toko")
    opened = carry_out(Open(Reason.FIRST_EPISODE), None, who, change(note="hot"), NOW, NOW)
    assert opened is not None
    ticket = opened[0]

    def then(decision, it):
        done = carry_out(decision, ticket, who, it, NOW, NOW)
        assert done is not None
        return done[0].evidence.note, done[0].evidence_rule, done[0].rule

    joined = change(rule="fan@3", note="the fan")
    assert then(Append(Reason.ANOTHER_EPISODE, another=True), joined) == ("hot", "hot@1", "hot@1")
    graver = change(ChangeKind.RAISED, rule="fan@3", severity=Severity.HIGH, note="the fan")
    assert then(Raise(Reason.WORSE, Severity.HIGH), graver) == ("the fan", "fan@3", "hot@1")
    late = change(ChangeKind.AMENDED, rule="hot@2", note="hotter")
    assert then(Append(Reason.LATE_DATA), late) == ("hotter", "hot@2", "hot@1")
    partly = change(ChangeKind.RECOVERED, note="cool")
    assert then(Append(Reason.PARTLY_RECOVERED), partly) == ("hot", "hot@1", "hot@1")
    assert then(Lower(Reason.PARTLY_RECOVERED, Severity.INFO), partly) == ("hot", "hot@1", "hot@1")
    eased = change(ChangeKind.LOWERED, note="less hot")
    assert then(Lower(Reason.BETTER, Severity.INFO), eased) == ("less hot", "hot@1", "hot@1")
