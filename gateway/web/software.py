"""A device's software for its owner: what changed, what comes and when, the question where one is asked, and the end of
support, said before it comes.

The words that somebody agrees to are hashed with SHA-256, and the hash is kept with the answer: it is over exactly the
text between the quotation marks of the page, in the language in which it was read.
"""

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from aiohttp import web

from gateway.ports.registry import RegisteredDevice
from gateway.web import times
from gateway.web.language import _, language, n_
from gateway.web.pages import render
from gateway.web.parts import PARTS
from gateway.web.release_views import SoftwareView
from gateway.web.routes import Access, add
from gateway.web.updates import Refused
from gateway.web.viewer import viewer_of

TOLD_BEFORE_DAYS: Final = 90
LATER_DAYS: Final = (1, 7)
DAY_S: Final = 86_400.0


def question(device: RegisteredDevice, software: SoftwareView) -> str:
    """What the owner agrees to."""
    return _(
        "Update %(device)s to version %(version)s. What changes: %(notes)s It restarts once; please do not unplug it"
        " meanwhile.",
        device=device.name,
        version=software.waiting_version,
        notes=software.waiting_notes,
    )


def text_hash(text: str) -> str:
    """What is kept of the words."""
    return hashlib.sha256(text.encode()).hexdigest()


def support_notice(until: str, zone: str, now: float) -> str:
    """The end of support in a sentence, from three months before it; "" where there is nothing to say."""
    if not until:
        return ""
    last = date.fromisoformat(until)
    days = (last - datetime.fromtimestamp(now, times.zone_of(zone)).date()).days
    if days > TOLD_BEFORE_DAYS:
        return ""
    day = times.calendar_day(until)
    if days < 0:
        return _("Software updates ended on %(day)s. It keeps working, but it gets no new versions.", day=day)
    if days == 0:
        return _("Today is the last day of software updates. It keeps working, but it gets no new versions.")
    return n_(
        "Software updates end on %(day)s, in %(num)s day. It keeps working after that, but it gets no new versions.",
        "Software updates end on %(day)s, in %(num)s days. It keeps working after that, but it gets no new versions.",
        days,
        day=day,
    )


async def asking(request: web.Request, devices: Sequence[RegisteredDevice]) -> list[RegisteredDevice]:
    """Those of the owner's devices whose update waits for an answer."""
    provider = request.app[PARTS].software
    if provider is None:
        return []
    found = set(await provider.asking([device.device_id for device in devices]))
    return [device for device in devices if device.device_id in found]


async def _own(request: web.Request) -> RegisteredDevice:
    owned = await request.app[PARTS].registry.owned_devices(viewer_of(request).customer_id)
    for device in owned:
        if device.device_id == request.match_info["device_id"]:
            return device
    raise web.HTTPNotFound


async def _software(request: web.Request, device: RegisteredDevice) -> SoftwareView:
    provider, now = request.app[PARTS].software, request.app[PARTS].clock.now()
    return await provider.of(device.device_id, language(), now) if provider else SoftwareView()


async def software_page(request: web.Request) -> web.StreamResponse:
    """What runs, what comes, and the question where one is asked."""
    device = await _own(request)
    software = await _software(request, device)
    parts = request.app[PARTS]
    site = await parts.registry.site(device.site_id)
    zone = site.zone if site else "UTC"
    words = question(device, software)
    return render(
        request,
        "customer/update.html",
        {
            "device": device,
            "software": software,
            "words": words,
            "words_sha256": text_hash(words),
            "later_days": LATER_DAYS,
            "support_notice": support_notice(device.support_until, zone, parts.clock.now()),
            "zone": zone,
            "said": request.query.get("said", ""),
        },
    )


async def answer(request: web.Request) -> web.StreamResponse:
    """Yes or no to exactly the words that were shown, or later."""
    device, form = await _own(request), await request.post()
    parts, actor = request.app[PARTS], viewer_of(request).user
    said, now = str(form.get("answer", "")), parts.clock.now()
    later = {f"later-{days}": days for days in LATER_DAYS}
    if said not in ("yes", "no", *later):
        raise web.HTTPUnprocessableEntity(reason=_("Please choose an answer."))
    software = await _software(request, device)
    if parts.software is None or not software.waiting:
        raise web.HTTPConflict(reason=_("No update is waiting any more."))
    try:
        if said in later:
            await parts.software.postpone(software.waiting, actor, now + later[said] * DAY_S, now)
        else:
            seen = text_hash(question(device, software))
            if str(form.get("text", "")) != seen:
                raise Refused(_("The words have changed since you read them. Please read them again."))
            await parts.software.answer(software.waiting, actor, seen, now, given=said == "yes")
    except Refused as refusal:
        raise web.HTTPConflict(reason=str(refusal)) from None
    parts.wake.publish("rollouts")
    raise web.HTTPSeeOther(f"/home/devices/{device.device_id}/update?said={said}")


def add_routes(app: web.Application) -> None:
    """The owner's routes."""
    add(app, Access.CUSTOMER, "GET", "/home/devices/{device_id}/update", software_page)
    add(app, Access.CUSTOMER, "POST", "/home/devices/{device_id}/update", answer)
