"""Words of staff pages for the names of the tables: states, severities, reasons, codes."""

from diagnostics.changes import Severity
from gateway.ports.ledger import RejectReason
from gateway.ports.live import Liveness
from gateway.ports.tickets import View
from gateway.tickets.ticket import CloseCode, Entry, State, Ticket, WaitingFor
from gateway.web.language import _
from gateway.web.retold import retold


def state(ticket: Ticket) -> str:
    """A ticket's state, with whom it waits for."""
    if ticket.state is State.PENDING and ticket.waiting_for is not None:
        return _("Waiting: %(whom)s", whom=waiting_for(ticket.waiting_for))
    return short_state(ticket)


def short_state(ticket: Ticket) -> str:
    """A ticket's state in one word."""
    return {
        State.NEW: _("New"),
        State.OPEN: _("Open"),
        State.PENDING: _("Waiting"),
        State.SOLVED: _("Solved"),
        State.CLOSED: _("Closed"),
    }[ticket.state]


def waiting_for(reason: WaitingFor) -> str:
    """Whom a pending ticket waits for."""
    return {
        WaitingFor.CUSTOMER: _("customer"),
        WaitingFor.PARTS: _("parts"),
        WaitingFor.VISIT: _("visit"),
        WaitingFor.UPDATE_WINDOW: _("update window"),
    }[reason]


def tone(ticket: Ticket, now: float) -> str:
    """Colour by what is needed: action, paused, done."""
    if ticket.state in (State.SOLVED, State.CLOSED):
        return "ok"
    if ticket.state is State.PENDING:
        return "calm"
    return "act" if ticket.priority_at < now else "wait" if ticket.state is State.NEW else "info"


def severity(value: Severity) -> str:
    """How bad."""
    return {
        Severity.INFO: _("Info"),
        Severity.WARNING: _("Warning"),
        Severity.HIGH: _("High"),
        Severity.CRITICAL: _("Critical"),
    }[value]


def view(value: View) -> str:
    """The overviews at the left."""
    return {
        View.INBOX: _("Inbox"),
        View.MINE: _("Mine"),
        View.WAITING: _("Waiting"),
        View.UNRESOLVED: _("All open"),
        View.DONE: _("Done"),
    }[value]


VIEW_KEYS = {View.INBOX: "g i", View.MINE: "g m", View.WAITING: "g w", View.UNRESOLVED: "g u", View.DONE: "g d"}


def close_code(code: CloseCode) -> str:
    """How a ticket ended."""
    return {
        CloseCode.AUTO: _("Solved by evidence"),
        CloseCode.FIXED_REMOTELY: _("Fixed remotely"),
        CloseCode.FIXED_ON_SITE: _("Fixed on site"),
        CloseCode.PART_REPLACED: _("Part replaced"),
        CloseCode.NO_FAULT_FOUND: _("No fault found"),
        CloseCode.CUSTOMER_CAUSE: _("Cause at the customer's"),
        CloseCode.DUPLICATE: _("Duplicate"),
        CloseCode.WITHDRAWN: _("Withdrawn: late data showed that it never was"),
    }[code]


BY_PEOPLE = (
    CloseCode.FIXED_REMOTELY,
    CloseCode.FIXED_ON_SITE,
    CloseCode.PART_REPLACED,
    CloseCode.NO_FAULT_FOUND,
    CloseCode.CUSTOMER_CAUSE,
    CloseCode.DUPLICATE,
)


def entry(kind: Entry) -> str:
    """A line of a ticket's history."""
    return {
        Entry.OPENED: _("opened it"),
        Entry.APPENDED: _("saw it again"),
        Entry.RAISED: _("raised it"),
        Entry.LOWERED: _("lowered it"),
        Entry.REOPENED: _("reopened it"),
        Entry.LINKED: _("opened it, linked to an earlier one"),
        Entry.TAKEN: _("took it"),
        Entry.NOTE: _("noted"),
        Entry.REPLY: _("told the customer"),
        Entry.CUSTOMER: _("wrote (customer)"),
        Entry.WAITING: _("set it to wait"),
        Entry.SOLVED: _("solved it"),
        Entry.CLOSED: _("closed it"),
        Entry.RATED: _("rated it"),
    }[kind]


def liveness(value: Liveness) -> tuple[str, str, str]:
    """Tone, icon and word of a device's presence."""
    return {
        Liveness.ONLINE: ("ok", "check", _("Online")),
        Liveness.SUSPECT: ("wait", "alert", _("Perhaps offline")),
        Liveness.OFFLINE: ("act", "away", _("Offline")),
        Liveness.NEVER: ("calm", "clock", _("Never reported")),
    }[value]


def reject(reason: RejectReason) -> str:
    """Why a message was refused."""
    return {
        RejectReason.TOO_LARGE: _("Too large"),
        RejectReason.NOT_JSON: _("Not JSON"),
        RejectReason.SCHEMA: _("Not a report of version 1"),
        RejectReason.UNKNOWN_TOPIC: _("Unknown topic"),
        RejectReason.FOREIGN_DEVICE: _("In another device's name"),
        RejectReason.UNREGISTERED: _("Not registered"),
        RejectReason.RETIRED: _("Retired device"),
        RejectReason.TOO_MANY_NAMES: _("Too many names of its own"),
    }[reason]


def told(type_: str) -> str:
    """What a message was about."""
    return {
        "ticket.opened": _("ticket opened"),
        "ticket.advised": _("advice, warranty over"),
        "ticket.raised": _("ticket raised"),
        "ticket.reopened": _("ticket open again"),
        "ticket.solved": _("ticket solved"),
        "ticket.replied": _("our answer"),
        "ticket.customer_wrote": _("the customer wrote"),
        "ticket.sla_warning": _("promise at risk"),
        "ticket.sla_missed": _("promise missed"),
        "update.asks": _("question about an update"),
        "digest": _("several matters"),
    }.get(type_, named_reason(type_))


def named_reason(reason: str) -> str:
    """A reason from a table, as words ("first_episode" -> "first episode"): staff may look them up in the documents."""
    return retold(reason.replace("_", " "))
