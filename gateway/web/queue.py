"""The ticket queue: views with counts, rows by urgency, search, and the fragment that keeps an open page up to date."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from gateway.ports.tickets import View
from gateway.tickets.ticket import State, Ticket
from gateway.web import labels
from gateway.web.directory import DIRECTORY, Directory
from gateway.web.knowledge import Knowledge
from gateway.web.language import _, n_
from gateway.web.pages import render
from gateway.web.parts import PARTS
from gateway.web.retold import retold
from gateway.web.routes import Access, add
from gateway.web.times import short_span
from gateway.web.viewer import viewer_of

PAGE = 50
MAX_SEARCH = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One ticket in a list, all names looked up."""

    ticket: Ticket
    fault: str
    saw: str
    what: str
    site: str
    customer: str
    owner: str
    due: str
    late: bool
    tone: str
    devices: int


def evidence_line(ticket: Ticket, knowledge: Knowledge) -> str:
    """The deciding number against its limit and what is usual."""
    evidence = ticket.evidence
    if not evidence.metric or evidence.value is None:
        silent = n_("%(num)s device fell silent.", "%(num)s devices fell silent together.", len(ticket.devices))
        return retold(evidence.note, knowledge.reasons()) or (silent if ticket.devices else "")
    said = [f"{knowledge.metric(evidence.metric)} {knowledge.amount(evidence.metric, evidence.value)}"]
    if evidence.limit is not None:
        said.append(_("limit %(limit)s", limit=knowledge.amount(evidence.metric, evidence.limit)))
    if evidence.usual is not None:
        said.append(_("usual %(usual)s", usual=knowledge.amount(evidence.metric, evidence.usual)))
    return ", ".join(said)


async def row_of(ticket: Ticket, names: Directory, knowledge: Knowledge, now: float) -> Row:
    """A ticket with everything a list says about it."""
    site, customer = await names.site(ticket.site_id), await names.customer(ticket.customer_id)
    open_ = ticket.state not in (State.SOLVED, State.CLOSED)
    return Row(
        ticket=ticket,
        fault=knowledge.fault(ticket.fault_class).name,
        saw=evidence_line(ticket, knowledge),
        what=await names.what(ticket),
        site=site.name if site else "",
        customer=customer.name if customer else "",
        owner=await names.person(ticket.owner),
        due=short_span(ticket.priority_at - now) if open_ else "–",
        late=open_ and ticket.priority_at < now,
        tone=labels.tone(ticket, now),
        devices=len(ticket.devices) or 1,
    )


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the queue."""

    view: View
    search: str
    cursor: str
    rows: Sequence[Row]
    next_cursor: str
    counts: dict[View, int]


def _view_in(request: web.Request) -> View:
    try:
        return View(request.query.get("view", View.UNRESOLVED.value))
    except ValueError:
        raise web.HTTPNotFound from None


async def listing(request: web.Request) -> Listing:
    """What the address asks for: view, search and place."""
    parts, names = request.app[PARTS], request.app[DIRECTORY]
    view, search = _view_in(request), request.query.get("q", "").strip()[:MAX_SEARCH]
    cursor = request.query.get("cursor", "")[:200]
    try:
        page = await parts.tickets.page(view, viewer_of(request).user, search, cursor, PAGE)
    except ValueError:  # no cursor of ours
        raise web.HTTPNotFound from None
    now = parts.clock.now()
    rows = await asyncio.gather(*(row_of(ticket, names, parts.knowledge, now) for ticket in page.tickets))
    return Listing(view, search, cursor, rows, page.next_cursor, page.counts)


async def queue(request: web.Request) -> web.StreamResponse:
    """The page."""
    return render(request, "staff/queue.html", {"list": await listing(request), "section": "queue"})


async def rows(request: web.Request) -> web.StreamResponse:
    """The rows alone, for a page that was woken."""
    return render(request, "staff/rows.html", {"list": await listing(request)})


async def counts(request: web.Request) -> web.StreamResponse:
    """How many tickets each view has, for pages that list none."""
    page = await request.app[PARTS].tickets.page(View.UNRESOLVED, viewer_of(request).user, limit=1)
    return web.json_response({view.value: count for view, count in page.counts.items()})


def add_routes(app: web.Application) -> None:
    """The queue's routes."""
    add(app, Access.STAFF, "GET", "/staff/queue", queue)
    add(app, Access.STAFF, "GET", "/staff/queue/rows", rows)
    add(app, Access.STAFF, "GET", "/staff/queue/counts", counts)
