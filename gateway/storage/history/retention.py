"""What the embedded history keeps: samples for some days, rollups for longer, and never more than so many bytes."""

from dataclasses import dataclass

from gateway.ports.history import ROLLUPS_MS
from gateway.storage.history.file import RAW
from gateway.storage.history.store import Store

DAY_MS = 86_400_000
_SLICE = 256
_SETTLE_MS = 3 * DAY_MS


@dataclass(frozen=True, slots=True)
class Retention:
    """Days of samples, days of rollups (5 minutes and an hour), and a bound on the file.

    Beyond the bound the oldest samples go first, then the 5 minute rollups, then the hourly ones.
    """

    raw_days: float = 30
    rollup_days: float = 400
    max_bytes: int = 10 * 2**30


def retain(store: Store, retention: Retention, now_ms: int) -> bool:
    """Drop a slice of what is past its days or over the bound. True: there may be more to drop."""
    file = store.file
    raw_cut = now_ms - int(retention.raw_days * DAY_MS)
    rollup_cut = now_ms - int(retention.rollup_days * DAY_MS)
    dropped = 0
    with file.transaction():
        dropped += _drop(store, RAW, raw_cut)
        for width in ROLLUPS_MS:
            dropped += _drop(store, width, rollup_cut)
        _raise_floor(store, raw_cut)
    if file.used_bytes() > retention.max_bytes:
        with file.transaction():
            for tier in (RAW, *ROLLUPS_MS):
                if over := _drop(store, tier, now_ms + DAY_MS * 36500):
                    dropped += over
                    break
    file.give_back(2000)
    return dropped > 0


def _drop(store: Store, tier: int, before_ms: int) -> int:
    """The oldest blocks of a tier that ended before then; raw ones take the floor with them."""
    oldest = store.file.rows(
        "SELECT rowid, last_ms FROM block WHERE tier = ? AND last_ms < ? ORDER BY last_ms LIMIT ?",
        tier,
        before_ms,
        _SLICE,
    )
    store.file.run_many("DELETE FROM block WHERE rowid = ?", [(row,) for row, _ in oldest])
    if oldest and tier == RAW:
        _raise_floor(store, oldest[-1][1])
    return len(oldest)


def _raise_floor(store: Store, floor_ms: int) -> None:
    """Nothing at or before the floor is taken any more: its block may be gone, and a rollup cannot be corrected."""
    if floor_ms > store.floor_ms:
        store.file.set_meta("floor_ms", floor_ms)
        store.floor_ms = floor_ms


def settle(store: Store, now_ms: int) -> str | None:
    """A device whose loose rows have waited for days (it reports seldom, or no more), to be compacted now."""
    query = "SELECT device FROM loose WHERE first_ms < ? ORDER BY id LIMIT 1"
    found = store.file.rows(query, now_ms - _SETTLE_MS)
    return str(found[0][0]) if found else None
