"""What the health gate of updates remembers, kept over restarts."""

import sqlalchemy as sa
from alembic import op

from gateway.storage.schema.base import Key

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "update_health",
        sa.Column("key", Key, nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_update_health")),
    )
