"""A real PostgreSQL on a free loopback port, that can be stopped, killed and started again with its data."""

import contextlib
import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.parts.mosquitto import free_port


def find_binaries() -> Path | None:
    """The newest installation of Debian's packages, or whatever is on the PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    found = versions[-1] if versions else Path(on_path) if on_path else None
    return found.parent if found else None


class PostgreSql:
    """One server process at a time; port and data stay the same over restarts."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self._binaries = binaries
        self._user = _unprivileged_user()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        # English sorts "cam-1" and "cam1" otherwise than Python does: ids must not depend on it.
        english = ("--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8")
        how = ("-D", str(folder / "data"), "-U", "siaga", "-A", "trust", "-E", "UTF8", "--no-sync", *english)
        self._run("initdb", *how)

    def start(self) -> None:
        """Start and wait until it answers."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            # A killed process still finds its log in the page cache: fsync matters only to a machine that loses power.
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "16MB",
            "max_connections": "40",
        }
        arguments = [f"-c{name}={value}" for name, value in options.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._binaries / "postgres"), "-D", str(self.folder / "data"), *arguments],
                stdout=log,
                stderr=log,
                **self._as_user(),
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self._dsn("postgres")):
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-500:]}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: break connections and shut down in order. SIGQUIT: as if it had crashed."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def new_database(self) -> str:
        """An empty database; its URL."""
        self._databases += 1
        name = f"siaga_{self._databases}"
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        return f"postgresql://siaga@127.0.0.1:{self.port}/{name}"

    def _dsn(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user=siaga dbname={database} connect_timeout=3"

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._binaries / program), *arguments], check=False, capture_output=True, **self._as_user()
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode()[-500:]}")

    def _as_user(self) -> dict[str, object]:
        # PostgreSQL refuses to run as root.
        if self._user is None:
            return {"cwd": self.folder}
        return {"cwd": self.folder, "user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}


def _unprivileged_user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError(f"{getpass.getuser()} may not run PostgreSQL, and there is no user postgres or nobody")


@contextlib.contextmanager
def running_postgresql() -> Iterator[PostgreSql]:
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian package postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="siaga-postgresql-"))
    try:
        server = PostgreSql(folder, binaries)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)  # nobody will read what an orderly end would save
    finally:
        shutil.rmtree(folder, ignore_errors=True)
