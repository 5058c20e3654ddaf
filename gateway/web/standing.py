"""Decides in which of ten states a customer sees a device. Pure: what is known goes in, one state comes out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from gateway.ports.live import DeviceView, Liveness
from gateway.ports.registry import RegisteredDevice
from gateway.tickets.ticket import UNRESOLVED, State, Ticket, WaitingFor
from gateway.web.updates import UpdateView

STALE_REPORTS = (
    4  # a device that missed this many silence timeouts and is not yet called offline is not called well either
)


class Standing(Enum):
    """What a customer is told, in the order of the page: who has to act comes first."""

    US_WAIT = "us-wait"  # our ticket waits for the customer
    YOU = "you"  # the customer can put it right
    AWAY = "away"  # not reachable, no ticket yet
    US = "us"  # a ticket is open and it is ours to solve
    ADVISORY = "advisory"  # known, but warranty and contract are over
    AREA = "area"  # the whole site or many devices, not this one
    UPD = "upd"
    WATCH = "watch"  # fixed a short while ago
    NEW = "new"
    UNKNOWN = "unknown"
    OK = "ok"


ORDER = tuple(Standing)
NEEDS_CUSTOMER = frozenset({Standing.US_WAIT, Standing.YOU, Standing.AWAY, Standing.ADVISORY})
IN_OUR_HANDS = frozenset({Standing.US, Standing.AREA, Standing.UPD})


@dataclass(frozen=True, slots=True)
class Judged:
    """A device and its state. `ticket` is the one that decided; `since` the time the page names (None: none)."""

    device: RegisteredDevice
    standing: Standing
    view: DeviceView | None
    ticket: Ticket | None = None
    update: UpdateView | None = None
    since: float | None = None


def concerns(ticket: Ticket, device: RegisteredDevice) -> bool:
    """Whether a ticket is about this device, by itself or among others."""
    if ticket.device_id == device.device_id or device.device_id in ticket.devices:
        return True
    return ticket.scope == "site" and ticket.site_id == device.site_id and not ticket.devices


def of_ticket(ticket: Ticket, self_repair: Callable[[str], bool]) -> Standing:
    """The state that an unresolved ticket means to its customer."""
    if ticket.waiting_for is WaitingFor.CUSTOMER:
        return Standing.US_WAIT
    if ticket.advisory:
        return Standing.ADVISORY
    if ticket.scope != "device":
        return Standing.AREA
    if ticket.state is State.NEW and self_repair(ticket.fault_class):
        return Standing.YOU
    return Standing.US


def judge(
    device: RegisteredDevice,
    view: DeviceView | None,
    tickets: Sequence[Ticket],
    update: UpdateView | None,
    now: float,
    *,
    blind_since: float | None,
    watch_s: float,
    self_repair: Callable[[str], bool],
) -> Judged:
    """One device. `tickets` are the customer's; those about other devices are left aside."""
    mine = [ticket for ticket in tickets if concerns(ticket, device)]
    unresolved = [ticket for ticket in mine if ticket.state in UNRESOLVED]
    if unresolved:
        ticket = min(unresolved, key=lambda it: (ORDER.index(of_ticket(it, self_repair)), -it.severity, it.opened_at))
        standing = of_ticket(ticket, self_repair)
        return Judged(device, standing, view, ticket, update, ticket.evidence.since or ticket.opened_at)
    if update is not None and update.at_risk:
        return Judged(device, Standing.UPD, view, None, update, update.since)
    fixed = [
        it for it in mine if it.state is State.SOLVED and it.solved_at is not None and now - it.solved_at < watch_s
    ]
    liveness, heard_at = (view.liveness, view.received_at) if view else (None, None)
    if blind_since is not None and heard_at is not None:
        return Judged(device, Standing.UNKNOWN, view, None, update, heard_at)
    if liveness is Liveness.OFFLINE:
        return Judged(device, Standing.AWAY, view, None, update, heard_at)
    if fixed:
        latest = max(fixed, key=lambda it: it.solved_at or 0.0)
        return Judged(device, Standing.WATCH, view, latest, update, latest.solved_at)
    if view is None:
        return Judged(device, Standing.UNKNOWN, view, None, update)
    if liveness is Liveness.NEVER or heard_at is None:
        return Judged(device, Standing.NEW, view, None, update)
    if now - heard_at > STALE_REPORTS * device.silence_s:
        return Judged(device, Standing.UNKNOWN, view, None, update, heard_at)
    return Judged(device, Standing.OK, view, None, update, heard_at)


def ordered(judged: Sequence[Judged]) -> list[Judged]:
    """What needs the reader comes first; then by name."""
    return sorted(judged, key=lambda it: (ORDER.index(it.standing), it.device.name.casefold(), it.device.device_id))
