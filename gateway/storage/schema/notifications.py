"""What people are to be told, recorded in the transaction that made it true and sent afterwards."""

from sqlalchemy import Column, Double, Integer, Table, Text

from gateway.storage.schema.base import Id, metadata

notifications = Table(
    "notifications",
    metadata,
    Column("id", Id, primary_key=True),
    Column("event_id", Text, nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("ticket_id", Text, nullable=False, index=True),
    Column("payload", Text, nullable=False, comment="JSON"),
    Column("attempts", Integer, nullable=False),
    Column("next_try", Double, index=True, comment="null: given up, kept as a dead letter"),
    Column("error", Text, nullable=False),
    sqlite_autoincrement=True,
)
