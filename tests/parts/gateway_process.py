"""The gateway's own process for tortures, with what tests ask of it besides: commands, readiness, its history."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from gateway.storage.history import open_history
from gateway.torture import gateway_process

ROOT = Path(__file__).parents[2]


class GatewayProcess(gateway_process.GatewayProcess):
    """One `siaga run` on free ports. `extra` is TOML that is added to its settings."""

    def __init__(self, folder: Path, *, broker_port: int | None = None, database: str = "", extra: str = "") -> None:
        settings = f'[database]\nurl = "{database}"\n' if database else ""
        super().__init__(folder, settings + extra, broker_port=broker_port)

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
        """Start, and wait until it is ready."""
        self.launch()
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
        while not self.caught_up():
            assert time.monotonic() < deadline, "the history did not catch up in 60 s"
            time.sleep(0.1)
        self.stop()
        return asyncio.run(_read_history(self.folder / "data/history.db", device_id, metric))


async def _read_history(path: Path, device_id: str, metric: str) -> list[float]:
    async with open_history(path) as history:
        return [sample.value for sample in await history.raw(device_id, metric, 0.0, 4e9, 1_000_000)]
