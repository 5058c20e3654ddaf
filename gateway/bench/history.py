"""What the embedded history costs: microseconds a message, bytes a sample, milliseconds for a chart of a year."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from gateway.ports.history import Sample, chart_grid
from gateway.storage.history import queries
from gateway.storage.history.file import HistoryFile
from gateway.storage.history.store import FLUSH_ROWS, Progress, Store

START = 1_763_000_000.0
YEAR_MINUTES = 525_600
_BATCH = 1000
_COLUMNS = 800  # a chart on a desktop


@dataclass(frozen=True, slots=True)
class HistoryFigures:
    """Processor time on the history's thread (and by the wall where it says so). A message has 20 metrics; `upkeep` is
    what puts messages into columns later. Charts have 800 columns; the year has a report a minute.
    """

    append_us: float
    upkeep_us: float
    raw_bytes_a_sample: float
    bytes_a_sample: float
    year_chart_ms: float
    year_chart_wall_ms: float
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
        batch.append(Sample.of(f"cam-{device:06d}", at, _metrics(dice, turn, state)))
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


def _write(store: Store, batches: Iterator[list[Sample]]) -> tuple[float, float, int]:
    """Processor seconds of appending and of the upkeep, and how many messages."""
    appending, upkeep, count = 0.0, 0.0, 0
    for batch in batches:
        before = time.thread_time()
        store.append(count, batch)
        after = time.thread_time()
        appending += after - before
        count += len(batch)
        if store.tail.rows >= FLUSH_ROWS:
            store.flush()
            while store.compact_next() is not Progress.NONE:
                pass
            upkeep += time.thread_time() - after
    before = time.thread_time()
    store.flush()
    while device := store.next_pending():
        store.compact(device)
    return appending, upkeep + time.thread_time() - before, count


def _chart(store: Store, days: float, rounds: int = 7) -> tuple[float, float]:
    """Median milliseconds of a chart: of the processor, and by the wall."""
    end = START + YEAR_MINUTES * 60.0
    processor, wall = [], []
    for metric in ("soc_temp_c", "tx_bytes", "fps_target"):
        for _ in range(rounds):
            before, started = time.thread_time(), time.perf_counter()
            queries.series(store, "cam-000000", metric, chart_grid(end - days * 86400, end, _COLUMNS))
            processor.append((time.thread_time() - before) * 1000)
            wall.append((time.perf_counter() - started) * 1000)
    return median(processor), median(wall)


def _milliseconds(work: Callable[[], object], rounds: int = 7) -> float:
    found = []
    for _ in range(rounds):
        before = time.thread_time()
        work()
        found.append((time.thread_time() - before) * 1000)
    return median(found)


@contextmanager
def _store(path: Path) -> Iterator[Store]:
    file = HistoryFile(path)
    try:
        yield Store(file)
    finally:
        file.close()


def measure_history(messages: int = 200_000, devices: int = 100, year_minutes: int = YEAR_MINUTES) -> HistoryFigures:
    """Run it in a folder of its own: about half a minute. A report a minute, each device in turn."""
    with TemporaryDirectory(prefix="siaga-bench-") as folder:
        with _store(Path(folder, "fleet.db")) as store:
            appending, upkeep, count = _write(store, reports(devices, messages, 60.0))
            raw = store.file.number("SELECT sum(length(data)) FROM block WHERE tier = 0") / count / 20
            stored = store.file.used_bytes() / count / 20
            latest = _milliseconds(lambda: queries.latest(store, "cam-000000"))
            fleet = _milliseconds(lambda: queries.fleet_latest(store, "soc_temp_c"))
        with _store(Path(folder, "year.db")) as store:
            _write(store, reports(1, year_minutes, 60.0))
            year, year_wall = _chart(store, 365)
            day, _ = _chart(store, 1)
    per = 1e6 / count
    return HistoryFigures(appending * per, upkeep * per, raw, stored, year, year_wall, day, latest, fleet)
