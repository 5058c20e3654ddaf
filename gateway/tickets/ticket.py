"""A ticket: its states, the table of their transitions, its parts. Data only; policy.py decides."""

from dataclasses import dataclass
from enum import Enum

from diagnostics.changes import Evidence, Impact, Severity


class State(Enum):
    """Life of a ticket. `pending` waits for someone else and says for whom; `closed` is final."""

    NEW = "new"
    OPEN = "open"
    PENDING = "pending"
    SOLVED = "solved"
    CLOSED = "closed"


UNRESOLVED = frozenset({State.NEW, State.OPEN, State.PENDING})

TRANSITIONS: dict[State, frozenset[State]] = {
    State.NEW: frozenset({State.OPEN, State.PENDING, State.SOLVED}),
    State.OPEN: frozenset({State.PENDING, State.SOLVED}),
    State.PENDING: frozenset({State.OPEN, State.SOLVED}),
    State.SOLVED: frozenset({State.OPEN, State.CLOSED}),
    State.CLOSED: frozenset(),
}


class WaitingFor(Enum):
    """Whom a pending ticket waits for."""

    CUSTOMER = "customer"
    PARTS = "parts"
    VISIT = "visit"
    UPDATE_WINDOW = "update_window"


class CloseCode(Enum):
    """How it ended. Codes feed the rules' noise budget."""

    AUTO = "auto"  # solved on evidence
    FIXED_REMOTELY = "fixed_remotely"
    FIXED_ON_SITE = "fixed_on_site"
    PART_REPLACED = "part_replaced"
    NO_FAULT_FOUND = "no_fault_found"
    CUSTOMER_CAUSE = "customer_cause"
    DUPLICATE = "duplicate"
    WITHDRAWN = "withdrawn"  # late data showed that it never was


class Entry(Enum):
    """Kinds of lines in a ticket's append-only history."""

    OPENED = "opened"
    APPENDED = "appended"
    RAISED = "raised"
    LOWERED = "lowered"
    REOPENED = "reopened"
    LINKED = "linked"
    TAKEN = "taken"
    NOTE = "note"  # internal
    REPLY = "reply"  # to the customer
    CUSTOMER = "customer"  # from the customer
    WAITING = "waiting"
    SOLVED = "solved"
    CLOSED = "closed"
    RATED = "rated"


@dataclass(frozen=True, slots=True)
class Ticket:
    """One ticket. `number` is what people say ("SG-1042"); `key` = scope:scope id:fault class.

    `version` grows with each edit (optimistic locking). `advisory`: visible and honest, but no SLA (out of warranty and
    contract). `episodes` counts openings that joined this ticket. `rule` opened it; `evidence_rule` is the one whose
    words the evidence is: the same one, or a graver one that joined. Times are epoch seconds.
    """

    ticket_id: str
    number: str
    key: str
    scope: str
    scope_id: str
    device_id: str  # "" for site, fleet and gateway scope
    site_id: str
    customer_id: str
    fault_class: str
    severity: Severity
    state: State
    rule: str
    advisory: bool
    opened_at: float
    updated_at: float
    episodes: int
    version: int
    evidence: Evidence
    impact: Impact | None
    priority_at: float  # act before this time: impact minus time to act
    owner: str = ""
    waiting_for: WaitingFor | None = None
    solved_at: float | None = None
    close_code: CloseCode | None = None
    linked_to: str = ""
    devices: tuple[str, ...] = ()
    promise_at: float | None = None  # "you hear from us before"
    evidence_rule: str = ""  # rule@version


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One line of a ticket's history. `actor` is a user name or "rule@version"; `reason` a named reason."""

    at: float
    kind: Entry
    actor: str
    reason: str
    text: str = ""
