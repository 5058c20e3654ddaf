"""The event that tells others what happened to a ticket: the facts of that moment, whatever is edited later."""

import json
from dataclasses import dataclass
from math import isfinite
from uuid import NAMESPACE_URL, uuid5

from gateway.tickets.ticket import Ticket


@dataclass(frozen=True, slots=True)
class Announcement:
    """`event_id` follows from the ticket's version and the reason: the same thing recorded twice is the same event."""

    event_id: str
    payload: str


def announced(kind: str, ticket: Ticket, reason: str, text: str = "") -> Announcement:
    """The event of that type about the ticket as it is now. `text` is a person's words, if any."""
    facts = {
        "ticket_id": ticket.ticket_id,
        "number": ticket.number,
        "version": ticket.version,
        "scope": ticket.scope,
        "scope_id": ticket.scope_id,
        "device_id": ticket.device_id,
        "site_id": ticket.site_id,
        "customer_id": ticket.customer_id,
        "fault_class": ticket.fault_class,
        "severity": ticket.severity.name.lower(),
        "state": ticket.state.value,
        "advisory": ticket.advisory,
        "close_code": ticket.close_code.value if ticket.close_code else None,
        "opened_at": ticket.opened_at,
        "updated_at": ticket.updated_at,
        "impact_earliest_at": ticket.impact.earliest_at
        if ticket.impact and isfinite(ticket.impact.earliest_at)
        else None,
        "reason": reason,
        "text": text,
    }
    event_id = uuid5(NAMESPACE_URL, f"siaga:{ticket.ticket_id}:{ticket.version}:{kind}:{reason}").hex
    return Announcement(event_id, json.dumps(facts, ensure_ascii=False, separators=(",", ":")))
