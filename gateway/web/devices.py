"""Staff pages about devices: search, one device with everything known of it, the rejects, one view of a customer."""

import asyncio
from dataclasses import dataclass

from aiohttp import web

from gateway.ports.live import DeviceView, Liveness
from gateway.ports.registry import RegisteredDevice
from gateway.web import labels
from gateway.web.directory import DIRECTORY
from gateway.web.knowledge import Knowledge
from gateway.web.pages import render
from gateway.web.parts import PARTS
from gateway.web.queue import row_of
from gateway.web.routes import Access, add
from gateway.web.series import RANGES

PAGE = 50
REJECTS = 200


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric of the table. `outside`: not where a healthy device stays."""

    name: str
    title: str
    amount: str
    at: float
    healthy: str
    outside: bool


def readings(view: DeviceView | None, knowledge: Knowledge) -> list[Reading]:
    """Every metric of a device, by its title."""
    if view is None:
        return []
    rows = []
    for name, latest in view.metrics.items():
        span = knowledge.healthy(name)
        healthy = f"{knowledge.amount(name, span[0])} … {knowledge.amount(name, span[1])}" if span else ""
        outside = span is not None and not span[0] <= latest.value <= span[1]
        rows.append(
            Reading(name, knowledge.metric(name), knowledge.amount(name, latest.value), latest.at, healthy, outside)
        )
    return sorted(rows, key=lambda it: (not it.outside, it.title.casefold()))


def chart_metric(request: web.Request, rows: list[Reading]) -> str:
    """The metric to draw: the one asked for, else the first (one that is outside its healthy range comes first)."""
    asked = request.query.get("metric", "")
    if any(it.name == asked for it in rows):
        return asked
    return rows[0].name if rows else ""


async def _known(request: web.Request) -> dict[str, object]:
    """What is the same for the page and for its part that renews itself."""
    parts = request.app[PARTS]
    device = await parts.registry.device(request.match_info["device_id"])
    if device is None:
        raise web.HTTPNotFound
    view = parts.live.view(device.device_id)
    rows = readings(view, parts.knowledge)
    return {
        "device": device,
        "view": view,
        "presence": labels.liveness(view.liveness if view else Liveness.NEVER),
        "readings": rows,
        "metric": chart_metric(request, rows),
        "update": await parts.updates.of_device(device.device_id) if parts.updates else None,
        "know": parts.knowledge,
        "blind_since": parts.live.blind_since(),
    }


async def device_page(request: web.Request) -> web.StreamResponse:
    """One device: state, numbers, chart, tickets, rejects, updates, who it hangs on and what hangs on it."""
    known = await _known(request)
    device = known["device"]
    assert isinstance(device, RegisteredDevice)
    parts, names, now = request.app[PARTS], request.app[DIRECTORY], request.app[PARTS].clock.now()
    site = await names.site(device.site_id)
    tickets, refused, neighbours = await asyncio.gather(
        parts.tickets.of_device(device.device_id),
        parts.rejects.rejects(device.device_id, 20),
        parts.registry.devices_of_site(device.site_id),
    )
    chosen = request.query.get("range", "24h")
    return render(
        request,
        "staff/device.html",
        {
            **known,
            "section": "devices",
            "site": site,
            "zone": site.zone if site else "UTC",
            "customer": await names.customer(site.customer_id) if site else None,
            "tickets": [await row_of(it, names, parts.knowledge, now) for it in tickets],
            "rejects": refused,
            "parent": next((it for it in neighbours if it.device_id == device.parent_id), None),
            "children": [
                (it, labels.liveness(_presence(request, it))) for it in neighbours if it.parent_id == device.device_id
            ],
            "ranges": tuple(RANGES),
            "range": chosen if chosen in RANGES else "24h",
        },
    )


def _presence(request: web.Request, device: RegisteredDevice) -> Liveness:
    view = request.app[PARTS].live.view(device.device_id)
    return view.liveness if view else Liveness.NEVER


async def device_now(request: web.Request) -> web.StreamResponse:
    """The part of the device page that renews itself."""
    known = await _known(request)
    device = known["device"]
    assert isinstance(device, RegisteredDevice)
    site = await request.app[DIRECTORY].site(device.site_id)
    return render(request, "staff/device_now.html", {**known, "zone": site.zone if site else "UTC"})


async def search(request: web.Request) -> web.StreamResponse:
    """Find devices by id, name, model, site or customer."""
    parts, names = request.app[PARTS], request.app[DIRECTORY]
    text, after = request.query.get("q", "").strip()[:100], request.query.get("after", "")[:64]
    found = await parts.registry.search_devices(text, after, PAGE + 1)
    rows = []
    for device in found[:PAGE]:
        site = await names.site(device.site_id)
        customer = await names.customer(site.customer_id) if site else None
        view = parts.live.view(device.device_id)
        rows.append((device, site, customer, view, labels.liveness(view.liveness if view else Liveness.NEVER)))
    following = found[PAGE - 1].device_id if len(found) > PAGE else ""
    return render(request, "staff/devices.html", {"rows": rows, "q": text, "next": following, "section": "devices"})


async def rejects(request: web.Request) -> web.StreamResponse:
    """The newest refused messages of all devices, with the reason of each."""
    kept = await request.app[PARTS].rejects.rejects(None, REJECTS)
    return render(request, "staff/rejects.html", {"rejects": kept, "section": "rejects", "zone": "UTC"})


async def customer_page(request: web.Request) -> web.StreamResponse:
    """One view of a customer: sites, devices, tickets, dates."""
    parts, names, now = request.app[PARTS], request.app[DIRECTORY], request.app[PARTS].clock.now()
    customer = await parts.registry.customer(request.match_info["customer_id"])
    if customer is None:
        raise web.HTTPNotFound
    sites, devices, tickets = await asyncio.gather(
        parts.registry.sites_of_customer(customer.customer_id),
        parts.registry.owned_devices(customer.customer_id),
        parts.tickets.of_customer(customer.customer_id),
    )
    shown = {
        "customer": customer,
        "sites": sites,
        "devices": [(it, labels.liveness(_presence(request, it)), parts.live.view(it.device_id)) for it in devices],
        "tickets": [await row_of(it, names, parts.knowledge, now) for it in tickets],
        "section": "devices",
        "zone": customer.zone,
    }
    return render(request, "staff/customer.html", shown)


def add_routes(app: web.Application) -> None:
    """The routes about devices."""
    add(app, Access.STAFF, "GET", "/staff/devices", search)
    add(app, Access.STAFF, "GET", "/staff/devices/{device_id}", device_page)
    add(app, Access.STAFF, "GET", "/staff/devices/{device_id}/now", device_now)
    add(app, Access.STAFF, "GET", "/staff/customers/{customer_id}", customer_page)
    add(app, Access.STAFF, "GET", "/staff/rejects", rejects)
