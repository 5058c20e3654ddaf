"""Processes of a bench run: on loopback, pinned to a core, CPU and memory read from /proc, stopped at the end."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True, slots=True)
class Used:
    """CPU seconds and peak memory (bytes) of a process so far."""

    cpu_s: float
    peak_bytes: int


def used(pid: int) -> Used:
    """Read /proc. OSError where there is none."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    status = Path(f"/proc/{pid}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return Used((int(fields[11]) + int(fields[12])) / TICKS, peak * 1024)


def pin(pid: int, core: int) -> None:
    """Keep a process on one core, where the machine has so many."""
    if hasattr(os, "sched_setaffinity") and core < (os.cpu_count() or 1):
        os.sched_setaffinity(pid, {core})


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(*command: str, core: int, quiet: bool = True, env: dict[str, str] | None = None) -> Iterator[Any]:
    """Run a command on a core until the block ends; then ask it to stop, and end it after ten seconds."""
    out = subprocess.DEVNULL if quiet else None
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=out, text=True, env=env)
    pin(child.pid, core)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child.stdout:
            child.stdout.close()


@contextlib.contextmanager
def gateway(
    folder: Path, *, broker_port: int | None, rules: Path | None, influx: str = ""
) -> Iterator[tuple[Any, int]]:
    """A gateway as `siaga run` makes it, ready; yields the process and its MQTT port. `influx`: URL of its history."""
    http, mqtt = free_port(), free_port()
    config = folder / "siaga.toml"
    config.write_text(
        f'data_dir = "{folder}/data"\n'
        + (f'rules = ["{rules}"]\n' if rules else "")
        + f'[http]\nport = {http}\n[log]\nlevel = "error"\n'
        f"[mqtt]\nport = {mqtt}\nmessages_per_second = 1000000\n"
        + (f'[broker]\nurl = "mqtt://127.0.0.1:{broker_port}"\n' if broker_port else "")
        + (f'[history]\nkind = "influxdb"\nurl = "{influx}"\ntoken = "bench"\n' if influx else "")
    )
    with process(sys.executable, "-m", "gateway", "run", "-c", str(config), core=0, quiet=False) as child:
        until_ready(http, child)
        yield child, mqtt


def until_ready(port: int, child: Any, seconds: float = 120.0) -> None:
    """Wait for /readyz. OSError if it does not come."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and child.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return
        time.sleep(0.1)
    raise OSError("the gateway of the bench did not get ready")


def blast(port: int, connections: int, window: int, seconds: float, connected: Callable[[], None]) -> dict[str, float]:
    """Run the load generator on the other core; what it acknowledged. `connected` is called before the load begins."""
    command = [sys.executable, "-m", "gateway.bench.blaster", "--port", str(port), "--connections", str(connections)]
    with process(*command, "--window", str(window), "--seconds", str(seconds), core=1, quiet=False) as child:
        child.stdout.readline()
        connected()
        answer, _ = child.communicate(timeout=seconds + 120)
    outcome: dict[str, float] = json.loads(answer)
    return outcome


@contextlib.contextmanager
def mosquitto(folder: Path) -> Iterator[int | None]:
    """Debian's broker on core 1 beside the generator; None where it is not installed."""
    binary = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if binary is None:
        yield None
        return
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 1000\nmax_queued_messages 1000000\n"
    )
    with process(binary, "-c", str(config), core=1):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                break
            time.sleep(0.05)
        yield port
