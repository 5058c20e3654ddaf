"""What diagnostics cost: CPU microseconds a report, healthy, bad and hostile, under 100 rules on 20 metrics and under
the shipped rules; bytes a device.

A bad report has one metric far out of its healthy range. Hostile ones swing all metrics between both ends of what is
physically possible, stay at one end, lie beyond it, or come once a year.
"""

import gc
import time
import tracemalloc
from random import Random
from statistics import median

from diagnostics.baseline import Stream
from diagnostics.catalogue import Catalogue, load_catalogue
from diagnostics.engine import Engine
from diagnostics.fleet import Fleet
from diagnostics.rule_file import RuleSet, load_default_rules, parse_rules
from diagnostics.telemetry import Report
from diagnostics.topology import Device

START = 1_767_225_600.0
METRICS = (
    "soc_temp_c", "cpu_pct", "mem_used_pct", "rtt_ms", "loss_pct", "crc_per_1e6", "poe_v", "poe_w", "fps_actual",
    "fps_pct", "drop_per_min", "kbps", "luma_mean", "noise_sd", "sharpness", "scene_sim", "sd_write_p99_ms",
    "sd_life_used_pct", "s_since_segment_s", "gap_s_per_day",
)  # fmt: skip
STATES = {"recording": "on", "daynight": "day", "reset_reason": "power", "sd_state": "rw"}


Spread = tuple[float, float, float]
REPORTS = 1000
ROUNDS = 5
SIZED = (2000, 100)
"""Devices that memory is measured on: only registered, and living through 30 days."""
KINDS = ("healthy", "constant", "bad", "square wave", "impossible")
HOSTILE = ("square wave", "all at the top", "all at the bottom", "impossible")
EVERY_S = {"at once": 0.001, "every minute": 60.0, "every 15 minutes": 900.0, "once a year": 365 * 86_400.0}


def hundred_rules(catalogue: Catalogue) -> RuleSet:
    """Five rules on each of 20 metrics: three levels, a trend, and in turn a peer, a daily or a long-run comparison."""
    tables = []
    for number, name in enumerate(METRICS):
        metric = catalogue.metric[name]
        low, high = metric.healthy
        reach = max((high - low) / 4, 1e-3)
        limits = [min(metric.range[1], high + reach * step) for step in (1, 2, 3)]
        for step, limit in enumerate(limits):
            tables.append(
                _table(f"{name}-{step}", "level", name, f'steps = [{{ severity = "warning", limit = {limit} }}]')
            )
        steps = 'steps = [{ severity = "warning", limit = 14 }]'
        tables.append(_table(f"{name}-trend", "forecast", name, f"limit = {limits[2]}\nfrom_level = {high}\n{steps}"))
        other = ("peer", "level", "level")[number % 3]
        extra = ("min_peers = 5", 'of = "day_max"', 'relative = "usual"')[number % 3]
        far = (reach, limits[2], 3.0)[number % 3]
        body = f'{extra}\nsteps = [{{ severity = "warning", limit = {far} }}]'
        tables.append(_table(f"{name}-other", other, name, body))
    return parse_rules("\n".join(tables), "bench", catalogue)


def _table(name: str, kind: str, metric: str, body: str) -> str:
    return (
        f'[[rule]]\nname = "{name.replace("_", "-")}"\nversion = 1\nfault_class = "B{len(name) % 9}"\nkind = "{kind}"\n'
        f'metric = "{metric}"\nreason = "one of a hundred rules that measure what rules cost"\n{body}\n'
    )


class _Road:
    """A fleet of 100 cameras on 20 sites and their reports, made before they are measured."""

    def __init__(self, count: int = 100, every_s: float = 60.0, *, shipped: bool = False) -> None:
        self.catalogue = load_catalogue()
        self.rules = load_default_rules(self.catalogue) if shipped else hundred_rules(self.catalogue)
        self.devices = [
            Device(f"cam-{number:04d}", "camera", "Bench 1", f"site-{number // 5:03d}", silence_s=5000.0)
            for number in range(count)
        ]
        self.engine = Engine(self.rules, self.catalogue)
        self.fleet = Fleet(self.engine, self.devices, START)
        self.random = Random(7)
        self.turn = self.seq = 0
        self.every_s = every_s

    def reports(self, turns: int, kind: str) -> list[Report]:
        """So many turns of the fleet, all of one kind."""
        made = []
        for _ in range(turns):
            self.turn += 1
            self.seq += 1
            at = START + self.every_s * self.turn
            for place, device in enumerate(self.devices):
                metrics = {name: self._value(name, kind, position) for position, name in enumerate(METRICS)}
                now = at + min(self.every_s, 60.0) * place / len(self.devices)
                made.append(
                    Report(
                        device.device_id, 1, self.seq, now - 0.2, now, metrics, dict(STATES), now - START + 9e6, "1.0"
                    )
                )
        return made

    def _value(self, name: str, kind: str, position: int) -> float:
        metric = self.catalogue.metric[name]
        low, high = metric.healthy
        if kind == "square wave":
            return metric.range[self.turn % 2]
        if kind.startswith("all at"):
            return metric.range[kind.endswith("top")]
        if kind == "impossible":
            return 1e15
        if kind == "constant":
            return (low + high) / 2
        if kind == "bad" and position == 0:
            return high + (high - low)
        return low + (high - low) * (0.4 + 0.2 * self.random.random())

    def cost_us(self, turns: int, kind: str) -> float:
        """CPU microseconds a report."""
        reports = self.reports(turns, kind)
        observe = self.fleet.observe
        began = time.process_time()
        for report in reports:
            observe(report)
        return (time.process_time() - began) / len(reports) * 1e6


def _bytes_a_device(many: int, few: int) -> tuple[int, int, int]:
    """Traced bytes a device: registered only; after 30 days of health; after square waves on every metric."""
    road = _Road(few, 900.0)
    road.cost_us(1, "healthy")  # so that what all devices share is not counted
    gc.collect()
    tracemalloc.start()
    fleet = Fleet(
        road.engine, (Device(f"cam-{n:05d}", "camera", "Bench 1", f"site-{n // 10:04d}") for n in range(many)), START
    )
    registered = tracemalloc.get_traced_memory()[0]
    del fleet
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    road.fleet = Fleet(road.engine, road.devices, START)
    for _ in range(29 * 4):
        road.cost_us(1, "healthy")
        road.turn += 23
    gc.collect()
    healthy = tracemalloc.get_traced_memory()[0] - before
    road.cost_us(100, "square wave")
    gc.collect()
    trouble = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return registered // many, healthy // few, trouble // few


def _bytes_a_baseline(many: int = 50) -> int:
    """Traced bytes of what one `baseline` rule remembers of one device, which is in none of the figures above."""
    tracemalloc.start()
    streams = [Stream() for _ in range(many)]
    for stream in streams:
        for hour in range(24):
            stream.update(START + 3600.0 * hour, 50.0 + hour)
    traced = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return traced // many


def measure(rounds: int = ROUNDS) -> dict[str, Spread]:
    """Median, least and most over the rounds: microseconds a report, and bytes a device (those are exact)."""
    found: dict[str, Spread] = {}
    for name, every_s in EVERY_S.items():
        for kind in KINDS:
            found[f"{kind}, {name} (us)"] = _cost(kind, every_s, rounds)
    for kind in ("healthy", *HOSTILE):
        found[f"shipped rules: {kind}, every 15 minutes (us)"] = _cost(kind, 900.0, rounds, shipped=True)
    for name, size in zip(("registered", "healthy", "hostile"), _bytes_a_device(*SIZED), strict=True):
        found[f"{name} device (bytes)"] = (size, size, size)
    size = _bytes_a_baseline()
    found["each baseline of a device besides (bytes)"] = (size, size, size)
    return found


def _cost(kind: str, every_s: float, rounds: int, *, shipped: bool = False) -> Spread:
    """The cost of a kind of report on a fleet that was healthy for a day of reports and has then sent some such."""
    road = _Road(every_s=every_s, shipped=shipped)
    road.cost_us(24, "healthy")
    road.cost_us(24, kind)
    gc.collect()
    gc.freeze()
    taken = [road.cost_us(REPORTS // len(road.devices), kind) for _ in range(rounds)]
    gc.unfreeze()
    return median(taken), min(taken), max(taken)
