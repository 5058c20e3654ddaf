"""The rule book in SQL."""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from gateway.ports.rule_book import (
    Draft,
    Edition,
    EditionReason,
    Opened,
    OutdatedDraft,
    OutdatedEdition,
    Override,
    Watched,
)
from gateway.storage.database import Database
from gateway.storage.rejects import storable
from gateway.storage.schema.rules import rule_drafts, rule_editions
from gateway.storage.schema.tickets import tickets
from gateway.tickets.ticket import CloseCode

_OVERRIDES = TypeAdapter(dict[str, Override])
_WATCHED = TypeAdapter(dict[str, Watched])
_NEWEST = select(rule_editions).order_by(rule_editions.c.number.desc())


class SqlRuleBook:
    """See `gateway.ports.rule_book.RuleBook`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self) -> Edition | None:
        """See the port."""
        return next(iter(await self.editions(1)), None)

    async def edition(self, number: int) -> Edition | None:
        """See the port."""
        found = await self._database.read(
            lambda connection: connection.execute(
                select(rule_editions).where(rule_editions.c.number == number)
            ).one_or_none()
        )
        return _edition(found) if found else None

    async def since(self, number: int) -> Sequence[Edition]:
        """See the port."""
        statement = select(rule_editions).where(rule_editions.c.number >= number).order_by(rule_editions.c.number)
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return [_edition(row) for row in rows]

    async def editions(self, limit: int, before: int | None = None) -> Sequence[Edition]:
        """See the port."""
        statement = _NEWEST.limit(limit)
        if before is not None:
            statement = statement.where(rule_editions.c.number < before)
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return [_edition(row) for row in rows]

    async def append(self, edition: Edition) -> None:
        """See the port."""
        await self._database.transact(lambda connection: _append(connection, edition))

    async def drafts(self, limit: int = 100) -> Sequence[Draft]:
        """See the port."""
        statement = select(rule_drafts).order_by(rule_drafts.c.updated_at.desc(), rule_drafts.c.draft_id).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return [_draft(row) for row in rows]

    async def draft(self, draft_id: str) -> Draft | None:
        """See the port."""
        return await self._database.read(lambda connection: _draft_named(connection, draft_id))

    async def save(self, draft: Draft) -> None:
        """See the port."""
        await self._database.transact(lambda connection: _save(connection, draft))

    async def keep_backtest(self, draft_id: str, version: int, backtest: str) -> bool:
        """See the port."""
        here = (rule_drafts.c.draft_id == storable(draft_id)) & (rule_drafts.c.version == version)
        statement = update(rule_drafts).where(here).values(backtest=storable(backtest))
        return await self._database.transact(lambda connection: bool(connection.execute(statement).rowcount))

    async def discard(self, draft_id: str) -> None:
        """See the port."""
        statement = delete(rule_drafts).where(rule_drafts.c.draft_id == storable(draft_id))
        await self._database.transact(lambda connection: connection.execute(statement))

    async def opened(self, since: float, rule: str = "") -> Sequence[Opened]:
        """See the port."""
        columns = (tickets.c.rule, tickets.c.close_code)
        statement = select(*columns, func.count()).where(tickets.c.opened_at >= since, tickets.c.rule != "")
        if rule:
            statement = statement.where(tickets.c.rule.startswith(f"{storable(rule)}@", autoescape=True))
        statement = statement.group_by(*columns).order_by(*columns)
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return [Opened(label, CloseCode(code) if code else None, count) for label, code, count in rows]

    async def numbers(self, rule: str, since: float, limit: int) -> Sequence[str]:
        """See the port."""
        wanted = tickets.c.rule.startswith(f"{storable(rule)}@", autoescape=True) & (tickets.c.opened_at >= since)
        statement = select(tickets.c.serial).where(wanted).order_by(tickets.c.serial.desc()).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return [f"SG-{serial}" for (serial,) in rows]


def _append(connection: Connection, edition: Edition) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE rule_editions IN SHARE ROW EXCLUSIVE MODE")
    newest = connection.execute(select(func.max(rule_editions.c.number))).scalar() or 0
    if edition.number != newest + 1:
        raise OutdatedEdition(newest)
    values = {
        "number": edition.number,
        "at": edition.at,
        "actor": storable(edition.actor),
        "reason": edition.reason.value,
        "rule": storable(edition.rule),
        "note": storable(edition.note),
        "sha256": edition.sha256,
        "text": storable(edition.text),
        "overrides": storable(_OVERRIDES.dump_json(dict(edition.overrides)).decode()),
        "watched": storable(_WATCHED.dump_json(dict(edition.watched)).decode()),
    }
    connection.execute(insert(rule_editions), values)


def _save(connection: Connection, draft: Draft) -> None:
    current = _draft_named(connection, draft.draft_id, lock=True)
    if current is None and draft.version != 1:
        raise KeyError(draft.draft_id)
    if current is not None and draft.version != current.version + 1:
        raise OutdatedDraft(current)
    values = {
        "draft_id": storable(draft.draft_id),
        "author": storable(draft.author),
        "created_at": draft.created_at,
        "updated_at": draft.updated_at,
        "version": draft.version,
        "edition": draft.edition,
        "rule": storable(draft.rule),
        "text": storable(draft.text),
        "backtest": storable(draft.backtest),
    }
    if current is None:
        connection.execute(insert(rule_drafts), values)
    else:
        connection.execute(update(rule_drafts).where(rule_drafts.c.draft_id == current.draft_id).values(values))


def _draft_named(connection: Connection, draft_id: str, *, lock: bool = False) -> Draft | None:
    statement = select(rule_drafts).where(rule_drafts.c.draft_id == storable(draft_id))
    if lock and connection.dialect.name == "postgresql":
        statement = statement.with_for_update()
    row = connection.execute(statement).one_or_none()
    return _draft(row) if row else None


def _edition(row: Row[Any]) -> Edition:
    return Edition(
        row.number,
        row.at,
        row.actor,
        EditionReason(row.reason),
        row.rule,
        row.note,
        row.sha256,
        row.text,
        _OVERRIDES.validate_python(json.loads(row.overrides)),
        _WATCHED.validate_python(json.loads(row.watched)),
    )


def _draft(row: Row[Any]) -> Draft:
    return Draft(
        row.draft_id,
        row.author,
        row.created_at,
        row.updated_at,
        row.version,
        row.edition,
        row.rule,
        row.text,
        row.backtest,
    )
