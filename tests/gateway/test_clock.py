"""A clock that is set changes what time it is, and no duration."""

import asyncio

from gateway.clock import SystemClock, every


class SetClock(SystemClock):
    """A clock that somebody sets."""

    def __init__(self) -> None:
        self.offset = 0.0

    def now(self) -> float:
        return super().now() + self.offset


async def test_a_period_goes_on_when_the_clock_is_set_back_or_forward() -> None:
    clock, said = SetClock(), []
    async with asyncio.timeout(20):
        async for now in every(clock, 0.01):
            said.append(now)
            clock.offset = (0.0, -10_800.0, 10_800.0)[len(said) % 3]
            if len(said) == 12:
                break
    assert max(said) - min(said) > 10_000.0
