"""The check of the demo: the first ticket that opened by itself, seen by HTTP on both pages, set against the truth."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from diagnostics.changes import Scope
from gateway.clock import Clock
from gateway.demo import Demo, Login
from gateway.ports.tickets import View
from gateway.tickets.ticket import Ticket

PATIENCE_S = 90.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen. Times are seconds."""

    ticket: str
    device: str
    fault: str
    seconds_to_ticket: float
    messages_received: int
    lead_time_s: float


class NotSeen(Exception):
    """No ticket was seen in time; the message says how far it came."""


async def first_ticket(demo: Demo, clock: Clock) -> Seen:
    """Wait until a ticket ahead of its fault's visible moment stands on the queue and on its customer's page."""
    reached = "no ticket has opened"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as staff:
        await sign_in(staff, demo.url, next(login for login in demo.logins if login.who == "support staff"))
        while clock.now() < demo.started_at + PATIENCE_S:
            truths = _truths(demo.truth)
            page = await demo.gateway.tickets.page(View.UNRESOLVED, "")
            for ticket in page.tickets:
                visible_at = _visible_at(ticket, truths)
                if visible_at is None or visible_at <= ticket.opened_at:
                    reached = f"{len(page.tickets)} tickets, none ahead of the truth"
                    continue
                reached = f"{ticket.number} is open, and not on both pages"
                if await _on_queue(staff, demo.url, ticket) and await _on_customers_page(demo, ticket):
                    return Seen(
                        ticket.number,
                        ticket.device_id,
                        ticket.fault_class,
                        round(clock.now() - demo.started_at, 1),
                        demo.gateway.pipeline.counts.received,
                        round(visible_at - ticket.opened_at, 1),
                    )
            await clock.sleep(0.5)
    raise NotSeen(f"after {PATIENCE_S:.0f} s: {reached}")


async def sign_in(session: aiohttp.ClientSession, url: str, login: Login) -> None:
    """Sign in as a person does: open the form, send it back. Raises NotSeen if it does not work."""
    async with session.get(f"{url}/login") as answer:
        form = await answer.text()
    token = re.search(r'name="csrf" value="([^"]+)"', form)
    fields = {"name": login.name, "password": login.password, "csrf": token[1] if token else ""}
    async with session.post(f"{url}/login", data=fields, headers={"Origin": url}) as answer:
        if answer.status != 200 or answer.url.path == "/login":
            raise NotSeen(f"could not sign in as {login.name}: {answer.status}")


async def _on_queue(session: aiohttp.ClientSession, url: str, ticket: Ticket) -> bool:
    async with session.get(f"{url}/staff/queue?view=unresolved") as answer:
        return answer.status == 200 and ticket.number in await answer.text()


async def _on_customers_page(demo: Demo, ticket: Ticket) -> bool:
    login = next(login for login in demo.logins if login.customer_id == ticket.customer_id)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as customer:
        await sign_in(customer, demo.url, login)
        async with customer.get(f"{demo.url}/home") as answer:
            return answer.status == 200 and ticket.number in await answer.text()


def _truths(path: Path) -> list[dict[str, Any]]:
    try:
        truths: list[dict[str, Any]] = json.loads(path.read_text())
    except (OSError, ValueError):
        return []  # the simulator has not written it yet
    return truths


def _visible_at(ticket: Ticket, truths: list[dict[str, Any]]) -> float | None:
    """When the customer would notice what this ticket is about; None where it is about no injected fault."""
    if ticket.scope != Scope.DEVICE.value or not ticket.customer_id:
        return None
    found = [
        truth
        for truth in truths
        if truth["fault"] == ticket.fault_class and ticket.device_id in (truth["device_id"], *truth["affected"])
    ]
    return min((float(truth["customer_visible_at"]) for truth in found), default=None)
