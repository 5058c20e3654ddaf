"""Where the cure of a fault stands on one device."""

from dataclasses import replace

from firmware_updates.attempt_row import State
from firmware_updates.cure import Cure, Stage, cure_of
from firmware_updates.memory import MemoryUpdateStore
from firmware_updates.rollout import RolloutState
from firmware_updates.window_text import appointment
from tests.firmware_updates.factories import NIGHT, NOON, attempt, device, release, rollout
from tests.firmware_updates.test_window import utc


def stage(now=NOON, *, approved_by="budi", running=RolloutState.RUNNING, who=True, **changes) -> Cure | None:
    store = MemoryUpdateStore()
    known = release()
    store.put_release(replace(known, manifest=replace(known.manifest, fixes=("F22",))))
    store.put_rollout(rollout(approved_by=approved_by, state=running))
    if who:
        store.put_device(device(**changes.pop("device", {})))
    store.put_attempt(attempt(**changes))
    return cure_of(store, "cam-1", "F22", now)


def test_a_planned_cure_names_the_next_window_after_all_that_it_must_wait_for():
    found = stage()
    assert (found.stage, found.opens) == (Stage.AHEAD, NIGHT - 1800)
    later = stage(postponed_until=NIGHT + 5 * 3600)
    assert later.opens == found.opens + 86_400
    assert stage(state=State.FAILED, retry_at=NOON + 3600, deadline_at=NOON + 3600).stage is Stage.AHEAD


def test_a_cure_is_under_way_then_to_be_proved_then_over():
    assert stage(state=State.INSTALLING).stage is Stage.UNDER_WAY
    assert stage(state=State.SUCCEEDED).stage is Stage.PROVING
    assert stage(now=NOON + 86_400, state=State.SUCCEEDED).stage is Stage.FAILED


def test_what_will_not_be_installed_cures_nothing():
    assert stage(state=State.ROLLED_BACK).stage is Stage.FAILED
    assert stage(state=State.INELIGIBLE).stage is Stage.FAILED
    assert stage(device={"windows": ()}).stage is Stage.FAILED
    assert stage(who=False).stage is Stage.FAILED
    assert stage(running=RolloutState.ABORTED).stage is Stage.FAILED


def test_a_draft_promises_nothing():
    assert stage(approved_by="") is None


def test_an_appointment_is_said_in_the_zone_and_the_language_of_the_site():
    opens, closes = utc(2026, 10, 24, 18), utc(2026, 10, 24, 22)
    said = appointment(opens, closes, "Asia/Jakarta", "en")
    assert said == "on Sunday 25 Oct between 01:00 and 05:00 (WIB)"
    assert appointment(opens, closes, "Asia/Jakarta", "id") == "pada Minggu 25 Okt antara 01:00 dan 05:00 (WIB)"
