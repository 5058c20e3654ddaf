"""The invariants of firmware updates, under every fault that a network, a clock, a power plug or a crash can bring.

A real `UpdateService` and its store, simulated cameras that do what firmware must do, and between them a network that
delays, drops, copies, reorders, replays and corrupts. The numbers I1..I17 are those of the package's README.
"""

import contextlib
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from firmware_updates.attempt_row import AT_RISK, FINAL, State
from firmware_updates.desk import NotPossible
from firmware_updates.entitlement import Entitlement
from firmware_updates.messages import BadMessage, Channel, Progress, Request, Want, parse_message, parse_terms
from firmware_updates.policy import Policy
from firmware_updates.rollout import AbortMode, Denied, RolloutState
from firmware_updates.tally import tally_keys
from firmware_updates.window import merged_intervals, occurrences
from tests.firmware_updates.factories import windows
from tests.firmware_updates.fleet import Camera, World
from tests.firmware_updates.probes import probe_claims, probe_ends, probe_guards, twin

START = datetime(2026, 10, 24, 12, 0, tzinfo=UTC).timestamp()  # the next night the clocks of Europe go back
LAST_DAY = date(2026, 10, 25)
SCHEDULES = (
    ("Europe/Rome", "daily 01:00-04:00"),
    ("Europe/Rome", "daily 02:30-03:00; Mon,Tue,Sun 22:00-23:30"),
    ("Asia/Jakarta", "daily 00:00-00:00"),
    ("America/St_Johns", "Sat,Sun,Mon 13:00-17:30"),
    ("Australia/Lord_Howe", "daily 01:30-02:30 except 2026-10-26"),
    ("UTC", "daily 12:00-20:00"),
)
POLICY = Policy(
    k0=2, canary_soak_s=3600.0, fractions=(0.4,), control=0.2, wave_soak_s=600.0, wave_patience_s=6 * 3600.0,
    site_cap=1, downloads_per_site=1, grants_per_hour=600, stop_alpha=1e-4, blackouts=(date(2026, 10, 27),),
)  # fmt: skip
FATES = ("good", "good", "good", "silent", "revert", "fail", "no_boot")
DAYS = 4
PROBES = 3  # grants of one course at which every guard is asked alone


class Rig(World):
    """A world whose network holds messages back and that checks every grant when it is written."""

    def __init__(self, fates):
        self.up_queue, self.down_queue, self.history = [], [], []
        self.holding = False
        self.issued = []
        self.final = {}
        self.probes = PROBES
        cameras = [Camera(f"cam-{index}", fate) for index, fate in enumerate(fates)]
        super().__init__(
            cameras,
            POLICY,
            START,
            zone_windows=lambda i: windows(*SCHEDULES[i % len(SCHEDULES)]),
            per_site=2,
            group="door",
        )
        for name in ("cam-4", "cam-5"):  # one site where only the site's own cap parts them
            self.store.put_device(replace(self.store.device(name), group=""))
        ending = self.store.device("cam-2")
        self.store.put_device(replace(ending, entitlement=Entitlement("Asia/Jakarta", LAST_DAY)))
        self.start(days=DAYS)

    def listen(self):
        for camera in self.cameras.values():
            while camera.sent:
                self.up_queue.append((camera.device_id, camera.sent.pop(0)))
        if not self.holding:
            while self.up_queue:
                self.up(*self.up_queue.pop(0))

    def up(self, device_id, message):
        before, asks = dict(self.store._attempts), isinstance(message, Request) and message.want is Want.GRANT
        store, issued = twin(self.store) if asks and self.probes else None, len(self.issued)
        super().up(device_id, message)
        for key, row in self.store._attempts.items():
            assert before.get(key) is row or row.device_id == device_id, "I13"
        if store is not None and len(self.issued) > issued:
            self.probes -= 1
            probe_guards(self.service, store, device_id, message, self.now)
            probe_claims(self.service, self.store, message.attempt, self.now)
            probe_ends(self.service, self.store, message.attempt, self.now)

    def take(self, done):
        super().take(done)
        for message in done.messages:
            assert not (message.retain and message.channel is not Channel.DESIRED), "I12"
            if message.channel is Channel.GRANT:
                self.check_grant(parse_terms(parse_message(Channel.GRANT, message.payload).grant.encode()))

    def check_grant(self, terms):
        device, row = self.store.device(terms.device_id), self.row(terms.device_id)
        release = self.store.release(row.release_id)
        now, until = (datetime.fromtimestamp(at, UTC) for at in (self.now, terms.not_after))
        day = now.date()
        spans = merged_intervals(
            each
            for window in device.windows
            for each in occurrences(window, day - timedelta(days=3), day + timedelta(days=3))
        )
        fit = timedelta(seconds=release.manifest.fit_s)
        assert any(one.opens <= now < until <= one.closes - fit for one in spans), "I1"
        assert terms.not_after == pytest.approx(self.now + terms.valid_for_s)
        rollout = self.store.rollout("r1")
        rows = [each for each in self.store._attempts.values() if each.rollout_id == "r1"]
        at_risk = sum(each.at_risk for each in rows)
        bad = sum(each.bad and not each.at_risk and each.score_epoch == rollout.epoch for each in rows)
        mature = sum(each.mature and each.score_epoch == rollout.epoch for each in rows)
        assert at_risk + bad <= POLICY.k0 + POLICY.per_success * mature, "I4"
        if device.entitlement.support_until:
            assert terms.not_after <= datetime(2026, 10, 25, 17, tzinfo=UTC).timestamp(), "I6"
        assert not POLICY.consent_required or row.consent, "I11"
        assert terms.grant_id not in self.issued, "I16"
        self.issued.append(terms.grant_id)

    def publish(self, message):
        rollout = self.store.rollout("r1")
        if message.channel is Channel.GRANT:
            assert rollout.state is RolloutState.RUNNING, "I5"
            assert message.grant_id not in self.grants, "I16"
        self.history.append(message)
        if self.holding:
            self.published.append(message)
            if message.retain:
                self.retained[message.device_id] = message
            if message.channel is Channel.GRANT:
                self.grants.append(message.grant_id)
            self.down_queue.append(message)
        else:
            super().publish(message)

    def down(self, message):
        self.cameras[message.device_id].hear(message.channel, message.payload, self.now)

    def release_all(self):
        self.holding = False
        for message in self.down_queue:
            self.down(message)
        self.down_queue = []
        self.listen()


def corrupt(payload, chance):
    changed = bytearray(payload or b"{}")
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed[: chance.randrange(1, len(changed) + 1)]) if chance.random() < 0.3 else bytes(changed)


class Invariants(RuleBasedStateMachine):
    @initialize(fates=st.lists(st.sampled_from(FATES), min_size=6, max_size=8))
    def begin(self, fates):
        self.rig = Rig(fates)

    # --- time and network ---
    @rule(hours=st.sampled_from([1, 2, 6]))
    def all_is_well(self, hours):
        self.rig.release_all()
        self.rig.run(hours * 60, step=2)

    @rule(minutes=st.integers(10, 90), seed=st.integers(0, 2**32))
    def the_network_is_rough(self, minutes, seed):
        rig, chance = self.rig, random.Random(seed)
        rig.holding = True
        for _ in range(minutes):
            rig.run(1)
            for queue, deliver in ((rig.up_queue, lambda item: rig.up(*item)), (rig.down_queue, rig.down)):
                waiting = list(queue)
                queue.clear()
                chance.shuffle(waiting)
                for item in waiting:
                    fate = chance.random()
                    if fate < 0.4:
                        deliver(item)
                    if 0.3 < fate < 0.9:  # some of these are copies
                        queue.append(item)

    @rule(seed=st.integers(0, 2**32))
    def the_broker_replays(self, seed):
        chance = random.Random(seed)
        for message in chance.sample(self.rig.history, min(4, len(self.rig.history))):
            self.rig.down(message)
        self.rig.listen()

    @rule(seed=st.integers(0, 2**32))
    def bytes_are_corrupted(self, seed):
        chance, rig = random.Random(seed), self.rig
        for message in chance.sample(rig.history, min(4, len(rig.history))):
            with contextlib.suppress(ValueError):  # firmware drops what it cannot read
                rig.down(replace(message, payload=corrupt(message.payload, chance)))
        camera = chance.choice(list(rig.cameras.values()))
        with contextlib.suppress(BadMessage):
            rig.take(rig.service.handle(rig.store, camera.device_id, "update/status", chance.randbytes(40), rig.now))

    @rule(index=st.integers(0, 5))
    def the_power_is_cut(self, index):
        camera = self.rig.cameras[f"cam-{index}"]
        if not camera.away_until:
            camera.cut_power(self.rig.now)
            self.rig.listen()

    @rule(index=st.integers(0, 5), hours=st.sampled_from([1, 3, 12]))
    def a_device_is_unplugged(self, index, hours):
        self.rig.unplug(self.rig.cameras[f"cam-{index}"], hours)

    @rule(index=st.integers(0, 5))
    def a_device_is_unplugged_while_it_reboots(self, index):
        camera = self.rig.cameras[f"cam-{index}"]
        for _ in range(60):
            if camera.phase == "rebooting":
                self.rig.unplug(camera, 4)
                return
            self.rig.run(2)

    @rule()
    def devices_connect_again(self):
        self.rig.refresh_inventories()

    @rule(seed=st.integers(0, 2**32))
    def the_gateway_crashes_while_it_publishes(self, seed):
        rig, chance = self.rig, random.Random(seed)
        for number, message in rig.service.claim(rig.store, rig.now):
            if chance.random() < 0.5:
                rig.publish(message)
                rig.service.published(rig.store, [number])

    @rule(index=st.integers(0, 5), seq=st.integers(0, 3))
    def a_device_repeats_old_progress(self, index, seq):
        row = self.rig.row(f"cam-{index}")
        self.rig.up(row.device_id, Progress(boot=1, seq=seq, attempt=row.attempt_id, bytes=1))

    # --- people ---
    @rule()
    def somebody_pauses(self):
        rig = self.rig
        try:
            rig.service.pause(rig.store, "ayu", "r1", "", rig.now)
        except Denied:
            return
        before = len(rig.grants)
        rig.run(30)
        assert len(rig.grants) == before, "I5"

    @rule(minutes=st.integers(5, 60))
    def somebody_pauses_while_grants_wait_to_be_published(self, minutes):
        rig = self.rig
        rig.release_all()
        for _ in range(minutes):
            rig.now += 60
            rig.take(rig.service.tick(rig.store, rig.now))
            for camera in rig.cameras.values():
                camera.step(rig.now)
            rig.listen()
            if any(message.channel is Channel.GRANT for _, message in rig.store.outbox(50)):
                break
            rig.pump()
        self.somebody_pauses()

    @rule()
    def a_second_person_resumes(self):
        with contextlib.suppress(Denied):
            self.rig.service.resume(self.rig.store, "budi", "r1", self.rig.now)

    @rule(index=st.integers(0, 5))
    def staff_tries_again(self, index):
        rig = self.rig
        with contextlib.suppress(NotPossible):
            rig.service.retry(rig.store, "budi", rig.row(f"cam-{index}").attempt_id, rig.now)

    @rule(index=st.integers(0, 5))
    def a_rule_fires(self, index):
        self.rig.take(self.rig.service.fault(self.rig.store, f"cam-{index}", "FPS_LOW", self.rig.now))

    @precondition(lambda self: self.rig.now > START + 86_400)
    @rule(mode=st.sampled_from(AbortMode))
    def somebody_aborts(self, mode):
        with contextlib.suppress(Denied):
            self.rig.take(self.rig.service.abort(self.rig.store, "ayu", "r1", mode, "", self.rig.now))

    # --- what always holds ---
    @invariant()
    def nothing_is_broken(self):
        if hasattr(self, "rig"):
            check(self.rig)

    def teardown(self):
        if hasattr(self, "rig"):
            finish(self.rig)


def check(rig):
    rows = list(rig.store._attempts.values())
    for camera in rig.cameras.values():
        for started_at, terms in camera.starts:
            assert started_at <= terms.not_after, "I2"
        assert camera.running in (("2.4.1", 6), ("2.5.0", 7)), "I8"
        confirmed = [counter for counter, was_confirmed in camera.installed if was_confirmed]
        assert camera.running[1] >= max(confirmed, default=0), "I7"
    sites = Counter(row.site_id for row in rows if row.at_risk)
    assert all(count <= POLICY.site_cap for count in sites.values()), "I3"
    for row in rows:
        if row.attempt_id in rig.final:
            assert row.state is rig.final[row.attempt_id], f"I9 {row}"
        if row.final and row.state is not State.LOST:
            rig.final[row.attempt_id] = row.state
        if row.state is State.SUCCEEDED and row.counted:
            assert row.reported_at, "I10"
            assert row.confirmed_at, "I10"
            assert row.since >= row.reported_at + row.soak_s, "I10"
    counted = Counter(key for row in rows for key in tally_keys(row))
    stored = {key: count for key, count in rig.store._counters.items() if count}
    assert stored == dict(counted), "I14"
    by_state = rig.store.counts([f"r:r1:state:{state.value}" for state in State])
    assert sum(by_state) == rig.store.rollout("r1").targets, "I14"
    tickets = {key for key, count in rig.tickets.items() if count}
    marks = {key for key in rig.store._marks if key.startswith("ticket:")}
    assert len(tickets) == len(marks), "I17"
    for device_id, rollout_id, cause in tickets:
        assert f"ticket:{device_id}:{rollout_id}:{cause.value}" in marks, "I17"


def finish(rig):
    """Fair connectivity from here: everything ends by the deadline and 90 minutes, and every slot is free again."""
    rig.release_all()
    end = START + DAYS * 86_400 + 95 * 60
    while rig.now < end:
        rig.run(60, step=6)
        if int((rig.now - START) // 3600) % 12 == 0:
            rig.refresh_inventories()
    check(rig)
    rows = list(rig.store._attempts.values())
    assert all(row.state in FINAL for row in rows), [row for row in rows if row.state not in FINAL]
    assert not any(row.state in AT_RISK for row in rows)
    busy = {key: n for key, n in rig.store._counters.items() if n and key.startswith(("risk:", "load"))}
    assert busy == {}
    for device_id, camera in rig.cameras.items():
        ours = [row for row in rows if row.device_id == device_id]
        if any(row.state is State.SUCCEEDED for row in ours):
            assert camera.running == ("2.5.0", 7), "I10"
            assert not any(key[0] == device_id and count for key, count in rig.tickets.items()), "I17"


Invariants.TestCase.settings = settings(
    max_examples=8, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)
)
TestInvariants = Invariants.TestCase


@pytest.mark.torture
class TestInvariantsLong(Invariants.TestCase):
    settings = settings(max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
