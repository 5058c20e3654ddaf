"""Rule memory, written beside the pipeline: a piece at a time, so that no message waits for a whole fleet.

A checkpoint is the fleet as it was when it began, however the fleet goes on meanwhile. It counts once its last piece is
written; until then the one before it does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Protocol

from gateway.clock import Clock
from gateway.ports.ledger import Ledger

PIECE: Final = 200
"""Devices a piece: about 20 us each on the event loop."""
AGAIN_S: Final = 1.0


class Memory(Protocol):
    """The part of the fleet that is checkpointed."""

    def begin_checkpoint(self) -> bytes:
        """Begin a checkpoint of the fleet as it is now; return what belongs to no single device."""

    def some_of_checkpoint(self, limit: int) -> Sequence[tuple[str, bytes]]:
        """Return the next memories of devices that changed since the one before, about `limit`; () when all are said.

        They are as they were when it began.
        """


class Checkpoint:
    """One checkpoint at a time: `begin` while the memory is what the journal will hold, then `write`.

    `idle` is set while none is under way. `written` counts them, `seconds` is how long the last one took.
    """

    def __init__(self, memory: Memory, ledger: Ledger, clock: Clock) -> None:
        self._memory, self._ledger, self._clock = memory, ledger, clock
        self.idle = asyncio.Event()
        self.idle.set()
        self.written = 0
        self.seconds = 0.0

    def begin(self) -> bytes:
        """Freeze what is to be written; the shared memory is returned for `write`."""
        assert self.idle.is_set()
        self.idle.clear()
        return self._memory.begin_checkpoint()

    async def write(self, position: int, shared: bytes) -> None:
        """Write it as of a journal position. While the database is away it tries again, once a second."""
        began = self._clock.monotonic()
        while memories := self._memory.some_of_checkpoint(PIECE):
            await self._stubborn(partial(self._ledger.stage, position, memories))
        await self._stubborn(partial(self._ledger.checkpoint, position, (), shared))
        self.written += 1
        self.seconds = self._clock.monotonic() - began
        self.idle.set()

    async def _stubborn(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await work()
            except OSError:  # commits, which fail as well, tell about it
                await self._clock.sleep(AGAIN_S)
