"""What an idle connection costs, measured from outside the process that serves it."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

CONNECTIONS = 1000
STATUS = "/proc/{}/status"


def resident_bytes(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(STATUS.format(pid)).read_text())
    assert found
    return int(found[1]) * 1024


@pytest.mark.skipif(not Path(STATUS.format("self")).exists(), reason="reads the memory of a process from /proc")
async def test_an_idle_subscribed_connection_takes_no_more_than_4_kb(mqtt, version):
    command = [sys.executable, "-m", "gateway.bench.endpoint_alone"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: ASYNC220 - its first line comes at once
        try:
            port = int(process.stdout.readline().split(b":")[1])

            async def idle(number: int) -> None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                peer = mqtt.Peer(reader, writer, version)
                name = f"cam-{number}"
                await peer.send(mqtt.connect(version, name, username=name, password=b"x"))
                await peer.read()
                await peer.send(mqtt.subscribe((f"siaga/v1/{name}/command", 1), version=version))
                await peer.read()

            for number in range(200):
                await idle(number)
            before = resident_bytes(process.pid)
            for first in range(200, 200 + CONNECTIONS, 100):
                await asyncio.gather(*(idle(number) for number in range(first, first + 100)))
            assert (resident_bytes(process.pid) - before) / CONNECTIONS <= 4096
        finally:
            process.terminate()
