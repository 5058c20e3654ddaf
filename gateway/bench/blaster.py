"""A load generator for MQTT endpoints, in a process of its own: MQTT 3.1.1 on the event loop, no client library.

Two shapes of load: a few connections with a window of unacknowledged messages (pipelined), and many connections with
one message each in flight (single). Prints "connected", and at the end one JSON line. Every figure counts messages that
were acknowledged.

`python -m gateway.bench.blaster --port 1883 --connections 8 --window 1000 --seconds 5`
"""

import argparse
import asyncio
import json
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import cast

from gateway import loops

_CONNACK = b"\x20\x02\x00\x00"
_PUBACK_BYTES = 4
_AT_ONCE = 200
_CONNECT_TIMEOUT_S = 30.0
_FIRST = 100_000_000
"""Sequence numbers start here, so that all messages are of one length."""


@dataclass(frozen=True, slots=True)
class Load:
    """What to send. The devices are `{prefix}-0` onwards, one a connection; the id is the user name too."""

    host: str
    port: int
    connections: int
    window: int
    seconds: float
    prefix: str = "bench"
    password: str = "bench"  # noqa: S105 - a load test's, not a secret


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. Latencies are from writing a message to its PUBACK, milliseconds, sampled."""

    messages: int
    seconds: float
    per_second: float
    generator_us: float
    connect_s: float
    p50_ms: float
    p99_ms: float


def _text(value: str) -> bytes:
    return len(value).to_bytes(2, "big") + value.encode()


def _packet(first: int, body: bytes) -> bytes:
    length, out = len(body), bytearray((first,))
    while length > 0x7F:
        out.append(length & 0x7F | 0x80)
        length >>= 7
    out.append(length)
    return bytes(out) + body


def connect_packet(client_id: str, password: str) -> bytes:
    """CONNECT of MQTT 3.1.1, clean session, keep alive 600 s, with the client id as user name."""
    body = b"\0\4MQTT\4\xc2\x02\x58" + _text(client_id) + _text(client_id) + _text(password)
    return _packet(0x10, body)


_METRICS = (
    ("soc_temp_c", 41.5, 2, 1), ("cpu_pct", 22, 9, 0), ("mem_used_pct", 48.25, 1.5, 2), ("rtt_ms", 3.5, 1, 1),
    ("loss_pct", 0, 0, 0), ("link_mbps", 100, 0, 0), ("rssi_dbm", -58, 3, 0), ("poe_v", 47.9, 0.3, 1),
    ("poe_w", 6.25, 0.5, 2), ("fps_actual", 24.9, 0.1, 1), ("fps_target", 25, 0, 0), ("kbps", 4096, 900, 0),
    ("luma_mean", 84.5, 6, 1), ("gain_db", 6, 1, 0), ("noise_sd", 2.25, 0.4, 2), ("sharpness", 0.98, 0.01, 2),
    ("motion_per_h", 4, 3, 0), ("case_temp_c", 38.5, 1, 1), ("rh_in_pct", 41, 2, 0), ("sd_life_used_pct", 12, 0, 0),
)  # fmt: skip
"""Name, healthy value, how far it strays, decimals; each value keeps its number of digits."""
_VARIANTS = 64


def report_templates(count: int = _VARIANTS) -> list[tuple[bytes, bytes]]:
    """Reports of device protocol version 1 with 20 metrics, about 350 bytes and all of one length, before and after
    their sequence number. The values differ from one to the next, as a camera's do.
    """
    dice = Random(1)
    found = []
    for _ in range(count):
        said = ",".join(
            f'"{name}":{dice.uniform(value - stray, value + stray):.{decimals}f}'
            for name, value, stray, decimals in _METRICS
        )
        before, after = '{"v":1,"boot":1,"seq":', ',"uptime_s":86412,"metrics":{' + said + "}}"
        found.append((before.encode(), after.encode()))
    assert len({len(before + after) for before, after in found}) == 1
    return found


class _Sender(asyncio.Protocol):
    """One connection that keeps `window` messages in flight until told to stop."""

    def __init__(
        self,
        load: Load,
        number: int,
        templates: Sequence[tuple[bytes, bytes]],
        ready: asyncio.Event,
        samples: list[float],
    ) -> None:
        self._load = load
        self._client_id = f"{load.prefix}-{number}"
        before, after = templates[0]
        self._after = [after for _, after in templates]
        topic = _text(f"siaga/v1/{self._client_id}/telemetry")
        size = len(topic) + 2 + len(before) + len(str(_FIRST)) + len(after)
        self._head = _packet(0x32, bytes(size))[:-size] + topic
        self._before = before
        self._ready = ready
        self._samples = samples
        self._sequence = 0
        self._turn = number  # no two clients say the same at the same time
        self._acked = 0
        self._rest = 0
        self._greeted = b""
        self._probe: tuple[int, float] | None = None
        self._transport: asyncio.Transport
        self.running = False
        self.connected = False

    @property
    def acked(self) -> int:
        """Messages acknowledged."""
        return self._acked

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who we are."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are such without saying so
        self._transport.write(connect_packet(self._client_id, self._load.password))

    def data_received(self, data: bytes) -> None:
        """CONNACK first, then nothing but PUBACKs: only their number counts."""
        if not self.connected:
            self._greeted += data
            if len(self._greeted) >= len(_CONNACK):
                self.connected = self._greeted == _CONNACK
                self._ready.set()
            return
        count, self._rest = divmod(self._rest + len(data), _PUBACK_BYTES)
        self._acked += count
        if self._probe is not None and self._acked >= self._probe[0]:
            self._samples.append(time.perf_counter() - self._probe[1])
            self._probe = None
        if self.running:
            self.send(count)

    def send(self, count: int) -> None:
        """Write this many messages at once."""
        out: list[bytes] = []
        for _ in range(count):
            self._sequence += 1
            out += (self._head, (self._sequence % 65535 + 1).to_bytes(2, "big"), self._before)
            out += (b"%d" % (_FIRST + self._sequence), self._after[(self._sequence + self._turn) % _VARIANTS])
        if self._probe is None:
            self._probe = (self._sequence, time.perf_counter())
        self._transport.write(b"".join(out))

    def close(self) -> None:
        """Leave in order."""
        self._transport.write(b"\xe0\x00")
        self._transport.close()


async def blast(load: Load, connected: Callable[[], None] = lambda: None) -> Outcome:
    """Connect, call `connected`, then load for that many seconds. Raises OSError if a client is refused."""
    loop = asyncio.get_running_loop()
    samples: list[float] = []
    templates = report_templates()
    began = time.perf_counter()
    senders = []
    for first in range(0, load.connections, _AT_ONCE):
        senders += await asyncio.gather(
            *(_open(loop, load, n, templates, samples) for n in range(first, min(first + _AT_ONCE, load.connections)))
        )
    connect_s = time.perf_counter() - began
    connected()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    for sender in senders:
        sender.running = True
        sender.send(load.window)
    await asyncio.sleep(load.seconds)
    acked = sum(sender.acked for sender in senders)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    for sender in senders:
        sender.running = False
        sender.close()
    cpu_s = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
    ranked = sorted(samples) or [0.0]
    return Outcome(
        messages=acked,
        seconds=round(seconds, 3),
        per_second=round(acked / seconds),
        generator_us=round(cpu_s * 1e6 / max(1, acked), 2),
        connect_s=round(connect_s, 3),
        p50_ms=round(ranked[len(ranked) // 2] * 1e3, 2),
        p99_ms=round(ranked[len(ranked) * 99 // 100] * 1e3, 2),
    )


async def _open(
    loop: asyncio.AbstractEventLoop,
    load: Load,
    number: int,
    templates: Sequence[tuple[bytes, bytes]],
    samples: list[float],
) -> _Sender:
    ready = asyncio.Event()
    _, sender = await loop.create_connection(
        lambda: _Sender(load, number, templates, ready, samples), load.host, load.port
    )
    async with asyncio.timeout(_CONNECT_TIMEOUT_S):
        await ready.wait()
    if not sender.connected:
        raise ConnectionRefusedError(f"client {number} was refused")
    return sender


def main() -> None:
    """Blast and print the outcome as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--window", type=int, default=500, help="messages in flight a connection")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--prefix", default="bench", help="device ids are PREFIX-0 and onwards")
    parser.add_argument("--password", default="bench")
    # The reader measures from here on: admitting clients is another matter than their messages.
    outcome = loops.run(blast(Load(**vars(parser.parse_args())), lambda: print("connected", flush=True)))
    print(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main()
