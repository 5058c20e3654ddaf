"""The API for rules, for managers: what is in force, check and activate text, demote, roll back, backtest."""

from collections.abc import Awaitable
from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateway.ports.rule_book import Edition, OutdatedEdition
from gateway.rules.check import Checked
from gateway.rules.desk import MAX_TEXT, RuleRefused
from gateway.rules.jobs import Job
from gateway.rules.overview import RuleRow
from gateway.web.api import api
from gateway.web.apikit import problem
from gateway.web.parts import PARTS
from gateway.web.routes import Access
from gateway.web.rules import backtests_of, desk_of
from gateway.web.viewer import viewer_of

Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
Note = Annotated[str, Field(max_length=500)]
Seen = Annotated[int, Field(ge=0, le=2**53, description="the edition that was looked at; 0: whichever is in force")]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RulePath(_In):
    """A rule by name."""

    rule: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class JobPath(_In):
    """A backtest by id."""

    job: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]


class TextIn(_In):
    """Rules in TOML, put over those in force."""

    text: Text


class ActivateIn(TextIn):
    """What to activate."""

    seen: Seen = 0
    note: Note = ""


class BacktestIn(TextIn):
    """What to backtest, over how many days and on which devices, models or sites ("cam-*"; empty: all)."""

    days: Annotated[float, Field(gt=0, le=365)] = 30.0
    devices: Annotated[str, Field(max_length=100)] = ""


class StateIn(_In):
    """Let a rule open tickets, or only watch."""

    state: Literal["active", "watch"]
    seen: Seen = 0
    note: Note = ""


class RollBackIn(_In):
    """To which edition; of all rules or of one."""

    edition: Annotated[int, Field(ge=1, le=2**53)]
    rule: Annotated[str, Field(max_length=64)] = ""
    seen: Seen = 0
    note: Note = ""


class RuleOut(BaseModel):
    """One rule in force. `false_share` is of the `judged` tickets; its 95 % bounds beside it."""

    name: str
    kind: str
    version: int
    fault_class: str
    state: Literal["active", "watch", "unreadable"]
    origin: str
    file_changed: bool
    tickets: int
    judged: int
    false_share: float | None
    false_share_from: float
    false_share_to: float
    text: str


class RuleList(BaseModel):
    """Every rule in force."""

    edition: int
    rules: list[RuleOut]


class EditionOut(BaseModel):
    """One edition, without its text."""

    number: int
    at: float
    actor: str
    reason: str
    rule: str
    note: str
    sha256: str


class EditionList(BaseModel):
    """The newest editions first."""

    editions: list[EditionOut]


class MistakeOut(BaseModel):
    """One mistake or warning with its line."""

    line: int
    rule: str
    says: str
    error: bool


class CheckOut(BaseModel):
    """What is wrong with a text."""

    refused: bool
    mistakes: list[MistakeOut]


class TallyOut(BaseModel):
    """What becomes of a rule's tickets."""

    rule: str
    before: int
    after: int
    verdicts: dict[str, int]


class JobOut(BaseModel):
    """A backtest. `problem` in one line if it cannot be done; tallies once it is done."""

    id: str
    state: Literal["running", "done", "failed"]
    devices: int
    reports: int
    problem: str
    tallies: list[TallyOut]


def _rule(row: RuleRow) -> RuleOut:
    low, high = row.noise.bounds
    return RuleOut(
        name=row.name,
        kind=row.rule.kind if row.rule else "",
        version=row.rule.version if row.rule else 0,
        fault_class=row.rule.fault_class if row.rule else "",
        state="unreadable" if row.problem else "watch" if row.silent else "active",
        origin=row.origin,
        file_changed=row.stale,
        tickets=row.noise.opened,
        judged=row.noise.judged,
        false_share=row.noise.share,
        false_share_from=low,
        false_share_to=high,
        text=row.text,
    )


def _edition(it: Edition) -> EditionOut:
    return EditionOut(
        number=it.number,
        at=it.at,
        actor=it.actor,
        reason=it.reason.value,
        rule=it.rule,
        note=it.note,
        sha256=it.sha256,
    )


def _checked(it: Checked) -> CheckOut:
    found = [MistakeOut(line=one.line, rule=one.rule, says=one.says, error=one.error) for one in it.mistakes]
    return CheckOut(refused=it.refused, mistakes=found)


def _job(it: Job) -> JobOut:
    result = it.result
    tallies = [
        TallyOut(
            rule=one.rule,
            before=one.before,
            after=one.after,
            verdicts={verdict.value: count for verdict, count in one.verdicts.items()},
        )
        for one in (result.tallies if result else ())
    ]
    return JobOut(
        id=it.job_id,
        state="running" if it.running else "failed" if it.problem else "done",
        devices=result.devices if result else it.progress.devices,
        reports=result.reports if result else it.progress.reports,
        problem=it.problem,
        tallies=tallies,
    )


async def _decided(deed: Awaitable[Edition]) -> EditionOut | web.StreamResponse:
    try:
        return _edition(await deed)
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
        edition=newest.number, rules=[_rule(row) for row in await desk.rules(request.app[PARTS].clock.now())]
    )


@api.route("GET", "/api/v1/rules/{rule}", access=Access.MANAGER)
async def get_rule(request: web.Request, *, path: RulePath) -> RuleOut:
    """One rule in force."""
    rows = await desk_of(request).rules(request.app[PARTS].clock.now())
    found = next((row for row in rows if row.name == path.rule), None)
    if found is None:
        raise web.HTTPNotFound
    return _rule(found)


@api.route("PUT", "/api/v1/rules/{rule}/state", access=Access.MANAGER, errors=(409,))
async def set_state(request: web.Request, *, path: RulePath, body: StateIn) -> EditionOut | web.StreamResponse:
    """Demote a rule to watch, or restore it."""
    desk, actor, now = desk_of(request), viewer_of(request).user, request.app[PARTS].clock.now()
    deed = desk.restore if body.state == "active" else desk.watch
    return await _decided(deed(path.rule, body.seen, actor, body.note, now))


@api.route("GET", "/api/v1/rule-editions", access=Access.MANAGER)
async def list_editions(request: web.Request) -> EditionList:
    """The newest hundred editions: the audit log of the rules."""
    return EditionList(editions=[_edition(it) for it in await desk_of(request).book.editions(100)])


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
    return _checked(desk.check(body.text, await desk.newest()))


@api.route("POST", "/api/v1/rule-backtests", access=Access.MANAGER, status=202)
async def begin_backtest(request: web.Request, *, body: BacktestIn) -> JobOut | web.StreamResponse:
    """Ask for a backtest of a text over the rules in force; it runs in the background."""
    newest = await desk_of(request).newest()
    try:
        return _job(backtests_of(request).begin(body.text, newest, body.days, body.devices))
    except RuleRefused as refusal:
        return problem(422, str(refusal))


@api.route("GET", "/api/v1/rule-backtests/{job}", access=Access.MANAGER)
async def get_backtest(request: web.Request, *, path: JobPath) -> JobOut:
    """How far a backtest is, and what it found."""
    found = backtests_of(request).get(path.job)
    if found is None:
        raise web.HTTPNotFound
    return _job(found)
