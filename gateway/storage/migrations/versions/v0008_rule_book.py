"""The rule book, and an index for the noise of rules."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "rule_editions",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="gateway.ports.rule_book.EditionReason"),
        sa.Column("rule", sa.Text(), nullable=False, comment="the rule that was decided on, empty for all of them"),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column(
            "sha256", sa.Text(), nullable=False, comment="of the text and the watched names: same digest, same verdicts"
        ),
        sa.Column("text", sa.Text(), nullable=False, comment="TOML as the engine reads it"),
        sa.Column(
            "overrides", sa.Text(), nullable=False, comment="JSON by rule name: what people put over the rule files"
        ),
        sa.Column(
            "watched",
            sa.Text(),
            nullable=False,
            comment="JSON by rule name: demoted to opening no ticket, by whom and why",
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_rule_editions")),
        comment="Append-only: the audit log of the rules.",
    )
    op.create_table(
        "rule_drafts",
        sa.Column("draft_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("edition", sa.BigInteger(), nullable=False, comment="what it was written against"),
        sa.Column("rule", sa.Text(), nullable=False, comment="the rule it began from, empty for a new one"),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column(
            "backtest", sa.Text(), nullable=False, comment="JSON of the newest backtest of this very text, or empty"
        ),
        sa.PrimaryKeyConstraint("draft_id", name=op.f("pk_rule_drafts")),
    )
    op.create_index("ix_tickets_opened_at", "tickets", ["opened_at"], unique=False)
