"""Insert or replace, the same on SQLite and PostgreSQL."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows; where the primary key exists, replace the columns that the rows name."""
    if not rows:
        return
    connection.execute(_statement(table, connection.dialect.name, tuple(rows[0])), rows)


@lru_cache(maxsize=256)
def _statement(table: Table, dialect: str, names: tuple[str, ...]) -> Any:
    """Kept, because making one costs more than running it."""
    keys = [column.name for column in table.primary_key]
    statement: Any = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
    values = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=values)
