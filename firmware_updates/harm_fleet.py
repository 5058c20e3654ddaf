"""One rollout of a bad release on simulated devices: the real service, guards, budget and stop test, in virtual time.

Simulated devices in six zones, 8 to a site, ask for grants in their own nightly window and are online on most nights. A
bad install goes silent for ever (`silent`, `all`), comes back with the old version (`revert`), or works and is worse:
it leaks memory, and no fault rule says a word (`worse`).
"""

import heapq
import random
from collections.abc import Mapping
from dataclasses import dataclass

from firmware_updates.budget import Exposure
from firmware_updates.device import Release, UpdateDevice
from firmware_updates.entitlement import DAY_S, Entitlement
from firmware_updates.gate import Cohort
from firmware_updates.health import HOUR_S, HealthDiary
from firmware_updates.inbox import Director
from firmware_updates.memory import MemoryUpdateStore
from firmware_updates.messages import (
    Channel,
    Component,
    GrantMessage,
    Phase,
    Reported,
    Request,
    Response,
    Slot,
    Status,
    Verdict,
    Want,
    encode_message,
    parse_message,
    parse_terms,
)
from firmware_updates.policy import Policy, default_k0
from firmware_updates.ports import Outgoing
from firmware_updates.rollout import Rollout, RolloutState
from firmware_updates.service import UpdateService
from firmware_updates.signing import KeyRole, encode_signature, generate_key, key_set, public_raw, sign
from firmware_updates.thresholds import deal
from firmware_updates.window import Window, next_span
from firmware_updates.window_text import parse_windows
from firmware_updates.work import Work

START = 1_795_478_400.0  # 2026-11-24T00:00:00Z
ZONES = ("Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura", "Europe/Rome", "America/New_York", "Australia/Sydney")
SITE = 8
ONLINE = 0.95
TICK_S = 300.0
SETTLE_S = 3 * 3600.0
LEAK_PCT_H = 1.5
DAYS = 45
_ROLLOUT = "harm"
_DOCUMENT = b"""{"schema":1,"product":"cam","component":"firmware","hw_ids":["cam-a"],"version":"2.5.0",
"release_counter":7,"min_counter":5,"class":"feature","from_versions":"*","size":1,"chunk_size":1,
"sha256":"0000000000000000000000000000000000000000000000000000000000000000",
"chunks":["0000000000000000000000000000000000000000000000000000000000000000"],
"install":{"p95_s":300,"reboot_s":60},"confirm_timeout_s":600,"notes":{"en":"x","id":"x"},
"created":"2026-11-01T00:00:00Z","expires":"2028-11-01T00:00:00Z"}"""
_OLD, _NEW = Component("2.4.1", 6), Component("2.5.0", 7)


@dataclass(frozen=True, slots=True)
class Bad:
    """What is wrong with the release: `kind` silent, revert or worse, on `share` of the devices."""

    kind: str
    share: float

    @property
    def silent(self) -> bool:
        """Whether a bad install is never heard of again."""
        return self.kind == "silent"


@dataclass(frozen=True, slots=True)
class Run:
    """One course: devices harmed, hours to its end, whether it was stopped, and the last exposure."""

    harmed: int
    hours: float
    stopped: bool
    exposure: Exposure


@dataclass(slots=True)
class _Sim:
    device_id: str
    bad: bool
    windows: tuple[Window, ...]
    boot: int = 1
    seq: int = 0
    attempt: str = ""
    reported_at: float = 0.0
    staged: bool = False
    harmed: bool = False


class _Metrics:
    """What telemetry would have told: memory as it is used on a healthy device, and what a bad install leaks."""

    def __init__(self, sims: Mapping[str, _Sim], chance: random.Random) -> None:
        self._sims, self._chance = sims, chance

    def cohort(self, since: Mapping[str, float], until: float) -> Cohort:
        """See `ports.HealthBook`."""
        diary = HealthDiary()
        diary.watch(since)
        for device_id, at in since.items():
            leaks = self._sims[device_id].harmed
            level, hour = self._chance.uniform(45, 65), at - DAY_S
            while hour < until:
                leaked = min(30.0, LEAK_PCT_H * max(0.0, hour - at) / HOUR_S) if leaks else 0.0
                diary.sample(device_id, hour, {"mem_used_pct": level + leaked + self._chance.gauss(0, 2)})
                hour += 2 * HOUR_S
        return diary.cohort(since, until)


class _Urls:
    def url(self, release: Release, device_id: str, now: float) -> str:
        return f"simulated:{release.release_id}/{device_id}/{now:.0f}"


class Fleet:
    """One run of one rollout. Events are (time, number, device, what): what a device does next."""

    def __init__(self, devices: int, bad: Bad, seed: int, policy: Policy | None = None) -> None:
        self._chance = random.Random(f"{seed}/{devices}/{bad.kind}/{bad.share}")
        self._kind = bad.kind
        release_key, director_key = generate_key(), generate_key()
        keys = key_set(KeyRole.RELEASE, 1, [public_raw(release_key)])
        self._sims: dict[str, _Sim] = {}
        metrics = _Metrics(self._sims, random.Random(f"metrics/{seed}"))
        self.service = UpdateService(Director(director_key, keys, _Urls()), metrics)
        self.store = MemoryUpdateStore()
        self._now = START
        self._events: list[tuple[float, int, str, str]] = []
        self._serial = 0
        chosen = policy or Policy(k0=default_k0(devices))
        for index, is_bad in enumerate(deal(devices, bad.share, self._chance)):
            self._add(index, bad=is_bad)
        signature = encode_signature(sign(_DOCUMENT, release_key))
        release = self.service.publish_release(self.store, "author", _DOCUMENT, [signature], START)
        self.service.create_rollout(
            self.store, "author", _ROLLOUT, _ROLLOUT, release.release_id, list(self._sims), chosen, START,
            START + DAYS * 86_400, START,
        )  # fmt: skip
        self.service.simulated(self.store, "author", _ROLLOUT, START)
        pending = self.service.submit(self.store, "author", _ROLLOUT, START)
        self.service.approve(self.store, "approver", _ROLLOUT, pending.content_sha256, START)

    def run(self) -> Run:
        """To the end: through, stopped, or the deadline."""
        ended_at, tick_at = None, START
        while ended_at is None or self._now < ended_at + SETTLE_S:
            while self._events and self._events[0][0] <= tick_at:
                self._now, _, device_id, what = heapq.heappop(self._events)
                self._act(self._sims[device_id], what)
                self._listen()
            self._now = tick_at
            self.service.tick(self.store, self._now)
            self._listen()
            if ended_at is None and self._rollout().state not in (RolloutState.SCHEDULED, RolloutState.RUNNING):
                ended_at = self._now
            tick_at += TICK_S
        rollout = self._rollout()
        return Run(
            harmed=sum(sim.harmed for sim in self._sims.values()),
            hours=(ended_at - START) / 3600,
            stopped=rollout.state in (RolloutState.HALTED, RolloutState.PAUSED),
            exposure=Work(self.store, self._now, "simulation").exposure(rollout),
        )

    def _rollout(self) -> Rollout:
        rollout = self.store.rollout(_ROLLOUT)
        assert rollout is not None
        return rollout

    def _add(self, index: int, *, bad: bool) -> None:
        device_id = f"cam-{index:05}"
        zone = ZONES[index // SITE % len(ZONES)]
        self._sims[device_id] = sim = _Sim(device_id, bad, parse_windows(zone, ""))
        device = UpdateDevice(
            device_id=device_id,
            model=f"model-{index % 3}",
            hw_id="cam-a",
            site_id=f"site-{index // SITE}",
            group="",
            windows=sim.windows,
            entitlement=Entitlement(zone),
            online_chance=ONLINE,
        )
        self.service.register(self.store, [device])
        self._report(sim, _OLD, confirmed=True)

    # --- devices --------------------------------------------------------------------------------------------------
    def _act(self, sim: _Sim, what: str) -> None:
        match what:
            case "fetch":
                seq = self._seq(sim)
                nonce = f"{sim.device_id}-{sim.boot}-{seq}"
                self._say(sim, Request(sim.boot, seq, sim.attempt, Want.URL, nonce))
            case "stage":
                sim.staged = True
                self._say(sim, Status(sim.boot, self._seq(sim), sim.attempt, Phase.STAGED))
                self._at(self._next_ask(sim), sim, "ask")
            case "ask":
                self._ask(sim)
            case "back":
                self._come_back(sim)
            case "confirm":
                self._report(sim, _NEW, confirmed=True)
            case _:
                self.service.seen(self.store, sim.device_id, self._now)

    def _ask(self, sim: _Sim) -> None:
        if self._now - sim.reported_at > 20 * 3600:
            self._report(sim, _OLD, confirmed=True)
        seq = self._seq(sim)
        nonce = f"{sim.device_id}-{sim.boot}-{seq}"
        self._say(sim, Request(sim.boot, seq, sim.attempt, Want.GRANT, nonce))

    def _come_back(self, sim: _Sim) -> None:
        sim.boot, sim.seq = sim.boot + 1, 0
        if sim.bad and self._kind != "worse":
            self._report(sim, _OLD, confirmed=True)
            return
        self._report(sim, _NEW, confirmed=False)
        self._at(self._now + 120, sim, "confirm")
        attempt = self.store.attempt(sim.attempt)
        soak_s = attempt.soak_s if attempt else 0.0
        for step in range(1, int(soak_s // 1800) + 2):
            self._at(self._now + min(step * 1800.0, soak_s - 60), sim, "seen")

    def _hear(self, message: Outgoing) -> None:
        sim = self._sims[message.device_id]
        if message.channel is Channel.DESIRED and message.payload:
            sim.attempt = message.attempt_id
            sim.staged = False
            self._at(self._now + self._chance.uniform(10, 600), sim, "fetch")
            return
        if message.channel not in (Channel.GRANT, Channel.RESPONSE):
            return
        found = parse_message(message.channel, message.payload)
        if isinstance(found, Response):
            at = self._now + found.retry_after_s + self._chance.uniform(10, 120)
            if found.verdict is Verdict.URL:
                self._at(at, sim, "stage")
            else:
                assert found.verdict is Verdict.WAIT, "a simulated device is always fit"
                self._at(max(at, self._next_ask(sim, at)) if sim.staged else at, sim, "ask" if sim.staged else "fetch")
        else:
            assert isinstance(found, GrantMessage)
            grant_id = parse_terms(found.grant.encode()).grant_id
            self._say(sim, Status(sim.boot, self._seq(sim), sim.attempt, Phase.INSTALLING, grant_id))
            sim.harmed = sim.bad
            if not (sim.bad and self._kind == "silent"):
                self._at(self._now + self._chance.uniform(180, 360), sim, "back")

    def _next_ask(self, sim: _Sim, earliest: float | None = None) -> float:
        """The first moment from `earliest` on at which it is online in its window."""
        at = self._now if earliest is None else earliest
        while True:
            span = next_span(sim.windows, at)
            assert span is not None  # every night has a window
            if at > span[0] or self._chance.random() < ONLINE:
                return max(at, span[0] + self._chance.uniform(1, 600))
            at = float(span[1])

    # --- the wire -------------------------------------------------------------------------------------------------
    def _report(self, sim: _Sim, running: Component, *, confirmed: bool) -> None:
        sim.reported_at = self._now
        slot = Slot("a", confirmed)
        self._say(sim, Reported(sim.boot, self._seq(sim), {"firmware": running}, slot, counter_floor=5))

    def _say(self, sim: _Sim, message: Reported | Status | Request) -> None:
        channel = {Reported: "update/reported", Status: "update/status", Request: "update/request"}[type(message)]
        self.service.handle(self.store, sim.device_id, channel, encode_message(message), self._now)

    def _listen(self) -> None:
        while taken := self.service.claim(self.store, self._now):
            self.service.published(self.store, [number for number, _ in taken])
            for _, message in taken:
                self._hear(message)

    def _at(self, at: float, sim: _Sim, what: str) -> None:
        self._serial += 1
        heapq.heappush(self._events, (at, self._serial, sim.device_id, what))

    def _seq(self, sim: _Sim) -> int:
        sim.seq += 1
        return sim.seq
