"""Messages for devices, recorded in the transaction that decided them and published afterwards."""

from sqlalchemy import Boolean, Column, Double, LargeBinary, Table, Text

from gateway.storage.schema.base import Id, metadata

downlink = Table(
    "downlink",
    metadata,
    Column("id", Id, primary_key=True),
    Column("topic", Text, nullable=False, index=True),
    Column("payload", LargeBinary, nullable=False),
    Column("retain", Boolean, nullable=False),
    Column("expires_at", Double),
    sqlite_autoincrement=True,  # ids of published rows are never given again
)
