"""mosquitto with persistence, to be stopped, killed and started again on the same port and data."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from gateway.torture.ports import lasting_port

BINARY = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class Broker:
    """One broker process at a time."""

    def __init__(self, folder: Path) -> None:
        self.port = lasting_port()
        self._stored = folder / "mosquitto.db"
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {folder}/\n"
            "autosave_interval 1\nautosave_on_changes true\nmax_inflight_messages 1000\nmax_queued_messages 1000000\n"
            # As root it would become a user of its own, who may not write into our folder.
            + ("user root\n" if os.getuid() == 0 else "")
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it listens."""
        assert BINARY is not None
        command = [BINARY, "-c", str(self._config)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        raise ChildProcessError("mosquitto did not start")

    def stop(self) -> None:
        """SIGTERM: it saves what it has accepted."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def kill(self) -> None:
        """End it with kill -9. What it accepted since it last saved is lost, and that is its own doing: see `saved`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None

    def saved(self, seconds: float = 15.0) -> None:
        """Wait until it has saved once more, so that everything accepted until now is on its disk."""
        before = self._stamp()
        deadline = time.monotonic() + seconds
        while self._stamp() == before and time.monotonic() < deadline:
            time.sleep(0.02)

    def _stamp(self) -> int:
        with contextlib.suppress(OSError):
            return self._stored.stat().st_mtime_ns
        return 0
