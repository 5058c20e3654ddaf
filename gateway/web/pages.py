"""Pages: the template environment, and the answers for everything that went wrong, as a page or as problem details."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import web
from yarl import URL

from gateway.web import language, times
from gateway.web.apikit import TITLES
from gateway.web.apikit import problem as api_problem
from gateway.web.assets import Assets
from gateway.web.language import _
from gateway.web.parts import PARTS
from gateway.web.routes import Handler, is_api
from gateway.web.security import csrf_token
from gateway.web.viewer import VIEWER

TEMPLATES = Path(__file__).parent / "templates"
log = logging.getLogger(__name__)


def set_up_templates(app: web.Application, assets: Assets) -> None:
    """Give the application its templates: autoescaped, strict about names, in the request's language."""
    env = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    env.install_gettext_callables(language.gettext, language.ngettext, newstyle=True)  # type: ignore[attr-defined]
    env.globals.update(assets=assets, times=times, language=language.language, settings=app[PARTS].settings)


def render(request: web.Request, template: str, context: Mapping[str, object], *, status: int = 200) -> web.Response:
    """A page. `viewer`, `csrf`, `now` and `here` (this address without its language choice) are always there."""
    always = {
        "viewer": request.get(VIEWER),
        "csrf": csrf_token(request),
        "now": request.app[PARTS].clock.now(),
        "here": request.rel_url.without_query_params("lang"),
        "keys": request.cookies.get("siaga_keys", "on") != "off",
    }
    page = aiohttp_jinja2.render_template(template, request, {**always, **context}, status=status)
    if "gzip" in request.headers.get("Accept-Encoding", ""):  # safe beside form tokens: they are new on every page
        page.enable_compression(web.ContentCoding.gzip)
        page.headers["Vary"] = "Accept-Encoding"
    return page


def language_link(here: URL, chosen: str) -> str:
    """This page in another language."""
    return str(here.update_query(lang=chosen))


def back(request: web.Request, address: str) -> web.HTTPSeeOther:
    """After a form: see the page again (a reload must not send the form twice)."""
    del request
    return web.HTTPSeeOther(address)


def problem_title(status: int) -> str:
    """What happened, in the reader's words."""
    titles = {
        400: _("The request is malformed"),
        401: _("Please sign in"),
        403: _("This was refused"),
        404: _("This page does not exist"),
        405: _("This page cannot do that"),
        409: _("Somebody was faster"),
        413: _("This is too large"),
        415: _("This form of data is not understood"),
        422: _("Some values are not valid"),
        429: _("Too many tries"),
        503: _("We cannot reach our own records right now"),
    }
    return titles.get(status) or (_("Something went wrong on our side") if status >= 500 else HTTPStatus(status).phrase)


def problem_advice(status: int) -> str:
    """What to do next."""
    advice = {
        401: _("You were signed out. Sign in again to go on."),
        404: _("The address may be mistyped, or it belongs to somebody else."),
        413: _("Go back: what you wrote is still in the form. Then make it shorter."),
        429: _("Wait a minute and try again."),
        503: _("Nothing is lost. Please try again in a minute."),
    }
    return advice.get(status) or (_("We have noted it. Please try again in a minute.") if status >= 500 else "")


def problem(
    request: web.Request, status: int, detail: str = "", *, headers: Mapping[str, str] | None = None
) -> web.Response:
    """The answer: RFC 9457 for programs, a page for people."""
    title = problem_title(status)
    if is_api(request):
        answer = api_problem(status if status in TITLES else 500, detail)
    else:
        answer = render(
            request,
            "problem.html",
            {"status": status, "title": title, "detail": detail, "advice": problem_advice(status)},
            status=status,
        )
    answer.headers.extend(headers or {})
    return answer


@web.middleware
async def explain_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn refusals and outages into answers that a person or a program can act on."""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        if refusal.status < 400:
            raise
        said = refusal.reason if refusal.reason != HTTPStatus(refusal.status).phrase else ""
        kept = {name: value for name, value in refusal.headers.items() if name in ("Allow", "Retry-After")}
        return problem(request, refusal.status, said, headers=kept)
    except OSError as outage:
        if request.transport is None or request.transport.is_closing():
            raise  # the reader has left
        log.warning("a page without its store: %s: %s", request.path, outage)
        return problem(request, 503, headers={"Retry-After": "30"})
    except Exception:  # the last edge: whatever it was, people get a page and operators get the trace
        log.exception("a page failed: %s", request.path)
        return problem(request, 500)
