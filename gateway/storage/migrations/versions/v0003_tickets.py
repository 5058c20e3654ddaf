"""Tickets, history, ratings."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "tickets",
        sa.Column(
            "serial",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="the digits of the number, SG-<serial>",
        ),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("fault_class", sa.Text(), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("advisory", sa.Boolean(), nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("episodes", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False, comment="JSON of diagnostics.changes.Evidence"),
        sa.Column("impact", sa.Text(), nullable=True, comment="JSON of diagnostics.changes.Impact"),
        sa.Column("priority_at", sa.Double(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("waiting_for", sa.Text(), nullable=True),
        sa.Column("solved_at", sa.Double(), nullable=True),
        sa.Column("close_code", sa.Text(), nullable=True),
        sa.Column("linked_to", sa.Text(), nullable=False),
        sa.Column("devices", sa.Text(), nullable=False, comment="JSON list of device ids"),
        sa.Column("promise_at", sa.Double(), nullable=True),
        sa.Column(
            "rule_episodes", sa.Text(), nullable=False, comment="JSON list: the last episode of each rule on this key"
        ),
        sa.Column("words", sa.Text(), nullable=False, comment="lower-case text that a search looks through"),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_tickets")),
        sa.UniqueConstraint("ticket_id", name=op.f("uq_tickets_ticket_id")),
    )
    op.create_index("ix_tickets_customer_state", "tickets", ["customer_id", "state", "solved_at"], unique=False)
    op.create_index("ix_tickets_device_serial", "tickets", ["device_id", "serial"], unique=False)
    op.create_index("ix_tickets_key_serial", "tickets", ["key", "serial"], unique=False)
    op.create_index("ix_tickets_solved_at", "tickets", ["solved_at"], unique=False)
    op.create_index("ix_tickets_state_owner_priority", "tickets", ["state", "owner", "priority_at"], unique=False)
    op.create_index(
        "uq_tickets_unresolved_key",
        "tickets",
        ["key"],
        unique=True,
        sqlite_where=sa.text("state IN ('new', 'open', 'pending')"),
        postgresql_where=sa.text("state IN ('new', 'open', 'pending')"),
    )
    op.create_table(
        "ticket_devices",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.ticket_id"], name=op.f("fk_ticket_devices_ticket_id")),
        sa.PrimaryKeyConstraint("device_id", "ticket_id", name=op.f("pk_ticket_devices")),
        comment="Devices affected by a ticket of a site or the fleet.",
    )
    op.create_table(
        "ticket_history",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.ticket_id"], name=op.f("fk_ticket_history_ticket_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_history")),
    )
    op.create_index(op.f("ix_ticket_history_ticket_id"), "ticket_history", ["ticket_id"], unique=False)
    op.create_table(
        "ticket_ratings",
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("stars", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.ticket_id"], name=op.f("fk_ticket_ratings_ticket_id")),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_ticket_ratings")),
    )
