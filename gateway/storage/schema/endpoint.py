"""What the embedded MQTT endpoint keeps across restarts."""

from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, LargeBinary, Table, Text

from gateway.storage.schema.base import metadata

endpoint_sessions = Table(
    "endpoint_sessions",
    metadata,
    Column("key", Text, primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("identity", Text, nullable=False),
    Column("expiry_s", BigInteger, nullable=False),
    Column("expires_at", Double),
    Column("connected", Boolean, nullable=False),
    Column("sent_up_to", BigInteger, nullable=False),
    Column("subscriptions", Text, nullable=False, comment="JSON"),
)

endpoint_queue = Table(
    "endpoint_queue",
    metadata,
    Column("key", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("qos", Integer, nullable=False),
    Column("retain", Boolean, nullable=False),
    Column("expires_at", Double),
    Column("properties", LargeBinary, nullable=False),
    Column("identifiers", Text, nullable=False, comment="JSON"),
    Column("released", Boolean, nullable=False),
)

endpoint_received = Table(
    "endpoint_received",
    metadata,
    Column("key", Text, primary_key=True),
    Column("packet_id", Integer, primary_key=True),
)

endpoint_retained = Table(
    "endpoint_retained",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("payload", LargeBinary, nullable=False),
    Column("identity", Text, nullable=False),
    Column("qos", Integer, nullable=False),
    Column("expires_at", Double),
    Column("properties", LargeBinary, nullable=False),
)
