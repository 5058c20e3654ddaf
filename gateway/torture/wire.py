"""A wire between devices and gateway that can swallow: bytes vanish, connections stay open, nobody is told.

What a dead switch, a NAT that forgot, or a cut cable does: each side finds out only by its own keep-alive.
"""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from gateway.torture.ports import lasting_port

CHUNK = 65536


class Wire:
    """Relays connections to a port of this machine, in a thread of its own. `swallow` ends all that are open now."""

    def __init__(self, target: int) -> None:
        self.port, self._target = lasting_port(), target
        self.swallowed = 0
        self._open: set[asyncio.Event] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="torture-wire")
        self._thread.start()
        self._server = self._wait(asyncio.start_server(self._relay, "127.0.0.1", self.port))

    def swallow(self) -> None:
        """From now on nothing gets through what is connected; who connects anew gets through."""
        self._wait(self._cut())

    def close(self) -> None:
        """Hang up for good."""
        self._wait(self._hang_up())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _cut(self) -> None:
        self.swallowed += len(self._open)
        for cut in self._open:
            cut.set()
        self._open.clear()

    async def _hang_up(self) -> None:
        self._server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    async def _relay(self, near: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        cut = asyncio.Event()
        far = None
        with suppress(OSError, asyncio.CancelledError):
            reader, far = await asyncio.open_connection("127.0.0.1", self._target)
            self._open.add(cut)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_pump(near, far, cut))
                tasks.create_task(_pump(reader, answer, cut))
        self._open.discard(cut)
        for end in (answer, far):
            if end is not None:
                end.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, cut: asyncio.Event) -> None:
    """Carry bytes until one side hangs up. Once cut, they are read and dropped, and so is the hanging up."""
    while data := await source.read(CHUNK):
        if cut.is_set():
            continue
        sink.write(data)
        await sink.drain()
    if cut.is_set():
        await asyncio.sleep(3600)
    sink.close()
