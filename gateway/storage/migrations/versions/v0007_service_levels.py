"""Service levels of tickets."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "ticket_sla",
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column(
            "next_at",
            sa.Double(),
            nullable=True,
            comment="when somebody is to be told; null: nothing is due as things stand",
        ),
        sa.Column("sla", sa.Text(), nullable=False, comment="JSON of gateway.tickets.sla.Sla"),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.ticket_id"], name=op.f("fk_ticket_sla_ticket_id")),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_ticket_sla")),
    )
    op.create_index(op.f("ix_ticket_sla_next_at"), "ticket_sla", ["next_at"], unique=False)
