import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_updates.attempt import Do, Effect, Expectation, advance, expected, retried
from firmware_updates.attempt_row import (
    AT_RISK,
    BEFORE_RISK,
    FINAL,
    TRANSITIONS,
    Attempt,
    Cause,
    Consent,
    Outcome,
    State,
)
from firmware_updates.evidence import (
    Claim,
    Downloaded,
    Fault,
    Inventory,
    Issued,
    Postponed,
    Remembered,
    Seen,
    Timer,
    Told,
    back_off_s,
)
from firmware_updates.messages import Job, Phase

T0 = 1_800_000_000.0
MIN, HOUR = 60.0, 3600.0
NEW, OLD = ("2.5.0", 7), ("2.4.1", 6)


def planned(**changes):
    return Attempt(
        attempt_id="r1/cam-1/1", rollout_id="r1", release_id="rel", device_id="cam-1", site_id="s", group="door",
        component="firmware", number=1, wave=0, state=State.PLANNED, since=T0, expires_at=T0 + 30 * 24 * HOUR,
        target_version=NEW[0], target_counter=NEW[1], soak_s=HOUR, overdue_s=72 * MIN, **changes,
    )  # fmt: skip


def walk(attempt, *steps):
    """Steps are (event, minutes after T0). Returns the row and all effects."""
    effects = []
    for event, minutes in steps:
        attempt, more = advance(attempt, event, T0 + minutes * MIN)
        effects += more
    return attempt, effects


def told(outcome, reason=""):
    return Told(outcome, reason)


def reported(what, boot=13, confirmed=False, job=None):
    return Inventory(boot, *what, confirmed, job)


STAGED = walk(planned(), (told(Outcome.ELIGIBLE), 0), (told(Outcome.OFFER), 0), (Claim(Phase.STAGED), 1))[0]
GRANTED = walk(STAGED, (Issued("g1", "nonce-001", 12, T0 + 5 * MIN), 2))[0]
INSTALLING = walk(GRANTED, (Claim(Phase.INSTALLING, "g1"), 3))[0]
REBOOTING = walk(INSTALLING, (Claim(Phase.REBOOTING, "g1"), 6))[0]
PROBATION = walk(REBOOTING, (reported(NEW), 8))[0]
LOST = walk(REBOOTING, (Timer(), 6 + 91))[0]


def test_a_good_install_goes_all_the_way_and_only_the_soak_makes_it_a_success():
    attempt, effects = walk(
        planned(),
        (told(Outcome.ELIGIBLE), 0),
        (told(Outcome.OFFER), 0),
        (Downloaded(4096), 1),
        (Downloaded(8192), 2),
        (Claim(Phase.STAGED), 3),
        (Issued("g1", "nonce-001", 12, T0 + 5 * MIN), 4),
        (Claim(Phase.INSTALLING, "g1"), 5),
        (Claim(Phase.REBOOTING, "g1"), 8),
        (reported(NEW), 10),
        (reported(NEW, confirmed=True), 12),
        (Timer(), 69),
        (Seen(), 69),
    )
    assert attempt.state is State.PROBATION
    assert attempt.deadline_at == T0 + 70 * MIN
    attempt, more = walk(attempt, (Timer(), 70))
    assert attempt.state is State.SUCCEEDED
    assert attempt.mature
    assert not attempt.bad
    assert attempt.deadline_at is None
    assert [effect.do for effect in effects + more] == [Do.PUBLISH_DESIRED, Do.CLEAR_DESIRED]


def test_a_device_on_the_target_is_a_success_that_is_not_counted():
    noop, _ = walk(planned(), (told(Outcome.NOOP), 0))
    by_hand, effects = walk(STAGED, (reported(NEW), 5))
    assert (noop.state, noop.mature) == (State.SUCCEEDED, False)
    assert (by_hand.state, by_hand.mature) == (State.SUCCEEDED, False)
    assert effects == [Effect(Do.CLEAR_DESIRED)]
    assert walk(STAGED, (reported(OLD), 5))[0] == STAGED


def test_an_ineligible_device_is_looked_at_again_every_night():
    attempt, _ = walk(planned(), (told(Outcome.NOT_ELIGIBLE, "hardware"), 0), (Timer(), 60))
    assert (attempt.state, attempt.reason) == (State.INELIGIBLE, "hardware")
    attempt, _ = walk(attempt, (Timer(), 24 * 60))
    assert attempt.state is State.PLANNED


def test_consent_is_asked_kept_and_may_be_withdrawn():
    consent = Consent("siti", T0, "ab" * 32)
    asked, effects = walk(planned(), (told(Outcome.CONSENT_NEEDED), 0))
    assert effects == [Effect(Do.ASK_CONSENT)]
    given_, _ = walk(asked, (Told(Outcome.CONSENT_GIVEN, consent=consent), 1))
    assert (given_.state, given_.consent) == (State.READY, consent)
    again, _ = walk(given_, (Told(Outcome.CONSENT_GIVEN, consent=Consent("budi", T0, "")), 2))
    assert again.consent == consent
    assert walk(asked, (told(Outcome.CONSENT_DENIED), 1))[0].state is State.CANCELED
    withdrawn, effects = walk(STAGED, (told(Outcome.CONSENT_DENIED, "customer"), 1))
    assert withdrawn.state is State.CANCELED
    assert [effect.do for effect in effects] == [Do.SEND_CANCEL, Do.CLEAR_DESIRED]
    assert walk(asked, (Timer(), 30 * 24 * 60))[0].state is State.EXPIRED


def test_a_customer_may_postpone_until_the_install_begins():
    assert walk(STAGED, (Postponed(T0 + HOUR), 1))[0].postponed_until == T0 + HOUR
    assert walk(GRANTED, (Postponed(T0 + HOUR), 3))[0].postponed_until == 0


def test_a_download_that_stalls_keeps_its_bytes_backs_off_and_gives_up_after_ten_resumes():
    attempt, _ = walk(planned(), (told(Outcome.ELIGIBLE), 0), (told(Outcome.OFFER), 0), (Downloaded(100), 0))
    assert attempt.deadline_at == T0 + 30 * MIN
    attempt, _ = walk(attempt, (Downloaded(50), 20), (Timer(), 29), (Timer(), 30))
    assert (attempt.state, attempt.bytes_done, attempt.retry_at) == (State.OFFERED, 100, T0 + 31 * MIN)
    for resume in range(2, 12):
        assert attempt.state is State.OFFERED
        attempt, effects = walk(attempt, (Claim(Phase.DOWNLOADING), 40), (Claim(Phase.LINK_ERROR), 40 + resume))
    assert (attempt.state, attempt.reason) == (State.FAILED, "download_gave_up")
    assert not attempt.bad
    assert effects == [Effect(Do.CLEAR_DESIRED), Effect(Do.OPEN_TICKET, Cause.FAILED)]
    assert [back_off_s(n) for n in (0, 1, 2, 3, 7, 8, 20)] == [60, 60, 120, 240, 3600, 3600, 3600]


def test_a_device_that_says_again_that_it_downloads_is_making_progress():
    attempt, _ = walk(planned(), (told(Outcome.ELIGIBLE), 0), (told(Outcome.OFFER), 0), (Claim(Phase.DOWNLOADING), 1))
    attempt, _ = walk(attempt, (Claim(Phase.DOWNLOADING), 25), (Timer(), 31))
    assert attempt.state is State.DOWNLOADING
    assert walk(attempt, (Claim(Phase.LINK_ERROR), 40), (Claim(Phase.LINK_ERROR), 41))[0].resumes == 1


def test_a_device_that_lost_its_staged_image_fetches_it_again():
    attempt, _ = walk(STAGED, (Claim(Phase.DOWNLOADING), 5), (Downloaded(10), 6))
    assert (attempt.state, attempt.bytes_done) == (State.DOWNLOADING, 10)


@pytest.mark.parametrize(
    ("code", "cause"), [("signature", Cause.SECURITY), ("downgrade", Cause.SECURITY), ("space", None)]
)
def test_a_refusal_by_the_device_is_final_and_a_forged_or_older_image_is_a_security_matter(code, cause):
    attempt, effects = walk(STAGED, (Claim(Phase.REJECTED, code=code), 5))
    assert (attempt.state, attempt.reason, attempt.ticket, attempt.bad) == (State.REJECTED, code, cause, False)
    tickets = [effect.cause for effect in effects if effect.do is Do.OPEN_TICKET]
    assert tickets == ([cause] if cause else [])
    assert walk(attempt, (told(Outcome.GRANT), 6), (Timer(), 10_000))[0].state is State.REJECTED


def test_a_grant_that_was_not_used_gives_the_place_back():
    attempt, effects = walk(GRANTED, (Claim(Phase.NOT_STARTED, "g1", "battery"), 4))
    assert (attempt.state, attempt.grant_id, attempt.installs, effects) == (State.STAGED, "", 0, [])
    assert walk(GRANTED, (Remembered(Job("g1", Phase.NOT_STARTED)), 4))[0].state is State.STAGED
    assert walk(GRANTED, (reported(OLD, boot=13), 4))[0].state is State.STAGED
    assert walk(GRANTED, (reported(OLD, boot=12), 4))[0].state is State.GRANTED
    assert walk(STAGED, (Remembered(Job("g1", Phase.NOT_STARTED)), 4))[0] == STAGED


def test_silence_after_a_grant_stays_at_risk_then_is_overdue_then_lost():
    assert GRANTED.deadline_at == T0 + 74 * MIN
    attempt, effects = walk(GRANTED, (Timer(), 73))
    assert not attempt.overdue
    attempt, effects = walk(attempt, (Timer(), 74))
    assert (attempt.state, attempt.overdue, attempt.bad, effects) == (State.GRANTED, True, True, [])
    assert attempt.deadline_at == T0 + 92 * MIN
    attempt, effects = walk(attempt, (Timer(), 92))
    assert (attempt.state, attempt.bad, attempt.deadline_at) == (State.LOST, True, None)
    assert effects == [Effect(Do.OPEN_TICKET, Cause.LOST)]


def test_being_overdue_is_taken_back_by_a_confirmed_target():
    attempt, _ = walk(REBOOTING, (Timer(), 80), (reported(NEW, confirmed=True), 81))
    assert (attempt.state, attempt.overdue, attempt.bad) == (State.PROBATION, False, False)
    unconfirmed, _ = walk(REBOOTING, (Timer(), 80), (reported(NEW), 81))
    assert unconfirmed.overdue


def test_a_device_that_keeps_talking_but_never_ends_its_install_is_lost_after_six_hours():
    attempt = INSTALLING
    for minutes in range(10, 6 * 60, 10):
        attempt, _ = walk(attempt, (Seen(), minutes), (Timer(), minutes))
    assert attempt.state is State.INSTALLING
    assert walk(attempt, (Timer(), 6 * 60 + 2))[0].state is State.LOST


@pytest.mark.parametrize("row", [INSTALLING, REBOOTING, PROBATION])
def test_another_version_after_a_new_boot_is_a_roll_back(row):
    attempt, effects = walk(row, (reported(OLD, boot=14), 20))
    assert (attempt.state, attempt.bad) == (State.ROLLED_BACK, True)
    assert effects == [Effect(Do.CLEAR_DESIRED), Effect(Do.OPEN_TICKET, Cause.ROLLED_BACK)]


def test_a_device_that_remembers_why_it_failed_is_believed_even_when_its_status_was_lost():
    for event in (
        Claim(Phase.FAILED, "g1", "flash_write"),
        Remembered(Job("g1", Phase.FAILED, "flash_write")),
        reported(OLD, boot=12, job=Job("g1", Phase.FAILED, "flash_write")),
        reported(OLD, boot=13, job=Job("g1", Phase.FAILED, "flash_write")),
    ):
        attempt, effects = walk(GRANTED, (event, 20))
        assert (attempt.state, attempt.reason, attempt.bad) == (State.FAILED, "flash_write", True)
        assert effects[-1] == Effect(Do.OPEN_TICKET, Cause.FAILED)
    later, _ = walk(GRANTED, (reported(OLD, boot=13, job=Job("g1", Phase.REBOOTING, "self_test")), 20))
    assert (later.state, later.reason) == (State.ROLLED_BACK, "self_test")


def test_a_failed_install_is_retried_once_after_a_day():
    first, _ = walk(INSTALLING, (Claim(Phase.FAILED, "g1", "flash_write"), 10))
    assert first.deadline_at == T0 + 10 * MIN + 24 * HOUR
    done, second = retried(first, T0 + 25 * HOUR)
    assert (done.current, done.deadline_at, done.bad) == (False, None, True)
    assert (second.attempt_id, second.number, second.state) == ("r1/cam-1/2", 2, State.PLANNED)
    staged, _ = walk(second, (told(Outcome.ELIGIBLE), 0), (told(Outcome.OFFER), 0), (Claim(Phase.STAGED), 0))
    failed, _ = walk(staged, (Issued("g2", "n2", 12, T0), 0), (Claim(Phase.FAILED, "g2", "x"), 1))
    assert (failed.installs, failed.deadline_at) == (2, None)


def test_a_fault_in_probation_asks_for_the_way_back_while_there_is_one():
    attempt, effects = walk(PROBATION, (Fault("FPS_LOW"), 20))
    assert (attempt.state, attempt.reason, attempt.deadline_at) == (State.FAILED, "FPS_LOW", None)
    assert effects == [Effect(Do.CLEAR_DESIRED), Effect(Do.SEND_REVERT), Effect(Do.OPEN_TICKET, Cause.UNHEALTHY)]
    confirmed, effects = walk(PROBATION, (reported(NEW, confirmed=True), 10), (Fault("FPS_LOW"), 20))
    assert Effect(Do.SEND_REVERT) not in effects
    assert confirmed.bad
    assert walk(REBOOTING, (Fault("FPS_LOW"), 20))[0] == REBOOTING


def test_a_success_needs_a_sign_of_life_near_the_end_of_its_soak():
    attempt, _ = walk(PROBATION, (reported(NEW, confirmed=True), 9), (Timer(), 70))
    assert attempt.state is State.PROBATION
    assert attempt.deadline_at == T0 + 99 * MIN
    assert walk(attempt, (Timer(), 99))[0].state is State.LOST
    alive, _ = walk(attempt, (Seen(), 71))
    assert alive.deadline_at == T0 + 68 * MIN
    assert walk(alive, (Timer(), 71))[0].state is State.SUCCEEDED


def test_a_lost_device_that_comes_back_good_closes_its_ticket_and_counts():
    back, effects = walk(LOST, (Seen(), 200), (reported(NEW, confirmed=True), 201))
    assert (back.state, back.deadline_at, effects) == (State.LOST, None, [])
    waiting, _ = walk(back, (Timer(), 230), (Timer(), 261))
    assert waiting.state is State.LOST  # nobody has seen it since
    late, effects = walk(waiting, (Seen(), 262), (Timer(), 262))
    assert (late.state, late.late, late.mature) == (State.SUCCEEDED, True, True)
    assert effects == [Effect(Do.CLEAR_DESIRED), Effect(Do.CLOSE_TICKET, Cause.LOST)]


def test_a_lost_device_that_comes_back_old_changes_its_ticket():
    late, effects = walk(LOST, (reported(OLD, boot=14, job=Job("g1", Phase.REBOOTING)), 300))
    assert (late.state, late.late, late.bad) == (State.ROLLED_BACK, True, True)
    assert effects[1:] == [Effect(Do.CLOSE_TICKET, Cause.LOST), Effect(Do.OPEN_TICKET, Cause.ROLLED_BACK)]
    forgetful, _ = walk(LOST, (reported(OLD, boot=14), 300))
    assert forgetful.state is State.ROLLED_BACK  # it had said that it was writing
    assert walk(LOST, (Claim(Phase.FAILED, "g1", "flash"), 300))[0].state is State.FAILED


def test_a_lost_device_that_never_began_is_not_held_against_the_release():
    lost, _ = walk(GRANTED, (Timer(), 92))
    for event in (reported(OLD, boot=14), Remembered(Job("g1", Phase.NOT_STARTED))):
        late, _ = walk(lost, (event, 300))
        assert (late.state, late.reason, late.bad) == (State.FAILED, "not_started", False)


def test_a_cancel_never_interrupts_a_flash_write():
    attempt, effects = walk(INSTALLING, (told(Outcome.CANCEL, "abort"), 4))
    assert (attempt.state, attempt.cancel_asked, effects) == (State.INSTALLING, "abort", [])
    failed, _ = walk(attempt, (Claim(Phase.FAILED, "g1", "flash"), 5))
    assert failed.deadline_at is None  # no retry of what was canceled


def test_a_cancel_takes_hold_when_the_grant_comes_back_unused():
    attempt, effects = walk(GRANTED, (told(Outcome.CANCEL, "abort"), 3), (Claim(Phase.NOT_STARTED, "g1"), 4))
    assert (attempt.state, attempt.reason) == (State.CANCELED, "abort")
    assert [effect.do for effect in effects] == [Do.SEND_CANCEL, Do.CLEAR_DESIRED]


def test_what_the_update_explains_is_expected_and_no_more():
    assert expected(STAGED) is None
    assert expected(INSTALLING) == Expectation(reboots=1, silent_until=T0 + 74 * MIN)
    assert expected(PROBATION) == Expectation(reboots=1, silent_until=T0 + 8 * MIN)


def test_every_edge_of_the_table_leads_somewhere_sensible():
    assert set(State) == AT_RISK | BEFORE_RISK | FINAL
    for (source, outcome), target in TRANSITIONS.items():
        assert source is not target
        assert source not in FINAL or source is State.LOST, (source, outcome)
        if target in AT_RISK and source not in AT_RISK:
            assert (source, outcome) == (State.STAGED, Outcome.GRANT)
    for state in State:
        if state not in FINAL:
            assert any(source is state for source, _ in TRANSITIONS), f"{state} is a dead end"


# --- any order, any number of copies ---------------------------------------------------------------------------------
GOOD = [
    Claim(Phase.INSTALLING, "g1"),
    Claim(Phase.REBOOTING, "g1"),
    reported(NEW, 13, confirmed=False, job=Job("g1", Phase.REBOOTING)),
    reported(NEW, 13, confirmed=True, job=Job("g1", Phase.DONE)),
]
STORIES = {
    State.SUCCEEDED: GOOD,
    State.ROLLED_BACK: [
        Claim(Phase.INSTALLING, "g1"),
        Claim(Phase.REBOOTING, "g1"),
        reported(OLD, 13, confirmed=True, job=Job("g1", Phase.REBOOTING, "watchdog")),
    ],
    State.FAILED: [
        Claim(Phase.INSTALLING, "g1"),
        Claim(Phase.FAILED, "g1", "flash_write"),
        Remembered(Job("g1", Phase.FAILED, "flash_write")),
    ],
}


@settings(deadline=None, max_examples=100)
@given(data=st.data(), end=st.sampled_from(sorted(STORIES, key=lambda state: state.value)))
def test_messages_of_one_device_in_any_order_and_number_end_the_same(data, end):
    story = STORIES[end]
    order = data.draw(st.permutations(story))
    copies = data.draw(st.lists(st.sampled_from(story), max_size=4))
    attempt = GRANTED
    for step, event in enumerate([*order, *copies]):
        attempt, _ = advance(attempt, event, T0 + (10 + step) * MIN)
        again, nothing = advance(attempt, event, T0 + (10 + step) * MIN)
        assert (again, nothing) == (attempt, ())
    for minutes in (60, 90, 120):
        attempt, _ = advance(attempt, Seen(), T0 + minutes * MIN)
        attempt, _ = advance(attempt, Timer(), T0 + minutes * MIN)
    assert attempt.state is end


EVENTS = st.one_of(
    st.sampled_from(Outcome).map(lambda outcome: Told(outcome, "why")),
    st.builds(Claim, st.sampled_from(Phase), st.sampled_from(["", "g0", "g1", "g2"]), st.just("code")),
    st.builds(
        Inventory,
        st.integers(10, 15),
        st.sampled_from(["2.5.0", "2.4.1"]),
        st.sampled_from([6, 7]),
        st.booleans(),
        st.none() | st.builds(Job, st.sampled_from(["g0", "g1", "g2"]), st.sampled_from(Phase)),
    ),
    st.builds(Issued, st.sampled_from(["g1", "g2"]), st.just("nonce-001"), st.just(12), st.just(T0)),
    st.builds(Downloaded, st.integers(0, 10)),
    st.builds(Remembered, st.builds(Job, st.sampled_from(["g0", "g1", "g2"]), st.sampled_from(Phase))),
    st.builds(Postponed, st.just(T0)),
    st.sampled_from([Seen(), Fault("FPS_LOW"), Timer()]),
)


@settings(deadline=None, max_examples=100)
@given(events=st.lists(st.tuples(EVENTS, st.floats(0, 400)), max_size=25))
def test_whatever_comes_only_the_edges_of_the_table_are_taken_and_final_is_final(events):
    attempt, now, tickets = planned(), T0, 0
    for event, minutes in events:
        now += minutes * MIN
        after, effects = advance(attempt, event, now)
        if after.state is not attempt.state:
            reachable = {target for (source, _), target in TRANSITIONS.items() if source is attempt.state}
            canceled_at_once = attempt.state is State.GRANTED and after.state is State.CANCELED
            assert after.state in reachable or canceled_at_once
        if attempt.final and attempt.state is not State.LOST:
            assert (after, effects) == (attempt, ())
        tickets += sum(effect.do is Do.OPEN_TICKET for effect in effects)
        tickets -= sum(effect.do is Do.CLOSE_TICKET for effect in effects)
        assert tickets == (after.ticket is not None)
        assert (after.grant_id != "") or not after.bad
        if after.mature:
            assert after.reported_at
            assert after.confirmed_at
            assert now >= after.reported_at + after.soak_s
        assert after.at_risk is (after.state in AT_RISK)
        if after.at_risk:
            assert after.deadline_at is not None
        twice, nothing = advance(after, Timer(), now)
        assert nothing == () or twice.state is not after.state
        attempt = after
