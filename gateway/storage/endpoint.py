"""The endpoint's journal in the relational database: every group of changes is one transaction."""

import json
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, update

from gateway.ports.endpoint import (
    Change,
    DeleteSession,
    Dequeue,
    Enqueue,
    Forget,
    QueuedMessage,
    Receive,
    Release,
    Retain,
    RetainedMessage,
    SaveSession,
    Snapshot,
    StoredSession,
    Subscription,
)
from gateway.storage.database import Database
from gateway.storage.schema.endpoint import endpoint_queue, endpoint_received, endpoint_retained, endpoint_sessions
from gateway.storage.upsert import upsert

_AT = (endpoint_queue.c.key == bindparam("of"), endpoint_queue.c.position == bindparam("at"))
_RELEASE = update(endpoint_queue).where(*_AT).values(released=True)
_DEQUEUE = delete(endpoint_queue).where(*_AT)
_FORGET = delete(endpoint_received).where(
    endpoint_received.c.key == bindparam("of"), endpoint_received.c.packet_id == bindparam("at")
)
_OF_SESSION = tuple(
    delete(table).where(table.c.key == bindparam("of"))
    for table in (endpoint_sessions, endpoint_queue, endpoint_received)
)
_CLEAR = delete(endpoint_retained).where(endpoint_retained.c.topic == bindparam("of"))


class SqlEndpointStore:
    """See `gateway.ports.endpoint.EndpointStore`. Changes may be applied twice (after an uncertain commit)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> Snapshot:
        """See the port."""
        return await self._database.read(_load)

    async def commit(self, changes: Sequence[Change]) -> None:
        """See the port."""
        await self._database.transact(lambda connection: _commit(connection, changes))


def _commit(connection: Connection, changes: Sequence[Change]) -> None:
    for kind, group in groupby(changes, type):
        _APPLY[kind](connection, list(group))


def _save_sessions(connection: Connection, changes: Sequence[SaveSession]) -> None:
    last = {change.session.key: change.session for change in changes}
    upsert(
        connection,
        endpoint_sessions,
        [
            {
                "key": s.key,
                "client_id": s.client_id,
                "identity": s.identity,
                "expiry_s": s.expiry_s,
                "expires_at": s.expires_at,
                "connected": s.connected,
                "sent_up_to": s.sent_up_to,
                "subscriptions": json.dumps([_subscription(one) for one in s.subscriptions]),
            }
            for s in last.values()
        ],
    )


def _subscription(one: Subscription) -> list[Any]:
    return [
        one.topic_filter,
        one.qos,
        one.no_local,
        one.retain_as_published,
        one.retain_handling,
        one.identifier,
    ]


def _delete_sessions(connection: Connection, changes: Sequence[DeleteSession]) -> None:
    for statement in _OF_SESSION:
        connection.execute(statement, [{"of": change.key} for change in changes])


def _enqueue(connection: Connection, changes: Sequence[Enqueue]) -> None:
    upsert(
        connection,
        endpoint_queue,
        [
            {
                "key": change.key,
                "position": m.position,
                "topic": m.topic,
                "payload": m.payload,
                "qos": m.qos,
                "retain": m.retain,
                "expires_at": m.expires_at,
                "properties": m.properties,
                "identifiers": json.dumps(m.identifiers),
                "released": m.released,
            }
            for change in changes
            for m in (change.message,)
        ],
    )


def _release(connection: Connection, changes: Sequence[Release]) -> None:
    connection.execute(_RELEASE, [{"of": change.key, "at": change.position} for change in changes])


def _dequeue(connection: Connection, changes: Sequence[Dequeue]) -> None:
    connection.execute(_DEQUEUE, [{"of": change.key, "at": change.position} for change in changes])


def _receive(connection: Connection, changes: Sequence[Receive]) -> None:
    _forget(connection, changes)
    rows = {(change.key, change.packet_id) for change in changes}
    connection.execute(endpoint_received.insert(), [{"key": key, "packet_id": number} for key, number in rows])


def _forget(connection: Connection, changes: Sequence[Forget | Receive]) -> None:
    connection.execute(_FORGET, [{"of": change.key, "at": change.packet_id} for change in changes])


def _retain(connection: Connection, changes: Sequence[Retain]) -> None:
    last = {change.message.topic: change.message for change in changes}
    kept = [m for m in last.values() if m.payload]
    upsert(
        connection,
        endpoint_retained,
        [
            {
                "topic": m.topic,
                "payload": m.payload,
                "identity": m.identity,
                "qos": m.qos,
                "expires_at": m.expires_at,
                "properties": m.properties,
            }
            for m in kept
        ],
    )
    cleared = [{"of": m.topic} for m in last.values() if not m.payload]
    if cleared:
        connection.execute(_CLEAR, cleared)


_APPLY: dict[type[Change], Callable[[Connection, Sequence[Any]], None]] = {
    SaveSession: _save_sessions,
    DeleteSession: _delete_sessions,
    Enqueue: _enqueue,
    Release: _release,
    Dequeue: _dequeue,
    Receive: _receive,
    Forget: _forget,
    Retain: _retain,
}


def _load(connection: Connection) -> Snapshot:
    queues: dict[str, list[QueuedMessage]] = {}
    for row in connection.execute(select(endpoint_queue).order_by(endpoint_queue.c.key, endpoint_queue.c.position)):
        queues.setdefault(row.key, []).append(_queued(row))
    received: dict[str, list[int]] = {}
    for row in connection.execute(select(endpoint_received)):
        received.setdefault(row.key, []).append(row.packet_id)
    sessions = [
        StoredSession(
            row.key,
            row.client_id,
            row.identity,
            row.expiry_s,
            row.expires_at,
            row.connected,
            row.sent_up_to,
            tuple(Subscription(*one) for one in json.loads(row.subscriptions)),
            tuple(queues.get(row.key, ())),
            tuple(received.get(row.key, ())),
        )
        for row in connection.execute(select(endpoint_sessions))
    ]
    retained = [
        RetainedMessage(row.topic, bytes(row.payload), row.identity, row.qos, row.expires_at, bytes(row.properties))
        for row in connection.execute(select(endpoint_retained))
    ]
    return Snapshot(tuple(sessions), tuple(retained))


def _queued(row: Row[Any]) -> QueuedMessage:
    return QueuedMessage(
        row.position,
        row.topic,
        bytes(row.payload),
        row.qos,
        row.retain,
        row.expires_at,
        bytes(row.properties),
        tuple(json.loads(row.identifiers)),
        row.released,
    )
