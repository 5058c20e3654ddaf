"""Tickets as rows: how one is written and read, its history, its number."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, bindparam, insert, select, update

from diagnostics.changes import Evidence, Impact, Severity
from gateway.storage.rejects import storable
from gateway.storage.schema.base import counters
from gateway.storage.schema.tickets import ticket_devices, ticket_history, tickets
from gateway.tickets.policy import Episode, Known
from gateway.tickets.ticket import CloseCode, Entry, HistoryEntry, State, Ticket, WaitingFor

# Through Python's json, not pydantic's: a forecast may say infinity, which JSON proper has no word for.
_EVIDENCE = TypeAdapter(Evidence)
_IMPACT = TypeAdapter(Impact)
_EPISODES = TypeAdapter(tuple[Episode, ...])

# Values travel as parameters, not in the statement: so each is compiled once, and a ticket costs half as much.
_INSERT = insert(tickets)
_UPDATE = update(tickets).where(tickets.c.ticket_id == bindparam("this"))
_INSERT_LINE = insert(ticket_history)
_NEXT_SERIAL = (
    update(counters).where(counters.c.name == "ticket").values(value=counters.c.value + 1).returning(counters.c.value)
)
_LATEST = select(tickets).where(tickets.c.key == bindparam("of")).order_by(tickets.c.serial.desc()).limit(1)


def new_identity(connection: Connection) -> tuple[str, str]:
    """An id that nobody can guess and the next number that people can say."""
    return uuid4().hex, f"SG-{connection.execute(_NEXT_SERIAL).scalar_one()}"


def serial_of(number: str) -> int | None:
    """The digits of "SG-1042", in any case; None if it is not a number of ours."""
    prefix, _, digits = number.strip().upper().partition("-")
    return int(digits) if prefix == "SG" and digits.isascii() and digits.isdigit() and len(digits) < 16 else None


def latest(connection: Connection, key: str) -> Known | None:
    """The latest ticket of a key. Locked against other gateways until the transaction ends."""
    statement = _LATEST.with_for_update() if connection.dialect.name == "postgresql" else _LATEST
    row = connection.execute(statement, {"of": storable(key)}).one_or_none()
    return Known(ticket_of(row), episodes_of(row)) if row else None


def by_name(connection: Connection, name: str, *, lock: bool = False) -> Ticket | None:
    """By id or number."""
    serial = serial_of(name)
    wanted = tickets.c.ticket_id == storable(name) if serial is None else tickets.c.serial == serial
    statement = select(tickets).where(wanted)
    if lock and connection.dialect.name == "postgresql":
        statement = statement.with_for_update()
    row = connection.execute(statement).one_or_none()
    return ticket_of(row) if row else None


def insert_ticket(connection: Connection, ticket: Ticket, episodes: Sequence[Episode], words: str) -> None:
    """Write a new ticket."""
    values = _values(ticket) | {
        "serial": serial_of(ticket.number),
        "rule_episodes": _EPISODES.dump_json(tuple(episodes)).decode(),
        "words": storable(f"{ticket.number} {words}").lower(),
    }
    connection.execute(_INSERT, values)
    _keep_devices(connection, ticket.ticket_id, ticket.devices)


def update_ticket(connection: Connection, before: Ticket, ticket: Ticket) -> None:
    """Write an edited ticket."""
    connection.execute(_UPDATE, _values(ticket) | {"this": ticket.ticket_id})
    _keep_devices(connection, ticket.ticket_id, [d for d in ticket.devices if d not in set(before.devices)])


def update_episodes(connection: Connection, ticket_id: str, episodes: Sequence[Episode]) -> None:
    """Remember what the rules said. Not an edit: the version stays."""
    text = _EPISODES.dump_json(tuple(episodes)).decode()
    connection.execute(_UPDATE, {"rule_episodes": text, "this": ticket_id})


def add_history(connection: Connection, ticket_id: str, line: HistoryEntry) -> None:
    """Append a line."""
    connection.execute(
        _INSERT_LINE,
        {
            "ticket_id": ticket_id,
            "at": line.at,
            "kind": line.kind.value,
            "actor": storable(line.actor),
            "reason": storable(line.reason),
            "text": storable(line.text),
        },
    )


def history_of(connection: Connection, ticket_id: str) -> Sequence[HistoryEntry]:
    """Every line, oldest first."""
    found = select(ticket_history).where(ticket_history.c.ticket_id == ticket_id).order_by(ticket_history.c.id)
    return [HistoryEntry(row.at, Entry(row.kind), row.actor, row.reason, row.text) for row in connection.execute(found)]


def ticket_of(row: Row[Any]) -> Ticket:
    """A row of `tickets` as a ticket."""
    evidence = json.loads(row.evidence)
    return Ticket(
        ticket_id=row.ticket_id,
        number=f"SG-{row.serial}",
        key=row.key,
        scope=row.scope,
        scope_id=row.scope_id,
        device_id=row.device_id,
        site_id=row.site_id,
        customer_id=row.customer_id,
        fault_class=row.fault_class,
        severity=Severity(row.severity),
        state=State(row.state),
        rule=row.rule,
        advisory=row.advisory,
        opened_at=row.opened_at,
        updated_at=row.updated_at,
        episodes=row.episodes,
        version=row.version,
        evidence=_EVIDENCE.validate_python(evidence),
        impact=_IMPACT.validate_python(json.loads(row.impact)) if row.impact else None,
        priority_at=row.priority_at,
        owner=row.owner,
        waiting_for=WaitingFor(row.waiting_for) if row.waiting_for else None,
        solved_at=row.solved_at,
        close_code=CloseCode(row.close_code) if row.close_code else None,
        linked_to=row.linked_to,
        devices=tuple(json.loads(row.devices)),
        promise_at=row.promise_at,
        evidence_rule=evidence.get("rule", row.rule),
    )


def episodes_of(row: Row[Any]) -> tuple[Episode, ...]:
    """What the rules have said on a row's key."""
    return _EPISODES.validate_json(row.rule_episodes)


def _values(ticket: Ticket) -> dict[str, Any]:
    return {
        "ticket_id": ticket.ticket_id,
        "key": storable(ticket.key),
        "scope": ticket.scope,
        "scope_id": storable(ticket.scope_id),
        "device_id": storable(ticket.device_id),
        "site_id": ticket.site_id,
        "customer_id": ticket.customer_id,
        "fault_class": ticket.fault_class,
        "severity": int(ticket.severity),
        "state": ticket.state.value,
        "rule": ticket.rule,
        "advisory": ticket.advisory,
        "opened_at": ticket.opened_at,
        "updated_at": ticket.updated_at,
        "episodes": ticket.episodes,
        "version": ticket.version,
        "evidence": storable(json.dumps({**_EVIDENCE.dump_python(ticket.evidence), "rule": ticket.evidence_rule})),
        "impact": json.dumps(_IMPACT.dump_python(ticket.impact)) if ticket.impact else None,
        "priority_at": ticket.priority_at,
        "owner": storable(ticket.owner),
        "waiting_for": ticket.waiting_for.value if ticket.waiting_for else None,
        "solved_at": ticket.solved_at,
        "close_code": ticket.close_code.value if ticket.close_code else None,
        "linked_to": ticket.linked_to,
        "devices": json.dumps(ticket.devices),
        "promise_at": ticket.promise_at,
    }


def _keep_devices(connection: Connection, ticket_id: str, devices: Sequence[str]) -> None:
    if devices:
        rows = [{"device_id": device, "ticket_id": ticket_id} for device in dict.fromkeys(devices)]
        connection.execute(ticket_devices.insert(), rows)
