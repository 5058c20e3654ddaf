"""What the health gate remembers outlives the gateway: read at the start, written a few devices at a time."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from firmware_updates.health import HealthDiary
from firmware_updates.ports import UpdateStore
from gateway.storage.update_desk import SqlUpdates

EVERY_S: Final = 600.0
"""How often a device's row is written at most: so much of its two-hour means a crash may cost."""
AT_ONCE: Final = 200
"""Rows in one transaction, about 5 KB each."""


class GateMemory:
    """`recall` once before anything is watched, `keep` with every beat."""

    def __init__(self, updates: SqlUpdates, health: HealthDiary) -> None:
        self._updates, self._health = updates, health
        self._left: list[str] = []
        self._next_at = 0.0
        self.recalled = False

    async def recall(self) -> None:
        """Read all that is kept. Raises OSError, and is then to be called again."""
        after = ""
        while rows := await self._updates.read(partial(_next, after=after)):
            for key, row in rows:
                self._health.load(key, row)
            after = rows[-1][0]
        self.recalled = True

    async def keep(self, now: float) -> None:
        """Write the next rows that changed; forget those of devices that nobody watches. Raises OSError."""
        if not self._left and now >= self._next_at:
            self._next_at = now + EVERY_S
            self._left = sorted(self._health.changed())
        some, self._left = self._left[:AT_ONCE], self._left[AT_ONCE:]
        rows = {key: row for key in some if (row := self._health.row(key)) is not None}
        gone = self._health.useless()

        def write(store: UpdateStore) -> None:
            store.keep_health(rows)
            store.drop_health(gone)

        if rows or gone:
            await self._updates.act(write)


def _next(store: UpdateStore, after: str) -> Sequence[tuple[str, str]]:
    return store.kept_health(after, AT_ONCE)
