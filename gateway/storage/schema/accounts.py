"""People who sign in, and their web sessions (found by the SHA-256 of a token that only the browser has)."""

from sqlalchemy import Column, Double, LargeBinary, Table, Text

from gateway.storage.schema.base import metadata

users = Table(
    "users",
    metadata,
    Column("name_key", Text, primary_key=True, comment="the name, case folded"),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("language", Text, nullable=False),
)

web_sessions = Table(
    "web_sessions",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_key", Text, nullable=False, index=True, comment='users.name_key, "" before log-in'),
    Column("data", Text, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
)
