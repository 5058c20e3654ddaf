"""The update service on the database: its calls as serialisable transactions, and the tickets that follow."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from diagnostics.changes import Change, ChangeKind, Evidence, Scope, Severity
from firmware_updates.messages import BadMessage
from firmware_updates.ports import Done, TicketEdit, UpdateStore
from firmware_updates.service import UpdateService
from firmware_updates.support import SUPPORT_ENDS
from firmware_updates.work import Missing
from gateway.clock import Clock
from gateway.ports.downlink import Pending
from gateway.ports.ingest import Outbound
from gateway.ports.ledger import DeviceMessage, Reject, RejectReason
from gateway.storage.changes import apply_change
from gateway.storage.database import Database
from gateway.storage.notifications import announce_end_of_support, announce_question
from gateway.storage.rejects import SAMPLE_BYTES
from gateway.storage.subject import Handled, PolicyFor, TimeToAct, no_promise
from gateway.storage.update_cures import follow_cures
from gateway.storage.updates import SqlUpdateStore

T = TypeVar("T")

CHANNEL: Final = "update/"
CURES_S: Final = 60.0


class SqlUpdates:
    """`handle` goes to `SqlLedger`; `tick` is called by the clock; `follow`, `act` and `read` are for people; `pending`
    and `done` are the way down (a `DownlinkOutbox` whose messages are handed out only while they may still leave).
    """

    def __init__(
        self,
        database: Database,
        service: UpdateService,
        time_to_act: TimeToAct,
        clock: Clock,
        policy_for: PolicyFor = no_promise,
    ) -> None:
        self._database, self._service = database, service
        self._time_to_act, self._clock, self._policy_for = time_to_act, clock, policy_for
        self._cures_at = 0.0

    def handle(self, connection: Connection, messages: Sequence[DeviceMessage], now: float) -> Handled:
        """What devices said on `update/...`. Each in a savepoint: one that is refused leaves nothing behind."""
        done: list[Handled] = []
        refused: list[Reject] = []
        for message in messages:
            if not message.channel.startswith(CHANNEL):
                continue
            try:
                with connection.begin_nested():
                    store = SqlUpdateStore(connection)
                    said = self._service.handle(
                        store, message.device_id, message.channel, message.payload, message.received_at
                    )
                    done.append(self._follow(connection, said, now))
            except (BadMessage, Missing) as fault:
                refused.append(_reject(message, fault))
        return Handled(
            tickets=[ticket for one in done for ticket in one.tickets],
            rejects=refused,
            notified=any(one.notified for one in done),
            updates=any(one.updates for one in done),
        )

    async def tick(self, now: float) -> Handled:
        """All that is due by the clock; once a minute also tickets that wait for a cure."""
        cures = now >= self._cures_at

        def run(connection: Connection) -> Handled:
            store = SqlUpdateStore(connection)
            handled = self._follow(connection, self._service.tick(store, now), now)
            followed = follow_cures(connection, store, now) if cures else ()
            return replace(handled, tickets=[*handled.tickets, *followed], notified=handled.notified or bool(followed))

        handled = await self._database.transact(run, serializable=True)
        if cures:
            self._cures_at = now + CURES_S
        return handled

    async def follow(self, work: Callable[[UpdateStore], Done], now: float) -> Handled:
        """Run a method of the service that gives `Done`, and what follows from it, in one transaction."""

        def run(connection: Connection) -> Handled:
            return self._follow(connection, work(SqlUpdateStore(connection)), now)

        return await self._database.transact(run, serializable=True)

    async def act(self, work: Callable[[UpdateStore], T]) -> T:
        """Run any other method of the service in one transaction."""
        return await self._database.transact(lambda connection: work(SqlUpdateStore(connection)), serializable=True)

    async def read(self, work: Callable[[UpdateStore], T]) -> T:
        """Look at the rows, on a snapshot."""
        return await self._database.read(lambda connection: work(SqlUpdateStore(connection)))

    async def pending(self, limit: int) -> Sequence[Pending]:
        """See `DownlinkOutbox.pending`. Grants and answers are handed out once; a stale grant never."""
        now = self._clock.now()
        claimed = await self.act(lambda store: self._service.claim(store, now, limit))
        return [
            Pending(
                number,
                Outbound(f"siaga/v1/{m.device_id}/{m.channel.value}", m.payload, m.retain, m.expires_at),
            )
            for number, m in claimed
        ]

    async def done(self, ids: Sequence[int]) -> None:
        """See `DownlinkOutbox.done`."""
        if ids:
            await self.act(lambda store: self._service.published(store, ids))

    async def send(self, messages: Sequence[Outbound]) -> None:
        """Nobody but the service writes to this outbox."""
        if messages:
            raise ValueError("messages of updates are recorded by the update service alone")

    def _follow(self, connection: Connection, done: Done, now: float) -> Handled:
        applied = [
            apply_change(connection, change_of(ticket, now), self._time_to_act, now, self._policy_for)
            for ticket in done.tickets
        ]
        store = SqlUpdateStore(connection)
        asked = [
            announce_end_of_support(connection, one.device_id, one.about, now)
            if one.kind == SUPPORT_ENDS
            else announce_question(connection, one.attempt_id, one.device_id, _version(store, one.attempt_id), now)
            for one in done.notices
        ]
        return Handled(
            tickets=[one.ticket_id for one in applied if one.ticket_id],
            notified=any(one.notified for one in applied) or any(asked),
            updates=bool(done.messages),
        )


def _version(store: UpdateStore, attempt_id: str) -> str:
    attempt = store.attempt(attempt_id)
    return attempt.target_version if attempt else ""


def change_of(edit: TicketEdit, now: float) -> Change:
    """A ticket of the update part as a change of health, so that one policy decides about all tickets.

    Its rule names the rollout: a ticket that two rollouts opened is solved once both have closed it.
    """
    return Change(
        kind=ChangeKind.OPENED if edit.open else ChangeKind.RECOVERED,
        scope=Scope.DEVICE,
        scope_id=edit.device_id,
        fault_class=edit.cause.value.upper(),
        rule=f"rollout:{edit.rollout_id}@1",
        severity=Severity.CRITICAL if edit.urgent else Severity.HIGH,
        at=now,
        received_at=now,
        evidence=Evidence("", None, None, None, now, (), edit.reason),
    )


def _reject(message: DeviceMessage, fault: Exception) -> Reject:
    reason = RejectReason.SCHEMA if isinstance(fault, BadMessage) else RejectReason.UNREGISTERED
    said: Any = fault.args[0] if fault.args else type(fault).__name__
    return Reject(
        message.device_id,
        f"siaga/v1/{message.device_id}/{message.channel}",
        reason,
        str(said).splitlines()[0],
        message.received_at,
        message.payload[:SAMPLE_BYTES],
    )
