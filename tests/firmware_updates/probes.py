"""What would have happened otherwise: at each grant of a run, the same request meets each guard alone, on a twin.

A random course rarely reaches the moment in which one guard, and no other, must say no. So each grant that is given is
asked for again with exactly one thing changed; and what follows a grant is played to its ends on twins.
"""

import math
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest

from firmware_updates.attempt_row import Cause, State
from firmware_updates.device import Release
from firmware_updates.entitlement import Entitlement
from firmware_updates.inbox import BURST_S
from firmware_updates.memory import MemoryUpdateStore
from firmware_updates.messages import (
    BadMessage,
    Channel,
    Component,
    Job,
    Phase,
    Reported,
    Slot,
    Status,
    Verdict,
    encode_message,
    parse_message,
    parse_terms,
)
from firmware_updates.refusal import Refusal
from firmware_updates.rollout import AbortMode, Denied, PauseReason, RolloutState, WaveState
from firmware_updates.tally import exposure_keys
from firmware_updates.window import local_date_at
from firmware_updates.work import nonce_key, quarantine_key
from tests.firmware_updates.factories import release, windows

MIN, HOUR = 60.0, 3600.0


def twin(store):
    """A store of its own with the same rows."""
    other = MemoryUpdateStore()
    for name in ("_devices", "_releases", "_rollouts", "_attempts", "_marks", "_meters", "_outbox"):
        getattr(other, name).update(getattr(store, name))
    other._counters.update(store._counters)
    other._due = list(store._due)
    for name in ("_by_device", "_by_state"):
        getattr(other, name).update({key: list(rows) for key, rows in getattr(store, name).items()})
    other._numbers = count(max(store._outbox, default=0) + 1000)
    other._audit = defaultdict(list)
    return other


class Case:
    """One request for a grant, with the rows it meets."""

    def __init__(self, service, store, request, device_id, now):
        self.service, self.store, self.now = service, twin(store), now
        self.device_id, self.request = device_id, request
        self.attempt = self.store.attempt(request.attempt)
        self.device = self.store.device(device_id)
        self.rollout = self.store.rollout(self.attempt.rollout_id)
        self.release = self.store.release(self.attempt.release_id)
        self.own = int(self.attempt.at_risk)  # an older grant of its own, which the request voids

    def put(self, **changes):
        """Change the device."""
        self.store.put_device(replace(self.device, **changes))

    def stock(self, **changes):
        self.put(stock=replace(self.device.stock, **changes))

    def policy(self, **changes):
        self.store.put_rollout(replace(self.rollout, policy=replace(self.rollout.policy, **changes)))

    def manifest(self, **changes):
        self.store.put_release(replace(self.release, manifest=replace(self.release.manifest, **changes)))

    def wave(self, state):
        waves = list(self.rollout.waves)
        waves[self.attempt.wave] = replace(waves[self.attempt.wave], state=state)
        self.store.put_rollout(replace(self.rollout, waves=tuple(waves)))

    def minutes(self, since, until):
        """A window in UTC from so many minutes before or after this minute."""
        minute = datetime.fromtimestamp(self.now, UTC).replace(second=0)
        opens, closes = (minute + timedelta(minutes=each) for each in (since, until))
        self.put(windows=windows("UTC", f"daily {opens:%H:%M}-{closes:%H:%M}"))

    def room(self):
        at_risk, bad, _, mature = self.store.counts(exposure_keys(self.rollout.rollout_id, self.rollout.epoch))
        policy = self.rollout.policy
        return policy.k0 + policy.per_success * mature - at_risk + self.own - bad

    def risk(self, key, number):
        """Let so many others be at risk there."""
        (have,) = self.store.counts((key,))
        self.store.add(key, number + self.own - have)

    def ask(self):
        """Whether it was granted, and the reasons if not."""
        payload = encode_message(self.request)
        done = self.service.handle(self.store, self.device_id, "update/request", payload, self.now)
        granted = [message for message in done.messages if message.channel is Channel.GRANT]
        for message in granted:
            self.terms = parse_terms(parse_message(Channel.GRANT, message.payload).grant.encode())
        answers = [
            parse_message(Channel.RESPONSE, message.payload)
            for message in done.messages
            if message.channel is Channel.RESPONSE
        ]
        said = {answer.reason for answer in answers if answer.verdict is not Verdict.URL}
        return bool(granted), said | set(self.store.attempt(self.request.attempt).reason.split(","))


R = Refusal
ALONE = [  # each alone is enough for a no
    (R.WINDOW_CLOSED, lambda c: c.minutes(120, 300)),
    (R.WINDOW_CLOSED, lambda c: c.minutes(-300, -120)),
    (R.WINDOW_TOO_SHORT, lambda c: c.minutes(-300, 10)),  # 600 s or less are left; the install needs 600 and 30
    (R.NO_WINDOW, lambda c: c.put(windows=())),
    (R.BLACKOUT_DATE, lambda c: c.policy(blackouts=(local_date_at(c.device.windows[0].zone, c.now),))),
    (R.SUPPORT_ENDED, lambda c: c.put(entitlement=Entitlement("UTC", date(2026, 10, 20)))),
    (R.MANIFEST_EXPIRED, lambda c: c.manifest(expires_at=c.now)),
    (R.MANIFEST_EXPIRED, lambda c: c.manifest(expires_at=c.now + 29)),
    (R.RELEASE_REVOKED, lambda c: c.store.put_release(replace(c.release, revoked_reason="bad"))),
    (R.KEY_NOT_TRUSTED, lambda c: c.store.put_release(replace(c.release, signatures=()))),
    (R.DOWNGRADE, lambda c: c.stock(counter_floor=8)),
    (R.DOWNGRADE, lambda c: c.put(counters=(("firmware", 7),))),
    (R.HARDWARE, lambda c: c.put(hw_id="cam-z")),
    (R.FROM_VERSION, lambda c: c.stock(components=(("firmware", Component("1.0.0", 6)),))),
    (R.DEPENDS, lambda c: c.manifest(depends=release(depends='{"bootloader": ">=9.0"}').manifest.depends)),
    (R.CONFLICTS, lambda c: c.manifest(conflicts=release(conflicts='{"bootloader": ">=1.0"}').manifest.conflicts)),
    (R.SPACE, lambda c: c.stock(free_bytes=1999)),
    (R.NO_INVENTORY, lambda c: c.put(stock=None)),
    (R.INVENTORY_STALE, lambda c: c.stock(received_at=c.now - 86_401)),
    (R.QUARANTINED, lambda c: c.store.mark(quarantine_key(c.device_id, c.release.release_id), c.now)),
    (R.DEVICE_AT_RISK, lambda c: c.risk(f"risk:device:{c.device_id}", 1)),
    (R.SITE_CAP, lambda c: c.risk(f"risk:site:{c.device.site_id}", c.rollout.policy.site_cap)),
    (R.GROUP_CAP, lambda c: (c.put(group="gate"), c.store.add(f"risk:group:{c.device.site_id}:gate", 1))),
    (R.RATE, lambda c: c.store.put_meter("grants", c.now + BURST_S + 1)),
    (R.BUDGET, lambda c: c.store.add(exposure_keys("r1", c.rollout.epoch)[0], c.room())),
    (R.BUDGET, lambda c: c.store.add(exposure_keys("r1", c.rollout.epoch)[1], c.room())),
    (R.CONSENT, lambda c: c.policy(consent_required=True)),
    (R.POSTPONED, lambda c: c.store.put_attempt(replace(c.attempt, postponed_until=c.now + 1))),
    (R.CRITICAL_TICKET, lambda c: c.put(open_critical=True)),
    (R.DEVICE_BUSY, lambda c: setattr(c, "request", replace(c.request, busy="recording"))),
    (R.LOW_BATTERY, lambda c: setattr(c, "request", replace(c.request, battery_pct=29))),
    (R.NONCE_USED, lambda c: c.store.mark(nonce_key(c.device_id, c.request.nonce), c.now)),
    (R.ROLLOUT_NOT_RUNNING, lambda c: c.store.put_rollout(replace(c.rollout, state=RolloutState.PAUSED))),
    (R.ROLLOUT_NOT_RUNNING, lambda c: c.store.put_rollout(replace(c.rollout, state=RolloutState.HALTED))),
    (R.WAVE_NOT_OPEN, lambda c: c.wave(WaveState.PENDING)),
    (R.WAVE_NOT_OPEN, lambda c: c.wave(WaveState.FAILED)),
]
STILL_FINE = [  # the last value on the good side of each bound
    lambda c: None,
    lambda c: c.minutes(0, 12),
    lambda c: c.manifest(expires_at=c.now + 31),
    lambda c: c.stock(counter_floor=7, free_bytes=2000),
    lambda c: c.stock(received_at=c.now - 86_400),
    lambda c: c.put(counters=(("firmware", 6),)),
    lambda c: c.risk(f"risk:site:{c.device.site_id}", c.rollout.policy.site_cap - 1),
    lambda c: c.store.put_meter("grants", c.now + BURST_S),
    lambda c: c.store.add(exposure_keys("r1", c.rollout.epoch)[1], c.room() - 1),
    lambda c: c.store.put_attempt(replace(c.attempt, postponed_until=c.now)),
    lambda c: setattr(c, "request", replace(c.request, battery_pct=30)),
    lambda c: c.wave(WaveState.PASSED),
]


def probe_guards(service, before, device_id, request, now):
    """Each guard alone refuses by its name; on the good side of each bound it is still granted."""
    for refusal, change in ALONE:
        case = Case(service, before, request, device_id, now)
        change(case)
        granted, reasons = case.ask()
        assert not granted, f"{refusal} alone did not hold it back"
        assert refusal.value in reasons, f"{refusal} is not named: {reasons}"
    for number, change in enumerate(STILL_FINE):
        case = Case(service, before, request, device_id, now)
        change(case)
        granted, reasons = case.ask()
        assert granted, f"bound {number}: {reasons}"
        (at_risk,) = case.store.counts((f"risk:device:{device_id}",))
        assert at_risk == 1
    case = Case(service, before, request, device_id, now)
    case.minutes(-60, 13)
    assert case.ask()[0]
    assert case.store.marked_at(nonce_key(device_id, request.nonce)) == now, "a nonce is good for one grant"
    assert case.store.meter("grants") >= now + HOUR / case.rollout.policy.grants_per_hour, "the rate is counted"
    closes = now // MIN * MIN + 13 * MIN
    assert case.terms.not_after <= closes - case.release.manifest.fit_s, "I1: it could not finish"
    assert case.terms.not_after == pytest.approx(now + case.terms.valid_for_s)


class Play:
    """A granted attempt on a twin, and what its device may say next."""

    def __init__(self, service, store, attempt_id, now):
        self.service, self.store, self.now = service, twin(store), now
        self.attempt_id = attempt_id
        first = self.row
        self.device_id, self.boot, self.grant = first.device_id, first.boot, first.grant_id
        for key in [key for key in self.store._marks if key.startswith(f"ticket:{self.device_id}:")]:
            self.store.unmark(key)  # of an earlier attempt: the play is about its own
        self.seq = 10_000
        self.tickets = []

    @property
    def row(self):
        return self.store.attempt(self.attempt_id)

    def take(self, done):
        self.tickets += [edit for edit in done.tickets if edit.device_id == self.device_id]
        return done

    def send(self, kind, device_id=None, **values):
        self.seq += 1
        channel = {Reported: "update/reported", Status: "update/status"}[kind]
        payload = encode_message(kind(boot=self.boot, seq=self.seq, **values))
        return self.take(self.service.handle(self.store, device_id or self.device_id, channel, payload, self.now))

    def claim(self, phase, code="none"):
        return self.send(Status, attempt=self.attempt_id, state=phase, grant_id=self.grant, code=code)

    def report(self, version="2.5.0", counter=7, *, confirmed=False, state=Phase.REBOOTING):
        components = {"firmware": Component(version, counter), "bootloader": Component("1.3.0", 2)}
        job = Job(self.grant, state)
        return self.send(Reported, components=components, slot=Slot("b", confirmed), counter_floor=5, last_job=job)

    def wait(self, seconds, *, heard=True):
        self.now += seconds
        if heard:
            self.take(self.service.seen(self.store, self.device_id, self.now))
        return self.take(self.service.tick(self.store, self.now))

    def risk(self, key, number):
        """Let a counter stand there."""
        (have,) = self.store.counts((key,))
        self.store.add(key, number - have)

    def claimed_grants(self):
        return [one for _, one in self.service.claim(self.store, self.now) if one.grant_id == self.grant]


def probe_claims(service, store, attempt_id, now):
    """A grant leaves once, and not at all after a pause, a stop, a failed wave, a revoked release or its time."""

    def held_back(change):
        play = Play(service, store, attempt_id, now)
        change(play)
        assert play.claimed_grants() == [], "I5"
        row = play.row
        assert not row.at_risk, "what never left is no risk"
        assert row.installs == store.attempt(attempt_id).installs - 1

    def rollout(play, **changes):
        play.store.put_rollout(replace(play.store.rollout("r1"), **changes))

    def revoked(play):
        known: Release = play.store.release(play.row.release_id)
        play.store.put_release(replace(known, revoked_reason="bad"))

    def failed(play):
        waves = tuple(replace(wave, state=WaveState.FAILED) for wave in play.store.rollout("r1").waves)
        rollout(play, waves=waves)

    held_back(lambda play: play.service.pause(play.store, "ayu", "r1", "", play.now))
    held_back(lambda play: rollout(play, state=RolloutState.HALTED))
    held_back(failed)
    held_back(revoked)
    held_back(lambda play: setattr(play, "now", play.now + 300))
    play = Play(service, store, attempt_id, now)
    assert len(play.claimed_grants()) == 1
    assert play.claimed_grants() == [], "I16: handed out once"


def probe_ends(service, store, attempt_id, now):
    """The ends of a granted attempt: only what the device reports after a new boot decides."""
    _ends_well(Play(service, store, attempt_id, now))
    _lost_and_found(Play(service, store, attempt_id, now))
    _lost_and_gone_back(Play(service, store, attempt_id, now))
    _cancelled_before_it_began(Play(service, store, attempt_id, now))
    _goes_back(Play(service, store, attempt_id, now))
    _stays_at_risk(Play(service, store, attempt_id, now))
    _unhealthy(Play(service, store, attempt_id, now))
    _fails_twice(Play(service, store, attempt_id, now))
    _fails_for_good(Play(service, store, attempt_id, now))
    _soaks_in_silence(Play(service, store, attempt_id, now))
    _forgets_its_grant(Play(service, store, attempt_id, now))
    _never_gets_the_image(Play(service, store, attempt_id, now))
    _stops(service, store, attempt_id, now)


def _ends_well(play):
    soak_s = play.row.soak_s
    play.claim(Phase.INSTALLING)
    play.wait(MIN)
    play.report(state=Phase.INSTALLING)  # the target, but in the boot that asked: no proof
    assert play.row.state is State.INSTALLING, "I10: a new boot is needed"
    play.boot += 1
    play.report()
    assert play.row.state is State.PROBATION
    for _ in range(3):
        play.wait(60 * MIN)
        assert play.row.state is not State.SUCCEEDED, "I10: not confirmed"
    begun = play.row.reported_at
    play.report(confirmed=True, state=Phase.DONE)
    play.now = max(play.now, begun + soak_s - MIN)
    if play.now < begun + soak_s:
        play.wait(0)
        assert play.row.state is State.PROBATION, "I10: not soaked"
    play.wait(max(MIN, begun + soak_s - play.now))
    assert play.row.state is State.SUCCEEDED
    assert play.row.mature
    assert not any(play.store.counts((f"risk:device:{play.device_id}",)))
    before = play.row
    play.claim(Phase.FAILED, "flash_write")
    play.boot += 1
    play.report("2.4.1", 6, confirmed=True)
    assert play.row.state is before.state, "I9"


def _lost_and_found(play):
    play.claim(Phase.INSTALLING)
    play.wait(72 * MIN - 1, heard=False)
    assert not play.row.overdue
    play.wait(1, heard=False)
    assert play.row.overdue
    assert play.row.bad, "an overdue one counts as bad"
    play.wait(18 * MIN - 1, heard=False)
    assert play.row.state is State.INSTALLING
    play.wait(1, heard=False)
    assert play.row.state is State.LOST
    assert [(edit.cause, edit.open, edit.urgent) for edit in play.tickets] == [(Cause.LOST, True, True)], "I17"
    play.wait(HOUR, heard=False)
    assert len(play.tickets) == 1
    assert play.row.state is State.LOST
    play.boot += 1
    play.report(confirmed=True, state=Phase.DONE)
    assert play.row.state is State.LOST, "I10: late evidence soaks too"
    play.wait(play.row.soak_s)
    assert (play.row.state, play.row.late) == (State.SUCCEEDED, True)
    assert [edit.open for edit in play.tickets] == [True, False], "I17"


def _lost_and_gone_back(play):
    play.claim(Phase.INSTALLING)
    play.wait(90 * MIN, heard=False)
    play.boot += 1
    play.report("2.4.1", 6, confirmed=True, state=Phase.REVERTED)
    assert (play.row.state, play.row.late) == (State.ROLLED_BACK, True)
    told = [(edit.cause, edit.open) for edit in play.tickets]
    assert told == [(Cause.LOST, True), (Cause.LOST, False), (Cause.ROLLED_BACK, True)], "I17"


def _cancelled_before_it_began(play):
    play.take(play.service.abort(play.store, "ayu", "r1", AbortMode.REVERT, "", play.now))
    assert play.row.state is State.GRANTED, "it may have begun"
    play.claim(Phase.NOT_STARTED, "late")
    assert play.row.state is State.CANCELED
    assert not play.store.device(play.device_id).desired_attempt


def _goes_back(play):
    play.claim(Phase.INSTALLING)
    play.claim(Phase.REBOOTING)
    assert play.row.state is State.REBOOTING
    play.boot += 1
    play.report("2.4.1", 6, confirmed=True, state=Phase.REVERTED)
    assert play.row.state is State.ROLLED_BACK
    assert play.row.bad
    assert play.store.marked_at(quarantine_key(play.device_id, play.row.release_id)) is not None
    assert [(edit.cause, edit.open) for edit in play.tickets] == [(Cause.ROLLED_BACK, True)]
    assert not any(play.store.counts((f"risk:device:{play.device_id}",)))


def _stays_at_risk(play):
    """A wrong grant, another device, a copy, a cancel: none of them moves an install that has begun."""
    play.send(Status, attempt=play.attempt_id, state=Phase.INSTALLING, grant_id="r1/other/g9", code="none")
    assert play.row.state is State.GRANTED
    play.claim(Phase.INSTALLING)
    row = play.row
    other = next(one for one in play.store._devices if one != play.device_id)
    with pytest.raises(BadMessage):
        play.send(Status, other, attempt=play.attempt_id, state=Phase.FAILED, grant_id=play.grant, code="none")
    assert play.row == row, "I13"
    payload = encode_message(Status(play.boot, play.seq - 3, play.attempt_id, Phase.NOT_STARTED, play.grant, "late"))
    play.take(play.service.handle(play.store, play.device_id, "update/status", payload, play.now))
    assert play.row == row, "I15: older than what was heard"
    done = play.take(play.service.abort(play.store, "ayu", "r1", AbortMode.KEEP, "", play.now))
    assert play.row.state is State.INSTALLING, "a write is never interrupted"
    assert not [one for one in done.messages if one.device_id == play.device_id]
    assert play.row.cancel_asked
    play.wait(5 * HOUR)
    assert play.row.overdue
    play.wait(HOUR)
    assert play.row.state is State.LOST, "contact alone is no proof"


def _unhealthy(play):
    play.claim(Phase.INSTALLING)
    play.take(play.service.fault(play.store, play.device_id, "FPS_LOW", play.now))
    assert play.row.state is State.INSTALLING, "expected while it installs"
    assert play.service.expectation(play.store, play.device_id).reboots == 1
    play.boot += 1
    play.report()
    done = play.take(play.service.fault(play.store, play.device_id, "FPS_LOW", play.now))
    assert play.row.state is State.FAILED
    assert Channel.CANCEL in {one.channel for one in done.messages}, "the unconfirmed image is asked to go back"
    assert [(edit.cause, edit.open) for edit in play.tickets] == [(Cause.UNHEALTHY, True)]
    assert play.row.deadline_at is None, "never tried again by itself"


def _fails_for_good(play):
    play.store.put_attempt(replace(play.row, installs=2))
    play.claim(Phase.INSTALLING)
    play.claim(Phase.FAILED, "flash_write")
    assert play.row.deadline_at is None, "at most two installs of a release"


def _soaks_in_silence(play):
    play.claim(Phase.INSTALLING)
    play.boot += 1
    play.report(confirmed=True, state=Phase.DONE)
    play.wait(play.row.soak_s, heard=False)
    assert play.row.state is State.PROBATION, "a device that went silent has not soaked"
    play.wait(90 * MIN - play.row.soak_s, heard=False)
    assert play.row.state is State.LOST
    play.wait(MIN)
    assert (play.row.state, play.row.late) == (State.SUCCEEDED, True), "heard again after its soak"


def _forgets_its_grant(play):
    """Each step is written before it happens: a device that knows nothing of the grant has not begun."""
    installs = play.row.installs
    play.boot += 1
    play.grant = "r1/other/g9"
    play.report("2.4.1", 6, confirmed=True, state=Phase.DONE)
    assert (play.row.state, play.row.installs) == (State.STAGED, installs - 1)
    assert not any(play.store.counts((f"risk:device:{play.device_id}",)))


def _never_gets_the_image(play):
    play.claim(Phase.NOT_STARTED, "late")
    assert play.row.state is State.STAGED
    resumes = play.row.resumes
    for _ in range(10 - resumes):
        play.claim(Phase.DOWNLOADING)
        assert play.row.state is State.DOWNLOADING
        play.claim(Phase.LINK_ERROR)
        assert play.row.state is State.OFFERED
        assert play.row.retry_at > play.now
    play.claim(Phase.DOWNLOADING)
    play.claim(Phase.LINK_ERROR)
    assert (play.row.state, play.row.reason) == (State.FAILED, "download_gave_up")


def _fails_twice(play):
    installs = play.row.installs
    play.claim(Phase.INSTALLING)
    play.claim(Phase.FAILED, "flash_write")
    row = play.row
    assert (row.state, row.reason, row.bad) == (State.FAILED, "flash_write", True)
    if installs < 2 and not play.store.rollout("r1").over:
        assert row.deadline_at == play.now + 86_400
        play.wait(86_400 - 1)
        assert play.row.current
        play.wait(1)
        live = [one for one in play.store.live_attempts(play.device_id) if one.number == row.number + 1]
        over = play.store.rollout("r1").over
        assert over or (live and live[0].installs == installs), "at most two installs, whoever counts"


def _stops(service, store, attempt_id, now):
    """The stop test, against a sum of its own: halted with the failure that shows it, and not before."""
    for mature, bad in ((0, 1), (1, 2), (0, 3), (50, 3), (400, 12), (2000, 45)):
        play = Play(service, store, attempt_id, now)
        rollout = play.store.rollout("r1")
        _, bad_key, overdue_key, mature_key = exposure_keys("r1", rollout.epoch)
        for key, number in ((bad_key, bad - 1), (overdue_key, 0), (mature_key, mature)):
            play.risk(key, number)
        play.claim(Phase.INSTALLING)
        play.claim(Phase.FAILED, "flash_write")
        n, rate = bad + mature, rollout.policy.stop_rate
        fewer = sum(math.comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(bad))
        state = play.store.rollout("r1").state
        halts = 1 - fewer < rollout.policy.stop_alpha
        assert state is (RolloutState.HALTED if halts else RolloutState.RUNNING), (mature, bad, 1 - fewer)
    play = Play(service, store, attempt_id, now)
    _, bad_key, _, mature_key = exposure_keys("r1", play.store.rollout("r1").epoch)
    play.risk(bad_key, 2)
    play.risk(mature_key, 3)
    play.claim(Phase.INSTALLING)
    play.wait(72 * MIN, heard=False)
    assert play.store.rollout("r1").state is RolloutState.HALTED, "silence past its time is counted before it is lost"
    play = Play(service, store, attempt_id, now)
    rollout = play.store.rollout("r1")
    risk_key, bad_key, overdue_key, mature_key = exposure_keys("r1", rollout.epoch)
    play.store.put_rollout(replace(rollout, policy=replace(rollout.policy, stop_alpha=1e-300)))
    for key, number in ((risk_key, 1), (bad_key, rollout.policy.k0 - 1), (overdue_key, 0), (mature_key, 0)):
        play.risk(key, number)
    play.claim(Phase.INSTALLING)
    play.wait(MIN)
    assert play.store.rollout("r1").state is RolloutState.RUNNING, "what is under way may still prove itself"
    play.claim(Phase.FAILED, "flash_write")
    play.wait(MIN)
    if play.store.counts((mature_key,)) != (0,):
        return  # another device proved itself in these two minutes, and made room
    stopped = play.store.rollout("r1")
    assert (stopped.state, stopped.pause_reason) == (RolloutState.PAUSED, PauseReason.BUDGET)
    with pytest.raises(Denied):
        play.service.resume(play.store, rollout.author, "r1", play.now)
    resumed = play.service.resume(play.store, "somebody", "r1", play.now)
    assert resumed.epoch == rollout.epoch + 1, "only newer failures count"
