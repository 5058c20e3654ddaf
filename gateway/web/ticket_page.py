"""The staff's page of one ticket: why it opened, what the customer sees, its history, what can be done now."""

import asyncio
from dataclasses import dataclass

from aiohttp import web

from gateway.ports.registry import Customer, RegisteredDevice
from gateway.tickets.ticket import TRANSITIONS, State, Ticket, WaitingFor
from gateway.web import labels, language, releases, wording
from gateway.web.directory import DIRECTORY
from gateway.web.pages import render
from gateway.web.parts import PARTS
from gateway.web.people import staff_names
from gateway.web.queue import evidence_line, row_of
from gateway.web.routes import Access, add
from gateway.web.standing import judge

RELATED = 8


@dataclass(frozen=True, slots=True)
class Seen:
    """What the customer reads about the ticket, in the customer's language."""

    language: str
    lines: wording.Lines


async def ticket_in(request: web.Request) -> Ticket:
    """The ticket in the address, by number or id."""
    ticket = await request.app[PARTS].tickets.get(request.match_info["ticket"])
    if ticket is None:
        raise web.HTTPNotFound
    return ticket


async def customer_sees(
    request: web.Request, ticket: Ticket, customer: Customer, device: RegisteredDevice | None, zone: str
) -> Seen | None:
    """The exact words on the customer's page; None where the customer has no device to read it on."""
    parts, now = request.app[PARTS], request.app[PARTS].clock.now()
    if device is None:
        members = await parts.registry.devices_of_site(ticket.site_id) if ticket.site_id else ()
        device = members[0] if members else None
    if device is None:
        return None
    history = await parts.tickets.history(ticket.ticket_id)
    staff = await staff_names(parts.accounts, history)
    mine = language.language()
    language.speak(customer.language)
    try:
        judged = judge(
            device,
            parts.live.view(device.device_id),
            [ticket],
            None,
            now,
            blind_since=None,
            watch_s=parts.settings.watch_s,
            self_repair=lambda fault_class: parts.knowledge.fault(fault_class).self_repair,
        )
        return Seen(customer.language, wording.say(judged, history, staff, parts.knowledge, now, zone))
    finally:
        language.speak(mine)


def possible(ticket: Ticket) -> frozenset[str]:
    """The steps that the life cycle allows now."""
    after = TRANSITIONS[ticket.state]
    steps = {"note", "reply"}
    if ticket.state not in (State.SOLVED, State.CLOSED):
        steps |= {"take", "promise", "wait"}
    if State.SOLVED in after:
        steps.add("solve")
    if ticket.state is State.SOLVED:
        steps.add("reopen")
    return frozenset(steps)


async def context(request: web.Request, ticket: Ticket) -> dict[str, object]:
    """Everything the page and the pane beside the queue show."""
    parts, names, now = request.app[PARTS], request.app[DIRECTORY], request.app[PARTS].clock.now()
    site, customer = await names.site(ticket.site_id), await names.customer(ticket.customer_id)
    device = await names.device(ticket.device_id)
    zone = site.zone if site else customer.zone if customer else "UTC"
    history = await parts.tickets.history(ticket.ticket_id)
    siblings = await parts.tickets.of_device(ticket.device_id, RELATED) if ticket.device_id else ()
    members = await asyncio.gather(*(names.device(it) for it in ticket.devices[:200]))
    return {
        "row": await row_of(ticket, names, parts.knowledge, now),
        "ticket": ticket,
        "fault": parts.knowledge.fault(ticket.fault_class),
        "why": evidence_line(ticket, parts.knowledge),
        "device": device,
        "live": parts.live.view(ticket.device_id) if ticket.device_id else None,
        "site": site,
        "customer": customer,
        "zone": zone,
        "sees": await customer_sees(request, ticket, customer, device, zone) if customer else None,
        "history": [(it, await names.person(it.actor)) for it in reversed(history)],
        "related": [it for it in siblings if it.ticket_id != ticket.ticket_id],
        "members": [it for it in members if it is not None],
        "steps": possible(ticket),
        "codes": labels.BY_PEOPLE,
        "reasons": tuple(WaitingFor),
        "know": parts.knowledge,
    }


async def ticket_page(request: web.Request) -> web.StreamResponse:
    """The page."""
    ticket = await ticket_in(request)
    deliveries = request.app[PARTS].deliveries
    told = await deliveries.of_ticket(ticket.ticket_id) if deliveries else ()
    more = {"section": "queue", "told": told, "back": "", "fixes": await releases.fixing(request, ticket.fault_class)}
    return render(request, "staff/ticket.html", {**await context(request, ticket), **more})


async def peek(request: web.Request) -> web.StreamResponse:
    """The same, small, for the pane beside the queue."""
    ticket = await ticket_in(request)
    back = f"/staff/queue?view={request.query.get('view', 'unresolved')}"
    return render(request, "staff/peek.html", {**await context(request, ticket), "back": back})


def add_routes(app: web.Application) -> None:
    """The ticket's pages; its forms are in ticket_forms."""
    add(app, Access.STAFF, "GET", "/staff/tickets/{ticket}", ticket_page)
    add(app, Access.STAFF, "GET", "/staff/tickets/{ticket}/peek", peek)
