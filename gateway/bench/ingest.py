"""Messages a second and CPU a message of a whole gateway: embedded endpoint, or mosquitto + paho."""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.access import secret_hash
from gateway.bench.processes import Used, blast, gateway, mosquitto, process, used
from gateway.ports.registry import Customer, RegisteredDevice, Site
from gateway.storage.database import open_database
from gateway.storage.registry import SqlRegistry

PASSWORD = "bench"  # noqa: S105 - the load generator's own


@dataclass(frozen=True, slots=True)
class Figure:
    """One round. `cpu_us` is CPU of the measured process a message, `peak_mb` its memory at the most."""

    messages: int
    per_second: float
    cpu_us: float
    peak_mb: float
    p50_ms: float
    p99_ms: float


def embedded(devices: int, connections: int, window: int, seconds: float, rules: Path | None) -> Figure:
    """Devices connect straight to the gateway; validation, rules, commit and history are all on."""
    with tempfile.TemporaryDirectory(prefix="siaga-bench-") as folder:
        asyncio.run(register(Path(folder), devices))
        with gateway(Path(folder), broker_port=None, rules=rules) as (child, port):
            return measured(child.pid, port, connections, window, seconds)


def over_broker(connections: int, window: int, seconds: float, rules: Path | None) -> Figure | None:
    """The same through mosquitto and paho; None where mosquitto is not installed."""
    with tempfile.TemporaryDirectory(prefix="siaga-bench-") as folder, mosquitto(Path(folder)) as broker:
        if broker is None:
            return None
        asyncio.run(register(Path(folder), connections))
        with gateway(Path(folder), broker_port=broker, rules=rules) as (child, _):
            time.sleep(1.0)
            return measured(child.pid, broker, connections, window, seconds)


def bare_paho(connections: int, window: int, seconds: float) -> Figure | None:
    """A paho subscriber that does nothing with the same messages; None where mosquitto is not installed."""
    with tempfile.TemporaryDirectory(prefix="siaga-bench-") as folder, mosquitto(Path(folder)) as broker:
        if broker is None:
            return None
        with process(sys.executable, "-m", "gateway.bench.bare_paho", str(broker), core=0) as child:
            time.sleep(1.0)
            return measured(child.pid, broker, connections, window, seconds)


def measured(
    pid: int,
    port: int,
    connections: int,
    window: int,
    seconds: float,
    worked_off: Callable[[int], None] = lambda _messages: None,
) -> Figure:
    """Load a port, and read what the process used from the first message until its last work on them is done.
    `worked_off` returns when that many messages have gone where they should.
    """
    before: list[Used] = []
    outcome = blast(port, connections, window, seconds, lambda: before.append(used(pid)))
    messages = max(1, int(outcome["messages"]))
    worked_off(messages)
    after = settled(pid)
    cpu_s = after.cpu_s - before[0].cpu_s
    return Figure(
        messages,
        outcome["per_second"],
        cpu_s / messages * 1e6,
        after.peak_bytes / 1e6,
        outcome["p50_ms"],
        outcome["p99_ms"],
    )


def settled(pid: int) -> Used:
    """What was used once the backlog is worked off: what was acknowledged still goes to history."""
    last = used(pid)
    while True:
        time.sleep(0.5)
        now = used(pid)
        if now.cpu_s - last.cpu_s < 0.05:
            return now
        last = now


async def register(folder: Path, devices: int) -> None:
    """A registry with so many devices: bench-0 onwards."""
    (folder / "data").mkdir()
    async with open_database(f"sqlite:///{folder}/data/siaga.db") as database:
        registry = SqlRegistry(database)
        sites = [Site(f"site-{n}", "bench", f"Site {n}", "UTC") for n in range(devices // 20 + 1)]
        await registry.put([Customer("bench", "Bench", "en", "UTC")], sites)
        secret = secret_hash(PASSWORD)
        for start in range(0, devices, 10_000):
            rows = [
                RegisteredDevice(f"bench-{n}", f"Camera {n}", "camera", "Bench 1", f"site-{n // 20}")
                for n in range(start, min(devices, start + 10_000))
            ]
            await registry.put(devices=rows)
            for row in rows[:1000] if start == 0 else ():
                await registry.set_device_secret(row.device_id, secret)
