"""The staff console: its pages together, the page of keyboard shortcuts, and what its templates share."""

import aiohttp_jinja2
from aiohttp import web

from gateway.web import (
    devices,
    labels,
    queue,
    releases,
    rollouts,
    rule_backtests,
    rule_drafts,
    rules,
    series,
    stream,
    ticket_forms,
    ticket_page,
    update_words,
)
from gateway.web.directory import DIRECTORY, Directory
from gateway.web.language import _
from gateway.web.pages import render
from gateway.web.parts import PARTS
from gateway.web.retold import retold
from gateway.web.routes import Access, add

KEYS_COOKIE = "siaga_keys"


async def settings(request: web.Request) -> web.StreamResponse:
    """What each person may set: single-letter shortcuts on or off (WCAG 2.1.4), and the language."""
    keys = {
        "j / k": _("next, previous ticket"),
        "o": _("open the ticket"),
        "a": _("take it"),
        "n": _("write a note"),
        "c": _("tell the customer"),
        "s": _("let it wait"),
        "p": _("promise a time"),
        "r": _("solve it"),
        "/": _("search"),
        ".": _("show new tickets"),
        "g i": _("inbox"),
        "g m": _("my tickets"),
        "g w": _("waiting tickets"),
        "g u": _("all open tickets"),
        "g d": _("done tickets"),
        "g v": _("devices"),
        "g r": _("rollouts"),
        "g e": _("rules (managers)"),
        "?": _("this list"),
    }
    return render(request, "staff/settings.html", {"keys_list": keys, "section": "settings"})


async def save_settings(request: web.Request) -> web.StreamResponse:
    """Remember the choice in this browser."""
    chosen = "off" if (await request.post()).get("keys") != "on" else "on"
    saved = web.HTTPSeeOther("/staff/settings")
    saved.set_cookie(
        KEYS_COOKIE,
        chosen,
        max_age=31_536_000,
        secure=request.app[PARTS].settings.secure_cookies,
        httponly=True,
        samesite="Lax",
    )
    raise saved


def add_routes(app: web.Application) -> None:
    """All routes of the console."""
    parts = app[PARTS]
    app[DIRECTORY] = Directory(parts.registry, parts.accounts, parts.clock)
    aiohttp_jinja2.get_env(app).globals.update(
        labels=labels,
        updates=update_words,
        views=tuple(labels.VIEW_KEYS),
        rules_shown=parts.rules is not None,
        retold=retold,
    )
    add(app, Access.STAFF, "GET", "/staff/settings", settings)
    add(app, Access.STAFF, "POST", "/staff/settings", save_settings)
    for pages in (queue, stream, ticket_page, series, devices, releases, rollouts, rules, rule_drafts, rule_backtests):
        pages.add_routes(app)
    ticket_forms.add_routes(app)
