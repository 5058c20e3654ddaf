"""The API for rules, for managers: what is in force, check and activate text, demote, roll back, backtest."""

from collections.abc import Awaitable

from aiohttp import web

from gateway.ports.rule_book import Edition, OutdatedEdition
from gateway.rules.desk import RuleRefused
from gateway.web.api import api
from gateway.web.apikit import problem
from gateway.web.parts import PARTS
from gateway.web.routes import Access
from gateway.web.rules import backtests_of, desk_of
from gateway.web.rules_models import (
    ActivateIn,
    BacktestIn,
    CheckOut,
    EditionList,
    EditionOut,
    JobOut,
    JobPath,
    RollBackIn,
    RuleList,
    RuleOut,
    RulePath,
    StateIn,
    TextIn,
    checked_out,
    edition_out,
    job_out,
    rule_out,
)
from gateway.web.viewer import viewer_of


async def _decided(deed: Awaitable[Edition]) -> EditionOut | web.StreamResponse:
    try:
        return edition_out(await deed)
    except KeyError:
        raise web.HTTPNotFound from None
    except OutdatedEdition as refusal:
        return problem(409, str(refusal))
    except RuleRefused as refusal:
        return problem(422, str(refusal))


@api.route("GET", "/api/v1/rules", access=Access.MANAGER)
async def list_rules(request: web.Request) -> RuleList:
    """Every rule in force, with what became of its tickets in the noise budget's window."""
    desk = desk_of(request)
    newest = await desk.newest()
    return RuleList(
        edition=newest.number, rules=[rule_out(row) for row in await desk.rules(request.app[PARTS].clock.now())]
    )


@api.route("GET", "/api/v1/rules/{rule}", access=Access.MANAGER)
async def get_rule(request: web.Request, *, path: RulePath) -> RuleOut:
    """One rule in force."""
    rows = await desk_of(request).rules(request.app[PARTS].clock.now())
    found = next((row for row in rows if row.name == path.rule), None)
    if found is None:
        raise web.HTTPNotFound
    return rule_out(found)


@api.route("PUT", "/api/v1/rules/{rule}/state", access=Access.MANAGER, errors=(409,))
async def set_state(request: web.Request, *, path: RulePath, body: StateIn) -> EditionOut | web.StreamResponse:
    """Demote a rule to watch, delete it, or restore it."""
    desk, actor, now = desk_of(request), viewer_of(request).user, request.app[PARTS].clock.now()
    deed = {"active": desk.restore, "watch": desk.watch, "deleted": desk.delete}[body.state]
    return await _decided(deed(path.rule, body.seen, actor, body.note, now))


@api.route("GET", "/api/v1/rule-editions", access=Access.MANAGER)
async def list_editions(request: web.Request) -> EditionList:
    """The newest hundred editions: the audit log of the rules."""
    return EditionList(editions=[edition_out(it) for it in await desk_of(request).book.editions(100)])


@api.route("POST", "/api/v1/rule-editions", access=Access.MANAGER, status=201, errors=(409,))
async def activate_rules(request: web.Request, *, body: ActivateIn) -> EditionOut | web.StreamResponse:
    """Put rules over those in force; every device is judged by them from its next report on."""
    actor, now = viewer_of(request).user, request.app[PARTS].clock.now()
    return await _decided(desk_of(request).activate(body.text, body.seen, actor, body.note, now))


@api.route("POST", "/api/v1/rule-editions/roll-back", access=Access.MANAGER, status=201, errors=(409,))
async def roll_back_rules(request: web.Request, *, body: RollBackIn) -> EditionOut | web.StreamResponse:
    """The rules, or one of them, as they were in an edition."""
    actor, now = viewer_of(request).user, request.app[PARTS].clock.now()
    return await _decided(desk_of(request).roll_back(body.edition, body.rule, body.seen, actor, body.note, now))


@api.route("POST", "/api/v1/rule-checks", access=Access.MANAGER)
async def check_rules(request: web.Request, *, body: TextIn) -> CheckOut:
    """Every mistake and warning of a text over the rules in force."""
    desk = desk_of(request)
    return checked_out(desk.check(body.text, await desk.newest()))


@api.route("POST", "/api/v1/rule-backtests", access=Access.MANAGER, status=202)
async def begin_backtest(request: web.Request, *, body: BacktestIn) -> JobOut | web.StreamResponse:
    """Ask for a backtest of a text over the rules in force; it runs in the background."""
    newest = await desk_of(request).newest()
    try:
        return job_out(backtests_of(request).begin(body.text, newest, body.days, body.devices))
    except RuleRefused as refusal:
        return problem(422, str(refusal))


@api.route("GET", "/api/v1/rule-backtests/{job}", access=Access.MANAGER)
async def get_backtest(request: web.Request, *, path: JobPath) -> JobOut:
    """How far a backtest is, and what it found."""
    found = backtests_of(request).get(path.job)
    if found is None:
        raise web.HTTPNotFound
    return job_out(found)


@api.route("DELETE", "/api/v1/rule-backtests/{job}", access=Access.MANAGER)
async def cancel_backtest(request: web.Request, *, path: JobPath) -> JobOut:
    """Ask for no more of a backtest, whether it waits or is under way."""
    found = backtests_of(request).get(path.job)
    if found is None:
        raise web.HTTPNotFound
    found.cancel()
    return job_out(found)
