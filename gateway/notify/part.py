"""The notifier's life: sort what has happened, and one courier for each receiver."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import structlog

from gateway.clock import Clock
from gateway.notify.courier import LEASE_S, Courier
from gateway.notify.grouping import QuietHours
from gateway.notify.mail import TARGET, MailServer, open_mail
from gateway.notify.sorting import Sorter
from gateway.notify.webhook import Endpoint, open_sender
from gateway.ports.notifications import Deliveries, NotificationOutbox, Standing, Writer
from gateway.ports.registry import Registry

log = structlog.get_logger()

LOOK_S: Final = 5.0
"""How often it looks for what is ripe, and for what another process recorded."""
COUNT_S: Final = 30.0
KEPT_S: Final = 90 * 86_400.0
"""How long staff can see what was sent."""


class Notifier:
    """`run()` is its life; `wake()` after a commit that recorded an event. Made by `open_notifier`."""

    def __init__(self, sorter: Sorter, couriers: Sequence[Courier], deliveries: Deliveries, clock: Clock) -> None:
        self._sorter, self.couriers = sorter, couriers
        self._deliveries, self._clock = deliveries, clock
        self._wake = asyncio.Event()
        self._counted_at = float("-inf")
        self.standing = Standing(0, 0, None)

    def wake(self) -> None:
        """Something was recorded."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for courier in self.couriers:
                tasks.create_task(courier.run(), name=courier.target)
            await self._sort()

    async def _sort(self) -> None:
        while True:
            self._wake.clear()
            try:
                while await self._sorter.step(self._clock.now()):
                    pass
                await self._count()
            except OSError as error:
                log.warning("notifications wait for the database", reason=str(error))
            for courier in self.couriers:
                courier.wake()
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _count(self) -> None:
        now = self._clock.now()
        if now < self._counted_at + COUNT_S:
            return
        self._counted_at = now
        await self._deliveries.forget(now - KEPT_S)
        self.standing = await self._deliveries.standing()


@asynccontextmanager
async def open_notifier(
    outbox: NotificationOutbox,
    deliveries: Deliveries,
    registry: Registry,
    writer: Writer,
    clock: Clock,
    *,
    server: MailServer | None,
    quiet: QuietHours | None,
    endpoints: Sequence[Endpoint],
    lease_s: float = LEASE_S,
) -> AsyncIterator[Notifier]:
    """A notifier with its connections, until the block ends."""
    async with AsyncExitStack() as stack:
        couriers = [
            Courier(
                one.target,
                await stack.enter_async_context(open_sender(one)),
                deliveries,
                clock,
                address=str(one.url),
                lease_s=lease_s,
            )
            for one in endpoints
        ]
        if server is not None:
            sender = await stack.enter_async_context(open_mail(server))
            couriers.append(Courier(TARGET, sender, deliveries, clock, lease_s=lease_s))
        sorter = Sorter(outbox, deliveries, registry, writer, endpoints, mail=server is not None, quiet=quiet)
        yield Notifier(sorter, couriers, deliveries, clock)
