"""Firmware updates: rows kept as JSON documents beside the columns that they are found by."""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, Table, Text, text

from gateway.storage.schema.base import Id, Key, metadata

update_devices = Table(
    "update_devices",
    metadata,
    Column("device_id", Key, primary_key=True),
    Column("row", Text, nullable=False),
)

update_releases = Table(
    "update_releases",
    metadata,
    Column("release_id", Key, primary_key=True),
    Column("published_at", Double, nullable=False),
    Column("row", Text, nullable=False),
)

update_rollouts = Table(
    "update_rollouts",
    metadata,
    Column("rollout_id", Key, primary_key=True),
    Column("state", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("row", Text, nullable=False),
)

update_attempts = Table(
    "update_attempts",
    metadata,
    Column("attempt_id", Key, primary_key=True),
    Column("rollout_id", Key, nullable=False),
    Column("device_id", Key, nullable=False),
    Column("state", Text, nullable=False),
    Column("wave", Integer, nullable=False),
    Column("current", Boolean, nullable=False),
    Column("live", Boolean, nullable=False, comment="not final, or LOST"),
    Column("deadline_at", Double),
    Column("row", Text, nullable=False),
    Index("ix_update_attempts_of_rollout", "rollout_id", "state", "wave", "attempt_id"),
    Index("ix_update_attempts_live_device", "device_id", sqlite_where=text("live = 1"), postgresql_where=text("live")),
    Index("ix_update_attempts_deadline_at", "deadline_at"),
)

update_counters = Table(
    "update_counters",
    metadata,
    Column("key", Key, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

update_marks = Table(
    "update_marks",
    metadata,
    Column("key", Key, primary_key=True),
    Column("at", Double, nullable=False, index=True),
)

update_meters = Table(
    "update_meters",
    metadata,
    Column("name", Key, primary_key=True),
    Column("value", Double, nullable=False),
)

update_health = Table(
    "update_health",
    metadata,
    Column("key", Key, primary_key=True),
    Column("row", Text, nullable=False),
)

update_outbox = Table(
    "update_outbox",
    metadata,
    Column("number", Id, primary_key=True),
    Column("row", Text, nullable=False),
    sqlite_autoincrement=True,
)

update_audit = Table(
    "update_audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("rollout_id", Key, nullable=False),
    Column("row", Text, nullable=False),
    Index("ix_update_audit_rollout_id_id", "rollout_id", "id"),
)
