"""What every table shares: names of constraints, and types that mean the same on SQLite and PostgreSQL."""

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# 64 bits on both; SQLite makes a column its row id only under the name INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")

# Ordered by code point on both: pages that go on after an id must agree with whoever sorts ids elsewhere.
Key = Text().with_variant(Text(collation="C"), "postgresql")

FIRST_SERIAL = 1001
"""Of tickets. The counter moves in the transaction that opens one, so serials have no gaps."""

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
    comment="Numbers people see (ticket: the last SG number) and the probe of readiness.",
)
