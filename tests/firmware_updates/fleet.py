"""Simulated devices and a gateway around the real service, in virtual time. The devices do what firmware must do."""

import hashlib
import json
from collections import defaultdict
from dataclasses import replace

from firmware_updates.entitlement import Entitlement
from firmware_updates.inbox import Director
from firmware_updates.manifest import parse_manifest
from firmware_updates.memory import MemoryUpdateStore
from firmware_updates.messages import (
    BadMessage,
    Channel,
    Component,
    Job,
    Order,
    Phase,
    Progress,
    Reported,
    Request,
    Slot,
    Status,
    Verdict,
    Want,
    encode_message,
    parse_message,
    parse_terms,
)
from firmware_updates.policy import Policy
from firmware_updates.service import UpdateService
from firmware_updates.signing import (
    Distrusted,
    KeyRole,
    Signature,
    generate_key,
    key_set,
    parse_signature,
    public_raw,
    verify,
)
from tests.firmware_updates.factories import NOON, RELEASE_KEY, device, release, windows

MIN = 60.0
ANSWER_S = 5 * MIN
DIRECTOR_KEY = generate_key()
RELEASE_KEYS = key_set(KeyRole.RELEASE, 1, [public_raw(RELEASE_KEY)])
DIRECTOR_KEYS = key_set(KeyRole.DIRECTOR, 1, [public_raw(DIRECTOR_KEY)])


class Urls:
    def url(self, release, device_id, now):
        return f"https://images.invalid/{release.release_id}?for={device_id}"


class Camera:
    """One device: two slots, a boot clock, persistent memory of its last grant, and a fate for each new image."""

    def __init__(self, device_id, fate="good", skew=0.0):
        self.device_id, self.fate, self.skew = device_id, fate, skew
        self.boot, self.seq, self.boot_at = 12, 0, 0.0
        self.running, self.fallback = ("2.4.1", 6), None
        self.confirmed, self.floor = True, 5
        self.job = None  # persistent
        self.desired = self.staged = None  # persistent
        self.nonce, self.nonces = None, 0  # (value, sent at by the boot clock); the count is persistent
        self.phase, self.until, self.ask_at = "idle", 0.0, 0.0
        self.last_status = None
        self.sent = []
        self.away_until = 0.0  # unplugged: it neither hears nor does anything
        self.starts = []  # (true time, terms)
        self.installed = []  # counters that ran, with whether confirmed

    # --- what it says ---
    def say(self, kind, **values):
        self.seq += 1
        self.sent.append(kind(boot=self.boot, seq=self.seq, **values))

    def status(self, phase, grant_id=None, code="none"):
        self.last_status = (self.desired["attempt"], phase, grant_id, code) if self.desired else None
        if self.desired:
            self.say(Status, attempt=self.desired["attempt"], state=phase, grant_id=grant_id, code=code)

    def report(self):
        version, counter = self.running
        components = {"firmware": Component(version, counter), "bootloader": Component("1.3.0", 2)}
        self.say(
            Reported,
            components=components,
            slot=Slot("a", self.confirmed),
            counter_floor=self.floor,
            hw_id="cam-a",
            last_job=self.job,
        )

    def clock(self, now):
        return now - self.boot_at  # survives any skew of the wall clock, not a reboot

    # --- what it hears ---
    def hear(self, channel, payload, now):
        if self.phase == "bricked" or now < self.away_until:
            return
        if channel is Channel.DESIRED:
            self._desired(payload)
            return
        try:
            message = parse_message(channel, payload)
        except BadMessage:
            return
        if channel is Channel.RESPONSE and self.nonce and message.nonce == self.nonce[0]:
            self.nonce = None
            if message.verdict is Verdict.URL and self.phase == "idle" and self.desired:
                self.phase, self.until = "downloading", now + 4 * MIN
                self.status(Phase.DOWNLOADING)
            else:
                wait = message.retry_after_s if message.verdict is Verdict.WAIT else 3600
                self.ask_at = now + max(60, min(wait, 3600))
        elif channel is Channel.GRANT:
            self._granted(message, now)
        elif channel is Channel.CANCEL and self.desired and message.attempt == self.desired["attempt"]:
            if message.order is Order.REVERT and self.phase == "probation":
                self._revert(now)
            elif message.order is Order.CANCEL and self.phase in ("idle", "downloading"):
                self.staged, self.phase = None, "idle"

    def _desired(self, payload):
        if self.phase not in ("idle", "downloading"):
            return
        if not payload:
            self.desired = self.staged = None
            self.phase = "idle"
            return
        message = parse_message(Channel.DESIRED, payload)
        if self.desired and self.desired["attempt"] == message.attempt:
            return
        self.desired, self.staged, self.phase = {"attempt": message.attempt}, None, "idle"
        document = message.manifest.encode()
        try:
            verify(document, [parse_signature(f"{s.key_id}:{s.signature}") for s in message.signatures], RELEASE_KEYS)
        except Distrusted:
            self.status(Phase.REJECTED, code="signature")
            self.desired = None
            return
        manifest = parse_manifest(document)
        if "cam-a" not in manifest.hw_ids or manifest.release_counter < max(self.floor, self.running[1]):
            self.status(Phase.REJECTED, code="downgrade" if "cam-a" in manifest.hw_ids else "hardware")
            self.desired = None
            return
        self.desired["manifest"] = manifest

    def _granted(self, message, now):
        text = message.grant.encode()
        signature = parse_signature(f"{message.signed.key_id}:{message.signed.signature}")
        try:
            verify(text, [Signature(signature.key_id, signature.value)], DIRECTOR_KEYS)
        except Distrusted:
            return
        terms = parse_terms(text)
        if terms.device_id != self.device_id or not self.desired or terms.attempt != self.desired["attempt"]:
            return
        fits = self.phase == "idle" and self.staged == terms.sha256 and self.nonce and terms.nonce == self.nonce[0]
        if not fits or self.clock(now) - self.nonce[1] > terms.valid_for_s:
            if self.job is None or self.job.grant_id != terms.grant_id:
                self.status(Phase.NOT_STARTED, terms.grant_id, "stale")
                if self.nonce and terms.nonce == self.nonce[0]:
                    self.nonce = None
            return
        self.nonce = None
        self.job = Job(terms.grant_id, Phase.INSTALLING)
        self.starts.append((now, terms))
        self.phase, self.until = "installing", now + 3 * MIN
        self.status(Phase.INSTALLING, terms.grant_id)

    # --- what it does ---
    def step(self, now):
        if self.phase == "bricked" or now < self.away_until:
            return
        if self.phase == "downloading" and now >= self.until:
            self.say(Progress, attempt=self.desired["attempt"], bytes=1000)
            self.staged, self.phase = self.desired["manifest"].sha256, "idle"
            self.status(Phase.STAGED)
        elif self.phase == "installing" and now >= self.until:
            if self.fate == "fail":
                self.job = replace(self.job, state=Phase.FAILED, code="flash_write")
                self.status(Phase.FAILED, self.job.grant_id, "flash_write")
                self.phase, self.staged, self.desired = "idle", None, None
            else:
                self.job = replace(self.job, state=Phase.REBOOTING)
                self.status(Phase.REBOOTING, self.job.grant_id)
                self.phase, self.until = "rebooting", now + MIN
        elif self.phase == "rebooting" and now >= self.until:
            self._reboot(now)
            manifest = self.desired["manifest"]
            if self.fate == "silent":
                self.phase = "bricked"
                return
            if self.fate == "no_boot":  # the boot loader falls back by itself
                self.job = replace(self.job, state=Phase.REVERTED, code="watchdog")
                self.phase, self.desired, self.staged = "idle", None, None
            else:
                self.fallback, self.running = self.running, (str(manifest.version), manifest.release_counter)
                self.confirmed = False
                self.installed.append((self.running[1], False))
                self.phase, self.until = "probation", now + 5 * MIN
            self.report()
        elif self.phase == "probation" and now >= self.until:
            if self.fate == "revert":
                self._revert(now)
            else:
                self.confirmed, self.floor = True, max(self.floor, self.desired["manifest"].min_counter)
                self.job = replace(self.job, state=Phase.DONE)
                self.installed.append((self.running[1], True))
                self.phase, self.fallback, self.desired, self.staged = "idle", None, None, None
                self.report()
        elif self.phase == "idle" and self.desired and "manifest" in self.desired:
            self._ask(now)

    def _ask(self, now):
        waiting = self.nonce and self.clock(now) - self.nonce[1] < ANSWER_S
        if waiting or now < self.ask_at:
            return
        self.nonces += 1
        self.nonce = (f"{self.device_id}-n{self.nonces:06}", self.clock(now))
        want = Want.GRANT if self.staged else Want.URL
        self.say(Request, attempt=self.desired["attempt"], want=want, nonce=self.nonce[0], last_job=self.job)

    def _revert(self, now):
        self._reboot(now)
        self.running, self.fallback, self.confirmed = self.fallback, None, True
        self.job = replace(self.job, state=Phase.REVERTED, code="self_test")
        self.phase, self.desired, self.staged = "idle", None, None
        self.report()

    def _reboot(self, now):
        self.boot, self.seq, self.boot_at, self.nonce = self.boot + 1, 0, now, None

    def cut_power(self, now):
        if self.phase == "bricked":
            return
        if self.phase == "probation":  # an unconfirmed image does not survive a second boot
            self._revert(now)
            return
        before = self.phase
        self._reboot(now)
        if before in ("installing", "rebooting"):
            self.phase, self.desired, self.staged = "idle", None, None
        elif before == "downloading":
            self.phase = "idle"
        self.report()

    def connect(self):
        """A new session: inventory again, and the last status until somebody has acknowledged it."""
        if self.phase != "bricked":
            self.report()
            if self.last_status and self.desired and self.last_status[0] == self.desired["attempt"]:
                _, phase, grant_id, code = self.last_status
                self.say(Status, attempt=self.desired["attempt"], state=phase, grant_id=grant_id, code=code)


class World:
    """The gateway with its store, cameras, and a network that by default loses nothing."""

    def __init__(self, cameras, policy=None, now=NOON, zone_windows=None, per_site=1, service=None, **device_changes):
        self.store = MemoryUpdateStore()
        self.service = service or UpdateService(Director(DIRECTOR_KEY, RELEASE_KEYS, Urls()))
        self.cameras = {camera.device_id: camera for camera in cameras}
        self.now = now
        self.policy = policy or Policy()
        self.tickets = defaultdict(int)
        self.opened = []
        self.notices = []
        self.published = []
        self.rejects = []
        self.grants = []
        self.retained = {}
        for index, camera in enumerate(cameras):
            site = f"site-{index // per_site}"
            chosen = (zone_windows or (lambda _: windows("UTC", "daily 00:00-00:00")))(index)
            row = device(
                camera.device_id,
                site_id=site,
                stock=None,
                windows=chosen,
                entitlement=Entitlement(chosen[0].zone),
                **device_changes,
            )
            self.service.register(self.store, [row])
            camera.report()
        self.listen()

    def start(self, rollout_id="r1", what=None, days=20):
        what = what or release()
        signed = self.service.publish_release(self.store, "ayu", what.document, what.signatures, self.now)
        ids = list(self.cameras)
        draft = self.service.create_rollout(
            self.store, "ayu", rollout_id, "November", signed.release_id, ids, self.policy, self.now,
            self.now + days * 86_400, self.now,
        )  # fmt: skip
        self.service.simulated(self.store, "ayu", rollout_id, self.now)
        ready = self.service.submit(self.store, "ayu", rollout_id, self.now)
        self.service.approve(self.store, "budi", rollout_id, ready.content_sha256, self.now)
        return draft

    def take(self, done):
        for edit in done.tickets:
            key = (edit.device_id, edit.rollout_id, edit.cause)
            self.tickets[key] += 1 if edit.open else -1
            assert self.tickets[key] in (0, 1), f"I17: {edit}"
            if edit.open:
                self.opened.append(edit)
        self.notices += done.notices

    def up(self, device_id, message):
        payload = message if isinstance(message, bytes) else encode_message(message)
        channel = Channel(CHANNELS[type(message)]).value
        try:
            self.take(self.service.handle(self.store, device_id, channel, payload, self.now))
        except BadMessage as error:
            self.rejects.append(str(error))

    def listen(self):
        for camera in self.cameras.values():
            while camera.sent:
                self.up(camera.device_id, camera.sent.pop(0))

    def pump(self):
        """Claim and publish, as the gateway's publisher does."""
        taken = self.service.claim(self.store, self.now)
        for _, message in taken:
            self.publish(message)
        self.service.published(self.store, [number for number, _ in taken])
        return len(taken)

    def publish(self, message):
        self.published.append(message)
        if message.channel is Channel.GRANT:
            self.grants.append(message.grant_id)
        if message.retain:
            self.retained[message.device_id] = message
        self.cameras[message.device_id].hear(message.channel, message.payload, self.now)

    def run(self, minutes, step=1.0):
        for _ in range(int(minutes / step)):
            self.now += step * MIN
            self.take(self.service.tick(self.store, self.now))
            while self.pump():
                self.listen()
            for camera in self.cameras.values():
                if camera.away_until and self.now >= camera.away_until:
                    self.come_back(camera)
                camera.step(self.now)
                if camera.phase != "bricked" and not camera.away_until:
                    self.take(self.service.seen(self.store, camera.device_id, self.now))
            self.listen()
            while self.pump():
                self.listen()

    def unplug(self, camera, hours):
        camera.away_until = self.now + hours * 3600

    def come_back(self, camera):
        """Power again: a new boot, the retained message, the inventory."""
        camera.away_until = 0.0
        camera.cut_power(self.now)
        if camera.device_id in self.retained:
            camera.hear(Channel.DESIRED, self.retained[camera.device_id].payload, self.now)
        camera.connect()

    def refresh_inventories(self):
        for camera in self.cameras.values():
            if not camera.away_until:
                camera.connect()
        self.listen()

    def states(self, rollout_id="r1"):
        return {row.device_id: row.state for row in self.store.attempts(rollout_id, limit=100_000)}

    def row(self, device_id, rollout_id="r1"):
        return next(row for row in self.store.attempts(rollout_id, limit=100_000) if row.device_id == device_id)

    def open_tickets(self):
        return sorted((key[0], key[2].value) for key, count in self.tickets.items() if count)


CHANNELS = {
    Reported: "update/reported",
    Status: "update/status",
    Progress: "update/progress",
    Request: "update/request",
}


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def as_json(message):
    return json.loads(encode_message(message))
