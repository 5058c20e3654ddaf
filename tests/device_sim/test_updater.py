"""The device's side of an update: what may be installed, what survives a power cut, what is never done."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from device_sim.flash import Mishaps, Step
from tests.device_sim.updates import IMAGE, Bench, desired, grant, manifest

STRANGER = Ed25519PrivateKey.from_private_bytes(b"x" * 32)
STEPS_OF_A_GOOD_UPDATE = [
    Step.ACCEPTED, Step.RECEIVING, Step.STAGED, Step.ASKED, Step.INSTALLING, Step.SWITCHED, Step.REBOOTING, Step.TRYING,
    Step.CONFIRMED, Step.FLOOR_MOVED, Step.CLAIM_SENT,
]  # fmt: skip


def test_a_good_release_is_installed_once_and_confirmed_after_its_self_test() -> None:
    bench = Bench()
    bench.run(200)
    assert bench.states == ["downloading", "staged", "installing", "rebooting", "done"]
    assert bench.reboots == ["update"]
    assert bench.updater.version == "2.5.0"
    assert bench.flash.record.floor == 15
    unconfirmed, confirmed = bench.say("update/reported")[-2:]
    assert (unconfirmed["slot"], confirmed["slot"]) == (
        {"active": "b", "confirmed": False},
        {"active": "b", "confirmed": True},
    )
    assert confirmed["components"]["system"]["release_counter"] == 20
    assert confirmed["last_job"] == {"grant_id": "g-1", "state": "done", "code": "none"}
    bench.power_on()  # the retained offer comes again
    bench.run(100)
    assert bench.served == [0]


def test_every_message_is_one_that_the_gateway_reads() -> None:
    from firmware_updates.messages import Channel, parse_message

    bench = Bench()
    bench.flash.mishaps.busy = "incident"
    bench.run(200)
    for leaf, body in bench.told:
        parse_message(Channel(leaf), json.dumps(body).encode())
    assert {leaf for leaf, _ in bench.told} == {
        "update/reported", "update/status", "update/request", "update/progress",
    }  # fmt: skip


@pytest.mark.parametrize("before_write", [True, False])
@pytest.mark.parametrize("step", STEPS_OF_A_GOOD_UPDATE)
def test_the_power_may_fail_at_any_step_and_the_device_ends_on_a_whole_image(step: Step, before_write: bool) -> None:
    bench = Bench(Mishaps(cut_at=step, cut_before_write=before_write))
    bench.run(300)
    assert bench.flash.mishaps.cut_at is None, "the cut did happen"
    record, running = bench.flash.record, bench.flash.running
    assert running.confirmed and record.trying is None
    assert running.version in {"2.4.1", "2.5.0"}
    assert running.release_counter >= record.floor
    ended = bench.states[-1]
    assert (running.version == "2.5.0") == (ended == "done")
    assert ended in {"done", "failed", "reverted"}
    if step in {Step.ACCEPTED, Step.RECEIVING, Step.STAGED, Step.ASKED}:
        assert ended == "done", "before the install a power cut costs nothing"


def test_a_download_goes_on_where_the_power_failed() -> None:
    bench = Bench()
    bench.flash.mishaps.cut_at = Step.RECEIVING
    bench.run(200)
    assert bench.served == [0, 1000]
    assert bench.updater.version == "2.5.0"


@pytest.mark.parametrize(
    ("offer", "code"),
    [
        (desired(key=STRANGER), "signature"),
        (desired().replace(b"2.5.0", b"2.5.9"), "signature"),
        (desired(text=manifest(hw_ids=["rekam-r8"])), "hardware"),
        (desired(text=manifest(component="radio")), "hardware"),
        (desired(text=manifest(release_counter=9, min_counter=1)), "downgrade"),
        (desired(text=manifest(release_counter=10, min_counter=1)), "downgrade"),
        (desired(text=manifest(size=1 << 40)), "space"),
        (desired(text=manifest(install={"free_bytes": 1 << 40})), "space"),
        (desired(text="{}"), "manifest"),
    ],
)
def test_what_is_not_for_this_device_is_refused_before_the_first_byte_and_only_once(offer: bytes, code: str) -> None:
    bench = Bench()
    bench.flash.record.offer = None
    bench.flash.record.claims.clear()
    bench.updater.take_actions()
    refused = json.loads(offer) | {"attempt": "a-2"}
    for _ in range(3):
        bench.updater.receive("update/desired", json.dumps(refused).encode(), bench.now)
    bench.offer = b""
    bench.run(5)
    assert [(body["state"], body["code"]) for body in bench.say("update/status")] == [("rejected", code)]
    assert bench.served == []


def staged() -> tuple[Bench, dict[str, Any]]:
    """A device that waits for its grant."""
    bench = Bench()
    original = bench.answer
    bench.answer = lambda request: original(request) if request["want"] == "url" else None  # type: ignore[method-assign]
    while not (requests := [r for r in bench.say("update/request") if r["want"] == "grant"]):
        bench.step()
    return bench, requests[0]


def test_a_grant_counts_only_within_its_time_from_the_sending_of_the_request() -> None:
    for waited, starts in ((119, True), (121, False)):
        bench, request = staged()
        bench.now += waited - (bench.now - bench.updater._asked_at)
        bench.updater.receive("update/grant", grant(request), bench.now)
        assert bench.updater._committed is starts
        if not starts:
            bench.step(0)
            assert bench.say("update/status")[-1] | {"seq": 0} == {
                "v": 1, "boot": bench.boot, "seq": 0, "attempt": "a-1", "state": "not_started", "grant_id": "g-1",
                "code": "late",
            }  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"key": STRANGER},
        {"device_id": "cam-2"},
        {"attempt": "a-9"},
        {"image": b"other"},
        {"nonce": "another-nonce"},
    ],
)
def test_a_grant_for_anything_else_starts_nothing(changes: dict[str, Any]) -> None:
    bench, request = staged()
    bench.updater.receive("update/grant", grant(request, **changes), bench.now)
    bench.step()
    assert not bench.updater._committed
    assert "installing" not in bench.states


def test_a_grant_is_good_for_one_start_whatever_is_replayed() -> None:
    bench, request = staged()
    message = grant(request)
    for _ in range(3):
        bench.updater.receive("update/grant", message, bench.now)
    for _ in range(200):
        bench.updater.receive("update/grant", message, bench.now)
        bench.step()
    assert bench.states.count("installing") == 1
    assert bench.updater.version == "2.5.0"


def test_a_grant_from_before_a_reboot_is_void() -> None:
    bench, request = staged()
    bench.power_on()
    bench.updater.receive("update/grant", grant(request), bench.now)
    bench.step()
    assert not bench.updater._committed
    assert bench.say("update/status")[-1]["code"] == "stale_nonce"


def test_an_image_that_fails_its_self_test_gives_way_to_the_old_one() -> None:
    bench = Bench()
    bench.flash.mishaps.self_test_passes = False
    bench.run(200)
    assert bench.updater.version == "2.4.1"
    assert bench.say("update/status")[-1]["code"] == "self_test"
    assert bench.states[-2:] == ["rebooting", "reverted"]
    assert bench.flash.record.floor == 0


def test_an_image_that_does_not_start_is_left_by_the_boot_loader() -> None:
    bench = Bench()
    bench.flash.mishaps.image_starts = False
    bench.run(200)
    assert bench.updater.version == "2.4.1"
    assert (bench.states[-1], bench.say("update/status")[-1]["code"]) == ("reverted", "boot_failed")


def test_a_silent_brick_says_nothing_more_and_one_that_heals_comes_back_after_the_confirm_timeout() -> None:
    bench = Bench()
    bench.flash.mishaps.brick = True
    bench.run(2000)
    assert bench.states[-1] == "rebooting"
    assert bench.updater.mute

    bench = Bench()
    bench.flash.mishaps.brick = bench.flash.mishaps.brick_heals = True
    bench.run(2000)
    assert bench.states[-1] == "reverted"
    assert bench.say("update/status")[-1]["code"] == "confirm_timeout"


def test_without_mqtt_the_new_image_is_not_confirmed() -> None:
    bench = Bench()
    while not bench.reboots:
        bench.step()
    bench.updater.disconnected()
    bench.run(299)
    assert not bench.flash.running.confirmed
    bench.run(50)
    assert bench.updater.version == "2.4.1"


def test_bytes_that_rot_in_the_flash_are_not_installed_but_fetched_again() -> None:
    bench = Bench()
    bench.flash.mishaps.rots = True
    bench.run(300)
    assert bench.states == [
        "downloading", "staged", "not_started", "downloading", "staged", "installing", "rebooting", "done",
    ]  # fmt: skip
    assert bench.served == [0, 0]


def test_an_image_with_the_wrong_content_is_tried_three_times_and_then_refused() -> None:
    bench = Bench()
    bench.serve = lambda offset: (  # type: ignore[method-assign]
        bench.updater.downloaded(b"\0" * len(IMAGE)), bench.updater.fetch_ended(200, bench.now),
    )  # fmt: skip
    bench.run(1000)
    assert bench.states == ["downloading", "link_error", "link_error", "rejected"]
    assert bench.say("update/status")[-1]["code"] == "hash"
    assert bench.updater.version == "2.4.1"


def test_never_more_than_the_promised_size_is_written() -> None:
    bench = Bench()
    bench.serve = lambda offset: (  # type: ignore[method-assign]
        bench.updater.downloaded(IMAGE + b"more" * 10_000), bench.updater.fetch_ended(200, bench.now),
    )  # fmt: skip
    bench.run(3)
    assert len(bench.flash.bytes) == len(IMAGE)


@pytest.mark.parametrize("status", [401, 403, 410])
def test_an_expired_url_is_replaced_and_the_bytes_are_kept(status: int) -> None:
    bench = Bench()
    good = bench.serve
    answers = [status]

    def serve(offset: int) -> None:
        if answers and offset == 0:
            bench.updater.downloaded(IMAGE[:5000])
            bench.updater.fetch_ended(answers.pop(), bench.now)
        else:
            good(offset)

    bench.serve = serve  # type: ignore[method-assign]
    bench.run(200)
    assert bench.served == [5000]
    assert bench.updater.version == "2.5.0"


def test_a_busy_server_is_asked_again_when_it_said() -> None:
    bench = Bench()
    good, asked = bench.serve, []

    def serve(offset: int) -> None:
        asked.append(bench.now)
        bench.updater.fetch_ended(503, bench.now, retry_after_s=90) if len(asked) == 1 else good(offset)

    bench.serve = serve  # type: ignore[method-assign]
    bench.run(300)
    assert 90 <= asked[1] - asked[0] <= 92
    assert "link_error" not in bench.states


def test_a_wait_is_waited_for_and_a_no_is_taken_for_a_day() -> None:
    bench, request = staged()
    told = json.dumps({"v": 1, "nonce": request["nonce"], "verdict": "wait", "retry_after_s": 600, "reason": "window"})
    bench.updater.receive("update/response", told.encode(), bench.now)
    asked = len(bench.say("update/request"))
    bench.run(599)
    assert len(bench.say("update/request")) == asked
    bench.run(2)
    again = bench.say("update/request")[-1]
    assert again["nonce"] != request["nonce"]
    denied = json.dumps({"v": 1, "nonce": again["nonce"], "verdict": "deny"}).encode()
    bench.updater.receive("update/response", denied, bench.now)
    asked = len(bench.say("update/request"))
    bench.run(3600)
    assert len(bench.say("update/request")) == asked


def test_a_cancel_drops_what_has_not_begun_and_never_interrupts_an_install() -> None:
    cancel = json.dumps({"v": 1, "attempt": "a-1", "order": "cancel"}).encode()
    bench, request = staged()
    bench.updater.receive("update/cancel", cancel, bench.now)
    assert bench.flash.record.offer is None
    assert not bench.flash.bytes

    bench, request = staged()
    bench.updater.receive("update/grant", grant(request), bench.now)
    bench.updater.receive("update/cancel", cancel, bench.now)
    bench.updater.receive("update/desired", b"", bench.now)
    bench.run(100)
    assert bench.states[-1] == "done"


def test_a_revert_is_obeyed_until_the_confirm_and_ignored_after() -> None:
    revert = json.dumps({"v": 1, "attempt": "a-1", "order": "revert"}).encode()
    bench = Bench()
    while not bench.reboots:
        bench.step()
    bench.updater.receive("update/cancel", revert, bench.now)
    bench.run(5)
    assert (bench.updater.version, bench.say("update/status")[-1]["code"]) == ("2.4.1", "asked")

    bench = Bench()
    bench.run(200)
    bench.updater.receive("update/cancel", revert, bench.now)
    bench.run(5)
    assert bench.updater.version == "2.5.0"


def test_claims_are_repeated_after_a_reboot_until_they_are_acknowledged() -> None:
    bench = Bench()
    bench.claims_lost = True
    bench.run(100)
    assert [claim["state"] for claim in bench.flash.record.claims] == [
        "downloading", "staged", "installing", "rebooting", "done",
    ]  # fmt: skip
    bench.claims_lost = False
    bench.power_on()
    bench.step()
    assert bench.flash.record.claims == []
    assert bench.states[-5:] == ["downloading", "staged", "installing", "rebooting", "done"]


@settings(max_examples=60)
@given(
    st.sampled_from(["update/desired", "update/grant", "update/response", "update/cancel", "update/other"]),
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "v",
                            "attempt",
                            "manifest",
                            "signatures",
                            "grant",
                            "signed",
                            "nonce",
                            "verdict",
                            "order",
                            "url",
                        ]
                    ),
                    inner,
                    max_size=5,
                )
            ),
            max_leaves=8,
        ).map(lambda body: json.dumps(body).encode()),
    ),
)
def test_no_message_without_a_signature_installs_anything_or_stops_the_device(leaf: str, payload: bytes) -> None:
    bench, _ = staged()
    bench.updater.receive(leaf, payload, bench.now)
    assert not bench.updater._committed
    bench.step()
    assert bench.updater.version == "2.4.1"


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(STEPS_OF_A_GOOD_UPDATE), st.booleans(), st.integers(1, 90)), max_size=6))
def test_any_series_of_power_cuts_leaves_a_device_that_runs_and_a_counter_that_never_falls(
    cuts: list[tuple[Step, bool, int]],
) -> None:
    bench = Bench()
    highest = 10
    for step, before_write, seconds in cuts:
        bench.flash.mishaps.cut_at, bench.flash.mishaps.cut_before_write = step, before_write
        for _ in range(seconds):
            bench.step()
            running = bench.flash.running
            if running.confirmed:
                assert running.release_counter >= highest
                highest = max(highest, running.release_counter)
    bench.flash.mishaps.cut_at = None
    bench.run(400)
    assert bench.flash.running.confirmed
    assert bench.flash.running.release_counter >= bench.flash.record.floor


def test_an_inventory_that_is_too_old_is_sent_again_and_a_fresh_one_comes_every_day() -> None:
    bench = Bench()
    bench.answer = lambda request: bench.updater.receive(  # type: ignore[method-assign]
        "update/response",
        json.dumps(
            {"v": 1, "nonce": request["nonce"], "verdict": "wait", "reason": "inventory_stale", "retry_after_s": 300}
        ).encode(),
        bench.now,
    )
    bench.run(12)
    assert len(bench.say("update/reported")) >= 2
    assert len(bench.say("update/request")) >= 2, "it asks again at once, not after the 300 s of anybody else"
    bench = Bench()
    bench.offer = b""
    bench.power_on()
    before = len(bench.say("update/reported"))
    for _ in range(48):
        bench.step(3600)
    assert len(bench.say("update/reported")) - before in (2, 3)


@pytest.mark.parametrize("before_write", [True, False])
@pytest.mark.parametrize("step", [Step.REVERTING, Step.DROPPED])
def test_the_power_may_fail_on_the_way_back_too(step: Step, before_write: bool) -> None:
    bench = Bench(Mishaps(cut_at=step, cut_before_write=before_write, self_test_passes=False))
    bench.run(600)
    assert bench.flash.mishaps.cut_at is None, "the cut did happen"
    running = bench.flash.running
    assert (running.version, running.confirmed, bench.flash.record.trying) == ("2.4.1", True, None)
    assert bench.states[-1] == "reverted"
    assert bench.flash.record.floor == 0


@pytest.mark.parametrize("days", [-400, -5, 0, 5, 4000])
def test_a_wall_clock_that_is_wrong_by_days_changes_neither_a_start_nor_a_refusal(days: int) -> None:
    """The grant's instants are the gateway's; a device judges by the boot clock alone."""
    at = 1_795_478_400.0 + days * 86_400
    for late, begins in ((119.0, True), (121.0, False)):
        bench, request = staged()
        bench.updater.receive("update/grant", grant(request, issued_at=at, not_after=at + 120), bench.now + late)
        assert bench.updater._committed is begins
