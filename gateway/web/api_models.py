"""What the API takes and gives: pydantic at the edge, and how tickets and devices look from outside."""

from datetime import UTC, datetime
from enum import Enum
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateway.ports.live import Liveness
from gateway.ports.registry import RegisteredDevice
from gateway.ports.tickets import View
from gateway.tickets.ticket import Ticket
from gateway.web import labels
from gateway.web.parts import PARTS

Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TicketPath(_Input):
    """A ticket by number or id."""

    ticket: Id


class DevicePath(_Input):
    """A device by id."""

    device_id: Id


class TicketQuery(_Input):
    """Which tickets. Customers always get their own, whatever the view."""

    view: View = View.UNRESOLVED
    q: Annotated[str, Field(max_length=100)] = ""
    cursor: Annotated[str, Field(max_length=200)] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class DeviceQuery(_Input):
    """Which devices, in id order."""

    q: Annotated[str, Field(max_length=100)] = ""
    after: Annotated[str, Field(max_length=64)] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class SignIn(_Input):
    """A name and its password."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    password: Annotated[str, Field(min_length=1, max_length=1000)]


class SignedIn(BaseModel):
    """Who signed in. The session is the answer's cookie; changes need a token from GET /api/v1/session."""

    user: str
    role: str
    customer_id: str


class Me(SignedIn):
    """Who is signed in. Send `csrf_token` back as X-CSRF-Token with every change; it lasts as long as the session."""

    csrf_token: str


class Times(BaseModel):
    """When the customer would notice, an 80 % interval and its median."""

    earliest: datetime
    median: datetime
    latest: datetime


class TicketOut(BaseModel):
    """A ticket."""

    id: str
    number: str
    key: str
    fault_class: str
    title: str
    severity: str
    state: str
    waiting_for: str | None
    advisory: bool
    owner: str
    device_id: str
    site_id: str
    customer_id: str
    devices: list[str]
    opened_at: datetime
    updated_at: datetime
    act_before: datetime
    promised_until: datetime | None
    solved_at: datetime | None
    close_code: str | None
    impact: Times | None
    episodes: int
    version: int


class TicketList(BaseModel):
    """A page of tickets; `next` is the cursor of the following one, null at the end."""

    tickets: list[TicketOut]
    next: str | None


class DeviceOut(BaseModel):
    """A device and how it is now. `metrics` are the newest values in the catalogue's units."""

    id: str
    name: str
    kind: str
    model: str
    site_id: str
    parent_id: str
    presence: str
    last_report: datetime | None
    firmware: str
    metrics: dict[str, float]
    states: dict[str, str]


class DeviceList(BaseModel):
    """A page of devices; `next` continues after the last one, null at the end."""

    devices: list[DeviceOut]
    next: str | None


class Versioned(_Input):
    """The version of the ticket that was seen."""

    version: Annotated[int, Field(ge=1, le=1_000_000_000)]


class NoteIn(_Input):
    """A note for staff, or a reply to the customer."""

    text: Annotated[str, Field(min_length=1, max_length=4000)]
    to_customer: bool = False


# Only people's codes: the others are written by the policy itself.
PeopleCode = Enum("PeopleCode", {code.name: code.value for code in labels.BY_PEOPLE})  # type: ignore[misc]


class SolveIn(Versioned):
    """How it was solved."""

    code: PeopleCode
    text: Annotated[str, Field(max_length=4000)] = ""


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _at_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else _at(seconds)


def ticket_out(request: web.Request, it: Ticket) -> TicketOut:
    """A ticket as programs see it."""
    span = it.impact
    return TicketOut(
        id=it.ticket_id,
        number=it.number,
        key=it.key,
        fault_class=it.fault_class,
        title=request.app[PARTS].knowledge.fault(it.fault_class).name,
        severity=it.severity.name.lower(),
        state=it.state.value,
        waiting_for=it.waiting_for.value if it.waiting_for else None,
        advisory=it.advisory,
        owner=it.owner,
        device_id=it.device_id,
        site_id=it.site_id,
        customer_id=it.customer_id,
        devices=list(it.devices),
        opened_at=_at(it.opened_at),
        updated_at=_at(it.updated_at),
        act_before=_at(it.priority_at),
        promised_until=_at_or_none(it.promise_at),
        solved_at=_at_or_none(it.solved_at),
        close_code=it.close_code.value if it.close_code else None,
        impact=Times(earliest=_at(span.earliest_at), median=_at(span.median_at), latest=_at(span.latest_at))
        if span
        else None,
        episodes=it.episodes,
        version=it.version,
    )


def device_out(request: web.Request, it: RegisteredDevice) -> DeviceOut:
    """A device as programs see it."""
    view = request.app[PARTS].live.view(it.device_id)
    return DeviceOut(
        id=it.device_id,
        name=it.name,
        kind=it.kind,
        model=it.model,
        site_id=it.site_id,
        parent_id=it.parent_id,
        presence=(view.liveness if view else Liveness.NEVER).value,
        last_report=_at_or_none(view.received_at) if view else None,
        firmware=view.firmware if view else "",
        metrics={name: latest.value for name, latest in view.metrics.items()} if view else {},
        states=dict(view.states) if view else {},
    )


class Done(BaseModel):
    """It is done."""

    done: bool = True
