"""The ledger in memory."""

from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Sequence

from gateway.ports.ledger import Backlog, Committed, DeviceMessage, Effects, JournalEntry, Recovery, Reject
from gateway.storage.memory.outboxes import MemoryDownlinkOutbox
from gateway.storage.memory.tickets import MemoryTickets
from gateway.storage.rejects import OF_ALL, OF_DEVICE
from gateway.storage.subject import Handled, TimeToAct

HandleMessages = Callable[[Sequence[DeviceMessage], float], Handled]


def ignore_messages(_messages: Sequence[DeviceMessage], _now: float) -> Handled:
    """For a gateway without firmware updates."""
    return Handled()


class MemoryLedger:
    """See `gateway.ports.ledger.Ledger`."""

    def __init__(
        self,
        tickets: MemoryTickets,
        downlink: MemoryDownlinkOutbox,
        time_to_act: TimeToAct,
        handle_messages: HandleMessages = ignore_messages,
        readers: Sequence[str] = ("history",),
    ) -> None:
        self._tickets, self._downlink = tickets, downlink
        self._time_to_act, self._handle_messages = time_to_act, handle_messages
        self._readers = tuple(readers)
        self._journal: deque[JournalEntry] = deque()
        self._last = 0
        self._cursors: dict[str, int] = defaultdict(int)
        self._checkpoint = 0
        self._shared = b""
        self._memories: dict[str, bytes] = {}
        self._staged: dict[str, bytes] = {}
        self._staged_at = 0
        self._rejects: deque[Reject] = deque(maxlen=OF_ALL)

    async def commit(self, effects: Effects) -> Committed:
        """See the port."""
        handled = self._handle_messages(effects.messages, effects.at) if effects.messages else Handled()
        self._last += 1
        self._journal.append(JournalEntry(self._last, effects.kind, effects.at, effects.count, effects.journal))
        for reject in (*effects.rejects, *handled.rejects):
            self._keep(reject)
        applied = [self._tickets.apply(change, self._time_to_act, effects.at) for change in effects.changes]
        self._downlink.record(handled.down)
        touched = dict.fromkeys([*(one.ticket_id for one in applied if one.ticket_id), *handled.tickets])
        notified = handled.notified or any(one.notified for one in applied)
        return Committed(
            self._last, tuple(touched), bool(handled.down), notified, handled.updates, tuple(handled.rejects)
        )

    async def read_journal(self, after: int, max_bytes: int) -> Sequence[JournalEntry]:
        """See the port."""
        entries: list[JournalEntry] = []
        total = 0
        for entry in self._journal:
            if entry.position <= after:
                continue
            total += len(entry.payload)
            if entries and total > max_bytes:
                break
            entries.append(entry)
        return entries

    async def stage(self, position: int, memories: Sequence[tuple[str, bytes]]) -> None:
        """See the port."""
        if self._staged_at != position:
            self._staged_at, self._staged = position, {}
        self._staged |= dict(memories)

    async def checkpoint(self, position: int, memories: Sequence[tuple[str, bytes]], shared: bytes) -> None:
        """See the port."""
        await self.stage(position, memories)
        self._memories |= self._staged
        self._staged_at, self._staged = 0, {}
        self._checkpoint, self._shared = position, shared
        self._prune()

    async def recover(self) -> Recovery:
        """See the port."""
        return Recovery(self._checkpoint, self._shared, self._stream())

    async def cursor(self, reader: str) -> int:
        """See the port."""
        return self._cursors[reader]

    async def advance(self, reader: str, position: int) -> None:
        """See the port."""
        self._cursors[reader] = max(self._cursors[reader], position)
        self._prune()

    async def backlog(self, reader: str) -> Backlog:
        """See the port."""
        ahead = [entry for entry in self._journal if entry.position > self._cursors[reader]]
        return Backlog(len(ahead), sum(len(entry.payload) for entry in ahead), ahead[0].at if ahead else None)

    async def rejects(self, device_id: str | None, limit: int) -> Sequence[Reject]:
        """See the port."""
        newest = reversed(self._rejects)
        return [reject for reject in newest if device_id is None or reject.device_id == device_id][:limit]

    async def ready(self) -> None:
        """See the port."""

    async def _stream(self) -> AsyncIterator[tuple[str, bytes]]:
        for memory in sorted(self._memories.items()):
            yield memory

    def _keep(self, reject: Reject) -> None:
        of_device = [kept for kept in self._rejects if kept.device_id == reject.device_id]
        if len(of_device) >= OF_DEVICE:
            self._rejects.remove(of_device[0])
        self._rejects.append(reject)

    def _prune(self) -> None:
        passed = min([self._checkpoint, *(self._cursors[reader] for reader in self._readers)])
        while len(self._journal) > 1 and self._journal[0].position <= passed:
            self._journal.popleft()
