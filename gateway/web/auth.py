"""Signing in and out, and the other pages for everybody. An unknown name is answered as late as a wrong password."""

from aiohttp import web
from aiohttp_session import get_session, new_session
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from gateway.ports.registry import User
from gateway.web.apikit import TITLES
from gateway.web.language import _
from gateway.web.pages import problem_advice, problem_title, render
from gateway.web.parts import PARTS
from gateway.web.passwords import PasswordCheck
from gateway.web.routes import Access, add
from gateway.web.sessions import sign_in
from gateway.web.viewer import VIEWER, Viewer


class Gate:
    """Checks names and passwords, at most so many wrong ones a minute for one address and account."""

    def __init__(self, per_minute: int) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._per_account = RateLimitItemPerMinute(per_minute)
        self._per_address = RateLimitItemPerMinute(per_minute * 6)
        self._passwords = PasswordCheck()

    async def open_for(self, request: web.Request, name: str, password: str) -> User | None:
        """The user, signed in; None if name and password do not fit. Raises 429 for too many tries."""
        parts = request.app[PARTS]
        address = client_address(request, parts.settings.trusted_proxies)
        account = name.casefold()[:64]
        if not (
            await self._limiter.test(self._per_account, "account", address, account)
            and await self._limiter.test(self._per_address, "address", address)
        ):
            raise web.HTTPTooManyRequests(headers={"Retry-After": "60"})
        user = await parts.accounts.user(name)
        if not await self._passwords.matches(password, user.password_hash if user else None) or user is None:
            await self._limiter.hit(self._per_account, "account", address, account)
            await self._limiter.hit(self._per_address, "address", address)
            return None
        sign_in(await new_session(request), user, parts.clock.now())
        return user


def client_address(request: web.Request, trusted_proxies: int) -> str:
    """Who is asking. Each proxy appends the address it saw, so only the last `trusted_proxies` are believed."""
    seen = [part.strip() for value in request.headers.getall("X-Forwarded-For", []) for part in value.split(",")]
    if 0 < trusted_proxies <= len(seen):
        return seen[-trusted_proxies]
    return request.remote or "-"


GATE: web.AppKey[Gate] = web.AppKey("gate", Gate)


def home_of(viewer: Viewer | None) -> str:
    """Where a person starts."""
    if viewer is None:
        return "/login"
    return "/staff/queue" if viewer.is_staff else "/home"


def safe_next(address: str) -> str:
    """A place of our own to go on to after the log-in, or ""; never another site."""
    ours = address.startswith("/") and not address.startswith(("//", "/\\")) and "\\" not in address
    return address if ours and all(character.isprintable() for character in address) else ""


async def front(request: web.Request) -> web.StreamResponse:
    """The bare address: to where the person starts."""
    raise web.HTTPSeeOther(home_of(request[VIEWER]))


async def login_page(request: web.Request) -> web.StreamResponse:
    """The form; who is signed in already goes on."""
    if request[VIEWER] is not None:
        raise web.HTTPSeeOther(home_of(request[VIEWER]))
    return render(request, "login.html", {"name": "", "error": "", "next": safe_next(request.query.get("next", ""))})


async def login(request: web.Request) -> web.StreamResponse:
    """Sign in by form."""
    form = await request.post()
    name, password = str(form.get("name", "")).strip(), str(form.get("password", ""))
    after = safe_next(str(form.get("next", "")))
    user = await request.app[GATE].open_for(request, name, password)
    if user is None:
        error = _("The name or the password is not right.")
        return render(request, "login.html", {"name": name, "error": error, "next": after}, status=422)
    raise web.HTTPSeeOther(after or ("/home" if user.customer_id else "/staff/queue"))


async def about_problem(request: web.Request) -> web.StreamResponse:
    """What the `type` of a problem detail means, in the reader's language (RFC 9457 asks for such a page)."""
    number = request.match_info["status"]
    status = int(number) if number.isascii() and number.isdecimal() and len(number) == 3 else 0
    if status not in TITLES:
        raise web.HTTPNotFound
    context = {"status": status, "title": problem_title(status), "detail": "", "advice": problem_advice(status)}
    return render(request, "problem.html", context)


async def logout(request: web.Request) -> web.StreamResponse:
    """Sign out: the session's row is deleted, so a copied cookie is worth nothing."""
    (await get_session(request)).invalidate()
    raise web.HTTPSeeOther("/login")


def add_routes(app: web.Application) -> None:
    """The log-in's routes."""
    app[GATE] = Gate(app[PARTS].settings.logins_per_minute)
    add(app, Access.PUBLIC, "GET", "/", front)
    add(app, Access.PUBLIC, "GET", "/login", login_page)
    add(app, Access.PUBLIC, "POST", "/login", login)
    add(app, Access.PUBLIC, "GET", "/problems/{status}", about_problem)
    add(app, Access.SIGNED_IN, "POST", "/logout", logout)
