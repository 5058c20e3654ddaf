"""What programs send and get about rules: the API's models, and how they are made."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from diagnostics.backtest import Difference, Opened
from gateway.ports.rule_book import Edition
from gateway.rules.check import Checked
from gateway.rules.desk import MAX_TEXT
from gateway.rules.jobs import CANCELLED, Job
from gateway.rules.overview import RuleRow

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
    """Let a rule open tickets, only watch, or be gone."""

    state: Literal["active", "watch", "deleted"]
    seen: Seen = 0
    note: Note = ""


class RollBackIn(_In):
    """To which edition; of all rules or of one."""

    edition: Annotated[int, Field(ge=1, le=2**53)]
    rule: Annotated[str, Field(max_length=64)] = ""
    seen: Seen = 0
    note: Note = ""


class RuleOut(BaseModel):
    """One rule in force. `reason`: why its numbers are what they are; `reason_id`: the same in Indonesian ("" where
    nobody wrote it, or the rule is unreadable). `false_share` is of the `judged` tickets; its 95 % bounds beside it.
    """

    name: str
    kind: str
    version: int
    fault_class: str
    state: Literal["active", "watch", "unreadable", "deleted"]
    origin: str
    file_changed: bool
    reason: str
    reason_id: str
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


class DifferenceOut(BaseModel):
    """One ticket under both rule sets: when it opens (epoch seconds; null: not at all), `shift_s` how much later."""

    verdict: str
    device: str
    fault_class: str
    rule: str
    severity: str
    before_at: float | None
    after_at: float | None
    shift_s: float


class JobOut(BaseModel):
    """A backtest. `problem` in one line if it cannot be done; the rest once it is done. `judged_days`: how many of the
    days history had reports of. `left_out` differences are counted in the tallies and not listed.
    """

    id: str
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    share: float
    devices: int
    reports: int
    problem: str
    edition: int
    judged_days: float
    tallies: list[TallyOut]
    differences: list[DifferenceOut]
    left_out: int


def rule_out(row: RuleRow) -> RuleOut:
    """A rule for programs."""
    low, high = row.noise.bounds
    return RuleOut(
        name=row.name,
        kind=row.rule.kind if row.rule else "",
        version=row.rule.version if row.rule else 0,
        fault_class=row.rule.fault_class if row.rule else "",
        state="deleted"
        if row.origin == "deleted"
        else "unreadable"
        if row.problem
        else "watch"
        if row.silent
        else "active",
        origin=row.origin,
        file_changed=row.stale,
        reason=row.rule.reason if row.rule else "",
        reason_id=row.rule.reason_id if row.rule else "",
        tickets=row.noise.opened,
        judged=row.noise.judged,
        false_share=row.noise.share,
        false_share_from=low,
        false_share_to=high,
        text=row.text,
    )


def edition_out(it: Edition) -> EditionOut:
    """An edition for programs, without its text."""
    return EditionOut(
        number=it.number,
        at=it.at,
        actor=it.actor,
        reason=it.reason.value,
        rule=it.rule,
        note=it.note,
        sha256=it.sha256,
    )


def checked_out(it: Checked) -> CheckOut:
    """What is wrong with a text, for programs."""
    found = [MistakeOut(line=one.line, rule=one.rule, says=one.says, error=one.error) for one in it.mistakes]
    return CheckOut(refused=it.refused, mistakes=found)


def job_out(it: Job) -> JobOut:
    """A backtest for programs."""
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
        state=_state(it),
        share=round(it.progress.share, 3),
        devices=result.devices if result else it.progress.devices,
        reports=result.reports if result else it.progress.reports,
        problem=it.problem,
        edition=it.old.number,
        judged_days=round(result.judged_s / 86_400, 2) if result else 0.0,
        tallies=tallies,
        differences=[_difference(one) for one in (result.differences if result else ())],
        left_out=result.left_out if result else 0,
    )


def _state(it: Job) -> Literal["waiting", "running", "done", "failed", "cancelled"]:
    if it.running:
        return "running" if it.begun_at else "waiting"
    return "cancelled" if it.problem == CANCELLED else "failed" if it.problem else "done"


def _difference(it: Difference) -> DifferenceOut:
    def at(one: Opened | None) -> float | None:
        return one.opened_at if one else None

    return DifferenceOut(
        verdict=it.verdict.value,
        device=it.ticket.device_id,
        fault_class=it.ticket.fault_class,
        rule=it.ticket.rule,
        severity=it.ticket.severity.name.lower(),
        before_at=at(it.before),
        after_at=at(it.after),
        shift_s=it.shift_s,
    )
