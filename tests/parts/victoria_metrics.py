"""A real VictoriaMetrics on a free loopback port: the closest server here that speaks InfluxDB 2's write endpoint."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.mosquitto import free_port

BINARY = shutil.which("victoria-metrics")


@contextlib.contextmanager
def running_victoria_metrics(folder: Path) -> Iterator[str]:
    """The server's url."""
    if BINARY is None:
        pytest.skip("victoria-metrics is not installed (Debian package victoria-metrics)")
    port = free_port()
    options = [f"-storageDataPath={folder}", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=10y"]
    process = subprocess.Popen(
        [BINARY, *options, "-memory.allowedBytes=64MB"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                break
            if process.poll() is not None:
                raise RuntimeError("victoria-metrics stopped at start")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)
