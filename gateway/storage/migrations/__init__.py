"""Brings a database's schema to the revision that this program was written for, inside one transaction."""

from functools import cache
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, inspect

from gateway.storage.engines import DatabaseUnusable, OutdatedSchema

_LOCK = 0x51A6A0  # PostgreSQL: two gateways that start together migrate one after the other


def migrate(connection: Connection, where: str, *, upgrade: bool) -> None:
    """Upgrade to the newest revision. DatabaseUnusable if the state is not ours to upgrade (or `upgrade` is False)."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    scripts = _scripts()
    newest = scripts.get_current_head()
    context = MigrationContext.configure(
        connection,
        opts={"fn": lambda current, _context: scripts._upgrade_revs("head", current), "transactional_ddl": True},
    )
    current = context.get_current_revision()
    if current == newest:
        return
    _refuse_the_foreign(connection, scripts, where, current)
    if not upgrade:
        raise OutdatedSchema(f"{where}: schema {current or 'empty'} is behind {newest}, and upgrading it is forbidden")
    with Operations.context(context):
        context.run_migrations()


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(Path(__file__).parent))


def _refuse_the_foreign(connection: Connection, scripts: ScriptDirectory, where: str, current: str | None) -> None:
    if current is None:
        tables = inspect(connection).get_table_names()
        if set(tables) - {"alembic_version"}:
            raise DatabaseUnusable(
                f"{where}: has tables ({min(tables)}, ...) but no schema revision, so Siaga did not make it: "
                "point the database url to an empty database"
            )
        return
    try:
        scripts.get_revision(current)
    except CommandError:
        raise DatabaseUnusable(
            f"{where}: a newer Siaga wrote schema revision {current!r}: upgrade this one, or restore a backup"
        ) from None
