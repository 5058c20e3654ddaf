"""A stand-in of InfluxDB that fails on demand: real HTTP on loopback, the v2 write endpoint, enough of the rest.

It keeps every point by (device, time), as InfluxDB does, so that a batch written twice is there once. What it answers
while it fails are InfluxDB's own status codes and words. It proves what the gateway does, not what InfluxDB does.
"""

import asyncio
import threading
from collections.abc import Coroutine
from enum import Enum
from typing import Any

from aiohttp import web

from gateway.torture.ports import lasting_port
from gateway.torture.senders import BAD

SLOW_S = 1.0
_CONFLICT = (
    f'partial write: field type conflict: input field "{BAD}" on measurement "telemetry" is type float, '
    "already exists as type string dropped=1"
)
_NO_SPACE = "unexpected error writing points to database: open /var/lib/influxdb/wal/7.wal: no space left on device"


class Mood(Enum):
    """How it answers writes."""

    WELL = "well"
    SLOW = "slow"  # a second a batch
    DUMB = "dumb"  # keeps the batch and never answers
    FULL = "full"  # keeps half of the batch, then its disk is full
    BUSY = "busy"  # 429 with Retry-After
    BROKEN = "broken"  # 500


class InfluxFront:
    """Listens on one port for its life; `gone` and `back` close and open it. Called from other threads."""

    def __init__(self) -> None:
        self.port = lasting_port()
        self.mood = Mood.WELL
        self.points: dict[tuple[str, int], dict[str, float]] = {}
        self.refused = 0
        self.failed = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="influx-front")
        self._thread.start()
        self._runner: web.AppRunner | None = None
        self.back()

    def back(self) -> None:
        """Listen."""
        self._wait(self._open())

    def gone(self) -> None:
        """Refuse connections, and break those there are."""
        self._wait(self._close())

    def close(self) -> None:
        """Be gone for good."""
        self.gone()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _open(self) -> None:
        app = web.Application(client_max_size=2**28)
        app.router.add_post("/api/v2/write", self._write)
        app.router.add_route("*", "/query", self._query)
        app.router.add_get("/ping", self._ping)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()

    async def _close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _ping(self, _request: web.Request) -> web.Response:
        return web.Response(status=204, headers={"X-Influxdb-Version": "v2.7.0"})

    async def _query(self, _request: web.Request) -> web.Response:
        """Nobody charts anything here: every question has an empty answer."""
        return web.json_response({"results": [{"statement_id": 0}]})

    async def _write(self, request: web.Request) -> web.Response:
        lines = (await request.text()).splitlines()
        mood = self.mood
        if mood is not Mood.WELL:
            self.failed += 1
        if mood is Mood.BUSY:
            return _refusal(429, "too many requests", {"Retry-After": "1"})
        if mood is Mood.BROKEN:
            return _refusal(500, "internal error")
        if mood is Mood.FULL:
            self._keep(lines[: len(lines) // 2])
            return _refusal(500, _NO_SPACE)
        if mood is Mood.SLOW:
            await asyncio.sleep(SLOW_S)
        dropped = self._keep(lines)
        if mood is Mood.DUMB:
            await asyncio.sleep(3600)
        if dropped:
            self.refused += dropped
            return _refusal(400, _CONFLICT)
        return web.Response(status=204)

    def _keep(self, lines: list[str]) -> int:
        """Lines into points; how many had a field of the wrong type. Our names need no escaping."""
        dropped = 0
        for line in lines:
            head, fields, stamp = line.split(" ")
            values = {name: float(value) for name, _, value in (each.partition("=") for each in fields.split(","))}
            if BAD in values:
                dropped += 1
                continue
            device = head.partition("device=")[2]
            self.points.setdefault((device, int(stamp)), {}).update(values)
        return dropped


def _refusal(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"code": "error", "message": message}, status=status, headers=headers)
