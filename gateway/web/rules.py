"""The console's pages of the rules, for managers: all of them with their noise, one rule, the editions and their diffs,
rolling back, demoting and restoring. Drafts are in rule_drafts.py.
"""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from diagnostics.rule_text import split
from gateway.ports.rule_book import Edition, EditionReason, OutdatedEdition
from gateway.rules.budget import Noise
from gateway.rules.desk import DAY_S, RuleDesk, RuleRefused
from gateway.rules.jobs import Backtests
from gateway.web.directory import DIRECTORY
from gateway.web.language import _
from gateway.web.pages import render
from gateway.web.parts import PARTS
from gateway.web.queue import Row, row_of
from gateway.web.retold import retold
from gateway.web.routes import Access, add
from gateway.web.rule_diff import Line, by_rule, marked
from gateway.web.rule_words import facts, kind_words, steps
from gateway.web.viewer import viewer_of

PAGE: Final = 50
MAX_NOTE: Final = 500
TICKETS: Final = 10


def backtests_of(request: web.Request) -> Backtests:
    """The rules' part, or 404 where the wiring has none."""
    found = request.app[PARTS].rules
    if found is None:
        raise web.HTTPNotFound
    return found


def desk_of(request: web.Request) -> RuleDesk:
    """The rule book's front door."""
    return backtests_of(request).desk


def edition_reason(reason: EditionReason) -> str:
    """Which decision made an edition, in words."""
    return {
        EditionReason.STARTED: _("first edition, from the rule files"),
        EditionReason.FILE_CHANGED: _("the rule files were changed"),
        EditionReason.ACTIVATED: _("activated"),
        EditionReason.ROLLED_BACK: _("rolled back"),
        EditionReason.BACK_TO_FILE: _("back to the file's text"),
        EditionReason.WATCHED: _("only watched"),
        EditionReason.DEMOTED: _("demoted: over the noise budget"),
        EditionReason.RESTORED: _("restored"),
        EditionReason.DELETED: _("deleted"),
    }[reason]


def origin_words(origin: str) -> str:
    """Where a rule's text comes from."""
    words = {"file": _("rule file"), "override": _("changed here"), "new": _("made here"), "deleted": _("deleted here")}
    return words[origin]


def share_words(noise: Noise) -> str:
    """The false share with its bounds, or why there is none."""
    if noise.share is None:
        return _("none judged")
    low, high = noise.bounds
    return _(
        "%(share)s %% (%(low)s to %(high)s) of %(judged)s",
        share=round(100 * noise.share),
        low=round(100 * low),
        high=round(100 * high),
        judged=noise.judged,
    )


WORDS: Final = {
    "edition_reason": edition_reason,
    "origin_words": origin_words,
    "share_words": share_words,
    "kind_words": kind_words,
}
SHOWN: Final = {**WORDS, "section": "rules", "zone": "UTC"}


def deed_refused(refusal: Exception) -> web.HTTPException:
    """How a page says that a deed was not done."""
    if isinstance(refusal, OutdatedEdition):
        newest = refusal.newest
        said = _("The rules were changed meanwhile (edition %(number)s). Look again, then decide.", number=newest)
        return web.HTTPConflict(reason=said)
    return web.HTTPConflict(reason=retold(str(refusal)))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16


def number_in(text: str) -> int:
    """A number of an address; 404 for what is none."""
    if not _is_number(text):
        raise web.HTTPNotFound
    return int(text)


def number_of(form: Mapping[str, object], name: str) -> int:
    """A number that our form sends along; 422 for what is none."""
    text = str(form.get(name, ""))
    if not _is_number(text):
        raise web.HTTPUnprocessableEntity(reason=_("Please send the form from its page."))
    return int(text)


async def newest_or_404(request: web.Request) -> Edition:
    """The edition in force."""
    try:
        return await desk_of(request).newest()
    except RuleRefused:
        raise web.HTTPNotFound from None


async def rules(request: web.Request) -> web.StreamResponse:
    """Every rule in force, those that ask for attention first, and the drafts."""
    desk = desk_of(request)
    newest = await newest_or_404(request)
    rows = await desk.rules(request.app[PARTS].clock.now())
    wanted = request.query.get("q", "").strip()[:100].casefold()
    classes = {it.fault_class for row in rows if (it := row.rule)}
    names = {name: request.app[PARTS].knowledge.fault(name).name for name in classes}
    shown = [
        row
        for row in rows
        if wanted in (f"{row.name} {names[row.rule.fault_class]}" if row.rule else row.name).casefold()
    ]
    shown = sorted(shown, key=lambda row: (not row.problem, row.watched is None, not row.stale, row.origin == "file"))
    drafts = await desk.book.drafts()
    context = {
        "rows": shown,
        "newest": newest,
        "drafts": drafts,
        "faults": names,
        "q": wanted,
        "days": desk.budget.days,
    }
    return render(request, "staff/rules.html", {**SHOWN, **context})


async def rule_page(request: web.Request) -> web.StreamResponse:
    """One rule: its text, where it comes from, its noise, what was decided on it."""
    desk, name = desk_of(request), request.match_info["rule"]
    newest = await newest_or_404(request)
    row = next((it for it in await desk.rules(request.app[PARTS].clock.now()) if it.name == name), None)
    if row is None:
        raise web.HTTPNotFound
    file = desk.base.by_name().get(name)
    know = request.app[PARTS].knowledge
    fault = know.fault(row.rule.fault_class).name if row.rule else ""
    context = {
        "row": row,
        "newest": newest,
        "fault": fault,
        "reasons": know.reasons(),
        "history": await _history(desk, name),
        "against_file": marked(file.text, row.text) if file and row.origin == "override" else (),
        "budget": desk.budget,
        "facts": list(facts(row.rule, know)) if row.rule else (),
        "steps": steps(row.rule, know) if row.rule else (),
        "tickets": await _tickets(request, name),
        "running": sum(it.count for it in await desk.book.opened(0.0, name) if it.code is None),
    }
    return render(request, "staff/rule.html", {**SHOWN, **context})


async def _tickets(request: web.Request, name: str) -> list[Row]:
    """The newest tickets that a rule opened: what the judgement of it rests on."""
    parts, names, now = request.app[PARTS], request.app[DIRECTORY], request.app[PARTS].clock.now()
    desk = desk_of(request)
    numbers = await desk.book.numbers(name, now - desk.budget.days * DAY_S, TICKETS)
    found = [await parts.tickets.get(number) for number in numbers]
    return [await row_of(ticket, names, parts.knowledge, now) for ticket in found if ticket is not None]


async def _history(desk: RuleDesk, name: str) -> list[tuple[Edition, tuple[Line, ...], bool]]:
    """Editions that decided on a rule, newest first: with the diff of its text, and whether the text changed there."""
    found = []
    editions = list(await desk.book.editions(200))
    for after, before in zip(editions, [*editions[1:], None], strict=True):
        texts = [
            next((it.text for it in split(one.text) if it.name == name), "") if one else "" for one in (before, after)
        ]
        if before is not None and (name in after.rule.split(", ") or texts[0] != texts[1]):
            found.append((after, marked(*texts), texts[0] != texts[1]))
    return found


async def deed(request: web.Request) -> web.StreamResponse:
    """Demote, restore, delete, back to the file, or back to how it was in an edition."""
    desk, name, form = desk_of(request), request.match_info["rule"], await request.post()
    actor, now = viewer_of(request).user, request.app[PARTS].clock.now()
    why = str(form.get("why", "")).strip()[:MAX_NOTE]
    seen, wanted = number_of(form, "seen"), request.match_info["deed"]
    if not why:
        raise web.HTTPUnprocessableEntity(reason=_("Please give a reason; it is kept."))
    try:
        if wanted == "watch":
            await desk.watch(name, seen, actor, why, now)
        elif wanted == "restore":
            await desk.restore(name, seen, actor, why, now)
        elif wanted == "delete":
            await desk.delete(name, seen, actor, why, now)
        elif wanted == "to-file":
            await desk.back_to_file(name, seen, actor, why, now)
        elif wanted == "roll-back":
            await desk.roll_back(number_of(form, "edition"), name, seen, actor, why, now)
        else:
            raise web.HTTPNotFound
    except KeyError:
        raise web.HTTPNotFound from None
    except (RuleRefused, OutdatedEdition) as refusal:
        raise deed_refused(refusal) from None
    there = name in {row.name for row in await desk.rules(now)}
    raise web.HTTPSeeOther(f"/staff/rule/{name}" if there else "/staff/rules")


async def editions(request: web.Request) -> web.StreamResponse:
    """Every edition, newest first: the audit log of the rules."""
    before = request.query.get("before", "")
    found = await desk_of(request).book.editions(PAGE, number_in(before) if before else None)
    more = found[-1].number if found and found[-1].number > 1 and len(found) == PAGE else 0
    return render(request, "staff/rule_editions.html", {**SHOWN, "editions": found, "more": more})


async def edition_page(request: web.Request) -> web.StreamResponse:
    """One edition: what it changed, and what rolling back to it would change."""
    desk, number = desk_of(request), number_in(request.match_info["number"])
    found, newest = await desk.book.edition(number), await newest_or_404(request)
    if found is None:
        raise web.HTTPNotFound
    before = await desk.book.edition(number - 1)
    context = {
        "edition": found,
        "newest": newest,
        "changed": by_rule(before.text, found.text) if before is not None else [],
        "back": by_rule(newest.text, found.text) if newest.number != number else [],
    }
    return render(request, "staff/rule_edition.html", {**SHOWN, **context})


async def roll_back(request: web.Request) -> web.StreamResponse:
    """All the rules as they were in an edition."""
    desk, form = desk_of(request), await request.post()
    number, why = number_in(request.match_info["number"]), str(form.get("why", "")).strip()[:MAX_NOTE]
    if not why:
        raise web.HTTPUnprocessableEntity(reason=_("Please give a reason; it is kept."))
    actor, now = viewer_of(request).user, request.app[PARTS].clock.now()
    try:
        made = await desk.roll_back(number, "", number_of(form, "seen"), actor, why, now)
    except KeyError:
        raise web.HTTPNotFound from None
    except (RuleRefused, OutdatedEdition) as refusal:
        raise deed_refused(refusal) from None
    raise web.HTTPSeeOther(f"/staff/rules/editions/{made.number}")


def add_routes(app: web.Application) -> None:
    """For managers alone: for everybody else the pages do not exist."""
    add(app, Access.MANAGER, "GET", "/staff/rules", rules)
    add(app, Access.MANAGER, "GET", "/staff/rules/editions", editions)
    add(app, Access.MANAGER, "GET", "/staff/rules/editions/{number}", edition_page)
    add(app, Access.MANAGER, "POST", "/staff/rules/editions/{number}/roll-back", roll_back)
    add(app, Access.MANAGER, "GET", "/staff/rule/{rule}", rule_page)
    add(app, Access.MANAGER, "POST", "/staff/rule/{rule}/{deed}", deed)
