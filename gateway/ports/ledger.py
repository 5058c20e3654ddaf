"""The relational truth as the pipeline sees it: one transaction a batch, a journal to replay, checkpoints."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from diagnostics.changes import Change


class RejectReason(Enum):
    """Why a message was refused. Each is a label of a metric and a sentence on the device's page."""

    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    SCHEMA = "schema"
    UNKNOWN_TOPIC = "unknown_topic"
    FOREIGN_DEVICE = "foreign_device"
    UNREGISTERED = "unregistered"
    RETIRED = "retired"
    TOO_MANY_NAMES = "too_many_names"


@dataclass(frozen=True, slots=True)
class Reject:
    """A refused message: kept, counted, shown. `detail` is one line; `sample` the payload's first 512 bytes."""

    device_id: str
    topic: str
    reason: RejectReason
    detail: str
    received_at: float
    sample: bytes


class JournalKind(Enum):
    """What a journal entry replays as."""

    BATCH = "batch"  # payload: packed raw messages
    TICK = "tick"  # time passed and something changed


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One committed batch. Positions grow; gaps may exist. `payload` is what gateway/ingest/journal.py packed."""

    position: int
    kind: JournalKind
    at: float
    count: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class DeviceMessage:
    """A message for the firmware updates or command part (`channel` such as "update/request")."""

    device_id: str
    channel: str
    payload: bytes
    received_at: float


@dataclass(frozen=True, slots=True)
class Effects:
    """All that one batch (or tick) does, committed in one transaction or not at all.

    `changes` go through the ticket policy inside the transaction, so that two gateways agree through the database.
    """

    kind: JournalKind
    at: float
    count: int
    journal: bytes
    changes: Sequence[Change] = ()
    rejects: Sequence[Reject] = ()
    messages: Sequence[DeviceMessage] = ()


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit touched, so that sleepers can be woken. `tickets` are the ids of tickets that changed.

    `updates`: the update part has messages to publish. `rejects`: messages that the update part refused (those of
    `Effects.rejects` are not repeated).
    """

    position: int
    tickets: tuple[str, ...] = ()
    downlink: bool = False
    notifications: bool = False
    updates: bool = False
    rejects: tuple[Reject, ...] = ()


@dataclass(frozen=True, slots=True)
class Recovery:
    """Where to start from: the last checkpoint and the position it holds for (replay what comes after)."""

    position: int
    shared: bytes
    memories: AsyncIterator[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a reader of the journal has still to read."""

    entries: int
    bytes: int
    oldest_at: float | None


class Ledger(Protocol):
    """Every write is one durable transaction. All raise OSError while the database is away (the shell retries)."""

    async def commit(self, effects: Effects) -> Committed:
        """Append to the journal and apply every effect, in one transaction."""

    async def read_journal(self, after: int, max_bytes: int) -> Sequence[JournalEntry]:
        """The next entries after a position, at least one if there is one, about `max_bytes` at most."""

    async def stage(self, position: int, memories: Sequence[tuple[str, bytes]]) -> None:
        """Write some devices' memories of the checkpoint at that position. They count once `checkpoint` has completed
        it; until then, and if that never happens, the checkpoint before it is the one that counts.
        """

    async def checkpoint(self, position: int, memories: Sequence[tuple[str, bytes]], shared: bytes) -> None:
        """Keep rule memory as of a position: upsert these and the staged memories, replace the shared one."""

    async def recover(self) -> Recovery:
        """The last checkpoint (position 0, empty, on a new database)."""

    async def cursor(self, reader: str) -> int:
        """The position up to which that reader has taken effect (0 for a new one)."""

    async def advance(self, reader: str, position: int) -> None:
        """Move the reader's cursor, and drop journal entries that every reader and the checkpoint have passed."""

    async def backlog(self, reader: str) -> Backlog:
        """How far the reader is behind."""

    async def rejects(self, device_id: str | None, limit: int) -> Sequence[Reject]:
        """The newest rejects, of one device or of all. The list is bounded: the oldest fall out."""

    async def ready(self) -> None:
        """Answer within a second, or raise OSError with one readable line."""
