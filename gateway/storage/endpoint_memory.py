"""The endpoint's journal in memory: for tests, and where sessions need not survive the process."""

from collections.abc import Sequence
from dataclasses import replace

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
)


class MemoryEndpointStore:
    """An EndpointStore that lasts as long as the object. Changes to unknown sessions do nothing, as in a database."""

    def __init__(self) -> None:
        self._sessions: dict[str, StoredSession] = {}
        self._queues: dict[str, dict[int, QueuedMessage]] = {}
        self._received: dict[str, dict[int, None]] = {}
        self._retained: dict[str, RetainedMessage] = {}

    async def load(self) -> Snapshot:
        """Everything that was kept."""
        sessions = [
            replace(
                session,
                queue=tuple(message for _, message in sorted(self._queues[key].items())),
                received=tuple(self._received[key]),
            )
            for key, session in self._sessions.items()
        ]
        return Snapshot(tuple(sessions), tuple(self._retained.values()))

    async def commit(self, changes: Sequence[Change]) -> None:
        """Apply the changes in their order."""
        for change in changes:
            self._apply(change)

    def _apply(self, change: Change) -> None:
        match change:
            case SaveSession(session):
                self._sessions[session.key] = replace(session, queue=(), received=())
                self._queues.setdefault(session.key, {})
                self._received.setdefault(session.key, {})
            case DeleteSession(key):
                self._sessions.pop(key, None)
                self._queues.pop(key, None)
                self._received.pop(key, None)
            case Enqueue(key, message):
                if key in self._sessions:
                    self._queues[key][message.position] = message
            case Release(key, position):
                queue = self._queues.get(key, {})
                if position in queue:
                    queue[position] = replace(queue[position], released=True)
            case Dequeue(key, position):
                self._queues.get(key, {}).pop(position, None)
            case Receive(key, packet_id):
                if key in self._sessions:
                    self._received[key][packet_id] = None
            case Forget(key, packet_id):
                self._received.get(key, {}).pop(packet_id, None)
            case Retain(message):
                if message.payload:
                    self._retained[message.topic] = message
                else:
                    self._retained.pop(message.topic, None)
