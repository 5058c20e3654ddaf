"""The rule book: editions (each the whole of the rules at a moment, never changed) and drafts."""

from sqlalchemy import BigInteger, Column, Double, Integer, Table, Text

from gateway.storage.schema.base import Id, Key, metadata

rule_editions = Table(
    "rule_editions",
    metadata,
    Column("number", Id, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False, comment="gateway.ports.rule_book.EditionReason"),
    Column("rule", Text, nullable=False, comment="the rule that was decided on, empty for all of them"),
    Column("note", Text, nullable=False),
    Column("sha256", Text, nullable=False, comment="of the text and the watched names: same digest, same verdicts"),
    Column("text", Text, nullable=False, comment="TOML as the engine reads it"),
    Column("overrides", Text, nullable=False, comment="JSON by rule name: what people put over the rule files"),
    Column("watched", Text, nullable=False, comment="JSON by rule name: demoted to opening no ticket, by whom and why"),
    comment="Append-only: the audit log of the rules.",
)

rule_drafts = Table(
    "rule_drafts",
    metadata,
    Column("draft_id", Key, primary_key=True),
    Column("author", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("version", Integer, nullable=False),
    Column("edition", BigInteger, nullable=False, comment="what it was written against"),
    Column("rule", Text, nullable=False, comment="the rule it began from, empty for a new one"),
    Column("text", Text, nullable=False),
    Column("backtest", Text, nullable=False, comment="JSON of the newest backtest of this very text, or empty"),
)
