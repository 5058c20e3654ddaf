"""The ledger in SQL: all effects of a batch in one transaction; a healthy batch is one small insert."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from gateway.ports.ledger import Backlog, Committed, DeviceMessage, Effects, JournalEntry, Recovery, Reject
from gateway.storage import checkpoints, downlink, journal, rejects
from gateway.storage.changes import apply_change
from gateway.storage.database import CommitUncertain, Database
from gateway.storage.subject import Handled, PolicyFor, TimeToAct, no_promise

HandleMessages = Callable[[Connection, Sequence[DeviceMessage], float], Handled]
"""What devices said to the updates or command part becomes rows and answers, inside the same transaction."""


def ignore_messages(_connection: Connection, _messages: Sequence[DeviceMessage], _now: float) -> Handled:
    """For a gateway without firmware updates."""
    return Handled()


class SqlLedger:
    """See `gateway.ports.ledger.Ledger`.

    `readers` are the parts whose cursors hold journal entries back. A commit whose outcome is unknown (the database
    went away while it committed) raises like any other; committing the same `Effects` object again finds out and has
    the effects once.
    """

    def __init__(
        self,
        database: Database,
        time_to_act: TimeToAct,
        handle_messages: HandleMessages = ignore_messages,
        readers: Sequence[str] = ("history",),
        policy_for: PolicyFor = no_promise,
    ) -> None:
        self._database = database
        self._time_to_act, self._policy_for = time_to_act, policy_for
        self._handle_messages = handle_messages
        self._readers = tuple(readers)
        self._uncertain: tuple[Effects, Committed] | None = None
        self._staged: tuple[int, list[Sequence[str]]] = (0, [])

    async def commit(self, effects: Effects) -> Committed:
        """See the port."""
        if self._uncertain and self._uncertain[0] is effects:
            earlier = self._uncertain[1]
            if await self._database.read(lambda connection: journal.holds(connection, earlier.position, effects)):
                self._uncertain = None
                return earlier
        attempted: list[Committed] = []
        try:
            # Messages may ask for a grant, whose guards hold only in a serialisable transaction.
            committed = await self._database.transact(
                lambda connection: self._commit(connection, effects, attempted), serializable=bool(effects.messages)
            )
        except CommitUncertain:
            self._uncertain = (effects, attempted[-1])
            raise
        self._uncertain = None
        return committed

    async def read_journal(self, after: int, max_bytes: int) -> Sequence[JournalEntry]:
        """See the port."""
        return await self._database.read(lambda connection: journal.read(connection, after, max_bytes))

    async def stage(self, position: int, memories: Sequence[tuple[str, bytes]]) -> None:
        """See the port. Written in chunks between which commits go on."""
        if self._staged[0] != position:
            self._staged = (position, [])
        async for chunk in checkpoints.stage(self._database, position, memories):
            self._staged[1].append(chunk)

    async def checkpoint(self, position: int, memories: Sequence[tuple[str, bytes]], shared: bytes) -> None:
        """See the port."""
        await self.stage(position, memories)
        await checkpoints.complete(self._database, position, shared, self._staged[1])
        self._staged = (0, [])
        await self._prune()

    async def recover(self) -> Recovery:
        """See the port."""
        return Recovery(*await checkpoints.load(self._database))

    async def cursor(self, reader: str) -> int:
        """See the port."""
        return await self._database.read(lambda connection: journal.cursor(connection, reader))

    async def advance(self, reader: str, position: int) -> None:
        """See the port."""
        await self._database.transact(lambda connection: journal.move(connection, reader, position))
        await self._prune()

    async def backlog(self, reader: str) -> Backlog:
        """See the port."""
        return await self._database.read(lambda connection: journal.backlog(connection, reader))

    async def rejects(self, device_id: str | None, limit: int) -> Sequence[Reject]:
        """See the port."""
        return await self._database.read(lambda connection: rejects.newest(connection, device_id, limit))

    async def ready(self) -> None:
        """See the port."""
        await self._database.ready()

    def _commit(self, connection: Connection, effects: Effects, attempted: list[Committed]) -> Committed:
        journal.lock(connection)
        position = journal.append(connection, effects)
        if effects.rejects:
            rejects.keep(connection, effects.rejects)
        touched: dict[str, None] = {}
        notified = False
        for change in effects.changes:
            applied = apply_change(connection, change, self._time_to_act, effects.at, self._policy_for)
            if applied.ticket_id:
                touched[applied.ticket_id] = None
            notified = notified or applied.notified
        handled = Handled()
        if effects.messages:
            handled = self._handle_messages(connection, effects.messages, effects.at)
            touched |= dict.fromkeys(handled.tickets)
            downlink.send(connection, handled.down)
            if handled.rejects:
                rejects.keep(connection, handled.rejects)
        committed = Committed(
            position,
            tuple(touched),
            bool(handled.down),
            notified or handled.notified,
            handled.updates,
            tuple(handled.rejects),
        )
        attempted.append(committed)
        return committed

    async def _prune(self) -> None:
        while await self._database.transact(lambda connection: journal.prune(connection, self._readers)):
            pass
