"""What every answer carries against hostile pages, and what every form must carry: headers and CSRF tokens."""

import hashlib
import hmac
import secrets

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.web.language import gettext
from gateway.web.parts import PARTS
from gateway.web.routes import Handler
from gateway.web.viewer import VIEWER

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
VISITOR_COOKIE = "siaga_visitor"
_BOUND_TO: web.RequestKey[str] = web.RequestKey("csrf_bound_to", str)


async def harden(request: web.Request, response: web.StreamResponse) -> None:
    """A signal of `on_response_prepare`: the headers go on pages, problems, streams and files alike."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.app[PARTS].settings.secure_cookies:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if request.path.startswith("/static/dist/") and response.status in (200, 304):
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    else:
        response.headers.setdefault("Cache-Control", "no-store")


def csrf_token(request: web.Request) -> str:
    """A token for this page's forms, new each time (a compressed page that repeated it could be made to leak it)."""
    nonce = secrets.token_hex(8)
    return f"{nonce}.{_signature(request, nonce)}"


def _signature(request: web.Request, nonce: str) -> str:
    """Binds the token to the session, or to the visitor's cookie before the log-in."""
    key = request.app[PARTS].settings.secret
    return hmac.new(key, f"csrf\n{nonce}\n{request[_BOUND_TO]}".encode(), hashlib.sha256).hexdigest()


def know_browser(session_cookie: str, *, secure: bool) -> Middleware:
    """The middleware that tells browsers apart before anybody signs in, so that the log-in form has a token too."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[VIEWER] = None
        known = request.cookies.get(VISITOR_COOKIE)
        visitor = known or secrets.token_urlsafe(16)
        request[_BOUND_TO] = request.cookies.get(session_cookie) or visitor
        response = await handler(request)
        if known is None and not response.prepared and request.path == "/login":
            response.set_cookie(VISITOR_COOKIE, visitor, httponly=True, secure=secure, samesite="Lax", path="/")
        return response

    return middleware


@web.middleware
async def refuse_foreign_forms(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let changes through only from our own pages, with their token."""
    if request.method in SAFE_METHODS:
        return await handler(request)
    if request.path.startswith("/mail/"):
        return await handler(request)  # its address is signed for one customer; mail programs press it (RFC 8058)
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None and site not in ("same-origin", "none"):
        raise web.HTTPForbidden(reason=gettext("This request came from another site."))
    if site is None and origin is not None and origin.partition("://")[2] != request.host:
        raise web.HTTPForbidden(reason=gettext("This request came from another site."))
    if request.path == "/api/v1/session" and request.content_type == "application/json":
        return await handler(request)  # a program's log-in has no page to take a token from, and no form can send JSON
    given = request.headers.get("X-CSRF-Token") or ""
    if not given and request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        given = str((await request.post()).get("csrf", ""))
    nonce, _, signature = given.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(request, nonce).encode()):
        raise web.HTTPForbidden(reason=gettext("The page was open for too long. Go back, reload it and try again."))
    return await handler(request)
