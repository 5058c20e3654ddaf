"""What diagnostics cost: CPU microseconds a report, healthy and bad, under 100 rules on 20 metrics; bytes a device."""

import gc
import time
import tracemalloc
from dataclasses import asdict, dataclass
from random import Random
from statistics import median

from diagnostics.catalogue import Catalogue, load_catalogue
from diagnostics.engine import Engine
from diagnostics.fleet import Fleet
from diagnostics.rule_file import RuleSet, parse_rules
from diagnostics.telemetry import Report
from diagnostics.topology import Device

START = 1_767_225_600.0
METRICS = (
    "soc_temp_c", "cpu_pct", "mem_used_pct", "rtt_ms", "loss_pct", "crc_per_1e6", "poe_v", "poe_w", "fps_actual",
    "fps_pct", "drop_per_min", "kbps", "luma_mean", "noise_sd", "sharpness", "scene_sim", "sd_write_p99_ms",
    "sd_life_used_pct", "s_since_segment_s", "gap_s_per_day",
)  # fmt: skip
STATES = {"recording": "on", "daynight": "day", "reset_reason": "power", "sd_state": "rw"}


@dataclass(frozen=True, slots=True)
class RuleCost:
    """Medians of the rounds. `*_us` CPU time a report, one a minute (`seldom`: one in 15 minutes, every 4th an hourly
    sample); `*_bytes` a device: silent, healthy after 30 days, in trouble.

    `hostile_us`: square waves between both ends of what is physically possible, on every metric at once.
    """

    rules: int
    metrics: int
    healthy_us: float
    healthy_seldom_us: float
    bad_us: float
    hostile_us: float
    never_reported_bytes: int
    state_bytes: int
    trouble_bytes: int


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

    def __init__(self, count: int = 100, every_s: float = 60.0) -> None:
        self.catalogue = load_catalogue()
        self.rules = hundred_rules(self.catalogue)
        self.devices = [
            Device(f"cam-{number:04d}", "camera", "Bench 1", f"site-{number // 5:03d}", silence_s=5000.0)
            for number in range(count)
        ]
        self.fleet = Fleet(Engine(self.rules, self.catalogue), self.devices, START)
        self.random = Random(7)
        self.turn = self.seq = 0
        self.every_s = every_s

    def reports(self, turns: int, kind: str) -> list[Report]:
        """So many turns of the fleet: healthy (noise within the healthy range), bad (one metric) or hostile (all)."""
        made = []
        for _ in range(turns):
            self.turn += 1
            self.seq += 1
            at = START + self.every_s * self.turn
            for place, device in enumerate(self.devices):
                metrics = {name: self._value(name, kind, position) for position, name in enumerate(METRICS)}
                now = at + self.every_s * place / len(self.devices)
                made.append(
                    Report(
                        device.device_id, 1, self.seq, now - 0.2, now, metrics, dict(STATES), now - START + 9e6, "1.0"
                    )
                )
        return made

    def _value(self, name: str, kind: str, position: int) -> float:
        metric = self.catalogue.metric[name]
        low, high = metric.healthy
        if kind == "hostile":
            return metric.range[self.turn % 2]
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


def _bytes_a_device() -> tuple[int, int, int]:
    """Traced bytes a device: registered only; after 30 days of health; with trouble on every metric."""
    road = _Road(50, 900.0)
    road.cost_us(2, "healthy")
    gc.collect()
    tracemalloc.start()
    catalogue, rules = road.catalogue, road.rules
    engine = Engine(rules, catalogue)
    engine.plan("camera", "Bench 1")
    before = tracemalloc.get_traced_memory()[0]
    many = 2000
    fleet = Fleet(
        engine, (Device(f"cam-{n:05d}", "camera", "Bench 1", f"site-{n // 10:04d}") for n in range(many)), START
    )
    registered = tracemalloc.get_traced_memory()[0] - before
    del fleet
    road = _Road(50, 900.0)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(29 * 4):
        road.cost_us(1, "healthy")
        road.turn += 23
    gc.collect()
    healthy = tracemalloc.get_traced_memory()[0] - before
    road.cost_us(200, "hostile")
    gc.collect()
    trouble = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return registered // many, healthy // 50, trouble // 50


def measure(rounds: int = 7) -> dict[str, float]:
    """All figures, medians over the rounds (each of 2,000 reports)."""
    road = _Road()
    road.cost_us(96, "healthy")
    gc.collect()
    gc.freeze()
    healthy = median(road.cost_us(20, "healthy") for _ in range(rounds))
    bad = median(road.cost_us(20, "bad") for _ in range(rounds))
    hostile = median(road.cost_us(20, "hostile") for _ in range(rounds))
    seldom = _Road(every_s=900.0)
    seldom.cost_us(96, "healthy")
    seldom_healthy = median(seldom.cost_us(20, "healthy") for _ in range(rounds))
    gc.unfreeze()
    sizes = _bytes_a_device()
    return asdict(RuleCost(len(road.rules.rules), len(METRICS), healthy, seldom_healthy, bad, hostile, *sizes))
