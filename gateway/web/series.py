"""Numbers behind the console's charts: columns from the history, the evidence where the history is away, and marks."""

from collections.abc import Sequence
from itertools import pairwise

from aiohttp import web

from gateway.ports.history import Column
from gateway.tickets.ticket import State, Ticket
from gateway.web.directory import DIRECTORY
from gateway.web.language import _, language
from gateway.web.parts import PARTS
from gateway.web.routes import Access, add
from gateway.web.ticket_page import ticket_in

RANGES = {"6h": 6 * 3600.0, "24h": 86_400.0, "7d": 7 * 86_400.0, "30d": 30 * 86_400.0}
COLUMNS = 600
HOUR_S = 3600.0


Table = list[list[float | None]]
HOLE_GAPS = 3.0


def _columns(columns: Sequence[Column], width: float) -> Table:
    """Times, minima, means, maxima. Where the device was silent for three of its usual gaps, a hole is drawn."""
    data: Table = [[], [], [], []]
    gaps = sorted(later.start - earlier.start for earlier, later in pairwise(columns))
    hole = HOLE_GAPS * (gaps[len(gaps) // 2] if gaps else width)
    last = None
    for it in columns:
        middle = it.start + width / 2
        if last is not None and middle - last > hole:
            for series, value in zip(data, (last + width, None, None, None), strict=True):
                series.append(value)
        for series, value in zip(data, (middle, it.minimum, it.mean, it.maximum), strict=True):
            series.append(round(value, 4))
        last = middle
    return data


async def drawing(
    request: web.Request,
    device_id: str,
    metric: str,
    start: float,
    end: float,
    zone: str,
    *,
    limit: float | None = None,
) -> dict[str, object]:
    """What the browser draws: a metric of a device over a time, with a note where the history is away."""
    parts = request.app[PARTS]
    note = ""
    data: Table = [[], [], [], []]
    try:
        found = await parts.history.series(device_id, metric, start, end, COLUMNS)
        data = _columns(found, (end - start) / COLUMNS)
    except OSError:
        note = _("The history store is away; charts come back by themselves.")
    return {
        "metric": metric,
        "title": parts.knowledge.metric(metric),
        "unit": parts.knowledge.unit(metric),
        "zone": zone,
        "language": language(),
        "start": start,
        "end": end,
        "data": data,
        "limit": limit,
        "healthy": parts.knowledge.healthy(metric),
        "note": note,
        "marks": [],
        "words": {"mean": _("mean"), "limit": _("limit"), "none": _("No values in this time.")},
    }


def window_of(ticket: Ticket, now: float) -> tuple[float, float]:
    """From well before the onset to now, or to a while after it was solved."""
    end = now if ticket.state not in (State.SOLVED, State.CLOSED) else min(now, (ticket.solved_at or now) + 6 * HOUR_S)
    since = min(ticket.evidence.since, ticket.opened_at)
    before = min(max(end - since, 6 * HOUR_S), 14 * 24 * HOUR_S)
    return since - before, end


async def evidence(request: web.Request) -> web.StreamResponse:
    """The chart of why a ticket opened: the signal around its onset, with what happened marked."""
    ticket = await ticket_in(request)
    names, now = request.app[DIRECTORY], request.app[PARTS].clock.now()
    site = await names.site(ticket.site_id)
    proof = ticket.evidence
    start, end = window_of(ticket, now)
    payload = await drawing(
        request, ticket.device_id, proof.metric, start, end, site.zone if site else "UTC", limit=proof.limit
    )
    if not payload["data"][0] and proof.samples:  # type: ignore[index]
        times, values = ([sample[place] for sample in proof.samples] for place in (0, 1))
        payload["data"] = [times, values, values, values]
        payload["start"] = min(start, times[0])
    marks = [
        {"at": proof.since, "kind": "onset", "text": _("began")},
        {"at": ticket.opened_at, "kind": "opened", "text": _("ticket")},
    ]
    if ticket.solved_at:
        marks.append({"at": ticket.solved_at, "kind": "solved", "text": _("solved")})
    if ticket.impact and ticket.solved_at is None:
        marks.append({"at": ticket.impact.median_at, "kind": "impact", "text": _("customer notices")})
        if ticket.impact.latest_at - end < 2 * (end - start):
            payload["end"] = max(end, ticket.impact.median_at + 0.05 * (end - start))
        payload["impact"] = [ticket.impact.earliest_at, ticket.impact.latest_at]
    payload["marks"] = marks
    return web.json_response(payload)


async def device_series(request: web.Request) -> web.StreamResponse:
    """One metric of one device over a range; its tickets are marked."""
    parts, names = request.app[PARTS], request.app[DIRECTORY]
    device = await parts.registry.device(request.match_info["device_id"])
    if device is None:
        raise web.HTTPNotFound
    metric, chosen = request.query.get("metric", "")[:64], request.query.get("range", "24h")
    if chosen not in RANGES or not metric:
        raise web.HTTPUnprocessableEntity(
            reason=_("Ask for a metric and for one of these ranges: %(all)s.", all=", ".join(RANGES))
        )
    end = parts.clock.now()
    start = end - RANGES[chosen]
    site = await names.site(device.site_id)
    payload = await drawing(request, device.device_id, metric, start, end, site.zone if site else "UTC")
    payload["marks"] = [
        {"at": it.opened_at, "kind": "opened", "text": it.number}
        for it in await parts.tickets.of_device(device.device_id)
        if it.opened_at > start
    ]
    return web.json_response(payload)


def add_routes(app: web.Application) -> None:
    """The chart's routes."""
    add(app, Access.STAFF, "GET", "/staff/tickets/{ticket}/evidence.json", evidence)
    add(app, Access.STAFF, "GET", "/staff/devices/{device_id}/series.json", device_series)
