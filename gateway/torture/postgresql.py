"""A PostgreSQL of our own, to be stopped, crashed and started again with its data."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gateway.torture.ports import lasting_port


def binaries() -> Path | None:
    """The newest installation; None where there is none, or no driver for it."""
    if find_spec("psycopg") is None:
        return None
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    found = installed[-1] if installed else Path(on_path) if on_path else None
    return found.parent if found else None


class PostgreSql:
    """One server process at a time. Its files must lie where its user may go (it refuses to run as root)."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.port = lasting_port()
        self.url = f"postgresql://siaga@127.0.0.1:{self.port}/postgres"
        self._folder, self._programs = folder, programs
        self._process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        made = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "siaga", "-A", "trust", "-E", "UTF8"]
        subprocess.run([*made, "--no-sync"], check=True, capture_output=True, cwd=folder, **self._as)

    def start(self) -> None:
        """Start, and wait until it listens and has recovered."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self._folder),
            "shared_buffers": "16MB",
        }
        command = [str(self._programs / "postgres"), "-D", str(self._folder / "data")]
        command += [f"-c{name}={value}" for name, value in options.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder, **self._as)
        ready = [str(self._programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port), "-q"]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
                if subprocess.run(ready, check=False).returncode == 0:
                    return
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise ChildProcessError("PostgreSQL did not start")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: cut connections and leave in order. SIGQUIT: as if it had crashed."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None
