"""Small fleets for tests: rules in TOML, reports with the parts that a test does not care about filled in."""

from collections.abc import Sequence

from diagnostics.catalogue import load_catalogue
from diagnostics.changes import Change
from diagnostics.engine import Engine
from diagnostics.fleet import Fleet
from diagnostics.rule_file import RuleSet, parse_rules
from diagnostics.telemetry import Event, Presence, Report
from diagnostics.topology import Device

T0 = 1_767_225_600.0
CATALOGUE = load_catalogue()
WHY = 'reason = "a number that this test has chosen"'


def rules(text: str) -> RuleSet:
    """Rules from TOML; every rule gets a version, a class and a reason unless it has them."""
    tables = []
    for table in text.split("[[rule]]")[1:]:
        lines = table
        for key, default in (("version", "version = 1"), ("fault_class", 'fault_class = "F07"'), ("reason", WHY)):
            if f"\n{key} =" not in lines:
                lines = f"\n{default}{lines}"
        tables.append("[[rule]]" + lines)
    return parse_rules("\n".join(tables), "test.toml", CATALOGUE)


HOT = """
[[rule]]
name = "hot"
kind = "level"
metric = "soc_temp_c"
clear_samples = 1
steps = [{ severity = "warning", limit = 80, clear = 75 }, { severity = "critical", limit = 92, clear = 90 }]
"""
SILENT = """
[[rule]]
name = "silent"
kind = "silence"
fault_class = "OFFLINE"
clear_samples = 1
steps = [{ severity = "high", limit = 1 }, { severity = "critical", limit = 20 }]
"""


class Play:
    """A fleet with a hand on the clock. `now` moves with `wait`; `seen` collects every change."""

    def __init__(self, text: str, devices: Sequence[Device] = (), every_s: float = 60.0) -> None:
        self.devices = list(devices) or [camera("cam")]
        self.engine = Engine(rules(text), CATALOGUE)
        self.fleet = Fleet(self.engine, self.devices, T0)
        self.now = T0
        self.every_s = every_s
        self.seen: list[Change] = []
        self.boot: dict[str, int] = {}
        self.seq: dict[str, int] = {}

    def report(
        self, device_id: str = "cam", *, states: dict[str, str] | None = None, firmware: str = "", **metrics: float
    ) -> list[Change]:
        """The next report of a device."""
        self.seq[device_id] = self.seq.get(device_id, 0) + 1
        return self.send(
            Report(
                device_id,
                self.boot.get(device_id, 1),
                self.seq[device_id],
                self.now,
                self.now,
                metrics or {"cpu_pct": 20.0},
                states or {},
                firmware=firmware,
            )
        )

    def send(self, report: Report) -> list[Change]:
        """Any report."""
        return self._keep(self.fleet.observe(report))

    def event(self, topic: str, device_id: str = "cam") -> list[Change]:
        """The next event of a device."""
        self.seq[device_id] = self.seq.get(device_id, 0) + 1
        return self._keep(
            self.fleet.event(
                Event(device_id, self.boot.get(device_id, 1), self.seq[device_id], self.now, self.now, topic, {})
            )
        )

    def will(self, device_id: str, *, online: bool = False) -> None:
        """A status message."""
        self._keep(self.fleet.presence(Presence(device_id, self.boot.get(device_id, 1), online, self.now)))

    def reboot(self, device_id: str = "cam") -> None:
        """The next report is of a new boot."""
        self.boot[device_id] = self.boot.get(device_id, 1) + 1
        self.seq[device_id] = 0

    def wait(self, seconds: float, step: float = 5.0) -> list[Change]:
        """Time passes, with ticks."""
        ends, got = self.now + seconds, []
        while self.now < ends:
            self.now = min(ends, self.now + step)
            got += self._keep(self.fleet.tick(self.now))
        return got

    def live(self, seconds: float, *silent: str, **metrics: float) -> list[Change]:
        """All devices but the silent ones report every minute."""
        before = len(self.seen)
        for _ in range(round(seconds / self.every_s)):
            for device in self.devices:
                if device.device_id not in silent:
                    self.report(device.device_id, **metrics)
            self.wait(self.every_s, self.every_s / 6)
        return self.seen[before:]

    def told(self) -> list[str]:
        """Every change so far as "opened device:cam:F07 warning"."""
        return [words(change) for change in self.seen]

    def _keep(self, changes: Sequence[Change]) -> list[Change]:
        self.seen += changes
        return list(changes)


def words(change: Change) -> str:
    """A change in one line."""
    return f"{change.kind.value} {change.key} {change.severity.name.lower()}"


def camera(device_id: str, site_id: str = "site", parent_id: str = "", kind: str = "camera") -> Device:
    """A mains device."""
    return Device(device_id, kind, "model", site_id, parent_id)


def cameras(count: int, *sites: str) -> list[Device]:
    """So many cameras on each site and nothing else: "a-0", "a-1" on site "a"."""
    return [camera(f"{name}-{number}", name) for name in sites or ("site",) for number in range(count)]


def site(name: str, cameras: int = 5) -> list[Device]:
    """A router, a switch behind it, a recorder and cameras behind that."""
    router, switch, recorder = f"{name}-router", f"{name}-switch", f"{name}-nvr"
    return [
        camera(router, name, kind="router"),
        camera(switch, name, router, kind="switch"),
        camera(recorder, name, switch, kind="recorder"),
        *(camera(f"{name}-cam{number}", name, recorder) for number in range(cameras)),
    ]
