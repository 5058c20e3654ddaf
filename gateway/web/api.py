"""The JSON API under /api/v1: log-in, tickets, devices. Customers see their own; the rest does not exist for them."""

from aiohttp import web
from aiohttp_session import get_session

from gateway.ports.tickets import Conflict, NotAllowed
from gateway.tickets.ticket import CloseCode, Ticket
from gateway.web.api_models import (
    DeviceList,
    DeviceOut,
    DevicePath,
    DeviceQuery,
    Done,
    Me,
    NoteIn,
    SignedIn,
    SignIn,
    SolveIn,
    TicketList,
    TicketOut,
    TicketPath,
    TicketQuery,
    Versioned,
    device_out,
    ticket_out,
)
from gateway.web.apikit import Api, problem
from gateway.web.auth import GATE
from gateway.web.parts import PARTS
from gateway.web.routes import Access
from gateway.web.security import csrf_token
from gateway.web.viewer import viewer_of

api = Api("Siaga", "1")


async def _found(request: web.Request, name: str) -> Ticket:
    """The ticket, if the caller may see it; else it does not exist."""
    viewer = viewer_of(request)
    found = await request.app[PARTS].tickets.get(name)
    if found is None or (not viewer.is_staff and found.customer_id != viewer.customer_id):
        raise web.HTTPNotFound
    return found


@api.route("POST", "/api/v1/session", access=Access.PUBLIC, errors=(401, 429))
async def sign_in(request: web.Request, *, body: SignIn) -> SignedIn | web.StreamResponse:
    """Sign in; the answer's cookie is the session."""
    user = await request.app[GATE].open_for(request, body.name, body.password)
    if user is None:
        return problem(401, "the name or the password is not right")
    return SignedIn(user=user.name, role=user.role.value, customer_id=user.customer_id)


@api.route("GET", "/api/v1/session", access=Access.SIGNED_IN)
async def who_am_i(request: web.Request) -> Me:
    """Who is signed in, and the token that changes need."""
    viewer = viewer_of(request)
    return Me(user=viewer.user, role=viewer.role.value, customer_id=viewer.customer_id, csrf_token=csrf_token(request))


@api.route("GET", "/api/v1/tickets", access=Access.SIGNED_IN)
async def list_tickets(request: web.Request, *, query: TicketQuery) -> TicketList:
    """Tickets, most urgent first."""
    parts, viewer = request.app[PARTS], viewer_of(request)
    if not viewer.is_staff:
        own = await parts.tickets.of_customer(viewer.customer_id, query.limit)
        return TicketList(tickets=[ticket_out(request, it) for it in own], next=None)
    try:
        page = await parts.tickets.page(query.view, viewer.user, query.q, query.cursor, query.limit)
    except ValueError:
        raise web.HTTPUnprocessableEntity(reason="cursor: not one of ours") from None
    return TicketList(tickets=[ticket_out(request, it) for it in page.tickets], next=page.next_cursor or None)


@api.route("GET", "/api/v1/tickets/{ticket}", access=Access.SIGNED_IN)
async def get_ticket(request: web.Request, *, path: TicketPath) -> TicketOut:
    """One ticket."""
    return ticket_out(request, await _found(request, path.ticket))


@api.route("POST", "/api/v1/tickets/{ticket}/take", access=Access.STAFF, errors=(409,))
async def take_ticket(request: web.Request, *, path: TicketPath, body: Versioned) -> TicketOut | web.StreamResponse:
    """Make it yours."""
    found = await _found(request, path.ticket)
    parts = request.app[PARTS]
    try:
        taken = await parts.tickets.take(found.ticket_id, body.version, viewer_of(request).user, parts.clock.now())
    except (Conflict, NotAllowed) as refusal:
        return problem(409, str(refusal))
    parts.wake.publish("tickets")
    return ticket_out(request, taken)


@api.route("POST", "/api/v1/tickets/{ticket}/notes", access=Access.STAFF, status=201)
async def note_ticket(request: web.Request, *, path: TicketPath, body: NoteIn) -> TicketOut:
    """Add a note, or tell the customer."""
    found = await _found(request, path.ticket)
    parts = request.app[PARTS]
    actor, now = viewer_of(request).user, parts.clock.now()
    noted = await parts.tickets.note(found.ticket_id, actor, body.text, now, to_customer=body.to_customer)
    parts.wake.publish("tickets")
    return ticket_out(request, noted)


@api.route("POST", "/api/v1/tickets/{ticket}/solve", access=Access.STAFF, errors=(409,))
async def solve_ticket(request: web.Request, *, path: TicketPath, body: SolveIn) -> TicketOut | web.StreamResponse:
    """Solve it, with a code."""
    found = await _found(request, path.ticket)
    parts = request.app[PARTS]
    actor, code = viewer_of(request).user, CloseCode(body.code.value)
    try:
        solved = await parts.tickets.solve(found.ticket_id, body.version, actor, code, body.text, parts.clock.now())
    except (Conflict, NotAllowed) as refusal:
        return problem(409, str(refusal))
    parts.wake.publish("tickets")
    return ticket_out(request, solved)


@api.route("GET", "/api/v1/devices", access=Access.SIGNED_IN)
async def list_devices(request: web.Request, *, query: DeviceQuery) -> DeviceList:
    """Devices by id, name, model, site or customer; a customer's own."""
    parts, viewer = request.app[PARTS], viewer_of(request)
    if viewer.is_staff:
        found = list(await parts.registry.search_devices(query.q, query.after, query.limit + 1))
    else:
        own = sorted(await parts.registry.owned_devices(viewer.customer_id), key=lambda it: it.device_id)
        wanted = query.q.casefold()
        found = [it for it in own if it.device_id > query.after and wanted in f"{it.device_id} {it.name}".casefold()]
    following = found[query.limit - 1].device_id if len(found) > query.limit else None
    return DeviceList(devices=[device_out(request, it) for it in found[: query.limit]], next=following)


@api.route("GET", "/api/v1/devices/{device_id}", access=Access.SIGNED_IN)
async def get_device(request: web.Request, *, path: DevicePath) -> DeviceOut:
    """One device and how it is now."""
    parts, viewer = request.app[PARTS], viewer_of(request)
    if viewer.is_staff:
        found = await parts.registry.device(path.device_id)
    else:
        own = await parts.registry.owned_devices(viewer.customer_id)
        found = next((it for it in own if it.device_id == path.device_id), None)
    if found is None:
        raise web.HTTPNotFound
    return device_out(request, found)


@api.route("DELETE", "/api/v1/session", access=Access.SIGNED_IN)
async def sign_out(request: web.Request) -> Done:
    """Sign out: the session ends on the server."""
    (await get_session(request)).invalidate()
    return Done()


def add_routes(app: web.Application) -> None:
    """The API's routes and its document."""
    api.add_to(app)
