"""Start where the last process stopped, however it stopped: load the checkpoint, replay the journal behind it."""

from collections.abc import Sequence
from typing import Final, Protocol

from diagnostics.changes import Change
from gateway.ingest.digest import Digest
from gateway.ports.ledger import Ledger

READ_BYTES: Final = 8 * 1024 * 1024


class Restorable(Protocol):
    """The part of the fleet that takes a checkpoint back."""

    def restore(self, device_id: str, memory: bytes) -> None:
        """Take back one device's memory. ValueError where another version wrote it."""

    def restore_shared(self, memory: bytes) -> None:
        """Take back what belongs to no single device."""


async def recover(ledger: Ledger, fleet: Restorable, digest: Digest) -> tuple[int, int]:
    """Bring the fleet to where the ledger is. Returns (position, messages replayed).

    The replayed changes are dropped: they were committed in the same transactions as the entries. Raises OSError.
    """
    recovery = await ledger.recover()
    if recovery.shared:
        fleet.restore_shared(recovery.shared)
    async for device_id, memory in recovery.memories:
        fleet.restore(device_id, memory)
    position, replayed = recovery.position, 0
    while entries := await ledger.read_journal(position, READ_BYTES):
        for entry in entries:
            _: Sequence[Change] = digest.replay(entry)
            replayed += entry.count
        position = entries[-1].position
    return position, replayed
