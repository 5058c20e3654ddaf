"""The embedded history's writes, synchronous, on its one thread: tail, loose rows, blocks.

    append:  rows -> tail in memory; the ledger's journal still has them
    flush:   tail -> loose rows by device, newest values (one durable commit); now the journal may forget them
    compact: a device's loose rows -> column blocks and rollups (one commit)

Flush and compact move rows in one transaction each, so after a crash every row is in one table, or comes again from the
journal. A row that comes twice is dropped where rows of one time meet: in `tabulate` and in the queries.
"""

from collections.abc import Sequence
from enum import Enum

from gateway.ports.history import ROLLUPS_MS, Sample
from gateway.storage.history.block import Block
from gateway.storage.history.file import RAW, HistoryFile
from gateway.storage.history.merge import BLOCK_ROWS, bounded, merge, pieces, place
from gateway.storage.history.rows import AT, Row, newest_by_shape, pack_loose, unpack_loose
from gateway.storage.history.tail import Tail

FLUSH_ROWS = 32_768
"""The tail's size at which it is emptied: about 11 MB of memory."""
STEP_ROWS = 2 * BLOCK_ROWS
"""How many of a device's rows are put into blocks in one step."""
BEHIND_ROWS = 500_000
"""How many rows (about 25 MB) may wait for their blocks before the upkeep takes all the time it needs."""
SHAPES_A_DEVICE = 64
"""How many different sets of metrics count for a device's newest values; the oldest are forgotten."""
_UPSERT_LATEST = (
    "INSERT INTO latest VALUES (?, ?, ?, ?, ?) ON CONFLICT (device, shape) DO UPDATE"
    " SET at_ms = excluded.at_ms, written = excluded.written, data = excluded.data WHERE excluded.at_ms >= at_ms"
)


class Progress(Enum):
    """What a step of the upkeep found to do."""

    NONE = "none"
    SOME = "some"
    BEHIND = "behind"  # so much waits that there should be no rest


class Store:
    """One history file and its tail. Invariants: blocks of a device and tier are disjoint in time; `pending` counts the
    loose rows of each device; nothing at or before `floor_ms` is taken any more; the first `kept` appends are on disk.
    """

    def __init__(self, file: HistoryFile) -> None:
        self.file = file
        self.tail = Tail()
        self.floor_ms = file.meta("floor_ms")
        self.too_old = 0
        self.taken = 0
        self.kept = 0
        counts = file.rows("SELECT device, sum(rows) FROM loose GROUP BY device")
        self.pending: dict[str, int] = dict(counts)
        self._due = dict.fromkeys(device for device, rows in counts if rows >= BLOCK_ROWS)
        self._written = file.meta("written")
        self.position = file.meta("position")

    def append(self, position: int, samples: Sequence[Sample]) -> int:
        """Take samples; they are on disk when `kept` reaches the number returned here."""
        if self.tail.rows >= 4 * FLUSH_ROWS:
            self.flush()  # the upkeep could not: no more is taken than memory is meant for
        self.too_old += len(samples) - self.tail.add(samples, self.floor_ms)
        self.position = max(position, self.position)
        self.taken += 1
        return self.taken

    def flush(self) -> None:
        """Move the tail into the loose table, for good."""
        if not self.tail.rows:
            self.kept = self.taken
            return
        written = self._written
        shapes: dict[tuple[str, ...], int] = {}
        loose, newest = [], []
        with self.file.transaction():
            for device, rows in self.tail.devices.items():
                for start in range(0, len(rows), BLOCK_ROWS):
                    part = rows[start : start + BLOCK_ROWS]
                    loose.append((device, min(map(AT, part)), len(part), pack_loose(part)))
                for at_ms, names, values in newest_by_shape(rows):
                    if names not in shapes:
                        shapes[names] = self.file.shape_id(names)
                    written += 1
                    newest.append((device, shapes[names], at_ms, written, values))
            self.file.run_many("INSERT INTO loose (device, first_ms, rows, data) VALUES (?, ?, ?, ?)", loose)
            self.file.run_many(_UPSERT_LATEST, newest)
            self.file.set_meta("written", written)
            self.file.set_meta("position", self.position)
        self._written, self.kept = written, self.taken
        for device, rows in self.tail.devices.items():
            count = self.pending[device] = self.pending.get(device, 0) + len(rows)
            if count >= BLOCK_ROWS:
                self._due[device] = None
        self.tail.clear()

    def compact_next(self) -> Progress:
        """Put some of one device's loose rows into blocks, if a device has enough of them."""
        if not self._due:
            return Progress.NONE
        device = next(iter(self._due))
        self._due[device] = self._due.pop(device)  # should it fail, the others get their turn first
        self.compact(device)
        waiting = sum(self.pending[each] for each in self._due)
        return Progress.BEHIND if waiting > BEHIND_ROWS else Progress.SOME

    def next_pending(self) -> str:
        """A device that has loose rows ("": none has)."""
        return next(iter(self.pending), "")

    def compact(self, device: str) -> None:
        """Put a device's loose rows into blocks, however few, but not so many that appends wait for long."""
        packs: list[int] = []
        count = 0
        for number, rows in self.file.rows("SELECT id, rows FROM loose WHERE device = ? ORDER BY id", device):
            if packs and count + rows > STEP_ROWS:
                break
            packs.append(number)
            count += rows
        loose = [row for number in packs for row in self._pack(number)]
        with self.file.transaction(durable=False):
            if loose:
                low, high = min(loose)[0], max(loose)[0]
                for placement in place(loose, self.file.spans(device, low, high)):
                    self._write(device, placement.span.first_ms if placement.span else None, placement.rows)
            self.file.run_many("DELETE FROM loose WHERE id = ?", [(number,) for number in packs])
            self._prune_latest(device)
        left = self.pending.pop(device, 0) - count
        if left > 0:
            self.pending[device] = left
        if left < BLOCK_ROWS:
            self._due.pop(device, None)

    def _write(self, device: str, first_ms: int | None, rows: Sequence[Row]) -> None:
        block = None
        if first_ms is not None:
            data = self.file.block(device, RAW, first_ms)
            block = Block(data).table() if data is not None else None
            self.file.delete_block(device, first_ms)
        for piece in pieces(bounded(merge(block, rows))):
            self.file.write_block(device, piece, ROLLUPS_MS)

    def _prune_latest(self, device: str) -> None:
        self.file.run(
            "DELETE FROM latest WHERE device = ? AND shape NOT IN"
            " (SELECT shape FROM latest WHERE device = ? ORDER BY at_ms DESC, written DESC LIMIT ?)",
            *(device, device, SHAPES_A_DEVICE),
        )

    def loose(self, device: str) -> list[Row]:
        """A device's loose rows that are not too old by now, in the order they were written."""
        if device not in self.pending:
            return []
        packs = self.file.rows("SELECT data FROM loose WHERE device = ? ORDER BY id", device)
        return [row for (data,) in packs for row in unpack_loose(data) if row[0] > self.floor_ms]

    def _pack(self, number: int) -> list[Row]:
        ((data,),) = self.file.rows("SELECT data FROM loose WHERE id = ?", number)
        return [row for row in unpack_loose(data) if row[0] > self.floor_ms]

    def fresh(self, device: str) -> list[Row]:
        """A device's rows that are not in blocks yet, in the order they were written."""
        return self.loose(device) + [row for row in self.tail.devices.get(device, ()) if row[0] > self.floor_ms]

    def forget(self, device: str) -> None:
        """Delete a device's history, and overwrite what was deleted."""
        self.file.run("PRAGMA secure_delete=ON")
        try:
            self.flush()
            with self.file.transaction():
                self.file.run("DELETE FROM loose WHERE device = ?", device)
                self.file.run("DELETE FROM block WHERE device = ?", device)
                self.file.run("DELETE FROM latest WHERE device = ?", device)
        finally:
            self.file.run("PRAGMA secure_delete=OFF")
        self.pending.pop(device, None)
        self._due.pop(device, None)
        self.file.rows("PRAGMA wal_checkpoint(TRUNCATE)")
