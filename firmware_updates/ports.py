"""What the update service needs from outside: a store whose methods run inside one transaction, URLs, health, keys.

The store is row-shaped and small. Whoever calls the service opens a transaction, makes an `UpdateStore` bound to it,
calls one method of `UpdateService`, and commits. The transaction must be serialisable (SQLite's single writer;
PostgreSQL at SERIALIZABLE): the guards of a grant hold only then. `tests/contract/update_store.py` holds every adapter
to this.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from firmware_updates.attempt_row import Attempt, Cause, State
from firmware_updates.device import Release, UpdateDevice
from firmware_updates.gate import Cohort
from firmware_updates.messages import Channel
from firmware_updates.rollout import Rollout, RolloutState


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message for a device, recorded with its cause. `once`: taken from the outbox before it is published and never
    published twice (grants, answers); everything else is published at least once. `expires_at`: not delivered later.
    """

    device_id: str
    channel: Channel
    payload: bytes
    retain: bool = False
    once: bool = False
    expires_at: float | None = None
    attempt_id: str = ""
    grant_id: str = ""


@dataclass(frozen=True, slots=True)
class TicketEdit:
    """Open (`open` True) or close the one ticket of (device, rollout, cause). LOST is the most urgent."""

    device_id: str
    rollout_id: str
    cause: Cause
    open: bool
    reason: str
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of history: `who` is a person, "device" or "clock"."""

    at: float
    rollout_id: str
    attempt_id: str
    device_id: str
    who: str
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a customer should be told or asked: kind is "consent", or "support_ends" (`about`: on which day)."""

    device_id: str
    rollout_id: str
    attempt_id: str
    kind: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """All that one call has recorded. Messages are in the outbox too; tickets and notices are for the caller, who
    applies them in the same transaction.
    """

    messages: tuple[Outgoing, ...] = ()
    tickets: tuple[TicketEdit, ...] = ()
    notices: tuple[Notice, ...] = ()
    audit: tuple[AuditEntry, ...] = ()


class UpdateStore(Protocol):
    """Rows by key and a few indexes; a `put` replaces the row of the same key. Everything is inside one transaction."""

    def device(self, device_id: str) -> UpdateDevice | None:
        """By id."""

    def put_device(self, device: UpdateDevice) -> None:
        """Key: device_id."""

    def devices(self, device_ids: Sequence[str]) -> Sequence[UpdateDevice]:
        """Those of these ids (at most a few hundred) that are there."""

    def put_devices(self, devices: Sequence[UpdateDevice]) -> None:
        """Many at once."""

    def release(self, release_id: str) -> Release | None:
        """By id."""

    def put_release(self, release: Release) -> None:
        """Key: release_id."""

    def releases(self) -> Sequence[Release]:
        """All, newest first."""

    def rollout(self, rollout_id: str) -> Rollout | None:
        """By id."""

    def put_rollout(self, rollout: Rollout) -> None:
        """Key: rollout_id."""

    def rollouts(self, states: Collection[RolloutState] | None = None) -> Sequence[Rollout]:
        """Those in the states (None: all), oldest first, then by id."""

    def attempt(self, attempt_id: str) -> Attempt | None:
        """By id."""

    def put_attempt(self, attempt: Attempt) -> None:
        """Key: attempt_id."""

    def live_attempts(self, device_id: str) -> Sequence[Attempt]:
        """The device's rows that are not final, and the LOST ones; by attempt_id."""

    def attempts(
        self,
        rollout_id: str,
        states: Collection[State] | None = None,
        waves: Collection[int] | None = None,
        after: str = "",
        limit: int = 500,
    ) -> Sequence[Attempt]:
        """Current rows of a rollout in these states and waves (None: any), by attempt_id, those after `after`."""

    def due(self, now: float, limit: int) -> Sequence[Attempt]:
        """Rows whose deadline_at is at most `now`, earliest first."""

    def counts(self, keys: Sequence[str]) -> tuple[int, ...]:
        """The sums, in the order asked; 0 for a counter never touched."""

    def add(self, key: str, delta: int) -> None:
        """Move a counter."""

    def mark(self, key: str, at: float) -> None:
        """Remember the key (a used nonce, an open ticket, a quarantine); marking again keeps the first time."""

    def marked_at(self, key: str) -> float | None:
        """When it was marked, or None."""

    def unmark(self, key: str) -> None:
        """Forget the key; nothing if it is not there."""

    def unmark_older(self, prefix: str, before: float) -> None:
        """Forget all keys with this prefix that were marked before this time."""

    def meter(self, name: str) -> float:
        """The value last put; 0 if none."""

    def put_meter(self, name: str, value: float) -> None:
        """Replace it."""

    def keep_health(self, rows: Mapping[str, str]) -> None:
        """What the health gate remembers, by device; each replaces what was kept under its key."""

    def kept_health(self, after: str, limit: int) -> Sequence[tuple[str, str]]:
        """The next of these, by key, those after `after`."""

    def drop_health(self, keys: Collection[str]) -> None:
        """Forget these; nothing where they are not there."""

    def queue(self, message: Outgoing) -> None:
        """Append to the outbox."""

    def outbox(self, limit: int) -> Sequence[tuple[int, Outgoing]]:
        """The oldest messages with their numbers; numbers only grow, so each device's order is kept."""

    def drop(self, numbers: Collection[int]) -> None:
        """Take messages out of the outbox."""

    def record(self, entry: AuditEntry) -> None:
        """Append to the audit trail."""

    def audit(self, rollout_id: str, limit: int) -> Sequence[AuditEntry]:
        """The newest entries of a rollout, newest first."""


class ImageUrls(Protocol):
    """Where images are fetched."""

    def url(self, release: Release, device_id: str, now: float) -> str:
        """A signed address that is good for a while."""


class HealthBook(Protocol):
    """What diagnostics saw. Kept by the gateway: this package does not know rules."""

    def cohort(self, since: Mapping[str, float], until: float) -> Cohort:
        """Episodes and worsening of metrics on each of these devices from its own instant on, up to `until`."""
