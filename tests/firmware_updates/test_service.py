from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from firmware_updates.attempt import Expectation
from firmware_updates.attempt_row import Cause, State
from firmware_updates.desk import NotPossible
from firmware_updates.device import Release
from firmware_updates.entitlement import Entitlement
from firmware_updates.gate import Cohort
from firmware_updates.inbox import Director
from firmware_updates.manifest import ManifestError
from firmware_updates.messages import BadMessage, Channel, Phase, Response, Verdict, Want, encode_message, parse_message
from firmware_updates.messages import Request as Ask
from firmware_updates.policy import Policy
from firmware_updates.rollout import AbortMode, Denied, PauseReason, RolloutState, WaveState
from firmware_updates.service import UpdateService
from firmware_updates.signing import Distrusted
from firmware_updates.tally import tally_keys
from firmware_updates.work import Missing
from tests.firmware_updates.factories import NOON, release, windows
from tests.firmware_updates.fleet import DIRECTOR_KEY, RELEASE_KEYS, Camera, Urls, World, sha

QUICK = Policy(k0=2, canary_soak_s=3600.0, fractions=(0.5,), control=0.2, wave_soak_s=60.0, site_cap=4)
DAY = 24 * 60


def world(fates=("good",) * 5, policy=QUICK, **more):
    return World([Camera(f"cam-{n}", fate) for n, fate in enumerate(fates)], policy, **more)


def counters_of(store, rollout_id="r1"):
    rows = list(store._attempts.values())
    return Counter(key for row in rows for key in tally_keys(row) if row.rollout_id == rollout_id)


def test_a_good_release_reaches_every_device_wave_by_wave_and_completes():
    fleet = world()
    fleet.start()
    fleet.run(2)
    assert Counter(fleet.states().values())[State.PLANNED] == 3  # only the canaries have begun
    fleet.run(6 * 60)
    assert set(fleet.states().values()) == {State.SUCCEEDED}
    assert fleet.store.rollout("r1").state is RolloutState.COMPLETED
    assert all(camera.running == ("2.5.0", 7) and camera.floor == 5 for camera in fleet.cameras.values())
    assert fleet.open_tickets() == []
    assert all(not message.retain for message in fleet.published if message.channel is Channel.GRANT)
    assert {fleet.store.device(name).desired_attempt for name in fleet.cameras} == {""}
    stored = {key: fleet.store.counts((key,))[0] for key in fleet.store._counters}
    assert {key: n for key, n in stored.items() if n} == counters_of(fleet.store)
    names = [entry.what for entry in fleet.store.audit("r1", 1000)]
    assert names[0] == "completed"
    assert "wave_0_passed" in names


def test_a_release_that_bricks_every_device_touches_k0_of_them_and_halts():
    fleet = world(("silent",) * 30, replace(QUICK, k0=3))
    fleet.start()
    fleet.run(3 * 60)
    assert Counter(camera.phase for camera in fleet.cameras.values()) == {"bricked": 3, "idle": 27}
    rollout = fleet.store.rollout("r1")
    assert (rollout.state, rollout.reason) == (RolloutState.HALTED, "stop_test")
    assert [cause for _, cause in fleet.open_tickets()] == ["update_lost"] * 3
    assert all(edit.urgent for edit in fleet.opened)
    with pytest.raises(Denied):
        fleet.service.resume(fleet.store, "ayu", "r1", fleet.now)
    fleet.service.resume(fleet.store, "budi", "r1", fleet.now)
    fleet.run(3 * 60)
    assert fleet.store.rollout("r1").state is RolloutState.HALTED  # the new failures count again
    assert Counter(camera.phase for camera in fleet.cameras.values())["bricked"] == 6


def test_a_lost_device_that_comes_back_good_closes_its_ticket():
    fleet = world(("good",) * 2)
    fleet.start()
    cam = fleet.cameras["cam-0"]
    while cam.phase != "rebooting":
        fleet.run(1)
    del fleet.cameras["cam-0"]  # unplugged by somebody
    fleet.run(100)
    assert fleet.states()["cam-0"] is State.LOST
    assert fleet.open_tickets() == [("cam-0", "update_lost")]
    fleet.cameras["cam-0"] = cam
    fleet.run(90)
    assert fleet.states()["cam-0"] is State.SUCCEEDED
    assert fleet.row("cam-0").late
    assert fleet.open_tickets() == []


def test_a_roll_back_is_quarantined_until_staff_tries_again():
    fleet = world(("revert",) + ("good",) * 3, replace(QUICK, stop_alpha=1e-9))
    fleet.start()
    while fleet.states()["cam-0"] is not State.ROLLED_BACK:
        fleet.run(1)
    assert fleet.cameras["cam-0"].running == ("2.4.1", 6)
    assert ("cam-0", "update_rolled_back") in fleet.open_tickets()
    fleet.cameras["cam-0"].fate = "good"
    again = fleet.service.retry(fleet.store, "budi", fleet.row("cam-0").attempt_id, fleet.now)
    assert again.number == 2
    fleet.run(4 * 60)
    assert fleet.states()["cam-0"] is State.SUCCEEDED
    assert fleet.open_tickets() == []
    with pytest.raises(NotPossible, match="cannot be retried: it is succeeded"):
        fleet.service.retry(fleet.store, "budi", fleet.row("cam-0").attempt_id, fleet.now)


def test_a_failed_install_is_retried_by_itself_after_a_day():
    fleet = world(("fail",) + ("good",) * 3, replace(QUICK, stop_alpha=1e-9))
    fleet.start()
    fleet.run(5 * 60)
    assert fleet.states()["cam-0"] is State.FAILED
    fleet.cameras["cam-0"].fate = "good"
    fleet.refresh_inventories()
    fleet.run(DAY)
    assert fleet.row("cam-0").number == 2
    assert fleet.states()["cam-0"] is State.SUCCEEDED
    assert fleet.open_tickets() == []


def test_a_failed_install_is_not_retried_when_its_rollout_is_over():
    fleet = world(("fail",), replace(QUICK, stop_alpha=1e-9))
    fleet.start()
    fleet.run(60)
    fleet.service.abort(fleet.store, "budi", "r1", AbortMode.KEEP, "enough", fleet.now)
    fleet.run(DAY, step=30)
    row = fleet.row("cam-0")
    assert (row.state, row.number, row.deadline_at) == (State.FAILED, 1, None)
    with pytest.raises(NotPossible, match="the rollout is over"):
        fleet.service.retry(fleet.store, "budi", row.attempt_id, fleet.now)


def test_after_a_pause_is_committed_no_grant_leaves():
    fleet = world()
    fleet.start()
    while not any(message.channel is Channel.GRANT for _, message in fleet.store.outbox(100)):
        fleet.run(0)
        fleet.now += 60
        fleet.take(fleet.service.tick(fleet.store, fleet.now))
        for _, message in fleet.service.claim(fleet.store, fleet.now):
            fleet.publish(message)
        for camera in fleet.cameras.values():
            camera.step(fleet.now)
        fleet.listen()
    granted = [row for row in fleet.store.attempts("r1") if row.state is State.GRANTED]
    assert granted
    paused = fleet.service.pause(fleet.store, "ayu", "r1", "wait", fleet.now)
    assert paused.pause_reason is PauseReason.MANUAL
    fleet.run(60)
    assert fleet.grants == []
    assert State.GRANTED not in fleet.states().values()
    fleet.service.resume(fleet.store, "ayu", "r1", fleet.now)
    fleet.run(8 * 60)
    assert set(fleet.states().values()) == {State.SUCCEEDED}
    assert len(fleet.grants) == len(set(fleet.grants)) == 5


def test_a_crash_between_claiming_and_publishing_costs_the_device_one_more_question():
    fleet = world()
    fleet.start()
    lost = 0
    publish = fleet.publish

    def sometimes(message):
        nonlocal lost
        if message.channel is Channel.GRANT and lost < 3:
            lost += 1
        else:
            publish(message)

    fleet.publish = sometimes
    fleet.run(8 * 60)
    assert lost == 3
    assert set(fleet.states().values()) == {State.SUCCEEDED}
    assert len(fleet.grants) == len(set(fleet.grants))


def test_an_answer_that_nobody_fetched_in_time_is_not_sent_late():
    fleet = world(("good",))
    fleet.start()
    fleet.take(fleet.service.tick(fleet.store, fleet.now))
    fleet.pump()
    fleet.cameras["cam-0"].step(fleet.now)
    fleet.listen()
    assert len(fleet.store.outbox(10)) == 1
    fleet.now += 600
    assert list(fleet.service.claim(fleet.store, fleet.now)) == []
    assert list(fleet.store.outbox(10)) == []


def test_a_copy_or_an_overtaken_message_changes_nothing():
    fleet = world(("good",))
    fleet.start()
    fleet.run(12)
    before = (dict(fleet.store._attempts), dict(fleet.store._devices), len(fleet.store._outbox))
    fleet.cameras["cam-0"].report()
    message = fleet.cameras["cam-0"].sent.pop()
    fleet.up("cam-0", replace(message, seq=0))
    assert before == (dict(fleet.store._attempts), dict(fleet.store._devices), len(fleet.store._outbox))


def test_the_messages_of_one_device_never_touch_another():
    fleet = world(("good",) * 2)
    fleet.start()
    fleet.run(3)
    mine = fleet.row("cam-1").attempt_id
    rows = dict(fleet.store._attempts)
    for want in Want:
        fleet.up("cam-0", Ask(boot=99, seq=want is Want.URL, attempt=mine, want=want, nonce="nonce-0001"))
    assert fleet.rejects == [f"attempt {mine!r} is not of this device"] * 2
    assert dict(fleet.store._attempts) == rows


@pytest.mark.parametrize(
    ("channel", "message"),
    [("telemetry", "no update channel: 'telemetry'"), ("update/grant", "is the gateway's to publish")],
)
def test_a_device_may_speak_only_on_its_own_channels(channel, message):
    fleet = world(("good",))
    with pytest.raises(BadMessage, match=message):
        fleet.service.handle(fleet.store, "cam-0", channel, b"{}", fleet.now)


def test_an_unknown_device_is_named():
    fleet = world(("good",))
    fleet.cameras["cam-0"].report()
    payload = encode_message(fleet.cameras["cam-0"].sent.pop())
    with pytest.raises(Missing, match="no such device: 'cam-9'"):
        fleet.service.handle(fleet.store, "cam-9", "update/reported", payload, fleet.now)


def test_a_device_that_is_registered_again_keeps_what_it_reported():
    fleet = world(("good",))
    known = fleet.store.device("cam-0")
    fleet.service.register(fleet.store, [replace(known, stock=None, heard=(), site_id="new")])
    now = fleet.store.device("cam-0")
    assert (now.stock, now.heard, now.site_id) == (known.stock, known.heard, "new")


def test_a_device_is_granted_nothing_outside_its_window_and_told_when_to_ask():
    fleet = world(("good",), zone_windows=lambda _: windows("Asia/Jakarta", "daily 01:00-05:00"))
    fleet.start()
    fleet.run(5 * 60)
    answers = [parse_message(Channel.RESPONSE, m.payload) for m in fleet.published if m.channel is Channel.RESPONSE]
    waits = [answer for answer in answers if answer.verdict is Verdict.WAIT]
    assert {answer.reason for answer in waits} == {"window_closed"}
    assert fleet.grants == []
    fleet.run(6 * 60)
    (start,) = fleet.cameras["cam-0"].starts
    opens = datetime(2026, 11, 21, 18, tzinfo=UTC).timestamp()
    assert opens <= start[0] <= start[1].not_after <= opens + 4 * 3600 - release().manifest.fit_s


def test_devices_at_one_site_take_turns():
    policy = replace(QUICK, k0=10, site_cap=1, fractions=())
    fleet = world(("good",) * 6, policy, per_site=6, group="door")
    fleet.start()
    most = 0
    for _ in range(60):
        fleet.run(10)
        most = max(most, sum(state in (State.GRANTED, State.INSTALLING, State.REBOOTING, State.PROBATION)
                             for state in fleet.states().values()))  # fmt: skip
    assert most == 1
    assert set(fleet.states().values()) == {State.SUCCEEDED}


def test_downloads_are_shared_out_and_a_stalled_one_gives_its_slot_back():
    policy = replace(QUICK, k0=6, fractions=(), control=0.0, downloads_per_site=1, site_cap=6)
    fleet = world(("good",) * 6, policy, per_site=6)
    fleet.start()
    fleet.run(4)
    stuck = next(camera for camera in fleet.cameras.values() if camera.phase == "downloading")
    stuck.until = fleet.now + 1e9
    fleet.run(20)
    assert sum(state is State.DOWNLOADING for state in fleet.states().values()) == 1
    fleet.run(80)
    assert State.STAGED in fleet.states().values() or State.PROBATION in fleet.states().values()
    stuck.until = 0.0
    fleet.run(5 * 60)
    assert set(fleet.states().values()) == {State.SUCCEEDED}


def test_a_download_that_broke_is_resumed_after_its_back_off():
    fleet = world(("good",))
    fleet.start()
    fleet.run(3)
    cam = fleet.cameras["cam-0"]
    row = fleet.row("cam-0")
    assert row.state is State.DOWNLOADING
    cam.phase = "idle"
    cam.status(Phase.LINK_ERROR)
    fleet.listen()
    assert fleet.row("cam-0").retry_at > fleet.now
    fleet.run(60)
    assert fleet.row("cam-0").state is State.PROBATION


def test_consent_is_asked_in_time_and_its_words_are_kept():
    fleet = world(("good",) * 3, replace(QUICK, k0=3, fractions=(), control=0.0, consent_required=True))
    fleet.start()
    fleet.run(2)
    assert {notice.kind for notice in fleet.notices} == {"consent"}
    asked = {notice.device_id: notice.attempt_id for notice in fleet.notices}
    assert set(asked) == set(fleet.cameras)
    service, store = fleet.service, fleet.store
    service.consent(store, "siti", asked["cam-0"], sha("words"), fleet.now, given=True)
    service.consent(store, "siti", asked["cam-1"], sha("words"), fleet.now, given=True)
    service.consent(store, "siti", asked["cam-2"], sha("words"), fleet.now, given=False)
    service.postpone(store, "siti", asked["cam-1"], fleet.now + 5 * 3600, fleet.now)
    fleet.run(4 * 60)
    states = fleet.states()
    assert (states["cam-0"], states["cam-2"]) == (State.SUCCEEDED, State.CANCELED)
    assert fleet.cameras["cam-1"].starts == []
    assert fleet.row("cam-0").consent.text_sha256 == sha("words")
    with pytest.raises(NotPossible, match="too late"):
        service.consent(store, "siti", asked["cam-0"], "", fleet.now, given=True)
    with pytest.raises(NotPossible, match="too late"):
        service.postpone(store, "siti", asked["cam-0"], fleet.now + 9, fleet.now)
    with pytest.raises(NotPossible, match="nobody asked"):
        service.consent(store, "siti", asked["cam-1"], "", fleet.now, given=True)
    fleet.run(5 * 60)
    assert fleet.states()["cam-1"] is State.SUCCEEDED


def test_devices_that_cannot_take_a_release_say_why_and_are_looked_at_again():
    fleet = world(("good",) * 3)
    unfit = replace(fleet.store.device("cam-0"), hw_id="cam-z", windows=())
    fleet.store.put_device(unfit)
    late = replace(fleet.store.device("cam-1"), entitlement=Entitlement("UTC", date(2026, 11, 20)))
    fleet.store.put_device(late)
    fleet.start()
    fleet.run(6 * 60)
    assert fleet.row("cam-0").reason == "no_window,hardware"
    assert fleet.row("cam-1").reason == "support_ended"
    assert fleet.states()["cam-2"] is State.SUCCEEDED
    rollout = fleet.store.rollout("r1")
    assert rollout.state is RolloutState.COMPLETED
    assert fleet.states()["cam-0"] is State.EXPIRED


def test_a_rollout_waits_until_its_deadline_for_devices_that_have_not_said_yet_what_they_run():
    fleet = world(("good",) * 3)
    phases = {name: camera.phase for name, camera in fleet.cameras.items()}
    for name, camera in fleet.cameras.items():
        fleet.store.put_device(replace(fleet.store.device(name), stock=None))
        camera.phase = "bricked"  # not connected yet
    fleet.start()
    fleet.run(30 * 60, step=5)
    assert {row.reason for row in fleet.store.attempts("r1") if row.wave == 0} == {"no_inventory"}
    rollout = fleet.store.rollout("r1")
    assert rollout.state is RolloutState.RUNNING
    assert rollout.waves[0].state is not WaveState.PASSED, "no canary has proved anything"
    for name, camera in fleet.cameras.items():
        camera.phase = phases[name]
    fleet.refresh_inventories()
    fleet.run(40 * 60, step=5)
    assert set(fleet.states().values()) == {State.SUCCEEDED}
    assert fleet.store.rollout("r1").state is RolloutState.COMPLETED


def test_support_that_ends_while_a_device_waits_ends_its_attempt():
    fleet = world(("good",))
    fleet.start()
    fleet.run(3)
    ended = replace(fleet.store.device("cam-0"), entitlement=Entitlement("UTC", date(2026, 11, 20)))
    fleet.store.put_device(ended)
    fleet.run(30)
    row = fleet.row("cam-0")
    assert (row.state, row.reason) == (State.EXPIRED, "support_ended")
    assert fleet.cameras["cam-0"].desired is None


def test_a_newer_release_takes_the_place_of_an_older_one_that_has_not_begun():
    fleet = world(("good",) * 2, zone_windows=lambda _: windows("UTC", "daily 20:00-23:00"))
    fleet.start("r1")
    fleet.run(30)
    assert State.STAGED in fleet.states("r1").values()
    fleet.start("r2", release(version="2.6.0", counter=8, sha="cd" * 32))
    fleet.run(12 * 60)
    assert set(fleet.states("r1").values()) == {State.SUPERSEDED}
    assert set(fleet.states("r2").values()) == {State.SUCCEEDED}
    assert {camera.running for camera in fleet.cameras.values()} == {("2.6.0", 8)}


def test_an_older_release_does_not_take_the_place_of_a_newer_one():
    fleet = world(("good",), zone_windows=lambda _: windows("UTC", "daily 20:00-23:00"))
    fleet.start("r2", release(version="2.6.0", counter=8, sha="cd" * 32))
    fleet.run(30)
    fleet.start("r1")
    fleet.run(30)
    assert fleet.states("r1")["cam-0"] is State.SUPERSEDED
    assert fleet.states("r2")["cam-0"] is State.STAGED


def test_a_device_that_was_updated_by_hand_needs_no_install():
    fleet = world(("good",) * 2, zone_windows=lambda _: windows("UTC", "daily 20:00-23:00"))
    fleet.start()
    fleet.run(30)
    for name, running in (("cam-0", ("2.5.0", 7)), ("cam-1", ("3.0.0", 9))):
        fleet.cameras[name].running = running
        fleet.cameras[name].report()
    fleet.listen()
    assert fleet.states() == {"cam-0": State.SUCCEEDED, "cam-1": State.SUPERSEDED}
    fleet.start("r3")
    fleet.run(3)
    assert fleet.states("r3")["cam-0"] is State.SUCCEEDED


def test_an_abort_keeps_or_reverts_and_never_interrupts_a_flash_write():
    for mode, version in ((AbortMode.KEEP, "2.5.0"), (AbortMode.REVERT, "2.4.1")):
        fleet = world(("good",) * 4, replace(QUICK, k0=4))
        fleet.start()
        while not any(camera.phase == "probation" for camera in fleet.cameras.values()):
            fleet.run(1)
        in_probation = [name for name, camera in fleet.cameras.items() if camera.phase == "probation"]
        fleet.service.abort(fleet.store, "ayu", "r1", mode, "bad idea", fleet.now)
        fleet.run(3 * 60)
        for name in in_probation:
            assert fleet.cameras[name].running[0] == version
        assert all(state in (State.SUCCEEDED, State.ROLLED_BACK, State.CANCELED) for state in fleet.states().values())
        assert fleet.store.rollout("r1").abort_mode is mode


def test_a_revoked_release_is_granted_to_nobody():
    fleet = world(zone_windows=lambda _: windows("UTC", "daily 14:00-23:00"))
    draft = fleet.start()
    fleet.run(30)
    fleet.service.revoke_release(fleet.store, "budi", draft.release_id, "leaks", fleet.now)
    fleet.run(6 * 60)
    assert fleet.grants == []
    assert set(fleet.states().values()) == {State.CANCELED}
    assert fleet.store.release(draft.release_id).revoked_reason == "leaks"
    fleet.service.revoke_release(fleet.store, "budi", draft.release_id, "", fleet.now)


def test_only_signed_manifests_are_taken_in_and_only_once():
    fleet = world(("good",))
    good = release()
    first = fleet.service.publish_release(fleet.store, "ayu", good.document, good.signatures, NOON)
    assert isinstance(first, Release)
    assert fleet.service.publish_release(fleet.store, "ayu", good.document, good.signatures, NOON + 9) is first
    with pytest.raises(Distrusted):
        fleet.service.publish_release(fleet.store, "ayu", good.document + b" ", good.signatures, NOON)
    with pytest.raises(ManifestError):
        fleet.service.publish_release(fleet.store, "ayu", b"{}", good.signatures, NOON)


def test_a_rollout_that_could_never_run_is_refused_with_the_reason():
    fleet = world(("good",))
    fleet.start()
    create, name = fleet.service.create_rollout, release().release_id
    for changes, message in (
        ({"rollout_id": "r1"}, "exists already"),
        ({"device_ids": []}, "no device is selected"),
        ({"deadline_at": NOON}, "deadline must come after"),
    ):
        values = {"rollout_id": "r9", "device_ids": ["cam-0"], "deadline_at": NOON + 9} | changes
        with pytest.raises(NotPossible, match=message):
            create(
                fleet.store, "ayu", values["rollout_id"], "x", name, values["device_ids"], QUICK, NOON,
                values["deadline_at"], NOON,
            )  # fmt: skip
    for bad_release, devices in (("none", ["cam-0"]), (name, ["cam-7"])):
        with pytest.raises(Missing):
            create(fleet.store, "ayu", "r9", "x", bad_release, devices, QUICK, NOON, NOON + 9, NOON)


def test_an_edit_needs_a_new_dry_run_and_waves_are_not_edited():
    fleet = world(("good",))
    service, store = fleet.service, fleet.store
    fleet.start()
    service.publish_release(store, "ayu", release().document, release().signatures, NOON)
    service.create_rollout(
        store, "ayu", "r2", "x", release().release_id, ["cam-0"], QUICK, NOON, NOON + 9 * 86_400, NOON
    )
    assert service.edit_rollout(store, "ayu", "r2", NOON, name="y").state is RolloutState.DRAFT
    service.simulated(store, "ayu", "r2", NOON)
    pending = service.submit(store, "ayu", "r2", NOON)
    assert service.decline(store, "budi", "r2", NOON).state is RolloutState.DRAFT
    service.simulated(store, "ayu", "r2", NOON)
    edited = service.edit_rollout(store, "ayu", "r2", NOON, policy=replace(QUICK, site_cap=1), starts_at=NOON + 60)
    assert (edited.state, edited.content_sha256) == (RolloutState.DRAFT, "")
    service.simulated(store, "ayu", "r2", NOON)
    service.submit(store, "ayu", "r2", NOON)
    with pytest.raises(Denied, match="content"):
        service.approve(store, "budi", "r2", pending.content_sha256, NOON)
    with pytest.raises(NotPossible, match="waves are made"):
        service.edit_rollout(store, "ayu", "r2", NOON, policy=replace(QUICK, fractions=(), control=0.0, k0=1))
    with pytest.raises(NotPossible, match="deadline"):
        service.edit_rollout(store, "ayu", "r2", NOON, starts_at=NOON + 99 * 86_400)


def test_a_late_joiner_goes_to_the_last_wave():
    fleet = world(("good",) * 3)
    fleet.start()
    newcomer = replace(fleet.store.device("cam-0"), device_id="cam-9")
    fleet.store.put_device(newcomer)
    for _ in range(2):
        fleet.service.join(fleet.store, "budi", "r1", "cam-9", fleet.now)
    rollout = fleet.store.rollout("r1")
    assert rollout.targets == len(fleet.states()) == 4
    assert fleet.row("cam-9").wave == len(rollout.waves) - 1
    fleet.service.abort(fleet.store, "budi", "r1", AbortMode.KEEP, "", fleet.now)
    with pytest.raises(NotPossible, match="over"):
        fleet.service.join(fleet.store, "budi", "r1", "cam-9", fleet.now)


def test_the_deadline_ends_a_rollout_and_says_whether_anything_was_done():
    for silent, state in ((0, RolloutState.COMPLETED_PARTIAL), (3, RolloutState.EXPIRED)):
        fleet = world(("good",) * 3, replace(QUICK, k0=2))
        fleet.start(days=1)
        for name in [row.device_id for row in fleet.store.attempts("r1") if row.wave > 0 or silent]:
            fleet.cameras[name].phase = "bricked"  # never switched on
        fleet.run(25 * 60, step=5)
        assert fleet.store.rollout("r1").state is state
        assert all(row.final for row in fleet.store.attempts("r1"))


def test_a_draft_that_nobody_approves_expires():
    fleet = world(("good",))
    fleet.service.publish_release(fleet.store, "ayu", release().document, release().signatures, NOON)
    fleet.service.create_rollout(
        fleet.store, "ayu", "r1", "x", release().release_id, ["cam-0"], QUICK, NOON, NOON + 60, NOON
    )
    fleet.run(2)
    assert fleet.store.rollout("r1").state is RolloutState.EXPIRED


def test_a_budget_that_can_never_make_room_again_pauses_the_rollout():
    fleet = world(("revert",) * 6, replace(QUICK, k0=2, stop_alpha=1e-12))
    fleet.start()
    fleet.run(3 * 60)
    rollout = fleet.store.rollout("r1")
    assert (rollout.state, rollout.pause_reason) == (RolloutState.PAUSED, PauseReason.BUDGET)
    assert sum(bool(camera.starts) for camera in fleet.cameras.values()) == 2


def test_nothing_starts_while_the_organisation_is_frozen():
    service = UpdateService(Director(DIRECTOR_KEY, RELEASE_KEYS, Urls()), freezes=((NOON + 300, NOON + 7200),))
    fleet = world(service=service)
    fleet.start()
    fleet.run(60)
    assert fleet.store.rollout("r1").pause_reason is PauseReason.BLACKOUT
    granted = len(fleet.grants)
    fleet.run(50)
    assert len(fleet.grants) == granted
    fleet.run(8 * 60)
    assert set(fleet.states().values()) == {State.SUCCEEDED}


class Book:
    def __init__(self, wave, control):
        self.sides, self.asked = [wave, control], []

    def cohort(self, since, until):
        assert all(at <= until for at in since.values())
        self.asked.append(tuple(since))
        return self.sides[len(self.asked) % 2 - 1]


def test_a_wave_that_is_worse_than_its_control_pauses_until_a_second_person_overrules():
    book = Book(Cohort(100.0, {"reboots": 40}), Cohort(100.0, {"reboots": 1}))
    service = UpdateService(Director(DIRECTOR_KEY, RELEASE_KEYS, Urls()), health=book)
    fleet = world(service=service)
    fleet.start()
    fleet.run(4 * 60)
    rollout = fleet.store.rollout("r1")
    assert (rollout.state, rollout.pause_reason) == (RolloutState.PAUSED, PauseReason.HEALTH)
    assert rollout.waves[0].state is WaveState.FAILED
    assert any(entry.what == "gate_worse" for entry in fleet.store.audit("r1", 100))
    book.sides = [Cohort(100.0), Cohort(100.0)]
    service.resume(fleet.store, "budi", "r1", fleet.now)
    fleet.run(8 * 60)
    assert fleet.store.rollout("r1").state is RolloutState.COMPLETED


def test_a_wave_without_an_untouched_control_is_judged_by_its_soak():
    service = UpdateService(Director(DIRECTOR_KEY, RELEASE_KEYS, Urls()), health=Book(Cohort(0.0), Cohort(0.0)))
    fleet = world(("good",) * 3, replace(QUICK, control=0.2), service=service)  # too few for one control
    fleet.start()
    fleet.run(8 * 60)
    assert fleet.store.rollout("r1").state is RolloutState.COMPLETED


def test_a_fault_after_the_update_fails_the_attempt_and_reverts_what_is_unconfirmed():
    fleet = world(("good",) * 2)
    fleet.start()
    cam = fleet.cameras["cam-0"]
    while cam.phase != "probation":
        fleet.run(1)
    expected = fleet.service.expectation(fleet.store, "cam-0")
    assert isinstance(expected, Expectation)
    fleet.take(fleet.service.fault(fleet.store, "cam-0", "FPS_LOW", fleet.now))
    assert fleet.states()["cam-0"] is State.FAILED
    assert fleet.open_tickets() == [("cam-0", Cause.UNHEALTHY.value)]
    assert fleet.service.expectation(fleet.store, "cam-0") is None
    fleet.run(5)
    assert cam.running == ("2.4.1", 6)


def test_one_desired_topic_serves_one_component_at_a_time():
    fleet = world(("good",), zone_windows=lambda _: windows("UTC", "daily 20:00-23:00"))
    fleet.start()
    fleet.run(5)
    taken = fleet.store.device("cam-0").desired_attempt
    other = replace(fleet.row("cam-0"), attempt_id="r1/cam-0/7", component="bootloader", state=State.READY)
    fleet.store.put_attempt(other)
    fleet.run(5)
    assert fleet.store.attempt("r1/cam-0/7").state is State.READY
    assert fleet.store.device("cam-0").desired_attempt == taken


def test_a_device_that_forgot_everything_is_denied_what_it_may_not_have():
    fleet = world(("good",))
    fleet.start()
    fleet.run(5 * 60)
    row = fleet.row("cam-0")
    assert row.state is State.SUCCEEDED
    for seq, want in enumerate(Want):
        ask = Ask(boot=99, seq=seq, attempt=row.attempt_id, want=want, nonce=f"nonce-000{seq}")
        fleet.up("cam-0", ask)
    answers = [
        parse_message(message.channel, message.payload) for _, message in fleet.service.claim(fleet.store, fleet.now)
    ]
    assert [answer.verdict for answer in answers if isinstance(answer, Response)] == [Verdict.DENY, Verdict.WAIT]


def test_urls_are_given_only_while_the_rollout_runs():
    fleet = world(("good",))
    fleet.start()
    fleet.take(fleet.service.tick(fleet.store, fleet.now))
    fleet.pump()
    fleet.service.pause(fleet.store, "ayu", "r1", "", fleet.now)
    fleet.run(30)
    assert fleet.states()["cam-0"] is State.OFFERED


def test_an_inventory_without_the_component_says_nothing_about_it():
    fleet = world(("good",))
    fleet.start()
    fleet.run(3)
    cam = fleet.cameras["cam-0"]
    cam.report()
    message = cam.sent.pop()
    fleet.up("cam-0", replace(message, components={"bootloader": message.components["bootloader"]}))
    assert fleet.states()["cam-0"] is State.DOWNLOADING


def test_two_lines_of_work_on_one_device_do_not_mix():
    fleet = world(("good",) * 2, zone_windows=lambda _: windows("UTC", "daily 20:00-23:00"))
    fleet.start()
    fleet.run(5)
    row = fleet.row("cam-0")
    fleet.store.put_attempt(replace(row, attempt_id="r1/cam-0/8", component="bootloader", target_counter=99))
    fleet.start("r2", release(version="2.6.0", counter=8, sha="cd" * 32))
    fleet.run(5)
    assert fleet.store.attempt("r1/cam-0/8").state is row.state  # another component is another matter


def test_a_release_that_was_revoked_behind_a_devices_back_ends_its_attempt():
    fleet = world(("good",), zone_windows=lambda _: windows("UTC", "daily 12:00-23:00"), open_critical=True)
    fleet.start()
    fleet.run(20)
    row = fleet.row("cam-0")
    assert (row.state, row.reason) == (State.STAGED, "critical_ticket")
    fleet.store.put_release(replace(fleet.store.release(row.release_id), revoked_reason="bad"))
    fleet.run(70)
    assert fleet.states()["cam-0"] is State.EXPIRED


def test_a_quarantined_device_is_not_planned_again():
    fleet = world(("no_boot", "good"), replace(QUICK, stop_alpha=1e-12))
    fleet.start()
    while fleet.states()["cam-0"] is not State.ROLLED_BACK:
        fleet.run(1)
    fleet.service.abort(fleet.store, "ayu", "r1", AbortMode.KEEP, "", fleet.now)
    fleet.start("r2")
    fleet.run(90)
    row = fleet.row("cam-0", "r2")  # INELIGIBLE, and EXPIRED once the rest of the rollout is through
    assert (row.final or row.state is State.INELIGIBLE, row.reason) == (True, "quarantined")


def test_a_key_that_is_no_longer_trusted_grants_nothing():
    fleet = world(("good",))
    fleet.start()
    stranger = replace(
        fleet.service.director, release_keys=replace(RELEASE_KEYS, revoked=frozenset(dict(RELEASE_KEYS.keys)))
    )
    fleet.service = replace(fleet.service, director=stranger)
    fleet.run(60)
    assert fleet.row("cam-0").reason == "key_not_trusted"
    assert fleet.grants == []


def test_a_second_failure_does_not_open_a_second_ticket():
    fleet = world(("fail",), replace(QUICK, stop_alpha=1e-12))
    fleet.start()
    fleet.run(60)
    fleet.run(23 * 60, step=10)
    fleet.refresh_inventories()
    fleet.run(2 * 60)
    assert (fleet.row("cam-0").number, fleet.states()["cam-0"]) == (2, State.FAILED)
    assert [edit.cause for edit in fleet.opened] == [Cause.FAILED]


def test_a_topic_that_a_newer_attempt_has_taken_is_not_cleared():
    fleet = world(("good",))
    fleet.start()
    fleet.run(3)
    fleet.store.put_device(replace(fleet.store.device("cam-0"), desired_attempt="r2/cam-0/1"))
    fleet.service.abort(fleet.store, "ayu", "r1", AbortMode.KEEP, "", fleet.now)
    assert fleet.store.device("cam-0").desired_attempt == "r2/cam-0/1"


def test_a_device_that_asks_for_an_address_before_its_back_off_is_over_waits():
    fleet = world(("good",))
    fleet.start()
    fleet.run(3)
    row = replace(fleet.row("cam-0"), state=State.OFFERED, retry_at=fleet.now + 900)
    fleet.store.put_attempt(row)
    fleet.up("cam-0", Ask(boot=99, seq=1, attempt=row.attempt_id, want=Want.URL, nonce="nonce-0001"))
    (answer,) = [parse_message(message.channel, message.payload) for _, message in fleet.store.outbox(9)]
    assert (answer.verdict, answer.reason, answer.retry_after_s) == (Verdict.WAIT, "rate", 900)


def test_a_device_that_lost_its_address_while_downloading_gets_another():
    fleet = world(("good",))
    fleet.start()
    fleet.run(3)
    row = fleet.row("cam-0")
    assert row.state is State.DOWNLOADING
    fleet.up("cam-0", Ask(boot=99, seq=1, attempt=row.attempt_id, want=Want.URL, nonce="nonce-0001"))
    (answer,) = [parse_message(message.channel, message.payload) for _, message in fleet.store.outbox(9)]
    assert answer.url.startswith("https://images.invalid/")


def test_a_device_whose_grant_was_lost_asks_with_a_newer_nonce_and_the_older_grant_is_void():
    fleet = world(("good",))
    (camera,) = fleet.cameras.values()
    hear, lost = camera.hear, []

    def hear_all_but_the_first_grant(channel, payload, now):
        if channel is Channel.GRANT and not lost:
            lost.append(payload)
            camera.nonce = None  # it has given up waiting for the answer
        else:
            hear(channel, payload, now)

    camera.hear = hear_all_but_the_first_grant
    fleet.start()
    fleet.run(6 * 60)
    assert set(fleet.states().values()) == {State.SUCCEEDED}
    assert len(fleet.grants) == len(set(fleet.grants)) == 2
    assert len(camera.starts) == 1


def test_a_device_that_asks_to_install_has_the_image_even_if_its_word_of_that_was_lost():
    fleet = world(("good",))
    up = fleet.up
    fleet.up = lambda name, message: None if getattr(message, "state", None) is Phase.STAGED else up(name, message)
    fleet.start()
    fleet.run(6 * 60)
    assert set(fleet.states().values()) == {State.SUCCEEDED}
