"""Once a day: which devices come to the end of their software updates, and whose owners are told."""

from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Final

from firmware_updates.support import AHEAD_DAYS, forget_told, support_notices
from gateway.ports.registry import DeviceStatus, RegisteredDevice, Registry
from gateway.storage.update_desk import SqlUpdates

EVERY_S: Final = 86_400.0
AT_ONCE: Final = 200


class SupportWatch:
    """`look` with every beat; it costs one pass over the registry a day."""

    def __init__(self, updates: SqlUpdates, registry: Registry) -> None:
        self._updates, self._registry = updates, registry
        self._next_at = 0.0

    async def look(self, now: float) -> bool:
        """Record what is due; whether anything was. Raises OSError; what it had told by then is not told again."""
        if now < self._next_at:
            return False
        today = datetime.fromtimestamp(now, UTC).date()
        told, some = False, list[str]()
        async for device in self._registry.devices():
            if _near(device, today):
                some.append(device.device_id)
            if len(some) >= AT_ONCE:
                told |= await self._tell(some, now)
                some = []
        told |= await self._tell(some, now)
        await self._updates.act(partial(forget_told, now=now))
        self._next_at = now + EVERY_S
        return told

    async def _tell(self, device_ids: list[str], now: float) -> bool:
        if not device_ids:
            return False
        handled = await self._updates.follow(partial(support_notices, device_ids=tuple(device_ids), now=now), now)
        return handled.notified


def _near(device: RegisteredDevice, today: date) -> bool:
    """Whether the end may be near enough in the device's own zone."""
    if device.status is not DeviceStatus.ACTIVE or not device.support_until:
        return False
    left = date.fromisoformat(device.support_until) - today
    return timedelta(-1) <= left <= timedelta(max(AHEAD_DAYS) + 1)
