"""CPU microseconds a message by stage, each measured alone in this process: decode, judge, commit, forward."""

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from diagnostics.catalogue import load_catalogue
from diagnostics.engine import Engine
from diagnostics.fleet import Fleet
from diagnostics.rule_file import RuleSet
from diagnostics.topology import Device
from gateway.ingest import wire
from gateway.ingest.digest import NOWHERE, Digest
from gateway.ports.history import Sample
from gateway.ports.ingest import Inbound
from gateway.storage.database import open_database
from gateway.storage.history import open_history
from gateway.storage.ledger import SqlLedger

BATCH = 500
METRICS = {
    "soc_temp_c": 61.5, "cpu_pct": 41.0, "mem_used_pct": 52.0, "fps_actual": 24.9, "fps_target": 25.0,
    "sd_life_used_pct": 41.0, "sd_write_p99_ms": 21.0, "rssi_dbm": -58.0, "poe_v": 51.2, "poe_w": 6.1,
    "vin_v": 12.1, "cert_days_left": 220.0, "loss_pct": 0.1, "rtt_ms": 21.0, "crc_per_1e6": 0.2,
    "offset_s": 0.2, "luma_mean": 84.0, "sharpness": 0.98, "kbps": 3900.0, "hot_px": 8.0,
}  # fmt: skip
"""Twenty healthy metrics of a camera: about 350 bytes as a report."""


def payload(seq: int, drift: float = 0.0) -> bytes:
    """One report of those metrics."""
    said = {name: round(value * (1 + drift), 2) for name, value in METRICS.items()}
    return json.dumps({"v": 1, "boot": 1, "seq": seq, "metrics": said}, separators=(",", ":")).encode()


def cpu_us(work: Callable[[], object], messages: int, rounds: int = 5) -> tuple[float, float, float]:
    """Median, least and most CPU microseconds a message over some rounds."""
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        taken.append((time.process_time() - began) / messages * 1e6)
    return median(taken), min(taken), max(taken)


def reference() -> tuple[float, float, float]:
    """One report parsed and written by the standard library's json: how fast the machine is at this moment."""
    one = payload(1)
    return cpu_us(lambda: [json.dumps(json.loads(one)) for _ in range(BATCH)], BATCH, 15)


def decode() -> tuple[float, float, float]:
    """Parsing and validating one report."""
    reports = [payload(n) for n in range(BATCH)]
    return cpu_us(lambda: [wire.report(one, "bench-0", 1.0) for one in reports], BATCH, 15)


def digest(rules: RuleSet, devices: int = 250) -> tuple[float, float, float]:
    """Decode, judge by all rules and pack, for healthy reports."""
    catalogue = load_catalogue()
    start = 1_795_255_200.0
    known = [Device(f"bench-{n}", "camera", "Bench 1", f"site-{n // 20}") for n in range(devices)]
    fleet = Fleet(Engine(rules, catalogue), known, start)
    work = Digest(fleet, {device.device_id for device in known})
    seq = iter(range(1, 1_000_000))

    def batch() -> list[Inbound]:
        number = next(seq)
        at = start + number * 60.0
        said = payload(number, drift=(number % 7) * 0.001)
        return [Inbound(device.device_id, "telemetry", said, at, NOWHERE, 1) for device in known]

    batches = iter([batch() for _ in range(200)])
    rounds = [[next(batches) for _ in range(20)] for _ in range(9)]
    todo = iter(rounds)

    def run() -> None:
        for messages in next(todo):
            work.batch(messages, messages[0].received_at)

    return cpu_us(run, devices * 20, len(rounds))


async def commit_and_forward(rules: RuleSet) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """One transaction a batch of 500 in SQLite, and the same samples into the embedded history."""
    catalogue = load_catalogue()
    known = [Device(f"bench-{n}", "camera", "Bench 1", f"site-{n // 20}") for n in range(BATCH)]
    fleet = Fleet(Engine(rules, catalogue), known, 0.0)
    work = Digest(fleet, {device.device_id for device in known})
    commits, forwards = [], []
    with tempfile.TemporaryDirectory(prefix="siaga-bench-") as folder:
        async with (
            open_database(f"sqlite:///{folder}/siaga.db") as database,
            open_history(Path(folder) / "history.db") as history,
        ):
            ledger = SqlLedger(database, lambda _: 0.0)
            for number in range(1, 61):
                at = 1_795_255_200.0 + number * 60.0
                said = payload(number, drift=(number % 7) * 0.001)
                messages = [Inbound(one.device_id, "telemetry", said, at, NOWHERE, 1) for one in known]
                digested = work.batch(messages, at)
                began = time.process_time()
                done = await ledger.commit(digested.effects)
                committed = time.process_time()
                samples: Sequence[Sample] = digested.samples
                await history.append(done.position, samples)
                commits.append((committed - began) / BATCH * 1e6)
                forwards.append((time.process_time() - committed) / BATCH * 1e6)
    return _spread(commits), _spread(forwards)


def measure(rules: RuleSet) -> dict[str, tuple[float, float, float]]:
    """Every stage: median, least, most, in microseconds a message."""
    commit, forward = asyncio.run(commit_and_forward(rules))
    decoded, digested = decode(), digest(rules)
    judged = (
        max(0.0, digested[0] - decoded[0]),
        max(0.0, digested[1] - decoded[1]),
        max(0.0, digested[2] - decoded[2]),
    )
    return {"decode": decoded, "judge": judged, "commit": commit, "forward": forward}


def _spread(taken: list[float]) -> tuple[float, float, float]:
    return median(taken), min(taken), max(taken)
