"""Tickets, their append-only history, ratings. Two gateways agree through the unique index on unresolved keys."""

from sqlalchemy import Boolean, Column, Double, ForeignKey, Index, Integer, Table, Text, text

from gateway.storage.schema.base import Id, metadata

UNRESOLVED_SQL = "state IN ('new', 'open', 'pending')"

tickets = Table(
    "tickets",
    metadata,
    Column("serial", Id, primary_key=True, autoincrement=False, comment="the digits of the number, SG-<serial>"),
    Column("ticket_id", Text, nullable=False, unique=True),
    Column("key", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("scope_id", Text, nullable=False),
    Column("device_id", Text, nullable=False),
    Column("site_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("fault_class", Text, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("advisory", Boolean, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("episodes", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("evidence", Text, nullable=False, comment="JSON of diagnostics.changes.Evidence"),
    Column("impact", Text, comment="JSON of diagnostics.changes.Impact"),
    Column("priority_at", Double, nullable=False),
    Column("owner", Text, nullable=False),
    Column("waiting_for", Text),
    Column("solved_at", Double),
    Column("close_code", Text),
    Column("linked_to", Text, nullable=False),
    Column("devices", Text, nullable=False, comment="JSON list of device ids"),
    Column("promise_at", Double),
    Column("rule_episodes", Text, nullable=False, comment="JSON list: the last episode of each rule on this key"),
    Column("words", Text, nullable=False, comment="lower-case text that a search looks through"),
    Index(
        "uq_tickets_unresolved_key",
        "key",
        unique=True,
        sqlite_where=text(UNRESOLVED_SQL),
        postgresql_where=text(UNRESOLVED_SQL),
    ),
    Index("ix_tickets_key_serial", "key", "serial"),
    Index("ix_tickets_state_owner_priority", "state", "owner", "priority_at"),
    Index("ix_tickets_solved_at", "solved_at"),
    Index("ix_tickets_opened_at", "opened_at"),
    Index("ix_tickets_customer_state", "customer_id", "state", "solved_at"),
    Index("ix_tickets_device_serial", "device_id", "serial"),
)

ticket_devices = Table(
    "ticket_devices",
    metadata,
    Column("device_id", Text, primary_key=True),
    Column("ticket_id", Text, ForeignKey("tickets.ticket_id"), primary_key=True),
    comment="Devices affected by a ticket of a site or the fleet.",
)

ticket_history = Table(
    "ticket_history",
    metadata,
    Column("id", Id, primary_key=True),
    Column("ticket_id", Text, ForeignKey("tickets.ticket_id"), nullable=False, index=True),
    Column("at", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("text", Text, nullable=False),
)

ticket_sla = Table(
    "ticket_sla",
    metadata,
    Column("ticket_id", Text, ForeignKey("tickets.ticket_id"), primary_key=True),
    Column("next_at", Double, index=True, comment="when somebody is to be told; null: nothing is due as things stand"),
    Column("sla", Text, nullable=False, comment="JSON of gateway.tickets.sla.Sla"),
)

ticket_ratings = Table(
    "ticket_ratings",
    metadata,
    Column("ticket_id", Text, ForeignKey("tickets.ticket_id"), primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("stars", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", Double, nullable=False),
)
