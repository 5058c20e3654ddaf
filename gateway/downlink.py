"""The way down: what was recorded in the outbox is published, again and again until it is taken. Recorded first."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from gateway.clock import Clock
from gateway.ports.downlink import DownlinkOutbox
from gateway.ports.ingest import Downlink

log = structlog.get_logger()

AT_ONCE: Final = 500
IDLE_S: Final = 5.0
"""How long it sleeps when nobody wakes it: another process may have recorded something."""


class Publisher:
    """Publishes the outbox over every way down (a device listens on one of them). `run()` is its life."""

    def __init__(self, outbox: DownlinkOutbox, ways: Sequence[Downlink], clock: Clock) -> None:
        self._outbox, self._ways, self._clock = outbox, ways, clock
        self._wake = asyncio.Event()
        self.published = 0
        self.trouble = ""

    def wake(self) -> None:
        """Something was recorded."""
        self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled; while a broker or the database is away, try again with back-off."""
        delay = 0.5
        while True:
            try:
                more = await self._once()
            except OSError as error:
                if not self.trouble:
                    log.warning("cannot publish to devices; retrying", reason=str(error))
                self.trouble = str(error) or type(error).__name__
                await self._clock.sleep(delay)
                delay = min(delay * 2, 30.0)
                continue
            self.trouble, delay = "", 0.5
            if not more:
                await self._rest()

    async def _once(self) -> bool:
        self._wake.clear()
        pending = await self._outbox.pending(AT_ONCE)
        now = self._clock.now()
        live = [item.message for item in pending if item.message.expires_at is None or item.message.expires_at > now]
        if live:
            for way in self._ways:
                await way.publish(live)
        if pending:
            await self._outbox.done([item.id for item in pending])
            self.published += len(live)
        return len(pending) == AT_ONCE

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(IDLE_S):
                await self._wake.wait()
        except TimeoutError:
            return
