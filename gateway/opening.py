"""Opening the stores of a gateway: waiting for what may come back, refusing what will not."""

from contextlib import AsyncExitStack

import structlog

from gateway.clock import Clock
from gateway.ports.history import History
from gateway.serving import listening, starting_page
from gateway.settings import Settings
from gateway.storage.claim import Claim, claimed
from gateway.storage.database import Database, open_database
from gateway.storage.history import Retention, open_history
from gateway.storage.influx import open_influx

log = structlog.get_logger()


async def opened_database(stack: AsyncExitStack, settings: Settings, clock: Clock) -> tuple[Database, Claim]:
    """The database, and the claim to be the only gateway on it. While it is away, or another gateway runs on it, say so
    on the port where the pages will be, and try again.
    """
    said = ["connecting"]
    delay = 0.5
    async with AsyncExitStack() as waiting:
        while True:
            try:
                async with AsyncExitStack() as both:
                    claim = await both.enter_async_context(claimed(settings.database_url))
                    database = await both.enter_async_context(open_database(settings.database_url))
                    await stack.enter_async_context(both.pop_all())
                    return database, claim
            except OSError as error:
                if len(said) == 1:
                    page = starting_page(lambda: said[-1])
                    await waiting.enter_async_context(listening(page, settings.http.host, settings.http.port))
                if str(error) != said[-1]:
                    log.error("the database cannot be used; retrying", reason=str(error))
                    said[1:] = [str(error)]
                await clock.sleep(delay)
                delay = min(delay * 2, 10.0)


async def opened_history(stack: AsyncExitStack, settings: Settings, clock: Clock) -> History:
    """The history store that the settings name. HistoryAway (an OSError) if an embedded one cannot be used."""
    wanted = settings.history
    if wanted.kind == "influxdb":
        return await stack.enter_async_context(
            open_influx(
                wanted.url,
                wanted.token.get_secret_value(),
                wanted.org,
                wanted.bucket,
                clock=clock,
                raw_days=wanted.raw_days,
            )
        )
    retention = Retention(wanted.raw_days, wanted.rollup_days, wanted.max_bytes)
    return await stack.enter_async_context(open_history(settings.data_dir / "history.db", retention, clock))
