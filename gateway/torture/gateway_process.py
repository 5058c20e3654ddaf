"""The gateway as its users run it: `siaga run` in a process of its own, killed, starved and started again."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from gateway.bench.processes import used
from gateway.torture.ports import lasting_port

ROOT = Path(__file__).parents[2]
START_S = 90.0
STOP_S = 40.0


class GatewayProcess:
    """One gateway at a time on the same free ports and data. `peak_bytes` is the most memory any of them had.

    `settings` is TOML that is added to its own, tables; `rules` is a file of rules (None: the shipped ones).
    """

    def __init__(
        self,
        folder: Path,
        settings: str = "",
        *,
        rules: Path | None = None,
        broker_port: int | None = None,
        clock_file: Path | None = None,
    ) -> None:
        self.http_port, self.mqtt_port, self.metrics_port = lasting_port(), lasting_port(), lasting_port()
        self.peak_bytes = 0
        self.starts = 0
        self.folder, self.log, self.config = folder, folder / "gateway.log", folder / "siaga.toml"
        self.config.write_text(
            f'data_dir = "{folder}/data"\n'
            + (f'rules = ["{rules}"]\n' if rules else "")
            + f"[http]\nport = {self.http_port}\nmetrics_port = {self.metrics_port}\n"
            f"[mqtt]\nenabled = {str(broker_port is None).lower()}\nport = {self.mqtt_port}\n"
            "messages_per_second = 100000\n"
            + (f'[broker]\nurl = "mqtt://127.0.0.1:{broker_port}"\n' if broker_port else "")
            + settings
        )
        self._command = [sys.executable, "-m", "gateway", "run", "-c", str(self.config)]
        if clock_file is not None:
            self._command = [sys.executable, "-m", "gateway.torture.jumping_clock", str(self.config), str(clock_file)]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self.process is not None
        return self.process.pid

    def launch(self) -> None:
        """Start it and wait for nothing."""
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, cwd=ROOT)

    def start(self) -> None:
        """Start, and wait until it listens (it may not be ready: a part may be away on purpose)."""
        self.launch()
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                raise ChildProcessError(f"the gateway stopped at its start: {self._last_words()}")
            if self.get("/healthz")[0] == 200:
                return
            time.sleep(0.05)
        raise TimeoutError(f"the gateway did not listen within {START_S:.0f} s: {self._last_words()}")

    def get(self, path: str, port: int = 0) -> tuple[int, str]:
        """Status and text of a page; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.http_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def trouble(self) -> dict[str, str]:
        """What /readyz says does not work, by part."""
        with contextlib.suppress(ValueError):
            said = json.loads(self.get("/readyz")[1])
            return {name: str(why) for name, why in said.get("parts", {}).items() if why not in ("ok", True)}
        return {}

    def caught_up(self) -> bool:
        """Whether every committed sample has reached the history (see `History.kept`)."""
        return "siaga_history_behind 0.0" in self.get("/metrics", self.metrics_port)[1]

    def note_memory(self) -> None:
        """Remember the peak so far; the kernel forgets it with the process."""
        if self.process is not None:
            with contextlib.suppress(OSError, StopIteration):
                self.peak_bytes = max(self.peak_bytes, used(self.process.pid).peak_bytes)

    def freeze(self) -> None:
        """Let it stand still as it is: a machine that sleeps, a paused container."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it with kill -9: no last words."""
        assert self.process is not None
        self.note_memory()
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop_in_order(self) -> None:
        """SIGTERM; ChildProcessError unless it leaves in order."""
        code = self.stop()
        if code:
            raise ChildProcessError(f"the gateway left with {code}: {self._last_words()}")

    def stop(self) -> int:
        """SIGTERM, and its exit code (0 where none runs); ChildProcessError if it does not stop."""
        if self.process is None:
            return 0
        self.note_memory()
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise ChildProcessError(f"the gateway did not stop: {self._last_words()}") from None

    def abandon(self) -> None:
        """End it whatever it does: the scenario is over."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-600:]
