"""Deliveries of notifications: letters, webhooks, and who wants mail."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "letter_lines",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False, comment="JSON"),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_letter_lines")),
    )
    op.create_index(op.f("ix_letter_lines_customer_id"), "letter_lines", ["customer_id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("ticket_ids", sa.Text(), nullable=False, comment="JSON"),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try", sa.Double(), nullable=True, comment="null: sent, or given up"),
        sa.Column("sent_at", sa.Double(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_deliveries")),
    )
    for name in ("target", "customer_id", "next_try"):
        op.create_index(op.f(f"ix_deliveries_{name}"), "deliveries", [name], unique=False)
    op.create_table(
        "delivery_tickets",
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["deliveries.delivery_id"],
            name=op.f("fk_delivery_tickets_delivery_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("ticket_id", "delivery_id", name=op.f("pk_delivery_tickets")),
    )
    op.create_index(op.f("ix_delivery_tickets_delivery_id"), "delivery_tickets", ["delivery_id"], unique=False)
    op.create_table(
        "mail_choices",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_mail_choices")),
    )
