"""Which tickets a page shows, in which order, over tickets in memory."""

from collections.abc import Collection, Mapping, Sequence

from gateway.ports.tickets import Page, View
from gateway.storage.subject import DONE_SHOWN_S, parse_cursor
from gateway.tickets.ticket import UNRESOLVED, State, Ticket


def page(
    tickets: Collection[Ticket],
    words: Mapping[str, str],
    view: View,
    actor: str,
    search: str,
    cursor: str,
    limit: int,
) -> Page:
    """One page. ValueError for a cursor that is not ours."""
    rows = sorted((t for t in tickets if _in_view(t, view, actor)), key=lambda t: _place(t, view))
    wanted = search.strip().lower()
    rows = [ticket for ticket in rows if wanted in words[ticket.ticket_id]]
    if cursor:
        order, serial = parse_cursor(cursor)
        here = (-order, -serial) if view is View.DONE else (order, serial)
        rows = [ticket for ticket in rows if _place(ticket, view) > here]
    shown = rows[:limit]
    more = len(rows) > limit
    next_cursor = ""
    if more:
        last = shown[-1]
        next_cursor = f"{last.solved_at if view is View.DONE else last.priority_at!r}_{_serial(last)}"
    counts = {one: sum(_in_view(ticket, one, actor) for ticket in tickets) for one in View}
    return Page(shown, next_cursor, counts)


def of_customer(tickets: Collection[Ticket], customer_id: str, limit: int, now: float) -> Sequence[Ticket]:
    """Unresolved first, most urgent first; then those solved lately, newest first."""
    mine = [ticket for ticket in tickets if ticket.customer_id == customer_id]
    unresolved = sorted((t for t in mine if t.state in UNRESOLVED), key=lambda t: _place(t, View.UNRESOLVED))
    lately = [t for t in mine if t.state not in UNRESOLVED and (t.solved_at or 0.0) >= now - DONE_SHOWN_S]
    return [*unresolved, *sorted(lately, key=lambda t: _place(t, View.DONE))][:limit]


def of_device(tickets: Collection[Ticket], device_id: str) -> Sequence[Ticket]:
    """Its own, and those of its site or the fleet that name it; newest first."""
    found = [ticket for ticket in tickets if ticket.device_id == device_id or device_id in ticket.devices]
    return sorted(found, key=_serial, reverse=True)


def _in_view(ticket: Ticket, view: View, actor: str) -> bool:
    unresolved = ticket.state in UNRESOLVED
    return {
        View.INBOX: unresolved and not ticket.owner,
        View.MINE: unresolved and ticket.owner == actor,
        View.WAITING: ticket.state is State.PENDING,
        View.UNRESOLVED: unresolved,
        View.DONE: not unresolved,
    }[view]


def _place(ticket: Ticket, view: View) -> tuple[float, int]:
    if view is View.DONE:
        return -(ticket.solved_at or 0.0), -_serial(ticket)
    return ticket.priority_at, _serial(ticket)


def _serial(ticket: Ticket) -> int:
    return int(ticket.number.partition("-")[2])
