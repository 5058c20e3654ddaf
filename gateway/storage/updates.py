"""Firmware updates in SQL: an `UpdateStore` bound to one transaction's connection."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, true
from sqlalchemy.dialects import postgresql, sqlite

from firmware_updates.attempt_row import Attempt, State
from firmware_updates.codec import decode_row, encode_row
from firmware_updates.device import Release, UpdateDevice
from firmware_updates.ports import AuditEntry, Outgoing
from firmware_updates.rollout import Rollout, RolloutState
from gateway.storage.rejects import storable
from gateway.storage.schema.updates import (
    update_attempts,
    update_audit,
    update_counters,
    update_devices,
    update_health,
    update_marks,
    update_meters,
    update_outbox,
    update_releases,
    update_rollouts,
)
from gateway.storage.update_devices import read_devices
from gateway.storage.upsert import upsert

_RELEASE = select(update_releases.c.row).where(update_releases.c.release_id == bindparam("key"))
_ROLLOUT = select(update_rollouts.c.row).where(update_rollouts.c.rollout_id == bindparam("key"))
_ATTEMPT = select(update_attempts.c.row).where(update_attempts.c.attempt_id == bindparam("key"))
_LIVE = (
    select(update_attempts.c.row)
    .where(update_attempts.c.device_id == bindparam("key"), update_attempts.c.live == true())
    .order_by(update_attempts.c.attempt_id)
)
_DUE = (
    select(update_attempts.c.row)
    .where(update_attempts.c.deadline_at <= bindparam("now"))
    .order_by(update_attempts.c.deadline_at, update_attempts.c.attempt_id)
    .limit(bindparam("most"))
)
_COUNTS = select(update_counters).where(update_counters.c.key.in_(bindparam("keys", expanding=True)))
_MARKED = select(update_marks.c.at).where(update_marks.c.key == bindparam("named"))
_UNMARK = delete(update_marks).where(update_marks.c.key == bindparam("named"))
_UNMARK_OLDER = delete(update_marks).where(
    update_marks.c.at < bindparam("before"),
    func.substr(update_marks.c.key, 1, bindparam("length")) == bindparam("prefix"),
)
_METER = select(update_meters.c.value).where(update_meters.c.name == bindparam("named"))
_HEALTH = (
    select(update_health)
    .where(update_health.c.key > bindparam("after"))
    .order_by(update_health.c.key)
    .limit(bindparam("most"))
)
_DROP_HEALTH = delete(update_health).where(update_health.c.key == bindparam("gone"))
_OUTBOX = select(update_outbox).order_by(update_outbox.c.number).limit(bindparam("most"))
_DROP = delete(update_outbox).where(update_outbox.c.number == bindparam("gone"))


class SqlUpdateStore:
    """See `firmware_updates.ports.UpdateStore`. Good for the transaction of its connection and no longer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def device(self, device_id: str) -> UpdateDevice | None:
        """See the port."""
        found = read_devices(self._connection, [device_id])
        return found[0] if found else None

    def put_device(self, device: UpdateDevice) -> None:
        """See the port."""
        self.put_devices([device])

    def devices(self, device_ids: Sequence[str]) -> Sequence[UpdateDevice]:
        """See the port."""
        return read_devices(self._connection, device_ids)

    def put_devices(self, devices: Sequence[UpdateDevice]) -> None:
        """See the port."""
        rows = [{"device_id": device.device_id, "row": _text(device)} for device in devices]
        upsert(self._connection, update_devices, rows)

    def release(self, release_id: str) -> Release | None:
        """See the port."""
        row = self._row(_RELEASE, release_id)
        return decode_row(Release, row) if row else None

    def put_release(self, release: Release) -> None:
        """See the port."""
        row = {"release_id": release.release_id, "published_at": release.published_at, "row": _text(release)}
        upsert(self._connection, update_releases, [row])

    def releases(self) -> Sequence[Release]:
        """See the port."""
        newest = (update_releases.c.published_at.desc(), update_releases.c.release_id)
        return [decode_row(Release, row) for row in self._rows(select(update_releases.c.row).order_by(*newest))]

    def rollout(self, rollout_id: str) -> Rollout | None:
        """See the port."""
        row = self._row(_ROLLOUT, rollout_id)
        return decode_row(Rollout, row) if row else None

    def put_rollout(self, rollout: Rollout) -> None:
        """See the port."""
        row = {
            "rollout_id": rollout.rollout_id,
            "state": rollout.state.value,
            "created_at": rollout.created_at,
            "row": _text(rollout),
        }
        upsert(self._connection, update_rollouts, [row])

    def rollouts(self, states: Collection[RolloutState] | None = None) -> Sequence[Rollout]:
        """See the port."""
        statement = select(update_rollouts.c.row)
        if states is not None:
            statement = statement.where(update_rollouts.c.state.in_([state.value for state in states]))
        oldest = statement.order_by(update_rollouts.c.created_at, update_rollouts.c.rollout_id)
        return [decode_row(Rollout, row) for row in self._rows(oldest)]

    def attempt(self, attempt_id: str) -> Attempt | None:
        """See the port."""
        row = self._row(_ATTEMPT, attempt_id)
        return decode_row(Attempt, row) if row else None

    def put_attempt(self, attempt: Attempt) -> None:
        """See the port."""
        row = {
            "attempt_id": attempt.attempt_id,
            "rollout_id": attempt.rollout_id,
            "device_id": attempt.device_id,
            "state": attempt.state.value,
            "wave": attempt.wave,
            "current": attempt.current,
            "live": not attempt.final or attempt.state is State.LOST,
            "deadline_at": attempt.deadline_at,
            "row": _text(attempt),
        }
        upsert(self._connection, update_attempts, [row])

    def live_attempts(self, device_id: str) -> Sequence[Attempt]:
        """See the port."""
        return [decode_row(Attempt, row) for row in self._rows(_LIVE, {"key": storable(device_id)})]

    def attempts(
        self,
        rollout_id: str,
        states: Collection[State] | None = None,
        waves: Collection[int] | None = None,
        after: str = "",
        limit: int = 500,
    ) -> Sequence[Attempt]:
        """See the port."""
        of = update_attempts.c
        statement = select(of.row).where(
            of.rollout_id == storable(rollout_id), of.current == true(), of.attempt_id > storable(after)
        )
        if states is not None:
            statement = statement.where(of.state.in_(sorted(state.value for state in states)))
        if waves is not None:
            statement = statement.where(of.wave.in_(sorted(waves)))
        return [decode_row(Attempt, row) for row in self._rows(statement.order_by(of.attempt_id).limit(limit))]

    def due(self, now: float, limit: int) -> Sequence[Attempt]:
        """See the port."""
        return [decode_row(Attempt, row) for row in self._rows(_DUE, {"now": now, "most": limit})]

    def counts(self, keys: Sequence[str]) -> tuple[int, ...]:
        """See the port."""
        if not keys:
            return ()
        found: dict[str, int] = {row.key: row.value for row in self._connection.execute(_COUNTS, {"keys": list(keys)})}
        return tuple(found.get(key, 0) for key in keys)

    def add(self, key: str, delta: int) -> None:
        """See the port."""
        statement = self._insert(update_counters)
        value = update_counters.c.value + statement.excluded.value
        statement = statement.on_conflict_do_update(index_elements=["key"], set_={"value": value})
        self._connection.execute(statement, {"key": key, "value": delta})

    def mark(self, key: str, at: float) -> None:
        """See the port."""
        statement = self._insert(update_marks).on_conflict_do_nothing(index_elements=["key"])
        self._connection.execute(statement, {"key": storable(key), "at": at})

    def marked_at(self, key: str) -> float | None:
        """See the port."""
        at: float | None = self._connection.execute(_MARKED, {"named": storable(key)}).scalar_one_or_none()
        return at

    def unmark(self, key: str) -> None:
        """See the port."""
        self._connection.execute(_UNMARK, {"named": storable(key)})

    def unmark_older(self, prefix: str, before: float) -> None:
        """See the port."""
        self._connection.execute(_UNMARK_OLDER, {"prefix": prefix, "length": len(prefix), "before": before})

    def meter(self, name: str) -> float:
        """See the port."""
        return self._connection.execute(_METER, {"named": name}).scalar_one_or_none() or 0.0

    def put_meter(self, name: str, value: float) -> None:
        """See the port."""
        upsert(self._connection, update_meters, [{"name": name, "value": value}])

    def keep_health(self, rows: Mapping[str, str]) -> None:
        """See the port."""
        upsert(self._connection, update_health, [{"key": storable(key), "row": row} for key, row in rows.items()])

    def kept_health(self, after: str, limit: int) -> Sequence[tuple[str, str]]:
        """See the port."""
        found = self._connection.execute(_HEALTH, {"after": after, "most": limit})
        return [(row.key, row.row) for row in found]

    def drop_health(self, keys: Collection[str]) -> None:
        """See the port."""
        if keys:
            self._connection.execute(_DROP_HEALTH, [{"gone": storable(key)} for key in keys])

    def queue(self, message: Outgoing) -> None:
        """See the port."""
        self._connection.execute(insert(update_outbox), {"row": _text(message)})

    def outbox(self, limit: int) -> Sequence[tuple[int, Outgoing]]:
        """See the port."""
        rows = self._connection.execute(_OUTBOX, {"most": limit})
        return [(number, decode_row(Outgoing, row)) for number, row in rows]

    def drop(self, numbers: Collection[int]) -> None:
        """See the port."""
        if numbers:
            self._connection.execute(_DROP, [{"gone": number} for number in numbers])

    def record(self, entry: AuditEntry) -> None:
        """See the port."""
        self._connection.execute(insert(update_audit), {"rollout_id": entry.rollout_id, "row": _text(entry)})

    def audit(self, rollout_id: str, limit: int) -> Sequence[AuditEntry]:
        """See the port."""
        newest = select(update_audit.c.row).where(update_audit.c.rollout_id == storable(rollout_id))
        newest = newest.order_by(update_audit.c.id.desc()).limit(limit)
        return [decode_row(AuditEntry, row) for row in self._rows(newest)]

    def _row(self, statement: Any, key: str) -> str | None:
        row: str | None = self._connection.execute(statement, {"key": storable(key)}).scalar_one_or_none()
        return row

    def _rows(self, statement: Any, parameters: dict[str, Any] | None = None) -> Sequence[str]:
        return self._connection.execute(statement, parameters or {}).scalars().all()

    def _insert(self, table: Any) -> Any:
        return (postgresql.insert if self._connection.dialect.name == "postgresql" else sqlite.insert)(table)


def _text(row: Attempt | UpdateDevice | Release | Rollout | Outgoing | AuditEntry) -> str:
    return storable(encode_row(row))
