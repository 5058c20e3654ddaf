"""What every `UpdateStore` must do. Subclass it in a test module and give it a `store` fixture:

class TestMemoryUpdateStore(UpdateStoreContract):
    @pytest.fixture
    def store(self): return MemoryUpdateStore()
"""

from dataclasses import replace
from datetime import UTC, date, datetime

from firmware_updates.attempt_row import Attempt, Cause, Consent, State
from firmware_updates.device import Release, Stock, UpdateDevice
from firmware_updates.entitlement import Entitlement, SecurityException
from firmware_updates.manifest import parse_manifest
from firmware_updates.messages import Channel, Component
from firmware_updates.policy import Policy
from firmware_updates.ports import AuditEntry, Outgoing
from firmware_updates.rollout import AbortMode, PauseReason, Rollout, RolloutState, Wave, WaveState
from firmware_updates.window_text import parse_windows

T0 = datetime(2026, 11, 21, 12, 0, tzinfo=UTC).timestamp()

DOCUMENT = b"""{"schema": 1, "product": "cam", "component": "firmware", "hw_ids": ["cam-a", "cam-b"],
"version": "2.5.0-rc.1", "release_counter": 7, "min_counter": 5, "class": "security", "cves": ["CVE-2026-12345"],
"from_versions": ">=2.0,<3", "depends": {"bootloader": ">=1"}, "conflicts": {"analytics": "<3"}, "size": 1000,
"sha256": "abababababababababababababababababababababababababababababababab", "chunk_size": 1000,
"chunks": ["abababababababababababababababababababababababababababababababab"],
"install": {"p95_s": 240, "reboot_s": 60}, "confirm_timeout_s": 600,
"notes": {"en": "\xe2\x80\x9cNew\xe2\x80\x9d", "id": "Baru"},
"created": "2026-11-01T00:00:00Z", "expires": "2027-11-01T00:00:00Z"}"""


def a_release(**changes):
    base = Release("rel-1", DOCUMENT, ("0123456789abcdef:AAAA",), parse_manifest(DOCUMENT), T0)
    return replace(base, **changes)


def a_device(device_id="cam-1", **changes):
    base = UpdateDevice(
        device_id=device_id,
        model="dome-2",
        hw_id="cam-a",
        site_id="shop",
        group="door",
        windows=parse_windows("Asia/Jakarta", "Sat,Sun 02:00-04:00 except 2026-12-26; 2026-12-01 22:00-06:00"),
        entitlement=Entitlement("Asia/Jakarta", date(2027, 1, 1), None),
        stock=Stock(T0, 12, 3, (("firmware", Component("2.4.1", 6, "ab" * 32)),), True, 5, 10_000, 88),
        counters=(("firmware", 6),),
        heard=((Channel.REPORTED, 12, 3), (Channel.STATUS, 12, 4)),
        desired_attempt="r1/cam-1/1",
    )
    return replace(base, **changes)


def an_attempt(attempt_id="r1/cam-1/1", **changes):
    rollout_id, device_id, number = attempt_id.split("/")
    base = Attempt(
        attempt_id=attempt_id, rollout_id=rollout_id, release_id="rel-1", device_id=device_id, site_id="shop",
        group="door", component="firmware", number=int(number), wave=1, state=State.PLANNED, since=T0,
        expires_at=T0 + 1000, target_version="2.5.0", target_counter=7, soak_s=3600.0, overdue_s=4320.0,
        deadline_at=T0 + 1000.25,
    )  # fmt: skip
    return replace(base, **changes)


def a_rollout(rollout_id="r1", **changes):
    base = Rollout(
        rollout_id=rollout_id,
        name="November \u2013 kamera",
        release_id="rel-1",
        component="firmware",
        author="ayu",
        created_at=T0,
        starts_at=T0,
        deadline_at=T0 + 1000,
        policy=Policy(k0=7, blackouts=(date(2026, 12, 25),), security=SecurityException(30), fractions=(0.1, 0.2)),
        targets=3,
        targets_sha256="00",
        waves=(Wave(WaveState.PASSED, T0 + 0.5), Wave()),
    )
    return replace(base, **changes)


class UpdateStoreContract:
    """Tests of `firmware_updates.ports.UpdateStore`; `store` is a fresh, empty one inside a transaction."""

    def test_what_is_not_there_is_none(self, store):
        assert store.device("cam-1") is None
        assert store.release("rel-1") is None
        assert store.rollout("r1") is None
        assert store.attempt("r1/cam-1/1") is None
        assert store.marked_at("x") is None
        assert list(store.live_attempts("cam-1")) == []
        assert list(store.attempts("r1")) == []
        assert list(store.rollouts()) == []
        assert list(store.releases()) == []
        assert list(store.due(T0 * 2, 10)) == []
        assert list(store.outbox(10)) == []
        assert list(store.audit("r1", 10)) == []
        assert store.meter("grants") == 0.0
        assert store.counts(()) == ()

    def test_many_devices_are_put_and_read_at_once(self, store):
        many = [a_device(f"cam-{n}") for n in range(1, 4)]
        store.put_devices([])
        store.put_devices([a_device(stock=None)])
        store.put_devices(many)
        found = store.devices(["cam-3", "nobody", "cam-1"])
        assert sorted(found, key=lambda one: one.device_id) == [many[0], many[2]]
        assert list(store.devices([])) == []

    def test_every_row_comes_back_equal_and_a_put_replaces_it(self, store):
        device, release, rollout, attempt = a_device(), a_release(), a_rollout(), an_attempt()
        for _ in range(2):
            store.put_device(device)
            store.put_release(release)
            store.put_rollout(rollout)
            store.put_attempt(attempt)
            assert store.device("cam-1") == device
            assert store.release("rel-1") == release
            assert store.rollout("r1") == rollout
            assert store.attempt("r1/cam-1/1") == attempt
            device = replace(device, stock=None, desired_attempt="", counters=(), entitlement=Entitlement("UTC"))
            release = replace(release, revoked_reason="bad \u2603")
            rollout = replace(
                rollout,
                state=RolloutState.PAUSED,
                pause_reason=PauseReason.HEALTH,
                abort_mode=AbortMode.REVERT,
                epoch=2,
            )
            attempt = replace(
                attempt, state=State.LOST, consent=Consent("siti", T0, "ab"), ticket=Cause.LOST, deadline_at=None,
                grant_id="g", score_epoch=2, not_after=T0 + 0.125,
            )  # fmt: skip

    def test_releases_are_listed_newest_first(self, store):
        for name, at in (("a", T0), ("c", T0 + 2), ("b", T0 + 1)):
            store.put_release(a_release(release_id=name, published_at=at))
        assert [one.release_id for one in store.releases()] == ["c", "b", "a"]

    def test_rollouts_are_found_by_state_oldest_first(self, store):
        for name, at, state in (
            ("r2", T0 + 1, RolloutState.RUNNING),
            ("r1", T0, RolloutState.DRAFT),
            ("r3", T0 + 2, RolloutState.RUNNING),
        ):
            store.put_rollout(a_rollout(name, created_at=at, state=state))
        assert [one.rollout_id for one in store.rollouts()] == ["r1", "r2", "r3"]
        assert [one.rollout_id for one in store.rollouts({RolloutState.RUNNING})] == ["r2", "r3"]
        store.put_rollout(a_rollout("r2", created_at=T0 + 1, state=RolloutState.HALTED))
        assert [one.rollout_id for one in store.rollouts({RolloutState.RUNNING, RolloutState.PAUSED})] == ["r3"]

    def test_the_attempts_of_a_rollout_are_found_by_state_and_wave_in_pages(self, store):
        for number in range(9):
            state = State.READY if number % 2 else State.PLANNED
            store.put_attempt(an_attempt(f"r1/cam-{number}/1", wave=number % 3, state=state))
        store.put_attempt(an_attempt("r2/cam-1/1"))
        found = [one.attempt_id for one in store.attempts("r1")]
        assert found == [f"r1/cam-{number}/1" for number in range(9)]
        assert [one.attempt_id for one in store.attempts("r1", limit=2, after="r1/cam-3/1")] == found[4:6]
        assert [one.attempt_id for one in store.attempts("r1", {State.READY})] == found[1::2]
        assert [one.attempt_id for one in store.attempts("r1", {State.READY}, [0])] == ["r1/cam-3/1"]
        assert list(store.attempts("r1", None, [])) == []
        assert list(store.attempts("r1", {State.READY}, limit=0)) == []

    def test_a_changed_row_is_found_by_what_it_is_now(self, store):
        store.put_attempt(an_attempt())
        store.put_attempt(an_attempt(state=State.READY, wave=2))
        assert list(store.attempts("r1", {State.PLANNED})) == []
        assert [one.wave for one in store.attempts("r1", {State.READY}, [2])] == [2]
        store.put_attempt(an_attempt(state=State.FAILED, current=False))
        assert list(store.attempts("r1")) == []
        assert store.attempt("r1/cam-1/1").state is State.FAILED

    def test_a_device_has_its_own_unfinished_and_lost_rows(self, store):
        store.put_attempt(an_attempt("r1/cam-1/1", state=State.FAILED, current=False))
        store.put_attempt(an_attempt("r1/cam-1/2", state=State.GRANTED))
        store.put_attempt(an_attempt("r0/cam-1/1", state=State.LOST))
        store.put_attempt(an_attempt("r1/cam-10/1", state=State.GRANTED))
        store.put_attempt(an_attempt("r2/cam-1/1", state=State.SUCCEEDED))
        assert [one.attempt_id for one in store.live_attempts("cam-1")] == ["r0/cam-1/1", "r1/cam-1/2"]
        store.put_attempt(an_attempt("r0/cam-1/1", state=State.SUCCEEDED))
        assert [one.attempt_id for one in store.live_attempts("cam-1")] == ["r1/cam-1/2"]

    def test_deadlines_come_up_earliest_first_and_move_with_their_row(self, store):
        for name, at in (("a", 30.0), ("b", 10.0), ("c", 20.0), ("d", 99.0)):
            store.put_attempt(an_attempt(f"r1/{name}/1", deadline_at=T0 + at))
        store.put_attempt(an_attempt("r1/e/1", deadline_at=None))
        assert [one.device_id for one in store.due(T0 + 30, 10)] == ["b", "c", "a"]
        assert [one.device_id for one in store.due(T0 + 30, 2)] == ["b", "c"]
        assert [one.device_id for one in store.due(T0 + 9, 2)] == []
        store.put_attempt(an_attempt("r1/b/1", deadline_at=T0 + 40))
        store.put_attempt(an_attempt("r1/c/1", deadline_at=None))
        assert [one.device_id for one in store.due(T0 + 30, 10)] == ["a"]
        store.put_attempt(an_attempt("r1/b/1", deadline_at=T0 + 10))
        assert [one.device_id for one in store.due(T0 + 30, 10)] == ["b", "a"]

    def test_counters_add_up(self, store):
        for key, delta in (("a", 1), ("b", 1), ("a", 1), ("a", -1), ("c", 5), ("b", -1)):
            store.add(key, delta)
        assert store.counts(("c", "a", "b", "never")) == (5, 1, 0, 0)

    def test_marks_keep_their_first_time_and_grow_old_by_prefix(self, store):
        store.mark("nonce:cam-1:x", T0)
        store.mark("nonce:cam-1:x", T0 + 9)
        store.mark("nonce:cam-1:y", T0 + 5)
        store.mark("ticket:cam-1", T0)
        store.mark("nonce%_", T0)
        assert store.marked_at("nonce:cam-1:x") == T0
        store.unmark_older("nonce:", T0 + 5)
        assert store.marked_at("nonce:cam-1:x") is None
        assert store.marked_at("nonce:cam-1:y") == T0 + 5
        assert store.marked_at("ticket:cam-1") == T0
        assert store.marked_at("nonce%_") == T0
        store.unmark("ticket:cam-1")
        store.unmark("ticket:cam-1")
        assert store.marked_at("ticket:cam-1") is None

    def test_a_meter_holds_its_last_value(self, store):
        store.put_meter("grants", T0 + 0.125)
        store.put_meter("grants", T0 + 0.25)
        assert store.meter("grants") == T0 + 0.25

    def test_what_the_health_gate_remembers_is_replaced_by_key_and_read_in_order(self, store):
        store.keep_health({"cam-2": "{}", "cam-1": "1", "*": "[]"})
        store.keep_health({"cam-2": '{"a":2}'})
        store.keep_health({})
        first = list(store.kept_health("", 2))
        assert first == [("*", "[]"), ("cam-1", "1")]
        assert list(store.kept_health("cam-1", 9)) == [("cam-2", '{"a":2}')]
        store.drop_health(["cam-1", "nobody"])
        store.drop_health([])
        assert [key for key, _ in store.kept_health("", 9)] == ["*", "cam-2"]

    def test_the_outbox_keeps_order_and_numbers_never_come_again(self, store):
        sent = [
            Outgoing("cam-1", Channel.DESIRED, b'{"v":1}', retain=True, attempt_id="r1/cam-1/1"),
            Outgoing("cam-2", Channel.DESIRED, b"", retain=True),
            Outgoing("cam-1", Channel.GRANT, "\u2603".encode(), once=True, expires_at=T0 + 0.5, grant_id="g1"),
        ]
        for message in sent:
            store.queue(message)
        numbers, messages = zip(*store.outbox(10), strict=True)
        assert list(messages) == sent
        assert list(numbers) == sorted(set(numbers))
        assert len(store.outbox(2)) == 2
        store.drop(numbers[1:])
        assert list(store.outbox(10)) == [(numbers[0], sent[0])]
        store.drop(numbers)
        store.drop([])
        store.queue(sent[0])
        assert store.outbox(10)[0][0] > numbers[-1]

    def test_the_audit_trail_is_read_newest_first(self, store):
        entries = [AuditEntry(T0 + n, "r1", f"r1/cam-{n}/1", f"cam-{n}", "ayu", "step", "d") for n in range(4)]
        for entry in entries:
            store.record(entry)
        store.record(replace(entries[0], rollout_id="r2"))
        store.record(replace(entries[0], rollout_id=""))
        assert list(store.audit("r1", 3)) == entries[:0:-1]
        assert len(store.audit("r2", 3)) == len(store.audit("", 3)) == 1
