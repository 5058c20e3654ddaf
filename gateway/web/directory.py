"""Names behind ids: devices, sites, customers, people. Remembered for a minute, since a queue names them all."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from aiohttp import web

from gateway.clock import Clock
from gateway.ports.registry import Accounts, Customer, RegisteredDevice, Registry, Site
from gateway.tickets.ticket import Ticket

T = TypeVar("T")
REMEMBER_S = 60.0
MOST = 20_000


class _Remembered(Generic[T]):
    """Answers of a look-up, each at most a minute old, at most `MOST` of them."""

    def __init__(self, ask: Callable[[str], Awaitable[T]], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._kept: dict[str, tuple[float, T]] = {}

    async def get(self, key: str) -> T:
        now = self._clock.now()
        kept = self._kept.get(key)
        if kept is not None and now - kept[0] < REMEMBER_S:
            return kept[1]
        found = await self._ask(key)
        if len(self._kept) >= MOST:
            self._kept.clear()
        self._kept[key] = (now, found)
        return found


class Directory:
    """What things are called. Only for names on staff pages; rights are never decided by it."""

    def __init__(self, registry: Registry, accounts: Accounts, clock: Clock) -> None:
        self._devices: _Remembered[RegisteredDevice | None] = _Remembered(registry.device, clock)
        self._sites: _Remembered[Site | None] = _Remembered(registry.site, clock)
        self._customers: _Remembered[Customer | None] = _Remembered(registry.customer, clock)
        self._accounts = accounts
        self._people: _Remembered[str] = _Remembered(self._called, clock)

    async def _called(self, user: str) -> str:
        found = await self._accounts.user(user)
        return found.display_name or found.name if found else user

    async def device(self, device_id: str) -> RegisteredDevice | None:
        """A device, "" = none."""
        return await self._devices.get(device_id) if device_id else None

    async def site(self, site_id: str) -> Site | None:
        """A site, "" = none."""
        return await self._sites.get(site_id) if site_id else None

    async def customer(self, customer_id: str) -> Customer | None:
        """A customer, "" = none."""
        return await self._customers.get(customer_id) if customer_id else None

    async def person(self, user: str) -> str:
        """A display name; rules and programs are called by their own name."""
        return await self._people.get(user) if user and "@" not in user else user

    async def what(self, ticket: Ticket) -> str:
        """What the ticket is about: the device, else the site, else its scope."""
        if (device := await self.device(ticket.device_id)) is not None:
            return device.name
        if (site := await self.site(ticket.site_id)) is not None:
            return site.name
        return ticket.scope_id or ticket.scope


DIRECTORY: web.AppKey[Directory] = web.AppKey("directory", Directory)
