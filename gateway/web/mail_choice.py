"""Mail switched off, and on again, without signing in: by the signed link that stands in every letter.

GET only shows a button (mail programs follow links by themselves); POST does it, also as one click of a mail program
(RFC 8058). The signature is the permission, so these forms need no session; it names one customer and no more.
"""

from hmac import compare_digest, digest

from aiohttp import web

from gateway.web import language
from gateway.web.pages import render
from gateway.web.parts import PARTS
from gateway.web.routes import Access, add


def choice_signature(secret: bytes, customer_id: str) -> str:
    """What makes a link ours."""
    return digest(secret, f"mail\n{customer_id}".encode(), "sha256").hex()


async def _customer(request: web.Request) -> str:
    parts, customer_id = request.app[PARTS], request.match_info["customer_id"]
    good = choice_signature(parts.settings.secret, customer_id)
    if parts.deliveries is None or not compare_digest(good.encode(), request.query.get("sig", "").encode()):
        raise web.HTTPNotFound
    customer = await parts.registry.customer(customer_id)
    if customer is None:
        raise web.HTTPNotFound
    if "siaga_language" not in request.cookies and customer.language in language.LANGUAGES:
        language.speak(customer.language)
    return customer_id


async def choice_page(request: web.Request) -> web.StreamResponse:
    """Whether there is mail, and a button that changes it."""
    customer_id, deliveries = await _customer(request), request.app[PARTS].deliveries
    assert deliveries is not None
    shown = {"wanted": await deliveries.wants_mail(customer_id), "address": str(request.rel_url)}
    return render(request, "mail_choice.html", shown)


async def choose(request: web.Request) -> web.StreamResponse:
    """Off, unless the form of our page says on."""
    customer_id, deliveries = await _customer(request), request.app[PARTS].deliveries
    assert deliveries is not None
    wanted = (await request.post()).get("mail") == "on"
    await deliveries.choose_mail(customer_id, request.app[PARTS].clock.now(), wanted=wanted)
    raise web.HTTPSeeOther(str(request.rel_url))


def add_routes(app: web.Application) -> None:
    """The link in letters."""
    add(app, Access.PUBLIC, "GET", "/mail/{customer_id}", choice_page)
    add(app, Access.PUBLIC, "POST", "/mail/{customer_id}", choose)
