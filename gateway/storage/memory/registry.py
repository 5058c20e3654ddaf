"""Customers, sites and devices in memory."""

from collections.abc import AsyncIterator, Sequence
from itertools import islice

from gateway.ports.registry import Customer, DeviceStatus, RegisteredDevice, Site
from gateway.storage.inventory import Missing, check

_KINDS = ("router", "recorder", "switch")


class MemoryRegistry:
    """See `gateway.ports.registry.Registry`."""

    def __init__(self) -> None:
        self._customers: dict[str, Customer] = {}
        self._sites: dict[str, Site] = {}
        self._devices: dict[str, RegisteredDevice] = {}
        self._secrets: dict[str, bytes] = {}
        self._revision = 0
        self._revisions: dict[str, int] = {}

    async def put(
        self, customers: Sequence[Customer] = (), sites: Sequence[Site] = (), devices: Sequence[RegisteredDevice] = ()
    ) -> None:
        """See the port."""
        check(customers, sites, devices).refuse_unless(
            Missing(*(dict.fromkeys(known, "") for known in (self._customers, self._sites, self._devices)))
        )
        self._customers |= {customer.customer_id: customer for customer in customers}
        self._sites |= {site.site_id: site for site in sites}
        self._devices |= {device.device_id: device for device in devices}
        if devices:
            self._revision += 1
            self._revisions |= {device.device_id: self._revision for device in devices}

    async def devices(self) -> AsyncIterator[RegisteredDevice]:
        """See the port."""
        for device_id in sorted(self._devices):
            yield self._devices[device_id]

    async def revision(self) -> int:
        """See the port."""
        return self._revision

    async def changed_since(self, revision: int) -> tuple[int, AsyncIterator[RegisteredDevice]]:
        """See the port."""
        return self._revision, self._changes(revision)

    async def _changes(self, revision: int) -> AsyncIterator[RegisteredDevice]:
        for _, device_id in sorted((at, device_id) for device_id, at in self._revisions.items() if at > revision):
            yield self._devices[device_id]

    async def device(self, device_id: str) -> RegisteredDevice | None:
        """See the port."""
        return self._devices.get(device_id)

    async def devices_of_site(self, site_id: str) -> Sequence[RegisteredDevice]:
        """See the port."""
        found = [device for device in self._devices.values() if device.site_id == site_id]
        rank = {kind: place for place, kind in enumerate(_KINDS)}
        return sorted(found, key=lambda d: (rank.get(d.kind, len(rank)), d.name, d.device_id))

    async def owned_devices(self, customer_id: str) -> Sequence[RegisteredDevice]:
        """See the port."""
        return [d for _, d in sorted(self._devices.items()) if self._sites[d.site_id].customer_id == customer_id]

    async def search_devices(self, text: str, after: str = "", limit: int = 50) -> Sequence[RegisteredDevice]:
        """See the port."""
        wanted = text.strip().lower()
        found = [d for d in self._devices.values() if d.device_id > after and wanted in self._words(d)]
        return sorted(found, key=lambda d: d.device_id)[:limit]

    async def support_ending(self, first: str, last: str, after: str = "", limit: int = 200) -> Sequence[str]:
        """See the port."""
        ending = (
            device_id
            for device_id, device in sorted(self._devices.items())
            if device_id > after
            and device.status is DeviceStatus.ACTIVE
            and device.support_until
            and first <= device.support_until <= last
        )
        return list(islice(ending, limit))

    async def site(self, site_id: str) -> Site | None:
        """See the port."""
        return self._sites.get(site_id)

    async def sites_of_customer(self, customer_id: str) -> Sequence[Site]:
        """See the port."""
        found = [site for site in self._sites.values() if site.customer_id == customer_id]
        return sorted(found, key=lambda site: (site.name, site.site_id))

    async def customer(self, customer_id: str) -> Customer | None:
        """See the port."""
        return self._customers.get(customer_id)

    async def customers(self) -> Sequence[Customer]:
        """See the port."""
        return sorted(self._customers.values(), key=lambda customer: (customer.name, customer.customer_id))

    async def device_secret(self, device_id: str) -> bytes | None:
        """See the port."""
        return self._secrets.get(device_id)

    async def set_device_secret(self, device_id: str, secret_hash: bytes) -> None:
        """See the port."""
        if device_id not in self._devices:
            raise KeyError(device_id)
        self._secrets[device_id] = secret_hash

    def find(self, device_id: str) -> RegisteredDevice | None:
        """A device, for parts of the same memory."""
        return self._devices.get(device_id)

    def place(self, site_id: str) -> tuple[Site, Customer] | None:
        """A site and whose it is, for parts of the same memory."""
        site = self._sites.get(site_id)
        return (site, self._customers[site.customer_id]) if site else None

    def at_site(self, site_id: str) -> Sequence[RegisteredDevice]:
        """The devices of a site, for parts of the same memory."""
        return [device for device in self._devices.values() if device.site_id == site_id]

    def _words(self, device: RegisteredDevice) -> str:
        site = self._sites[device.site_id]
        words = (device.device_id, device.name, device.model, site.name, self._customers[site.customer_id].name)
        return "\n".join(words).lower()
