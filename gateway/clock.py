"""The one place that reads the clock. Everything else is given the time."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Protocol


class Clock(Protocol):
    """Time as shells see it."""

    def now(self) -> float:
        """Epoch seconds, UTC. May jump: people, NTP and dead batteries set clocks."""

    def monotonic(self) -> float:
        """Seconds since some moment, for durations: they go on evenly whatever the clock is set to."""

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds of this clock."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Epoch seconds, UTC."""
        return time.time()  # noqa: TID251 - this is the one place

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that stands until it is told to move: for tests and virtual time."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._moved = asyncio.Event()

    def now(self) -> float:
        """Epoch seconds, UTC."""
        return self._now

    def monotonic(self) -> float:
        """The same: nobody sets this clock but by letting time pass."""
        return self._now

    def move(self, seconds: float) -> None:
        """Let time pass and wake all who slept for it."""
        self._now += seconds
        self._moved.set()
        self._moved = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Return once the clock was moved that far."""
        wake_at = self._now + seconds
        while self._now < wake_at:
            await self._moved.wait()


async def every(clock: Clock, seconds: float) -> AsyncIterator[float]:
    """Yield the time again and again, `seconds` apart (the work in between does not add up: it is a period).

    A clock that is set meanwhile changes nothing but the time that is said.
    """
    due = clock.monotonic()
    while True:
        yield clock.now()
        due = max(due + seconds, clock.monotonic())
        await clock.sleep(max(0.0, due - clock.monotonic()))
