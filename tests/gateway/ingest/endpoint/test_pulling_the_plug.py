"""kill -9 of the process at any moment: what was promised to a client is still there."""

import asyncio
import random
import signal
import sys
from contextlib import asynccontextmanager

import pytest

ROUNDS = 2


@asynccontextmanager
async def process(database):
    """The endpoint in a process of its own; ends by SIGKILL."""
    command = ("-m", "gateway.bench.endpoint_alone", "--general", "--database", database)
    child = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    try:
        line = await asyncio.wait_for(child.stdout.readline(), 20)
        yield int(line.split(b":")[1])
    finally:
        child.send_signal(signal.SIGKILL)
        await child.communicate()


async def client(mqtt, port, version, client_id, **how):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    peer = mqtt.Peer(reader, writer, version)
    await peer.send(mqtt.connect(version, client_id, **how))
    first, body = await peer.read()
    assert (first, body[1]) == (0x20, 0)
    peer.session_present = bool(body[0])
    return peer


async def publish_until_killed(mqtt, port, version, start, acked):
    """Keep four messages in flight; note which were acknowledged."""
    peer = await client(mqtt, port, version, "talker")
    number = start
    try:
        while True:
            batch = range(number, number + 4)
            await peer.send(*[mqtt.publish("t", b"%d" % n, 1, n, version=version, retain=n % 4 == 0) for n in batch])
            for n in batch:
                await peer.expect(mqtt.ack(0x40, n))
                acked.append(n)
            number += 4
    except (ConnectionError, asyncio.IncompleteReadError):
        return number + 4


@pytest.mark.parametrize(
    ("version", "connected"), [(4, True), (5, False)], ids=["v311, while it listens", "v5, while it sleeps"]
)
async def test_what_was_acknowledged_reaches_a_lasting_session_whatever_is_killed(mqtt, version, tmp_path, connected):
    database = f"sqlite:///{tmp_path}/siaga.db"
    how = {"clean": False} if version == 4 else {"clean": False, "expiry": 3600}
    chance = random.Random(version * 2 + connected)
    acked: list[int] = []
    got: list[int] = []
    number = 1
    for turn in range(ROUNDS):
        async with process(database) as port:
            sub = await client(mqtt, port, version, "sub", **how)
            assert sub.session_present == (turn > 0)
            if turn == 0:
                await sub.send(mqtt.subscribe(("t", 1), version=version))
                assert (await sub.read())[0] == 0x90
            got += await collect(mqtt, sub)
            if not connected:
                await sub.send(b"\xe0\x00")
                await sub.closed()
            blasting = asyncio.ensure_future(publish_until_killed(mqtt, port, version, number, acked))
            await asyncio.sleep(chance.uniform(0.05, 0.3))
        number = await blasting
    async with process(database) as port:
        sub = await client(mqtt, port, version, "sub", **how)
        got += await collect(mqtt, sub)
        late = await client(mqtt, port, version, "late")
        await late.send(mqtt.subscribe(("t", 0), version=version))
        await late.read()
        retained = int((await late.message()).payload)
    assert acked
    assert set(acked) <= set(got), sorted(set(acked) - set(got))[:10]
    assert retained >= max(n for n in acked if n % 4 == 0)
    fresh = list(dict.fromkeys(got))
    assert fresh == sorted(fresh)


async def collect(mqtt, peer):
    """Acknowledge what comes until a ping is answered with nothing before it."""
    got = []
    quiet = False
    while not quiet:
        quiet = True
        await peer.send(b"\xc0\x00")
        while True:
            first, body = await peer.read()
            if first == 0xD0:
                break
            if first >> 4 == 3:
                message = mqtt.parse_publish(first, body, peer.version)
                got.append(int(message.payload))
                await peer.send(mqtt.ack(0x40, message.packet_id))
                quiet = False
    return got
