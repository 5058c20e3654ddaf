"""The gateway as its users run it: `siaga run` in a process of its own, which tests may kill."""

import asyncio
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from gateway.storage.history import open_history
from tests.parts.mosquitto import free_port

ROOT = Path(__file__).parents[2]


class GatewayProcess:
    """One `siaga run` on free ports. `extra` is TOML that is added to its settings."""

    def __init__(self, folder: Path, *, broker_port: int | None = None, database: str = "", extra: str = "") -> None:
        self.folder = folder
        self.http_port = free_port()
        self.mqtt_port = free_port()
        self.metrics_port = free_port()
        self.config = folder / "siaga.toml"
        embedded = broker_port is None
        self.config.write_text(
            f'data_dir = "{folder}/data"\n'
            f"[http]\nport = {self.http_port}\nmetrics_port = {self.metrics_port}\n"
            f"[mqtt]\nenabled = {str(embedded).lower()}\nport = {self.mqtt_port}\nmessages_per_second = 100000\n"
            + ("" if embedded else f'[broker]\nurl = "mqtt://127.0.0.1:{broker_port}"\n')
            + (f'[database]\nurl = "{database}"\n' if database else "")
            + extra
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder / "gateway.log"

    def command(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run another `siaga` command with this gateway's settings."""
        return subprocess.run(
            [sys.executable, "-m", "gateway", *words, "-c", str(self.config)],
            capture_output=True,
            text=True,
            input=stdin,
            cwd=ROOT,
            check=False,
            timeout=60,
        )

    def start(self, *, wait: bool = True) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "run", "-c", str(self.config)], stderr=log, cwd=ROOT
            )
        if wait:
            self.until_ready()

    def until_ready(self, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.readyz()[0] == 200:
                return
            if self.process is not None and self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"the gateway did not get ready: {self.readyz()}\n{self.log.read_text()[-3000:]}")

    def get(self, path: str, port: int = 0) -> tuple[int, str]:
        """Status and body; (0, reason) where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.http_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def readyz(self) -> tuple[int, Any]:
        status, body = self.get("/readyz")
        try:
            return status, json.loads(body)
        except ValueError:
            return status, body

    def history(self, device_id: str, metric: str) -> list[float]:
        """Every sample of a metric once all that was committed has reached the history; the gateway is stopped then."""
        if self.process is None:
            self.start()
        deadline = time.monotonic() + 60
        while "siaga_history_behind 0.0" not in self.get("/metrics", self.metrics_port)[1]:
            assert time.monotonic() < deadline, "the history did not catch up in 60 s"
            time.sleep(0.1)
        self.stop()
        return asyncio.run(_read_history(self.folder / "data/history.db", device_id, metric))

    def kill(self) -> None:
        """As a power cut would: no last words."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        self.process = None

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
            raise AssertionError(f"did not stop:\n{self.log.read_text()[-3000:]}") from None
        self.process = None
        return code


async def _read_history(path: Path, device_id: str, metric: str) -> list[float]:
    async with open_history(path) as history:
        return [sample.value for sample in await history.raw(device_id, metric, 0.0, 4e9, 1_000_000)]
