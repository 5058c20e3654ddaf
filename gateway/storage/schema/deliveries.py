"""What was made of events: lines that wait for a letter, messages to receivers and their fate, who wants mail."""

from sqlalchemy import Boolean, Column, Double, ForeignKey, Integer, Table, Text

from gateway.storage.schema.base import metadata

letter_lines = Table(
    "letter_lines",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("customer_id", Text, nullable=False, index=True),
    Column("type", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("ticket_id", Text, nullable=False),
    Column("payload", Text, nullable=False, comment="JSON"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", Text, primary_key=True),
    Column("target", Text, nullable=False, index=True),
    Column("address", Text, nullable=False),
    Column("customer_id", Text, nullable=False, index=True),
    Column("ticket_ids", Text, nullable=False, comment="JSON"),
    Column("type", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_try", Double, index=True, comment="null: sent, or given up"),
    Column("sent_at", Double),
    Column("error", Text, nullable=False),
)

delivery_tickets = Table(
    "delivery_tickets",
    metadata,
    Column("ticket_id", Text, primary_key=True),
    Column("delivery_id", Text, ForeignKey("deliveries.delivery_id", ondelete="CASCADE"), primary_key=True, index=True),
)

gone_receivers = Table(
    "gone_receivers",
    metadata,
    Column("target", Text, primary_key=True),
    Column("address", Text, nullable=False, comment="where it said so: at another one it is tried again"),
    Column("at", Double, nullable=False),
)

mail_choices = Table(
    "mail_choices",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("wanted", Boolean, nullable=False),
    Column("at", Double, nullable=False),
)
