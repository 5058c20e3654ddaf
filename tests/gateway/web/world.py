"""What pages show in tests: two customers, three sites, and a device in every state."""

import math
import random
from dataclasses import replace
from importlib.resources import files
from typing import Any

from argon2 import PasswordHasher

from diagnostics.catalogue import load_catalogue
from diagnostics.changes import Change, ChangeKind, Evidence, Impact, Scope, Severity
from diagnostics.faults import load_faults
from diagnostics.rule_file import load_default_rules
from gateway.clock import ManualClock
from gateway.ports.history import Latest, Sample
from gateway.ports.ledger import Effects, JournalKind, Reject, RejectReason
from gateway.ports.live import ActiveEpisode, DeviceView, Liveness
from gateway.ports.registry import Customer, RegisteredDevice, Role, Site, User
from gateway.ports.rule_book import Draft
from gateway.rules.book import SHIPPED, at_start, base_of
from gateway.rules.desk import RuleDesk
from gateway.rules.jobs import Backtests
from gateway.storage.history_memory import MemoryHistory
from gateway.storage.memory import (
    MemoryAccounts,
    MemoryDownlinkOutbox,
    MemoryLedger,
    MemoryNotificationOutbox,
    MemoryRegistry,
    MemoryTickets,
)
from gateway.storage.memory.rule_book import MemoryRuleBook
from gateway.tickets.ticket import CloseCode, WaitingFor
from gateway.web.knowledge import Knowledge
from gateway.web.parts import WebParts, WebSettings
from gateway.web.updates import Refused, RolloutView, UpdateView, WaveView
from gateway.web.wake import Broadcaster

NOW = 1_795_244_700.0  # Sat 21 Nov 2026 07:05 UTC = 14:05 in Jakarta
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
PASSWORD = "siaga siaga siaga"
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)  # as fast as argon2 goes
FAULTS, CATALOGUE = load_faults(), load_catalogue()
REASONS = load_default_rules(CATALOGUE).reasons()
BASE = base_of((files("diagnostics") / "default_rules.toml").read_text(encoding="utf-8"), SHIPPED)


class Live:
    def __init__(self) -> None:
        self.views: dict[str, DeviceView] = {}
        self.blind: float | None = None

    def view(self, device_id: str) -> DeviceView | None:
        return self.views.get(device_id)

    def blind_since(self) -> float | None:
        return self.blind


class Rollouts:
    """One rollout that remembers what was asked of it."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, str, str]] = []
        waves = (
            WaveView("canaries", "passed", 10, 0, 0, 0, 10, 0, 0),
            WaveView("1", "passed", 40, 0, 0, 0, 39, 1, 0),
            WaveView("2", "open", 160, 61, 19, 4, 74, 1, 1, "0.9 % failed"),
            WaveView("control", "pending", 790, 790, 0, 0, 0, 0, 0, "waits for wave 2"),
        )
        stops = (("budget", "10"), ("control",))
        failures = (("not_enough_space", 2), ("lost", 1))
        self.one = RolloutView(
            "r-250", "cam-4k 2.5.0", "2.5.0", "2.4.1", "CAM-4K (1,000)", "running", "dewi", "sari", NOW - 20 * HOUR,
            "9f2c" * 16, waves, 6, 10, stops, failures,
        )  # fmt: skip

    async def all(self) -> list[RolloutView]:
        return [self.one]

    async def get(self, rollout_id: str) -> RolloutView | None:
        return self.one if rollout_id == self.one.rollout_id else None

    def _step(self, step: str, state: str, actor: str, reason: str) -> None:
        if self.one.state in ("aborted", state):
            raise Refused(f"the rollout is {self.one.state}")
        self.steps.append((step, actor, reason))
        self.one = replace(self.one, state=state, reason=reason)

    async def approve(self, rollout_id: str, actor: str, now: float) -> None:
        if actor == self.one.author:
            raise Refused("the author may not approve the own rollout")
        self._step("approve", "scheduled", actor, "")

    async def pause(self, rollout_id: str, actor: str, reason: str, now: float) -> None:
        self._step("pause", "paused", actor, reason)

    async def resume(self, rollout_id: str, actor: str, now: float) -> None:
        self._step("resume", "running", actor, "")

    async def stop(self, rollout_id: str, actor: str, reason: str, now: float) -> None:
        self._step("stop", "aborted", actor, reason)


class Updates:
    def __init__(self) -> None:
        self.views: dict[str, UpdateView] = {}

    async def of_device(self, device_id: str) -> UpdateView | None:
        return self.views.get(device_id)


class World:
    """The shipped adapters in memory, joined as the wiring joins them."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.registry = MemoryRegistry()
        self.accounts = MemoryAccounts()
        self.tickets = MemoryTickets(self.registry, MemoryNotificationOutbox(), self.clock)
        self.ledger = MemoryLedger(self.tickets, MemoryDownlinkOutbox(), lambda _: DAY)
        self.history = MemoryHistory()
        self.live = Live()
        self.updates = Updates()
        self.rollouts = Rollouts()
        self.wake = Broadcaster()
        self.rule_desk = RuleDesk(MemoryRuleBook(self.tickets), BASE, CATALOGUE, FAULTS)
        self.rules = Backtests(self.rule_desk, self.history, self.registry, self.clock)

    def parts(self, **more: object) -> WebParts:
        settings = WebSettings(secret=b"s" * 32, secure_cookies=False, support_contact="+62 811 555 010")
        given: dict[str, Any] = dict(  # noqa: C408 - read as the call that it becomes
            tickets=self.tickets,
            registry=self.registry,
            accounts=self.accounts,
            history=self.history,
            live=self.live,
            knowledge=Knowledge(FAULTS, CATALOGUE, lambda: REASONS),
            rejects=self.ledger,
            clock=self.clock,
            settings=settings,
            wake=self.wake,
            updates=self.updates,
            rollouts=self.rollouts,
            rules=self.rules,
        )
        return WebParts(**{**given, **more})


CUSTOMERS = (
    Customer("toko-budi", "Toko Budi", "id", "Asia/Jakarta", "budi@example.com"),
    Customer("hotel-senggigi", "Hotel Senggigi", "en", "Asia/Makassar", "front@example.com"),
)
SITES = (
    Site("kemang", "toko-budi", "Toko Kemang", "Asia/Jakarta"),
    Site("bekasi", "toko-budi", "Gudang Bekasi", "Asia/Jakarta"),
    Site("senggigi", "hotel-senggigi", "Hotel Senggigi", "Asia/Makassar"),
)
USERS = (
    User("budi", Role.CUSTOMER, HASH, "toko-budi", "Budi Santoso", "id"),
    User("wayan", Role.CUSTOMER, HASH, "hotel-senggigi", "Wayan", "en"),
    User("sari", Role.AGENT, HASH, "", "Sari", "en"),
    User("andi", Role.AGENT, HASH, "", "Andi", "id"),
    User("dewi", Role.MANAGER, HASH, "", "Dewi", "en"),
)


def _site(site: str, names: list[str]) -> list[RegisteredDevice]:
    dates = {"warranty_until": "2027-06-30", "contract_until": "2028-01-31", "support_until": "2029-12-31"}
    router = RegisteredDevice(f"{site}-router", "Router", "router", "RT-2", site, **dates)
    recorder = RegisteredDevice(f"{site}-nvr", "Perekam", "recorder", "NVR-16", site, router.device_id, **dates)
    cameras = [
        RegisteredDevice(f"{site}-cam-{place + 1:02d}", name, "camera", "CAM-4K", site, recorder.device_id, **dates)
        for place, name in enumerate(names)
    ]
    return [router, recorder, *cameras]


DEVICES = [
    *_site("kemang", ["Kamera kasir", "Kamera halaman", "Kamera pintu belakang", "Kamera lorong", "Kamera parkir"]),
    *_site("bekasi", ["Kamera gerbang", "Kamera rak A", "Kamera rak B"]),
    *_site("senggigi", ["Lobby", "Pool", "Kitchen", "Corridor 1", "Corridor 2", "Parking", "Beach gate", "Garden"]),
]

DEVICES = [
    replace(it, warranty_until="2024-03-31", contract_until="2025-03-31") if it.device_id == "senggigi-cam-02" else it
    for it in DEVICES
]


def _view(device: RegisteredDevice, rng: random.Random) -> DeviceView:
    at = NOW - rng.uniform(5, 55)
    common = {
        "soc_temp_c": rng.gauss(55, 4),
        "cpu_pct": rng.gauss(35, 6),
        "mem_used_pct": rng.gauss(52, 5),
        "rtt_ms": rng.gauss(24, 4),
    }
    if device.kind == "camera":
        common |= {
            "fps_actual": 25.0,
            "fps_target": 25.0,
            "sd_life_used_pct": rng.uniform(5, 40),
            "kbps": rng.gauss(3900, 200),
            "rssi_dbm": rng.gauss(-54, 3),
        }
    if device.kind == "recorder":
        common |= {"oldest_rec_age_d": 30.2, "rec_goal_d": 30.0, "fan_rpm": 3200.0, "io_wait_ms": 9.0}
    states = {"reset_reason": "power"} | ({"recording": "on", "daynight": "day"} if device.kind == "camera" else {})
    metrics = {name: Latest(at, value) for name, value in common.items()}
    return DeviceView(device.device_id, Liveness.ONLINE, at, at, 12, "2.4.1", metrics, states)


def open_ticket(
    world: "World",
    fault: str,
    device_id: str,
    *,
    since: float,
    severity: Severity = Severity.WARNING,
    evidence: Evidence | None = None,
    impact: Impact | None = None,
    rule: str = "wear@3",
    site_id: str = "",
    members: tuple[str, ...] = (),
) -> str:
    """A change of health, as diagnostics would send it, five minutes after its onset. Returns the ticket's id."""
    change = Change(
        ChangeKind.OPENED,
        Scope.SITE if site_id else Scope.DEVICE,
        site_id or device_id,
        fault,
        rule,
        severity,
        since + 5 * MINUTE,
        since + 5 * MINUTE,
        evidence or Evidence("", None, None, None, since),
        impact,
        members,
    )
    return world.tickets.apply(change, lambda name: FAULTS[name].time_to_act_s, since + 5 * MINUTE).ticket_id


async def make_world() -> World:
    world, rng = World(), random.Random(4)
    first = at_start(BASE, None, NOW - 30 * DAY)
    assert first is not None
    await world.rule_desk.book.append(first)
    slow = next(chunk.text for chunk in BASE.chunks if chunk.name == "sd-slow").replace("version = 1", "version = 2")
    drafted = slow.replace("limit = 100, clear = 70", "limit = 120, clear = 70")
    await world.rule_desk.book.save(Draft("a-draft", "dewi", NOW - DAY, NOW - HOUR, 1, 1, "sd-slow", drafted))
    await world.registry.put(CUSTOMERS, SITES, DEVICES)
    for user in USERS:
        await world.accounts.put_user(user)
    for device in DEVICES:
        world.live.views[device.device_id] = _view(device, rng)
        samples = []
        for step in range(14 * 24):
            at = NOW - 14 * DAY + step * HOUR
            sun = math.sin((at % DAY) / DAY * 2 * math.pi - 0.9)
            values = {"soc_temp_c": 54 + 6 * sun + rng.gauss(0, 0.5), "mem_used_pct": 50 + rng.gauss(0, 1)}
            if device.kind == "camera":
                values |= {"rssi_dbm": -54 + rng.gauss(0, 1.5), "sd_life_used_pct": 30 + step / 200}
            if device.device_id == "kemang-cam-01":
                values["sd_life_used_pct"] = 62 + step / 19
            if device.device_id == "kemang-cam-02":
                values["rssi_dbm"] = -56 - max(0, step - 250) / 4.5 + rng.gauss(0, 1.2)
            samples.append(Sample.of(device.device_id, at, values))
        await world.history.append(1, samples)
    await _tickets(world)
    _silences(world)
    refused = [
        (RejectReason.NOT_JSON, "line 1, column 3: expected a value"),
        (RejectReason.SCHEMA, "metrics.soc_temp_c: not a number"),
        (RejectReason.TOO_LARGE, "21504 bytes; at most 16384"),
    ]
    topic, sample = "siaga/v1/kemang-cam-04/telemetry", b"{<script>alert(1)</script>"
    rejects = [
        Reject("kemang-cam-04", topic, reason, detail, NOW - (3 - place) * HOUR, sample)
        for place, (reason, detail) in enumerate(refused)
    ]
    await world.ledger.commit(Effects(JournalKind.BATCH, NOW, 3, b"", rejects=rejects))
    world.updates.views["senggigi-cam-05"] = UpdateView(
        "r-241", "2.5.0", "installing", True, NOW - 2 * MINUTE, progress=0.4
    )
    return world


async def _tickets(world: World) -> None:
    """SG-1001 to SG-1008, in this order."""
    tickets = world.tickets
    samples = tuple((NOW - 2 * DAY + hour * HOUR, 75 + hour * 0.1) for hour in range(48))
    wear = Evidence("sd_life_used_pct", 79.6, 80.0, 32.0, NOW - 2 * DAY, samples)
    dates = Impact(NOW + 9 * DAY, NOW + 13 * DAY, NOW + 19 * DAY)
    worn = open_ticket(
        world, "F01", "kemang-cam-01", since=NOW - 2 * DAY, severity=Severity.HIGH, evidence=wear, impact=dates
    )
    taken = await tickets.take(worn, 1, "sari", NOW - 5 * HOUR)
    await tickets.note(worn, "sari", "Card ordered: 128 GB, high endurance.", NOW - 4.5 * HOUR)
    words = "Kartu memori baru sudah kami pesan. Kami kabari jadwal penggantiannya."
    await tickets.note(worn, "sari", words, NOW - 4 * HOUR, to_customer=True)
    await tickets.promise(worn, taken.version + 2, "sari", NOW + 3 * HOUR, NOW - 4 * HOUR)
    weak = Evidence("rssi_dbm", -74.0, -70.0, -55.0, NOW - 8 * HOUR)
    wifi = open_ticket(world, "F20", "kemang-cam-02", since=NOW - 8 * HOUR, evidence=weak, rule="wifi-weak@2")
    await tickets.promise(wifi, 1, "sari", NOW + 19 * HOUR, NOW - 7 * HOUR)
    hot = Evidence("soc_temp_c", 86.0, 80.0, 58.0, NOW - 26 * HOUR)
    open_ticket(world, "F07", "senggigi-cam-02", since=NOW - 26 * HOUR, evidence=hot, rule="overheat@2")
    members = tuple(it.device_id for it in DEVICES if it.site_id == "bekasi")
    open_ticket(
        world,
        "F39",
        "",
        since=NOW - 18 * MINUTE,
        severity=Severity.CRITICAL,
        site_id="bekasi",
        members=members,
        rule="site-silent@1",
    )
    gaps = Evidence("gap_s_per_day", 412.0, 300.0, 8.0, NOW - 10 * HOUR)
    missing = open_ticket(
        world, "F06", "senggigi-cam-03", since=NOW - 10 * HOUR, severity=Severity.HIGH, evidence=gaps, rule="gaps@1"
    )
    await tickets.take(missing, 1, "andi", NOW - 3 * HOUR)
    question = "May we restart the kitchen camera tonight after 23:00?"
    asked = await tickets.note(missing, "andi", question, NOW - 2 * HOUR, to_customer=True)
    await tickets.wait(missing, asked.version, "andi", WaitingFor.CUSTOMER, NOW - 2 * HOUR)
    sag = Evidence("poe_v", 43.1, 44.0, 48.9, NOW - 3 * DAY)
    cured = open_ticket(world, "F16", "kemang-cam-03", since=NOW - 3 * DAY, evidence=sag, rule="poe-sag@1")
    await tickets.take(cured, 1, "sari", NOW - 2 * DAY)
    await tickets.solve(cured, 2, "sari", CloseCode.FIXED_ON_SITE, "Both plugs made anew.", NOW - 2 * HOUR)
    leak = Evidence("mem_used_pct", 88.0, 85.0, 52.0, NOW - 30 * HOUR)
    filling = Impact(NOW + 2 * DAY, NOW + 3 * DAY, NOW + 5 * DAY)
    open_ticket(
        world, "F22", "senggigi-nvr", since=NOW - 30 * HOUR, evidence=leak, impact=filling, rule="memory-leak@2"
    )
    expiry = Evidence("cert_days_left", 21.0, 30.0, None, NOW - 6 * HOUR)
    day = Impact(NOW + 21 * DAY, NOW + 21 * DAY, NOW + 21 * DAY)
    open_ticket(
        world,
        "F29",
        "senggigi-cam-06",
        since=NOW - 6 * HOUR,
        severity=Severity.INFO,
        evidence=expiry,
        impact=day,
        rule="certificate@1",
    )


def _silences(world: World) -> None:
    views = world.live.views
    for device in DEVICES:
        if device.site_id == "bekasi":
            views[device.device_id] = replace(
                views[device.device_id], liveness=Liveness.OFFLINE, received_at=NOW - 18 * MINUTE
            )
    views["senggigi-cam-07"] = DeviceView("senggigi-cam-07", Liveness.NEVER)
    views["senggigi-cam-08"] = replace(
        views["senggigi-cam-08"], liveness=Liveness.OFFLINE, received_at=NOW - 4 * MINUTE
    )
    hot = views["senggigi-cam-02"]
    views["senggigi-cam-02"] = replace(
        hot,
        metrics={**hot.metrics, "soc_temp_c": Latest(NOW - 20, 86.0)},
        episodes=(ActiveEpisode("overheat@2", "F07", Severity.WARNING, NOW - 26 * HOUR),),
    )
