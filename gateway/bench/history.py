"""What the embedded history costs: microseconds a message, bytes a sample, milliseconds for a chart of a year."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from gateway.clock import ManualClock
from gateway.ports.history import Sample
from gateway.storage.history import EmbeddedHistory, Retention, open_history

START = 1_763_000_000.0
YEAR_MINUTES = 525_600
_BATCH = 1000
_COLUMNS = 800  # a chart on a desktop
_KEEP = Retention(days=4000, raw_days=4000)


@dataclass(frozen=True, slots=True)
class HistoryFigures:
    """Processor time of the whole process. A message has 20 metrics; `upkeep` is what the background does later."""

    append_us: float
    upkeep_us: float
    raw_bytes_a_sample: float
    bytes_a_sample: float
    year_chart_ms: float
    year_chart_worst_ms: float
    day_chart_ms: float
    latest_ms: float
    fleet_latest_ms: float


def reports(devices: int, count: int, step_s: float, seed: int = 1) -> Iterator[list[Sample]]:
    """Batches of reports as cameras send them: walks in tenths, small whole numbers, counters, constants, flags."""
    dice = random.Random(seed)
    states = [[40.0, 55.0, 0.0] for _ in range(devices)]
    batch: list[Sample] = []
    for number in range(count):
        device, turn = number % devices, number // devices
        state = states[device]
        state[0] = round(state[0] + dice.choice((-0.1, 0.0, 0.0, 0.1)), 1)
        state[1] = round(state[1] + dice.choice((-0.1, 0.0, 0.1)), 1)
        state[2] += dice.randint(1000, 20_000)
        at = START + turn * step_s + dice.randint(0, 40) / 1000
        batch.append(Sample(f"cam-{device:06d}", at, _metrics(dice, turn, state)))
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _metrics(dice: random.Random, turn: int, state: Sequence[float]) -> dict[str, float]:
    warm, damp, sent = state
    return {
        "soc_temp_c": warm,
        "board_temp_c": round(warm - 3.0, 1),
        "humidity_pct": damp,
        "mem_used_pct": round(damp / 2 + 20, 1),
        "cpu_pct": round(30 + dice.random() * 5, 1),
        "latency_ms": round(20 + dice.random() * 3, 1),
        "jitter_ms": round(dice.random(), 1),
        "fps_actual": round(24.9 + dice.choice((-0.1, 0.0, 0.0, 0.0, 0.1)), 1),
        "rssi_dbm": float(-58 + dice.randint(-2, 2)),
        "bitrate_kbps": float(4000 + dice.randint(-50, 50)),
        "supply_v": round(12 + dice.choice((-0.01, 0.0, 0.01)), 2),
        "supply_a": round(0.5 + dice.choice((-0.01, 0.0, 0.01)), 2),
        "disk_free_gb": round(100 - turn * 0.0001, 1),
        "tx_bytes": sent,
        "uptime_s": float(turn * 60),
        "packets_lost": float(turn // 500),
        "ir_on": float(turn // 600 % 2),
        "fps_target": 25.0,
        "sd_life_used_pct": 41.0,
        "frames_dropped": 0.0,
    }


async def _write(history: EmbeddedHistory, batches: Iterator[list[Sample]]) -> tuple[float, float, int]:
    """Processor seconds of appending and of the upkeep that follows, and how many messages."""
    appending, count = 0.0, 0
    for batch in batches:
        before = time.process_time()
        await history.append(count, batch)
        appending += time.process_time() - before
        count += len(batch)
    before = time.process_time()
    await history.settle()
    return appending, time.process_time() - before, count


async def _milliseconds(history: EmbeddedHistory, days: float, rounds: int = 7) -> list[float]:
    end = START + YEAR_MINUTES * 60.0
    found = []
    for metric in ("soc_temp_c", "tx_bytes", "fps_target"):
        for _ in range(rounds):
            before = time.perf_counter()
            await history.series("cam-000000", metric, end - days * 86400, end, _COLUMNS)
            found.append((time.perf_counter() - before) * 1000)
    return found


async def _measure(folder: Path, messages: int, devices: int, year_minutes: int) -> HistoryFigures:
    clock = ManualClock(START)
    async with open_history(folder / "fleet.db", _KEEP, clock) as history:
        appending, upkeep, count = await _write(history, reports(devices, messages, 60.0))
        rows = await history.run_query("SELECT sum(length(data)) FROM block WHERE tier = 0")
        raw = rows[0][0] / count / 20
        stored = await history.bytes_used() / count / 20
        before = time.perf_counter()
        await history.latest("cam-000000")
        latest = (time.perf_counter() - before) * 1000
        before = time.perf_counter()
        await history.fleet_latest("soc_temp_c")
        fleet = (time.perf_counter() - before) * 1000
    async with open_history(folder / "year.db", _KEEP, clock) as history:
        await _write(history, reports(1, year_minutes, 60.0))
        year, day = await _milliseconds(history, 365), await _milliseconds(history, 1)
    per = 1e6 / count
    return HistoryFigures(
        appending * per, upkeep * per, raw, stored, median(year), max(year), median(day), latest, fleet
    )


def measure_history(messages: int = 200_000, devices: int = 100, year_minutes: int = YEAR_MINUTES) -> HistoryFigures:
    """Run it in a folder of its own: about half a minute. A report a minute, each device in turn."""
    with TemporaryDirectory(prefix="siaga-bench-") as folder:
        return asyncio.run(_measure(Path(folder), messages, devices, year_minutes))
