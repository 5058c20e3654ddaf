"""The journal of committed batches, its readers, the checkpoint of rule memory, and the rejects."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, Table, Text

from gateway.storage.schema.base import Id, Key, metadata

journal = Table(
    "journal",
    metadata,
    Column("position", Id, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("count", Integer, nullable=False),
    Column("size", Integer, nullable=False, comment="bytes of payload"),
    Column("bytes_total", BigInteger, nullable=False, comment="running sum of size: a backlog is a subtraction"),
    Column("payload", LargeBinary, nullable=False),
)

journal_turn = Table(
    "journal_turn",
    metadata,
    Column("turn", Integer, primary_key=True),
    comment="Always empty: a gateway locks it to have its turn at the journal (PostgreSQL).",
)

journal_readers = Table(
    "journal_readers",
    metadata,
    Column("reader", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("shared", LargeBinary, nullable=False),
    comment="One row. Written last: a checkpoint counts only once its position stands here.",
)

device_memory = Table(
    "device_memory",
    metadata,
    Column("device_id", Key, primary_key=True),
    Column("as_of", BigInteger, primary_key=True, autoincrement=False, comment="the checkpoint it belongs to"),
    Column("memory", LargeBinary, nullable=False),
)

rejects = Table(
    "rejects",
    metadata,
    Column("id", Id, primary_key=True),
    Column("device_id", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("received_at", Double, nullable=False),
    Column("sample", LargeBinary, nullable=False),
    Index("ix_rejects_device_id_id", "device_id", "id"),
)
