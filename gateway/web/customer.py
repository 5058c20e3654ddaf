"""The customer's pages: what works, what does not, who does what by when. Queries start from what is theirs."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from diagnostics.changes import Evidence
from gateway.ports.history import Column
from gateway.ports.live import DeviceView
from gateway.ports.registry import Customer, RegisteredDevice, Site
from gateway.tickets.ticket import Entry, HistoryEntry, Ticket
from gateway.web import charts, customer_forms, repair, software, video, wording
from gateway.web.pages import render
from gateway.web.parts import PARTS
from gateway.web.people import staff_names
from gateway.web.routes import Access, add
from gateway.web.standing import Judged, Standing, concerns, judge, ordered
from gateway.web.viewer import viewer_of

DAY_S = 86_400.0
HALF_HOURS = 48


@dataclass(frozen=True, slots=True)
class Possessions:
    """All that one customer owns, as of now."""

    customer: Customer
    sites: Mapping[str, Site]
    devices: Sequence[RegisteredDevice]
    views: Mapping[str, DeviceView | None]
    tickets: Sequence[Ticket]

    def zone(self, site_id: str) -> str:
        """The local time of a site."""
        site = self.sites.get(site_id)
        return site.zone if site else self.customer.zone


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture with its words."""

    title: str
    says: str
    start: float
    end: float
    plot: charts.Plot
    rows: Sequence[Column]
    metric: str


async def possessions(request: web.Request) -> Possessions:
    """What the signed-in customer owns. 404 if the customer is gone."""
    parts, customer_id = request.app[PARTS], viewer_of(request).customer_id
    customer, devices, sites, tickets = await asyncio.gather(
        parts.registry.customer(customer_id),
        parts.registry.owned_devices(customer_id),
        parts.registry.sites_of_customer(customer_id),
        parts.tickets.of_customer(customer_id),
    )
    if customer is None:
        raise web.HTTPNotFound
    views = {device.device_id: parts.live.view(device.device_id) for device in devices}
    return Possessions(customer, {site.site_id: site for site in sites}, devices, views, tickets)


async def judge_device(request: web.Request, own: Possessions, device: RegisteredDevice) -> Judged:
    """In which state the customer sees the device."""
    parts = request.app[PARTS]
    update = await parts.updates.of_device(device.device_id) if parts.updates else None
    return judge(
        device,
        own.views[device.device_id],
        own.tickets,
        update,
        parts.clock.now(),
        blind_since=parts.live.blind_since(),
        watch_s=parts.settings.watch_s,
        self_repair=lambda fault_class: parts.knowledge.fault(fault_class).self_repair,
    )


async def chart_of(
    request: web.Request, device_id: str, metric: str, days: float, proof: Evidence | None = None
) -> Chart | None:
    """The metric's last days; None where there is nothing to draw or the history is away (the page stays whole)."""
    parts = request.app[PARTS]
    end = parts.clock.now()
    start = end - days * DAY_S
    try:
        columns = await parts.history.series(device_id, metric, start, end, HALF_HOURS)
    except OSError:
        return None
    limit, usual = (proof.limit, proof.usual) if proof else (None, None)
    healthy = parts.knowledge.healthy(metric)
    know = parts.knowledge
    below = limit is not None and wording.limit_is_lower(know, metric, limit, usual)
    least = (healthy[1] - healthy[0]) * 0.75 if healthy and not proof else 0.0
    plot = charts.draw(columns, start, end, limit, least, below=below)
    if plot is None:
        return None
    says = wording.chart_says(know, metric, plot, limit, usual)
    return Chart(know.metric(metric), says, start, end, plot, columns[::-1], metric)


@dataclass(frozen=True, slots=True)
class Card:
    """One device on the page."""

    judged: Judged
    site: Site | None
    zone: str
    lines: wording.Lines
    path: Sequence[repair.Step] = ()
    chart: Chart | None = None
    asks: bool = False  # "is it all right for you?" still waits for its answer


def answered(history: Sequence[HistoryEntry], ticket: Ticket) -> bool:
    """Whether the customer has said anything since it was solved."""
    return any(it.kind is Entry.CUSTOMER and it.at >= (ticket.solved_at or 0.0) for it in history)


async def card_of(request: web.Request, own: Possessions, judged: Judged) -> Card:
    """Everything the card says."""
    parts = request.app[PARTS]
    ticket, now, zone = judged.ticket, parts.clock.now(), own.zone(judged.device.site_id)
    history = await parts.tickets.history(ticket.ticket_id) if ticket else ()
    staff = await staff_names(parts.accounts, history)
    lines = wording.say(judged, history, staff, parts.knowledge, now, zone)
    site = own.sites.get(judged.device.site_id)
    if ticket is None:
        return Card(judged, site, zone, lines)
    if judged.standing is Standing.WATCH:
        return Card(judged, site, zone, lines, asks=not answered(history, ticket))
    chart = None
    if ticket.device_id == judged.device.device_id and ticket.evidence.metric:
        days = 1.0 if now - ticket.evidence.since < 1.5 * DAY_S else 14.0
        chart = await chart_of(request, ticket.device_id, ticket.evidence.metric, days, ticket.evidence)
    return Card(judged, site, zone, lines, repair.path(ticket, history, staff), chart)


async def home(request: web.Request) -> web.StreamResponse:
    """All devices of the customer; what needs the reader first, what works folded away."""
    own = await possessions(request)
    now = request.app[PARTS].clock.now()
    judged = ordered([await judge_device(request, own, device) for device in own.devices])
    cards = [await card_of(request, own, it) for it in judged if it.standing is not Standing.OK]
    told = _one_card_a_ticket(cards)
    fine = [it for it in judged if it.standing is Standing.OK]
    return render(
        request,
        "customer/home.html",
        {
            "own": own,
            "summary": wording.summary(judged),
            "video": video.answer(own.devices, own.views, now),
            "cards": told,
            "fine": fine,
            "asking": await software.asking(request, own.devices),
            "zone": own.customer.zone,
        },
    )


def _one_card_a_ticket(cards: Sequence[Card]) -> list[tuple[Card, list[Card]]]:
    """A fault that many devices share is told once, with the list of them."""
    told: dict[str, tuple[Card, list[Card]]] = {}
    for card in cards:
        ticket = card.judged.ticket
        key = ticket.ticket_id if ticket else card.judged.device.device_id
        if key in told:
            told[key][1].append(card)
        else:
            told[key] = (card, [])
    return list(told.values())


async def own_device(request: web.Request, own: Possessions) -> RegisteredDevice:
    """The device in the address, if it is the customer's; else it does not exist."""
    wanted = request.match_info["device_id"]
    for device in own.devices:
        if device.device_id == wanted:
            return device
    raise web.HTTPNotFound


async def device_page(request: web.Request) -> web.StreamResponse:
    """One device: its state, its chart, its tickets, and how long it is looked after."""
    own = await possessions(request)
    device = await own_device(request, own)
    parts = request.app[PARTS]
    card = await card_of(request, own, await judge_device(request, own, device))
    view = own.views[device.device_id]
    charted = [] if card.chart is None else [card.chart]
    for metric in _worth_showing(view):
        chart = await chart_of(request, device.device_id, metric, 1.0) if len(charted) < 2 else None
        if chart is not None and all(chart.metric != it.metric for it in charted):
            charted.append(chart)
    return render(
        request,
        "customer/device.html",
        {
            "own": own,
            "card": card,
            "device": device,
            "view": view,
            "charts": charted,
            "video": video.video_of(device, own.views, parts.clock.now()),
            "tickets": [ticket for ticket in own.tickets if concerns(ticket, device)],
            "zone": card.zone,
            "know": parts.knowledge,
            "support_notice": software.support_notice(device.support_until, card.zone, parts.clock.now()),
            "software_page": parts.software is not None,
        },
    )


def _worth_showing(view: DeviceView | None) -> list[str]:
    """What a layperson may want to see of a device that is well."""
    plain = ("rssi_dbm", "battery_pct", "soc_temp_c", "rtt_ms")
    return [metric for metric in plain if view is not None and metric in view.metrics]


async def measures(request: web.Request) -> web.StreamResponse:
    """What we measure and why: every field that leaves a device."""
    catalogue = request.app[PARTS].knowledge.catalogue
    own = await possessions(request)
    sent = {name for view in own.views.values() if view for name in (*view.metrics, *view.states)}
    return render(
        request, "customer/measures.html", {"catalogue": catalogue, "sent": sent, "know": request.app[PARTS].knowledge}
    )


def add_routes(app: web.Application) -> None:
    """The customer's routes."""
    add(app, Access.CUSTOMER, "GET", "/home", home)
    add(app, Access.CUSTOMER, "GET", "/home/measures", measures)
    add(app, Access.CUSTOMER, "GET", "/home/devices/{device_id}", device_page)
    customer_forms.add_routes(app)
    software.add_routes(app)
