"""Tickets whose fault a release ends: they wait for their device's window, and come back if the update fails.

Closing is not done here: a ticket is closed on evidence, when its rule no longer sees the fault. One transaction, safe
to repeat: what a ticket is and what it waits for says whether anything is left to do.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, select

from diagnostics.changes import Scope
from firmware_updates.cure import Cure, Stage, cure_of
from firmware_updates.ports import UpdateStore
from firmware_updates.window_text import Locale, appointment
from gateway.storage.notifications import announce
from gateway.storage.schema.registry import customers
from gateway.storage.schema.tickets import tickets
from gateway.storage.subject import ANNOUNCED
from gateway.storage.ticket_rows import ticket_of
from gateway.storage.ticket_sla import edit_ticket
from gateway.tickets import edits
from gateway.tickets.ticket import UNRESOLVED, State, Ticket, WaitingFor

WHO: Final = "updates"
AT_ONCE: Final = 500
_STATES = sorted(state.value for state in UNRESOLVED)
_PLANNED: dict[Locale, str] = {
    "en": "The cure is software version {version}. It is installed {when}. You need not do anything.",
    "id": "Obatnya adalah perangkat lunak versi {version}. Dipasang {when}. Anda tidak perlu melakukan apa pun.",
}
_BACK: dict[Locale, str] = {
    "en": "The software update did not end the fault ({why}). We are looking at it again.",
    "id": "Pembaruan perangkat lunak tidak mengakhiri gangguan ({why}). Kami memeriksanya lagi.",
}
_WHY: dict[Locale, tuple[str, str]] = {
    "en": ("it is installed and the fault is still there", "it was not installed"),
    "id": ("sudah terpasang dan gangguan masih ada", "tidak terpasang"),
}


def follow_cures(connection: Connection, store: UpdateStore, now: float) -> list[str]:
    """Set tickets to wait, or take them back; the ids of those that changed."""
    ended = {name for one in store.releases() if not one.revoked_reason for name in one.manifest.fixes}
    changed = []
    for ticket in _tickets(connection, sorted(ended)):
        cure = cure_of(store, ticket.device_id, ticket.fault_class, now)
        if cure is not None and _step(connection, ticket, cure, _zone(store, ticket.device_id), now):
            changed.append(ticket.ticket_id)
    return changed


def _tickets(connection: Connection, classes: Sequence[str]) -> list[Ticket]:
    if not classes:
        return []
    statement = select(tickets).where(
        tickets.c.fault_class.in_(classes), tickets.c.state.in_(_STATES), tickets.c.scope == Scope.DEVICE.value
    )
    return [ticket_of(row) for row in connection.execute(statement.order_by(tickets.c.serial).limit(AT_ONCE))]


def _step(connection: Connection, ticket: Ticket, cure: Cure, zone: str, now: float) -> bool:
    waits = ticket.state is State.PENDING and ticket.waiting_for is WaitingFor.UPDATE_WINDOW
    language = _language(connection, ticket)
    if cure.stage is Stage.AHEAD and ticket.state is not State.PENDING:
        opens, closes = (datetime.fromtimestamp(at, UTC) for at in (cure.opens, cure.closes))
        when = appointment(opens, closes, zone, language)
        text = _PLANNED[language].format(version=cure.attempt.target_version, when=when)
        pending = _write(connection, ticket, edits.wait(ticket, WHO, WaitingFor.UPDATE_WINDOW, now))
        told = _write(connection, pending, edits.note(pending, WHO, text, now, to_customer=True))
        promised_at = cure.closes + timedelta(hours=24).total_seconds()
        _write(connection, told, edits.promise(told, WHO, promised_at, now))
        return True
    if cure.stage is Stage.FAILED and waits:
        why = _WHY[language][0 if cure.attempt.state.value == "succeeded" else 1]
        back = _write(connection, ticket, edits.resume(ticket, WHO, cure.attempt.reason or "update_failed", now))
        _write(connection, back, edits.note(back, WHO, _BACK[language].format(why=why), now, to_customer=True))
        return True
    return False


def _write(connection: Connection, before: Ticket, edit: edits.Edit) -> Ticket:
    edited, line = edit
    after = edit_ticket(connection, before, edited, line)
    if line.kind in ANNOUNCED:
        announce(connection, ANNOUNCED[line.kind], after, line.reason, line.at, line.text)
    return after


def _language(connection: Connection, ticket: Ticket) -> Locale:
    found = connection.execute(select(customers.c.language).where(customers.c.customer_id == ticket.customer_id))
    return "id" if found.scalar_one_or_none() == "id" else "en"


def _zone(store: UpdateStore, device_id: str) -> str:
    device = store.device(device_id)
    return device.entitlement.zone if device else "UTC"
