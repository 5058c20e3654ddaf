"""The end of a device's software updates, told beforehand: three months, a month and a week ahead, each once.

Who is registered late is told at once, and only what is next. Pure; what was told is marked in the store.
"""

from collections.abc import Sequence

from firmware_updates.entitlement import support_days_left
from firmware_updates.ports import Done, Notice, UpdateStore

AHEAD_DAYS = (7, 30, 90)
SUPPORT_ENDS = "support_ends"
_MARK = "support:"
KEPT_S = 400 * 86_400.0
"""What was told so long ago is of a period that is over."""


def support_notices(store: UpdateStore, device_ids: Sequence[str], now: float) -> Done:
    """Notices that are due for these devices (a few hundred), and marks that they were given."""
    notices = []
    for device in store.devices(device_ids):
        days = support_days_left(device.entitlement, now)
        step = next((ahead for ahead in AHEAD_DAYS if days is not None and 0 <= days <= ahead), None)
        key = f"{_MARK}{device.device_id}:{device.entitlement.support_until}:{step}"
        if step is not None and store.marked_at(key) is None:
            store.mark(key, now)
            notices.append(Notice(device.device_id, "", "", SUPPORT_ENDS, str(device.entitlement.support_until)))
    return Done(notices=tuple(notices))


def forget_told(store: UpdateStore, now: float) -> None:
    """Forget the marks of periods that are over."""
    store.unmark_older(_MARK, now - KEPT_S)
