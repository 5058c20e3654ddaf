"""The same messages to the same store by different roads: our gateway with InfluxDB as its history, and Node-RED."""

import asyncio
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.bench import node_red
from gateway.bench.ingest import Figure, measured, register
from gateway.bench.processes import gateway, mosquitto, process

CONNECTIONS = 8
WINDOW = 100
PATIENCE_S = 120.0
"""How long the slowest may work off what it was sent."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What one road came to: its figure, and how many lines of its messages are in the store."""

    figure: Figure
    lines: int


@contextmanager
def sink() -> Iterator[tuple[str, Callable[[], int]]]:
    """The store, on core 1: its URL, and what asks how many lines it has."""
    with process(sys.executable, "-m", "gateway.bench.sink", core=1, quiet=False) as child:
        port = int(child.stdout.readline())

        def count() -> int:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/count", timeout=10) as answer:
                return int(answer.read())

        yield f"http://127.0.0.1:{port}", count


def embedded(seconds: float, rules: Path | None) -> Stored:
    """Devices connect straight to the gateway; validation, rules and commit are on."""
    with tempfile.TemporaryDirectory(prefix="siaga-bench-") as folder, sink() as (url, count):
        asyncio.run(register(Path(folder), CONNECTIONS))
        with gateway(Path(folder), broker_port=None, rules=rules, influx=url) as (child, port):
            return _stored(child.pid, port, seconds, count)


def over_broker(seconds: float, rules: Path | None) -> Stored | None:
    """The same through mosquitto and paho; None where mosquitto is not installed."""
    with (
        tempfile.TemporaryDirectory(prefix="siaga-bench-") as folder,
        mosquitto(Path(folder)) as broker,
        sink() as (url, count),
    ):
        if broker is None:
            return None
        asyncio.run(register(Path(folder), CONNECTIONS))
        with gateway(Path(folder), broker_port=broker, rules=rules, influx=url) as (child, _):
            time.sleep(1.0)
            return _stored(child.pid, broker, seconds, count)


def by_node_red(seconds: float) -> Stored | None:
    """Node-RED's batched flow behind mosquitto; None where one of the two is not installed."""
    program = node_red.executable()
    with (
        tempfile.TemporaryDirectory(prefix="siaga-bench-") as folder,
        mosquitto(Path(folder)) as broker,
        sink() as (url, count),
    ):
        if broker is None or program is None:
            return None
        write = f"{url}/api/v2/write?bucket=siaga&org=siaga&precision=ms"
        with node_red.running(program, Path(folder), broker, write) as child:
            return _stored(child.pid, broker, seconds, count)


def _stored(pid: int, port: int, seconds: float, count: Callable[[], int]) -> Stored:
    def all_there(messages: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while count() < messages and time.monotonic() < deadline:
            time.sleep(0.2)

    figure = measured(pid, port, CONNECTIONS, WINDOW, seconds, all_there)
    return Stored(figure, count())
