"""Receivers of notifications that have said that they are gone for good."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "gone_receivers",
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False, comment="where it said so: at another one it is tried again"),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("target", name=op.f("pk_gone_receivers")),
    )
