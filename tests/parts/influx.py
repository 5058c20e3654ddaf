"""A real InfluxDB 1.6 (Debian's) on a free loopback port, and a proxy in front of it that can fail.

1.6 has no `/api/v2/write` yet, so the proxy hands those requests to `/write` of the same server: what the adapter sends
is parsed and stored by a real engine, and only the path and the authorization header are not its own.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway.storage.influx.connection import Address
from gateway.storage.influx.setup import Keep, mend
from tests.parts.mosquitto import free_port

BINARY = shutil.which("influxd") or shutil.which("influxd", path="/usr/sbin")
Fault = Callable[[web.Request, bytes], Awaitable[web.Response | None]]


@contextlib.contextmanager
def running_influx(folder: Path) -> Iterator[str]:
    """The server's url."""
    if BINARY is None:
        pytest.skip("influxd is not installed (Debian package influxdb)")
    port, control = free_port(), free_port()
    config = folder / "influxdb.conf"
    config.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{control}"\n[meta]\ndir = "{folder}/meta"\n'
        f'[data]\ndir = "{folder}/data"\nwal-dir = "{folder}/wal"\nindex-version = "tsi1"\nquery-log-enabled = false\n'
        f'[http]\nbind-address = "127.0.0.1:{port}"\nlog-enabled = false\n[monitor]\nstore-enabled = false\n'
        '[logging]\nlevel = "error"\n[continuous_queries]\nrun-interval = "1s"\nlog-enabled = false\n'
    )
    process = subprocess.Popen(
        [BINARY, "-config", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"HOME": str(folder)},
    )
    try:
        _wait(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        if process.poll() is not None:
            raise RuntimeError("influxd stopped at start")
        time.sleep(0.05)
    raise RuntimeError("influxd did not start")


class Proxy:
    """Between adapter and server: counts, translates the v2 write path, and fails as it is told.

    `fault` is asked first, with the request and its body; a response of it is the answer.
    """

    def __init__(self, target: str, translate: bool) -> None:
        self.target = target
        self._translate = translate
        self.fault: Fault | None = None
        self.writes: list[tuple[int, int]] = []
        self.encodings: list[str] = []
        self.url = ""

    def _kept(self, request: web.Request) -> dict[str, str]:
        kept = ("Content-Type", "Accept") if self._translate else ("Content-Type", "Accept", "Authorization")
        return {name: request.headers[name] for name in kept if name in request.headers}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if self.fault is not None and (answer := await self.fault(request, body)) is not None:
            return answer
        path, query = request.path, dict(request.query)
        writing = path == "/api/v2/write"
        if writing:
            self.encodings.append(request.headers.get("Content-Encoding", ""))
        if writing and self._translate:
            path, query = "/write", {"db": query["bucket"], "precision": query["precision"]}
        # aiohttp has already inflated the body that came in.
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method, self.target + path, params=query, data=body, headers=self._kept(request)
            ) as answered,
        ):
            data = await answered.read()
            if writing:
                self.writes.append((answered.status, len(body)))
            kept = ("Content-Type", "X-Influxdb-Version", "X-Influxdb-Error")
            headers = {name: answered.headers[name] for name in kept if name in answered.headers}
            return web.Response(status=answered.status, body=data, headers=headers)


def real_address() -> Address | None:
    """A real InfluxDB to run everything on (SIAGA_TEST_INFLUX_URL, _TOKEN, _ORG), with a bucket of its own."""
    url = os.environ.get("SIAGA_TEST_INFLUX_URL")
    if not url:
        return None
    token, org = os.environ.get("SIAGA_TEST_INFLUX_TOKEN", ""), os.environ.get("SIAGA_TEST_INFLUX_ORG", "siaga")
    return Address(url, token, org, f"siaga_test_{uuid.uuid4().hex[:12]}")


@asynccontextmanager
async def set_up_influx(influx: str, keep: Keep) -> AsyncIterator[tuple[Address, Proxy]]:
    """An address with buckets and downsampling made by our own set-up; a proxy stands before it."""
    real = real_address()
    async with running_proxy(real.url if real else influx, translate=real is None) as proxy:
        address = replace(real, url=proxy.url) if real else Address(proxy.url, "", "", f"siaga_{uuid.uuid4().hex[:12]}")
        await asyncio.to_thread(mend, address, keep)
        yield address, proxy


@asynccontextmanager
async def running_proxy(target: str, *, translate: bool = True) -> AsyncIterator[Proxy]:
    proxy = Proxy(target, translate)
    app = web.Application(client_max_size=2**28)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    proxy.url = f"http://{host}:{port}"
    try:
        yield proxy
    finally:
        await runner.cleanup()
