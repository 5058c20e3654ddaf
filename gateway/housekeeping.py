"""What the clock brings to tickets and accounts: warnings before a promise is missed, closing, forgetting."""

import structlog

from gateway.clock import Clock, every
from gateway.storage.accounts import SqlAccounts
from gateway.storage.tickets import SqlTickets

log = structlog.get_logger()

EVERY_S = 60.0
REOPEN_S = 72 * 3600.0
"""A solved ticket may come back for so long; then it is closed (see tickets/policy.py)."""


async def keep_house(tickets: SqlTickets, accounts: SqlAccounts, clock: Clock) -> None:
    """Once a minute, for ever. While the database is away it is left for the next minute."""
    async for now in every(clock, EVERY_S):
        try:
            while await tickets.tell_due(now):
                pass
            while await tickets.close_solved(now - REOPEN_S, now):
                pass
            await accounts.delete_expired(now)
        except OSError as error:
            log.warning("housekeeping waits for the database", reason=str(error))
