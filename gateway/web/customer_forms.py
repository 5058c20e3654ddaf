"""What a customer can tell us: report a problem, answer on a ticket, say whether it is solved, rate it once."""

from aiohttp import web

from gateway.ports.tickets import NotAllowed
from gateway.tickets.ticket import Entry as Kind
from gateway.tickets.ticket import State, Ticket
from gateway.web import repair
from gateway.web.language import _
from gateway.web.pages import render
from gateway.web.parts import PARTS
from gateway.web.people import staff_names
from gateway.web.routes import Access, add
from gateway.web.viewer import viewer_of

CATEGORIES = ("picture", "recording", "connection", "sound", "other")
MAX_TEXT = 2000
SHOWN = frozenset(
    {
        Kind.OPENED,
        Kind.TAKEN,
        Kind.REPLY,
        Kind.CUSTOMER,
        Kind.WAITING,
        Kind.SOLVED,
        Kind.REOPENED,
        Kind.RATED,
        Kind.CLOSED,
    }
)


def category_name(category: str) -> str:
    """What the choices of the form are called."""
    return {
        "picture": _("The picture is bad or black"),
        "recording": _("Recordings are missing"),
        "connection": _("It is slow or not reachable"),
        "sound": _("The sound is bad or missing"),
        "other": _("Something else"),
    }[category]


async def own_ticket(request: web.Request) -> Ticket:
    """The ticket in the address, if it is the customer's; else it does not exist."""
    ticket = await request.app[PARTS].tickets.get(request.match_info["ticket"])
    if ticket is None or ticket.customer_id != viewer_of(request).customer_id:
        raise web.HTTPNotFound
    return ticket


async def text_of(request: web.Request, *, needed: bool) -> str:
    """The form's text, cleaned of control characters. 422 if it is needed and missing, or too long."""
    raw = str((await request.post()).get("text", ""))
    text = "".join(it for it in raw.replace("\r\n", "\n") if it == "\n" or it.isprintable()).strip()
    if needed and not text:
        raise web.HTTPUnprocessableEntity(reason=_("Please write a few words."))
    if len(text) > MAX_TEXT:
        raise web.HTTPUnprocessableEntity(reason=_("Please keep it under %(count)s characters.", count=MAX_TEXT))
    return text


async def ticket_page(request: web.Request) -> web.StreamResponse:
    """One ticket: its path, what was said, and what the customer can say."""
    parts, ticket = request.app[PARTS], await own_ticket(request)
    customer = await parts.registry.customer(ticket.customer_id)
    site = await parts.registry.site(ticket.site_id) if ticket.site_id else None
    device = await parts.registry.device(ticket.device_id) if ticket.device_id else None
    history = await parts.tickets.history(ticket.ticket_id)
    staff = await staff_names(parts.accounts, history)
    zone = site.zone if site else customer.zone if customer else "UTC"
    now = parts.clock.now()
    return render(
        request,
        "customer/ticket.html",
        {
            "ticket": ticket,
            "device": device,
            "site": site,
            "fault": parts.knowledge.fault(ticket.fault_class),
            "path": repair.path(ticket, history, staff),
            "promise": repair.promise(ticket, now, zone) if not ticket.advisory else "",
            "impact": repair.impact(ticket, now, zone),
            "talk": [it for it in history if it.kind in (Kind.REPLY, Kind.CUSTOMER) and it.text],
            "staff": staff,
            "solved": ticket.state in (State.SOLVED, State.CLOSED),
            "can_reopen": ticket.state is State.SOLVED,
            "rated": any(it.kind is Kind.RATED for it in history),
            "confirmed": any(it.kind is Kind.CUSTOMER and it.at >= (ticket.solved_at or now) for it in history),
            "said": request.query.get("said", ""),
            "zone": zone,
            "max_text": MAX_TEXT,
        },
    )


async def report_page(request: web.Request) -> web.StreamResponse:
    """The form to report a problem."""
    device = await own_device_or_404(request)
    return render(
        request,
        "customer/report.html",
        {"device": device, "categories": CATEGORIES, "category_name": category_name, "max_text": MAX_TEXT},
    )


async def own_device_or_404(request: web.Request) -> object:
    """The device in the address, looked up among the customer's own."""
    owned = await request.app[PARTS].registry.owned_devices(viewer_of(request).customer_id)
    found = next((it for it in owned if it.device_id == request.match_info["device_id"]), None)
    if found is None:
        raise web.HTTPNotFound
    return found


async def report(request: web.Request) -> web.StreamResponse:
    """A problem reported by the customer joins the device's open ticket, or opens one."""
    parts, viewer = request.app[PARTS], viewer_of(request)
    await own_device_or_404(request)
    category = str((await request.post()).get("category", ""))
    if category not in CATEGORIES:
        raise web.HTTPUnprocessableEntity(reason=_("Please choose what is wrong."))
    text = await text_of(request, needed=False) or category_name(category)
    ticket = await parts.tickets.report_problem(
        viewer.customer_id, request.match_info["device_id"], category, text, parts.clock.now()
    )
    parts.wake.publish("tickets")
    raise web.HTTPSeeOther(f"/home/tickets/{ticket.number}?said=reported")


async def reply(request: web.Request) -> web.StreamResponse:
    """A message from the customer to whoever works on the ticket."""
    parts, ticket = request.app[PARTS], await own_ticket(request)
    text = await text_of(request, needed=True)
    await parts.tickets.hear(ticket.ticket_id, viewer_of(request).user, text, parts.clock.now())
    parts.wake.publish("tickets")
    raise web.HTTPSeeOther(f"/home/tickets/{ticket.number}?said=reply#talk")


async def confirm(request: web.Request) -> web.StreamResponse:
    """Whether it is all right: "yes" is noted, "no" opens the ticket again."""
    parts, ticket, viewer = request.app[PARTS], await own_ticket(request), viewer_of(request)
    answer = str((await request.post()).get("answer", ""))
    if answer == "yes" and ticket.state is State.SOLVED:
        await parts.tickets.hear(ticket.ticket_id, viewer.user, _("Yes, it is all right."), parts.clock.now())
    elif answer == "no":
        try:
            await parts.tickets.reopen(
                ticket.ticket_id, viewer.user, await text_of(request, needed=False), parts.clock.now()
            )
        except NotAllowed as refusal:
            raise web.HTTPConflict(reason=str(refusal)) from None
    else:
        raise web.HTTPUnprocessableEntity(reason=_("Please answer yes or no."))
    parts.wake.publish("tickets")
    raise web.HTTPSeeOther(f"/home/tickets/{ticket.number}?said={answer}")


async def rate(request: web.Request) -> web.StreamResponse:
    """One to five, once."""
    parts, ticket = request.app[PARTS], await own_ticket(request)
    stars = str((await request.post()).get("stars", ""))
    if stars not in {"1", "2", "3", "4", "5"}:
        raise web.HTTPUnprocessableEntity(reason=_("Please choose from 1 to 5."))
    try:
        await parts.tickets.rate(
            ticket.ticket_id, ticket.customer_id, int(stars), await text_of(request, needed=False), parts.clock.now()
        )
    except NotAllowed as refusal:
        raise web.HTTPConflict(reason=str(refusal)) from None
    raise web.HTTPSeeOther(f"/home/tickets/{ticket.number}?said=rated")


def add_routes(app: web.Application) -> None:
    """The customer's forms."""
    add(app, Access.CUSTOMER, "GET", "/home/devices/{device_id}/report", report_page)
    add(app, Access.CUSTOMER, "POST", "/home/devices/{device_id}/report", report)
    add(app, Access.CUSTOMER, "GET", "/home/tickets/{ticket}", ticket_page)
    add(app, Access.CUSTOMER, "POST", "/home/tickets/{ticket}/reply", reply)
    add(app, Access.CUSTOMER, "POST", "/home/tickets/{ticket}/confirm", confirm)
    add(app, Access.CUSTOMER, "POST", "/home/tickets/{ticket}/rate", rate)
