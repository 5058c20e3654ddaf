"""What staff do with a ticket. Each edit carries the version that was seen; a stale one shows both versions (409)."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from aiohttp import web

from gateway.ports.tickets import Conflict, NotAllowed
from gateway.tickets.ticket import CloseCode, Ticket, WaitingFor
from gateway.web import labels
from gateway.web.auth import safe_next
from gateway.web.directory import DIRECTORY
from gateway.web.language import _
from gateway.web.pages import render
from gateway.web.parts import PARTS
from gateway.web.routes import Access, add
from gateway.web.ticket_page import context, ticket_in
from gateway.web.times import zone_of
from gateway.web.viewer import viewer_of

MAX_TEXT = 4000
Step = Callable[[web.Request, Ticket, int, str], Awaitable[Ticket]]


async def _text(request: web.Request, *, needed: bool) -> str:
    raw = str((await request.post()).get("text", "")).replace("\r\n", "\n").strip()
    if needed and not raw:
        raise web.HTTPUnprocessableEntity(reason=_("Please write a few words."))
    if len(raw) > MAX_TEXT:
        raise web.HTTPUnprocessableEntity(reason=_("Please keep it under %(count)s characters.", count=MAX_TEXT))
    return raw


async def _take(request: web.Request, ticket: Ticket, version: int, actor: str) -> Ticket:
    parts = request.app[PARTS]
    return await parts.tickets.take(ticket.ticket_id, version, actor, parts.clock.now())


async def _note(request: web.Request, ticket: Ticket, version: int, actor: str) -> Ticket:
    del version  # a note never conflicts
    parts = request.app[PARTS]
    return await parts.tickets.note(ticket.ticket_id, actor, await _text(request, needed=True), parts.clock.now())


async def _reply(request: web.Request, ticket: Ticket, version: int, actor: str) -> Ticket:
    del version
    parts = request.app[PARTS]
    text = await _text(request, needed=True)
    return await parts.tickets.note(ticket.ticket_id, actor, text, parts.clock.now(), to_customer=True)


async def _wait(request: web.Request, ticket: Ticket, version: int, actor: str) -> Ticket:
    parts = request.app[PARTS]
    try:
        reason = WaitingFor(str((await request.post()).get("reason", "")))
    except ValueError:
        raise web.HTTPUnprocessableEntity(reason=_("Please choose whom it waits for.")) from None
    return await parts.tickets.wait(ticket.ticket_id, version, actor, reason, parts.clock.now())


async def _promise(request: web.Request, ticket: Ticket, version: int, actor: str) -> Ticket:
    parts, names = request.app[PARTS], request.app[DIRECTORY]
    site, customer = await names.site(ticket.site_id), await names.customer(ticket.customer_id)
    zone = zone_of(site.zone if site else customer.zone if customer else "UTC")
    try:
        at = datetime.fromisoformat(str((await request.post()).get("at", ""))).replace(tzinfo=zone).timestamp()
    except ValueError:
        raise web.HTTPUnprocessableEntity(reason=_("Please give a date and a time.")) from None
    return await parts.tickets.promise(ticket.ticket_id, version, actor, at, parts.clock.now())


async def _solve(request: web.Request, ticket: Ticket, version: int, actor: str) -> Ticket:
    parts = request.app[PARTS]
    try:
        code = CloseCode(str((await request.post()).get("code", "")))
    except ValueError:
        code = None
    if code not in labels.BY_PEOPLE or code is None:
        raise web.HTTPUnprocessableEntity(reason=_("Please choose how it was solved."))
    text = await _text(request, needed=False)
    return await parts.tickets.solve(ticket.ticket_id, version, actor, code, text, parts.clock.now())


async def _reopen(request: web.Request, ticket: Ticket, version: int, actor: str) -> Ticket:
    del version
    parts = request.app[PARTS]
    return await parts.tickets.reopen(ticket.ticket_id, actor, await _text(request, needed=False), parts.clock.now())


STEPS: dict[str, Step] = {
    "take": _take,
    "note": _note,
    "reply": _reply,
    "wait": _wait,
    "promise": _promise,
    "solve": _solve,
    "reopen": _reopen,
}


async def step(request: web.Request) -> web.StreamResponse:
    """Do one step, wake the other pages, and show the ticket (or go back to the queue)."""
    parts, actor = request.app[PARTS], viewer_of(request).user
    wanted = request.match_info["step"]
    if wanted not in STEPS:
        raise web.HTTPNotFound
    ticket = await ticket_in(request)
    form = await request.post()
    version = str(form.get("version", ""))
    seen = int(version) if version.isascii() and version.isdigit() and len(version) < 10 else -1
    try:
        await STEPS[wanted](request, ticket, seen, actor)
    except Conflict as conflict:
        return await _both_versions(request, conflict.current, wanted, seen)
    except NotAllowed as refusal:
        raise web.HTTPConflict(reason=str(refusal)) from None
    parts.wake.publish("tickets")
    raise web.HTTPSeeOther(safe_next(str(form.get("back", ""))) or f"/staff/tickets/{ticket.number}")


def _in_words(field: str, value: str) -> str:
    """What a form said, as its choices were called."""
    if field == "code" and value in {it.value for it in CloseCode}:
        return labels.close_code(CloseCode(value))
    if field == "reason" and value in {it.value for it in WaitingFor}:
        return labels.waiting_for(WaitingFor(value))
    return value.replace("T", " ") if field == "at" else value


async def _both_versions(request: web.Request, current: Ticket, wanted: str, seen: int) -> web.Response:
    """What you were about to do, and what has happened meanwhile; doing it on top of that is one press away."""
    form = await request.post()
    yours = {key: str(value) for key, value in form.items() if key in ("text", "code", "reason", "at")}
    shown = {
        **await context(request, current),
        "section": "queue",
        "back": "",
        "wanted": wanted,
        "yours": yours,
        "said": [_in_words(field, value) for field, value in yours.items() if value],
        "seen": seen,
    }
    return render(request, "staff/conflict.html", shown, status=409)


def add_routes(app: web.Application) -> None:
    """One route for all steps."""
    add(app, Access.STAFF, "POST", "/staff/tickets/{ticket}/{step}", step)
