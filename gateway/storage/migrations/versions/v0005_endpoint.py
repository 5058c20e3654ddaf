"""Sessions, queues and retained messages of the embedded MQTT endpoint."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "endpoint_sessions",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("expiry_s", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("connected", sa.Boolean(), nullable=False),
        sa.Column("sent_up_to", sa.BigInteger(), nullable=False),
        sa.Column("subscriptions", sa.Text(), nullable=False, comment="JSON"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_endpoint_sessions")),
    )
    op.create_table(
        "endpoint_queue",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("qos", sa.Integer(), nullable=False),
        sa.Column("retain", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("properties", sa.LargeBinary(), nullable=False),
        sa.Column("identifiers", sa.Text(), nullable=False, comment="JSON"),
        sa.Column("released", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key", "position", name=op.f("pk_endpoint_queue")),
    )
    op.create_table(
        "endpoint_received",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("packet_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", "packet_id", name=op.f("pk_endpoint_received")),
    )
    op.create_table(
        "endpoint_retained",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("qos", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("properties", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("topic", name=op.f("pk_endpoint_retained")),
    )
