"""Takes one receiver's deliveries from the store, hands them over, and writes down what became of them.

At least once: what was handed over and could not be written down goes out again, under the same id. One courier a
receiver, so that one who is slow or away holds up nobody else.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from gateway.clock import Clock
from gateway.notify.backoff import Fate, Outcome, next_try
from gateway.ports.notifications import Deliveries, Delivery

log = structlog.get_logger()

AT_ONCE: Final = 5
LEASE_S: Final = 180.0
"""Longer than `AT_ONCE` tries can take; so long a delivery that was taken by a process that died waits."""
IDLE_S: Final = 20.0
PACE_S: Final = 0.1
"""Between two messages to one receiver: ten a second at most, whatever has piled up."""


class Sender(Protocol):
    """Hands one message over."""

    async def send(self, delivery: Delivery, now: float) -> Outcome:
        """One try; whatever the receiver does is an outcome, not an exception."""

    async def rest(self) -> None:
        """Nothing more is due for now."""


class Courier:
    """`run()` is its life; `wake()` when something was made for it. Counters are since the start."""

    def __init__(
        self,
        target: str,
        sender: Sender,
        deliveries: Deliveries,
        clock: Clock,
        *,
        address: str = "",
        lease_s: float = LEASE_S,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.target, self._sender, self._address = target, sender, address
        self._deliveries, self._clock = deliveries, clock
        self._lease_s, self._chance = lease_s, chance
        self._wake = asyncio.Event()
        self.sent = self.failed = self.given_up = 0
        self.trouble = ""

    def wake(self) -> None:
        """Something was made."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled. While the store is away it waits."""
        while True:
            self._wake.clear()
            try:
                while await self.round():
                    pass
            except OSError as error:
                log.warning("deliveries wait for the database", target=self.target, reason=str(error))
            await self._sender.rest()
            try:
                async with asyncio.timeout(IDLE_S):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def round(self) -> bool:
        """What is due now, at most `AT_ONCE`; whether there may be more. Nothing for one who is gone for good."""
        if (await self._deliveries.gone()).get(self.target) == self._address:
            return False
        taken = await self._deliveries.claim(self.target, self._clock.now(), AT_ONCE, self._lease_s)
        for place, delivery in enumerate(taken):
            if place:
                await self._clock.sleep(PACE_S)
            outcome = await self._sender.send(delivery, self._clock.now())
            await self._note(delivery, outcome)
            if outcome.fate in (Fate.AWAY, Fate.GONE):
                await self._put_back(taken[place + 1 :], outcome)
                if outcome.fate is Fate.GONE:
                    await self._deliveries.went(self.target, self._address, self._clock.now())
                    log.warning("a receiver is gone: switched off", target=self.target, reason=outcome.said)
                return False
        return len(taken) == AT_ONCE

    async def _note(self, delivery: Delivery, outcome: Outcome) -> None:
        now = self._clock.now()
        if outcome.fate is Fate.TAKEN:
            await self._deliveries.sent(delivery.delivery_id, now)
            self.sent, self.trouble = self.sent + 1, ""
            return
        again = next_try(delivery.attempts, delivery.created_at, now, outcome, self._chance)
        await self._deliveries.failed(delivery.delivery_id, again, outcome.said)
        self.failed += 1
        self.given_up += again is None
        if outcome.said != self.trouble:
            log.warning("not delivered", target=self.target, reason=outcome.said, again=again is not None)
        self.trouble = outcome.said

    async def _put_back(self, rest: Sequence[Delivery], outcome: Outcome) -> None:
        """Nobody is there: the others were not tried, so no attempt counts; they go out after the first."""
        now = self._clock.now()
        for delivery in rest:
            again = next_try(0, delivery.created_at, now, outcome, self._chance)
            await self._deliveries.failed(delivery.delivery_id, again, outcome.said, tried=False)
            self.given_up += again is None
