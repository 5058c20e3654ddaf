"""What an idle connection costs, measured from outside the process that serves it, on each event loop."""

import asyncio
import contextlib
import re
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.ingest.endpoint.test_tls import issue
from tests.parts.event_loops import FACTORIES

CONNECTIONS = 1000
TLS_CONNECTIONS = 200
STATUS = "/proc/{}/status"
SERVE = "from gateway.bench.endpoint_alone import main; main()"
LOOPS = {
    "asyncio": SERVE,
    "uvloop": f"import asyncio; from gateway import loops; asyncio.run = loops.run; {SERVE}",
}

pytestmark = [
    pytest.mark.skipif(not Path(STATUS.format("self")).exists(), reason="reads the memory of a process from /proc"),
    pytest.mark.parametrize("loop", FACTORIES),
]


def resident_bytes(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(STATUS.format(pid)).read_text())
    assert found
    return int(found[1]) * 1024


@contextlib.contextmanager
def served(loop, *arguments):
    """(process id, port) of an endpoint in a process of its own."""
    command = [sys.executable, "-c", LOOPS[loop], *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield process.pid, int(process.stdout.readline().split(b":")[1])
        finally:
            process.terminate()


async def idle(mqtt, port, number, version, tls=None):
    """A connection that has subscribed and says no more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    peer = mqtt.Peer(reader, writer, version)
    name = f"cam-{number}"
    await peer.send(mqtt.connect(version, name, username=name, password=b"x"))
    await peer.read()
    await peer.send(mqtt.subscribe((f"siaga/v1/{name}/command", 1), version=version))
    await peer.read()
    return peer


async def test_an_idle_subscribed_connection_takes_no_more_than_4_kb(mqtt, version, loop):
    with served(loop) as (pid, port):
        for number in range(200):
            await idle(mqtt, port, number, version)
        before = resident_bytes(pid)
        for first in range(200, 200 + CONNECTIONS, 100):
            await asyncio.gather(*(idle(mqtt, port, number, version) for number in range(first, first + 100)))
        assert (resident_bytes(pid) - before) / CONNECTIONS <= 4096


async def test_an_idle_tls_connection_takes_no_more_than_50_kb_and_75_after_it_said_much(mqtt, tmp_path, loop):
    issue(tmp_path, "localhost")
    with served(loop, "--certificate", str(tmp_path / "localhost.pem")) as (pid, port):
        tls = ssl.create_default_context(cafile=str(tmp_path / "localhost.pem"))
        tls.check_hostname = False
        for number in range(50):
            await idle(mqtt, port, number, 5, tls)
        before = resident_bytes(pid)
        peers = [await idle(mqtt, port, number, 5, tls) for number in range(50, 50 + TLS_CONNECTIONS)]
        assert (resident_bytes(pid) - before) / TLS_CONNECTIONS <= 50_000
        for number, peer in enumerate(peers, 50):
            much = mqtt.publish(f"siaga/v1/cam-{number}/telemetry", b"x" * 1_000, version=5)
            await peer.send(*[much] * 200)
            await peer.silence()
        assert (resident_bytes(pid) - before) / TLS_CONNECTIONS <= 75_000
