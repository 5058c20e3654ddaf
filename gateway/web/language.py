"""Languages: English in the source, Indonesian from the catalogue. A request's language is in a context variable."""

import io
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware
from babel import negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

from gateway.web.routes import Handler
from gateway.web.viewer import VIEWER

LANGUAGES = ("en", "id")
LOCALE = Path(__file__).parent / "locale"
COOKIE = "siaga_language"

_LANGUAGE: ContextVar[str] = ContextVar("language", default="en")


def language() -> str:
    """The language of this request."""
    return _LANGUAGE.get()


def speak(chosen: str) -> None:
    """Set the language of this request (or of a test)."""
    _LANGUAGE.set(chosen)


@cache
def catalogue(name: str) -> NullTranslations:
    """The messages of a language. Compiled from the .po in memory: nothing to forget to compile."""
    path = LOCALE / name / "LC_MESSAGES" / "messages.po"
    if name == "en" or not path.exists():
        return NullTranslations()
    with path.open("rb") as source:
        messages = read_po(source, locale=name)
    compiled = io.BytesIO()
    write_mo(compiled, messages)
    compiled.seek(0)
    return Translations(compiled)


def gettext(message: str) -> str:
    """The message in this request's language, its placeholders still open."""
    return str(catalogue(language()).gettext(message))


def ngettext(one: str, many: str, count: int) -> str:
    """The form for that count (Indonesian has one form)."""
    return str(catalogue(language()).ngettext(one, many, count))


def _(message: str, **values: object) -> str:
    """The message in this request's language with its values."""
    return gettext(message) % values if values else gettext(message)


def n_(one: str, many: str, count: int, **values: object) -> str:
    """The message for that count; the count itself is `%(num)s`."""
    return ngettext(one, many, count) % {"num": count, **values}


def wanted(request: web.Request) -> str:
    """Chosen by hand, else the person's own, else what the browser asks for."""
    chosen = request.cookies.get(COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    viewer = request[VIEWER]
    if viewer is not None and viewer.language in LANGUAGES:
        return viewer.language
    asked = [part.partition(";")[0].strip() for part in request.headers.get("Accept-Language", "").split(",")]
    found = negotiate_locale([tag.replace("-", "_") for tag in asked if tag] or ["en"], LANGUAGES)
    return found or next((tag[:2] for tag in asked if tag[:2] in LANGUAGES), "en")


def choose_language(*, secure: bool) -> Middleware:
    """The middleware: `?lang=id` on any page is remembered in a cookie; it changes nothing but words."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        chosen = request.query.get("lang", "")
        if chosen in LANGUAGES and request.method == "GET":
            there = request.rel_url.without_query_params("lang")
            moved = web.HTTPSeeOther(there)
            moved.set_cookie(COOKIE, chosen, max_age=31_536_000, httponly=True, secure=secure, samesite="Lax", path="/")
            raise moved
        speak(wanted(request))
        return await handler(request)

    return middleware
