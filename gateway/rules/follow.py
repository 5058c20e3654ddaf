"""A running gateway takes over the newest edition of the rules: through the journal, so that a replay does it too."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from gateway.clock import Clock
from gateway.ports.ingest import Inbound
from gateway.ports.rule_book import Edition, RuleBook
from gateway.rules.engines import Engines

log = structlog.get_logger()
FOLLOW_S: Final = 2.0
"""How often the book is looked at: what another process activated is in force two seconds later."""

Take = Callable[[Sequence[Inbound]], object]
Message = Callable[[int, float], Inbound]


class RuleFollower:
    """Invariant: the pipeline was told of edition `told`, and of none after it. Editions are learned before they are
    told of, so that whoever digests the message can compile them.
    """

    def __init__(
        self, book: RuleBook, engines: Engines, take: Take, message: Message, clock: Clock, told: int = 0
    ) -> None:
        self._book, self._engines, self._take, self._message = book, engines, take, message
        self._clock = clock
        self.told = told
        self._woken = asyncio.Event()

    def tell(self, newest: Edition) -> None:
        """Let the pipeline judge by this edition from here on, if it does not yet."""
        if newest.number != self.told:
            self._engines.learn([newest])
            self._take([self._message(newest.number, self._clock.now())])
            self.told = newest.number
            log.info("rules", edition=newest.number, reason=newest.reason.value, rule=newest.rule, actor=newest.actor)

    def wake(self) -> None:
        """Look at the book now."""
        self._woken.set()

    async def run(self) -> None:
        """Follow the book for ever."""
        while True:
            try:
                async with asyncio.timeout(FOLLOW_S):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()
            try:
                newest = await self._book.newest()
            except OSError:
                continue  # the ledger's own readiness says that the database is away
            if newest is not None:
                self.tell(newest)
