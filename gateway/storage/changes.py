"""A change of health applied to the tickets, inside the transaction of its batch."""

from typing import Any

from sqlalchemy import Connection, Row, select

from diagnostics.changes import Change, Scope
from gateway.storage import ticket_rows, ticket_sla
from gateway.storage.notifications import announce
from gateway.storage.schema.registry import customers, devices, sites
from gateway.storage.subject import Applied, PolicyFor, Subject, TimeToAct, covering, no_promise
from gateway.tickets.edits import Identity, announcement, carry_out
from gateway.tickets.entitlement import Entitlement, entitlement
from gateway.tickets.policy import Advise, Link, Open, decide, episodes_after, priority_at

_SITE = select(
    sites.c.site_id, sites.c.name.label("site"), sites.c.zone, sites.c.customer_id, customers.c.name.label("customer")
).join(customers, customers.c.customer_id == sites.c.customer_id)
_DEVICE = _SITE.add_columns(devices.c.name.label("device"), devices.c.warranty_until, devices.c.contract_until).join(
    devices, devices.c.site_id == sites.c.site_id
)


def apply_change(
    connection: Connection, change: Change, time_to_act: TimeToAct, now: float, policy_for: PolicyFor = no_promise
) -> Applied:
    """Decide, and write ticket, history, service level and notification."""
    known = ticket_rows.latest(connection, change.key)
    subject = subject_of(connection, change.scope, change.scope_id, now)
    decision = decide(known, change, subject.entitlement, now)
    episodes = episodes_after(known, change, decision)
    opens = isinstance(decision, Open | Advise | Link)
    ticket_id, number = ticket_rows.new_identity(connection) if opens else ("", "")
    identity = Identity(ticket_id, number, subject.device_id, subject.site_id, subject.customer_id)
    urgency = priority_at(change, time_to_act(change.fault_class))
    edit = carry_out(decision, known.ticket if known else None, identity, change, urgency, now)
    if known and not opens and episodes != known.episodes:
        ticket_rows.update_episodes(connection, known.ticket.ticket_id, episodes)
    if edit is None:
        return Applied()
    ticket, line = edit
    if known is None or opens:
        words = f"{change.scope_id} {subject.words}"
        ticket = ticket_sla.open_ticket(connection, policy_for(ticket), ticket, episodes, line, words)
    else:
        ticket = ticket_sla.edit_ticket(connection, known.ticket, ticket, line)
    kind = announcement(decision)
    if kind:
        announce(connection, kind, ticket, line.reason, now)
    return Applied(ticket.ticket_id, kind is not None)


def subject_of(connection: Connection, scope: Scope, scope_id: str, now: float) -> Subject:
    """Whose it is and whether service is owed. What nobody registered, the fleet and the gateway are covered."""
    if scope is Scope.DEVICE:
        row = connection.execute(_DEVICE.where(devices.c.device_id == scope_id)).one_or_none()
        if row is None:
            return Subject(device_id=scope_id)
        words = f"{row.device} {row.site} {row.customer}"
        return Subject(scope_id, row.site_id, row.customer_id, words, _entitled(row, now))
    if scope is Scope.SITE:
        row = connection.execute(_SITE.where(sites.c.site_id == scope_id)).one_or_none()
        if row is not None:
            words = f"{row.site} {row.customer}"
            return Subject("", row.site_id, row.customer_id, words, _entitled_site(connection, scope_id, now))
    return Subject()


def _entitled(row: Row[*tuple[Any, ...]], now: float) -> Entitlement:
    return entitlement(row.warranty_until, row.contract_until, row.zone, now)


def _entitled_site(connection: Connection, site_id: str, now: float) -> Entitlement:
    dates = select(devices.c.warranty_until, devices.c.contract_until, sites.c.zone).distinct()
    rows = connection.execute(dates.join(sites, sites.c.site_id == devices.c.site_id).where(sites.c.site_id == site_id))
    return covering([_entitled(row, now) for row in rows])
