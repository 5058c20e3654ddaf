"""What pages show in tests: two customers, three sites, and a device in every state."""

import math
import random
from dataclasses import dataclass, field

from diagnostics.catalogue import load_catalogue
from diagnostics.changes import Evidence, Impact, Severity
from diagnostics.faults import load_faults
from gateway.clock import ManualClock
from gateway.ports.history import Latest, Sample
from gateway.ports.ledger import Reject, RejectReason
from gateway.ports.live import ActiveEpisode, DeviceView, Liveness
from gateway.ports.registry import Customer, RegisteredDevice, Role, Site, User
from gateway.storage.history_memory import MemoryHistory
from gateway.tickets.ticket import CloseCode, Entry, HistoryEntry, State, Ticket, WaitingFor
from gateway.web.knowledge import Knowledge
from gateway.web.parts import WebParts, WebSettings
from gateway.web.passwords import hash_password
from gateway.web.updates import UpdateView
from gateway.web.wake import Broadcaster
from tests.gateway.web.stand_ins import Accounts, Registry, Tickets

NOW = 1_795_244_700.0  # Sat 21 Nov 2026 07:05 UTC = 14:05 in Jakarta
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
PASSWORD = "siaga siaga siaga"
HASH = hash_password(PASSWORD)


class Live:
    def __init__(self) -> None:
        self.views: dict[str, DeviceView] = {}
        self.blind: float | None = None

    def view(self, device_id: str) -> DeviceView | None:
        return self.views.get(device_id)

    def blind_since(self) -> float | None:
        return self.blind


class Rejects:
    def __init__(self) -> None:
        self.kept: list[Reject] = []

    async def rejects(self, device_id: str | None, limit: int) -> list[Reject]:
        return [it for it in self.kept if device_id in (None, it.device_id)][:limit]


class Updates:
    def __init__(self) -> None:
        self.views: dict[str, UpdateView] = {}

    async def of_device(self, device_id: str) -> UpdateView | None:
        return self.views.get(device_id)


@dataclass
class World:
    registry: Registry = field(default_factory=Registry)
    accounts: Accounts = field(default_factory=Accounts)
    tickets: Tickets = field(default_factory=Tickets)
    history: MemoryHistory = field(default_factory=MemoryHistory)
    live: Live = field(default_factory=Live)
    rejects: Rejects = field(default_factory=Rejects)
    updates: Updates = field(default_factory=Updates)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    wake: Broadcaster = field(default_factory=Broadcaster)

    def parts(self, **more: object) -> WebParts:
        settings = WebSettings(secret=b"s" * 32, secure_cookies=False, support_contact="+62 811 555 010")
        given = dict(
            tickets=self.tickets,
            registry=self.registry,
            accounts=self.accounts,
            history=self.history,
            live=self.live,
            knowledge=Knowledge(load_faults(), load_catalogue()),
            rejects=self.rejects,
            clock=self.clock,
            settings=settings,
            wake=self.wake,
            updates=self.updates,
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
    dates = dict(warranty_until="2027-06-30", contract_until="2028-01-31", support_until="2029-12-31")
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


def ticket(
    number: int,
    fault: str,
    device: RegisteredDevice,
    *,
    since: float,
    severity: Severity = Severity.WARNING,
    evidence: Evidence | None = None,
    **more: object,
) -> Ticket:
    site = next(it for it in SITES if it.site_id == device.site_id)
    given = dict(
        ticket_id=f"t-{number}",
        number=f"SG-{number}",
        key=f"device:{device.device_id}:{fault}",
        scope="device",
        scope_id=device.device_id,
        device_id=device.device_id,
        site_id=device.site_id,
        customer_id=site.customer_id,
        fault_class=fault,
        severity=severity,
        state=State.NEW,
        rule="wear@3",
        advisory=False,
        opened_at=since + 5 * MINUTE,
        updated_at=since + 5 * MINUTE,
        episodes=1,
        version=1,
        evidence=evidence or Evidence("", None, None, None, since),
        impact=None,
        priority_at=NOW + 6 * HOUR,
    )
    return Ticket(**{**given, **more})


def opened(it: Ticket) -> HistoryEntry:
    return HistoryEntry(it.opened_at, Entry.OPENED, it.rule, "first_episode", it.evidence.note)


async def make_world() -> World:
    world, rng = World(), random.Random(4)
    await world.registry.put(CUSTOMERS, SITES, DEVICES)
    for user in USERS:
        await world.accounts.put_user(user)
    by_id = {it.device_id: it for it in DEVICES}
    for device in DEVICES:
        world.live.views[device.device_id] = _view(device, rng)
        samples = []
        for step in range(14 * 24 * 2):
            at = NOW - 14 * DAY + step * 30 * MINUTE
            sun = math.sin((at % DAY) / DAY * 2 * math.pi - 0.9)
            values = {"soc_temp_c": 54 + 6 * sun + rng.gauss(0, 0.5), "mem_used_pct": 50 + rng.gauss(0, 1)}
            if device.kind == "camera":
                values |= {"rssi_dbm": -54 + rng.gauss(0, 1.5), "sd_life_used_pct": 30 + step / 400}
            if device.device_id == "kemang-cam-01":
                values["sd_life_used_pct"] = 62 + step / 38
            if device.device_id == "kemang-cam-02":
                values["rssi_dbm"] = -56 - max(0, step - 500) / 9 + rng.gauss(0, 1.2)
            samples.append(Sample(device.device_id, at, values))
        await world.history.append(1, samples)
    _tickets(world, by_id)
    _silences(world)
    for place, (reason, detail) in enumerate(
        [
            (RejectReason.NOT_JSON, "line 1, column 3: expected a value"),
            (RejectReason.SCHEMA, "metrics.soc_temp_c: not a number"),
            (RejectReason.TOO_LARGE, "21504 bytes; at most 16384"),
        ]
    ):
        world.rejects.kept.append(
            Reject(
                "kemang-cam-04",
                "siaga/v1/kemang-cam-04/telemetry",
                reason,
                detail,
                NOW - place * HOUR,
                b"{<script>alert(1)</script>",
            )
        )
    world.updates.views["senggigi-cam-05"] = UpdateView(
        "r-241", "2.5.0", "installing", True, NOW - 2 * MINUTE, progress=0.4
    )
    return world


def _tickets(world: World, by_id: dict[str, RegisteredDevice]) -> None:
    add = world.tickets.add
    wear = Evidence(
        "sd_life_used_pct",
        79.6,
        80.0,
        32.0,
        NOW - 2 * DAY,
        tuple((NOW - 2 * DAY + k * HOUR, 75 + k * 0.1) for k in range(48)),
        "",
    )
    first = ticket(
        1042,
        "F01",
        by_id["kemang-cam-01"],
        since=NOW - 2 * DAY,
        severity=Severity.HIGH,
        evidence=wear,
        state=State.OPEN,
        owner="sari",
        version=2,
        promise_at=NOW + 3 * HOUR,
        impact=Impact(NOW + 9 * DAY, NOW + 13 * DAY, NOW + 19 * DAY),
        priority_at=NOW + 4 * DAY,
    )
    add(
        first,
        opened(first),
        HistoryEntry(NOW - 5 * HOUR, Entry.TAKEN, "sari", "taken"),
        HistoryEntry(NOW - 4.5 * HOUR, Entry.NOTE, "sari", "note", "Card ordered: 128 GB high endurance."),
        HistoryEntry(
            NOW - 4 * HOUR,
            Entry.REPLY,
            "sari",
            "reply",
            "Kartu memori baru sudah kami pesan. Kami kabari jadwal penggantiannya.",
        ),
    )
    weak = Evidence("rssi_dbm", -74.0, -70.0, -55.0, NOW - 8 * HOUR, (), "")
    second = ticket(
        1043,
        "F20",
        by_id["kemang-cam-02"],
        since=NOW - 8 * HOUR,
        evidence=weak,
        priority_at=NOW + 20 * HOUR,
        promise_at=NOW + 19 * HOUR,
    )
    add(second, opened(second))
    hot = Evidence("soc_temp_c", 86.0, 80.0, 58.0, NOW - 26 * HOUR)
    third = ticket(
        1044,
        "F07",
        by_id["senggigi-cam-02"],
        since=NOW - 26 * HOUR,
        evidence=hot,
        advisory=True,
        priority_at=NOW + 2 * DAY,
    )
    add(third, opened(third))
    members = tuple(it.device_id for it in DEVICES if it.site_id == "bekasi")
    outage = ticket(
        1045,
        "F39",
        by_id["bekasi-router"],
        since=NOW - 18 * MINUTE,
        severity=Severity.CRITICAL,
        scope="site",
        scope_id="bekasi",
        device_id="",
        devices=members,
        key="site:bekasi:F39",
        priority_at=NOW - 6 * MINUTE,
        promise_at=NOW + 40 * MINUTE,
        rule="site-silent@1",
    )
    add(outage, opened(outage))
    gaps = Evidence("gap_s_per_day", 412.0, 300.0, 8.0, NOW - 10 * HOUR)
    waits = ticket(
        1046,
        "F06",
        by_id["senggigi-cam-03"],
        since=NOW - 10 * HOUR,
        severity=Severity.HIGH,
        evidence=gaps,
        state=State.PENDING,
        owner="andi",
        waiting_for=WaitingFor.CUSTOMER,
        version=4,
        priority_at=NOW + 1 * HOUR,
    )
    add(
        waits,
        opened(waits),
        HistoryEntry(NOW - 3 * HOUR, Entry.TAKEN, "andi", "taken"),
        HistoryEntry(
            NOW - 2 * HOUR, Entry.REPLY, "andi", "reply", "May we restart the kitchen camera tonight after 23:00?"
        ),
        HistoryEntry(NOW - 2 * HOUR, Entry.WAITING, "andi", "customer"),
    )
    cured = ticket(
        1040,
        "F16",
        by_id["kemang-cam-03"],
        since=NOW - 3 * DAY,
        state=State.SOLVED,
        owner="sari",
        solved_at=NOW - 2 * HOUR,
        close_code=CloseCode.FIXED_ON_SITE,
        version=5,
    )
    add(
        cured,
        opened(cured),
        HistoryEntry(NOW - 2 * DAY, Entry.TAKEN, "sari", "taken"),
        HistoryEntry(NOW - 2 * HOUR, Entry.SOLVED, "sari", "fixed_on_site", "Both plugs re-made."),
    )
    leak = Evidence("mem_used_pct", 88.0, 85.0, 52.0, NOW - 30 * HOUR)
    full = ticket(
        1047,
        "F22",
        by_id["senggigi-nvr"],
        since=NOW - 30 * HOUR,
        evidence=leak,
        impact=Impact(NOW + 2 * DAY, NOW + 3 * DAY, NOW + 5 * DAY),
        priority_at=NOW + 1 * DAY,
        rule="memory-leak@2",
    )
    add(full, opened(full))
    expiry = Evidence("cert_days_left", 21.0, 30.0, None, NOW - 6 * HOUR)
    runs_out = ticket(
        1048,
        "F29",
        by_id["senggigi-cam-06"],
        since=NOW - 6 * HOUR,
        severity=Severity.INFO,
        evidence=expiry,
        impact=Impact(NOW + 21 * DAY, NOW + 21 * DAY, NOW + 21 * DAY),
        priority_at=NOW + 12 * DAY,
        rule="certificate@1",
    )
    add(runs_out, opened(runs_out))


def _silences(world: World) -> None:
    from dataclasses import replace

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
