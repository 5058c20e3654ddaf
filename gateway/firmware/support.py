"""Once a day: which devices come to the end of their software updates, and whose owners are told."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from firmware_updates.support import AHEAD_DAYS, forget_told, support_notices
from gateway.ports.registry import Registry
from gateway.storage.update_desk import SqlUpdates

EVERY_S: Final = 86_400.0
AT_ONCE: Final = 200


class SupportWatch:
    """`look` with every beat; once a day it asks the registry for those whose end may be near in their own zone."""

    def __init__(self, updates: SqlUpdates, registry: Registry) -> None:
        self._updates, self._registry = updates, registry
        self._next_at = 0.0

    async def look(self, now: float) -> bool:
        """Record what is due; whether anything was. Raises OSError; what it had told by then is not told again."""
        if now < self._next_at:
            return False
        today = datetime.fromtimestamp(now, UTC).date()
        first, last = (str(today + timedelta(days)) for days in (-1, max(AHEAD_DAYS) + 1))
        told, after = False, ""
        while some := await self._registry.support_ending(first, last, after, AT_ONCE):
            told |= await self._tell(some, now)
            after = some[-1]
        await self._updates.act(partial(forget_told, now=now))
        self._next_at = now + EVERY_S
        return told

    async def _tell(self, device_ids: Sequence[str], now: float) -> bool:
        handled = await self._updates.follow(partial(support_notices, device_ids=tuple(device_ids), now=now), now)
        return handled.notified
