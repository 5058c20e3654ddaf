"""Customers, sites and devices in SQL."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, fields
from operator import attrgetter
from typing import Any

from sqlalchemy import Column, Connection, Row, Select, case, func, literal, or_, select, tuple_, update

from gateway.ports.registry import Customer, DeviceStatus, RegisteredDevice, Site
from gateway.storage.database import Database
from gateway.storage.inventory import Missing, check
from gateway.storage.rejects import storable
from gateway.storage.schema.base import counters
from gateway.storage.schema.registry import customers, devices, sites
from gateway.storage.upsert import upsert

CHUNK = 2000

# In the order of RegisteredDevice's fields, so that a row is a device.
_FIELDS: tuple[Column[Any], ...] = tuple(
    devices.c["redundancy_group" if name == "group" else name]
    for name in (
        *("device_id", "name", "kind", "model", "site_id", "parent_id", "group", "silence_s"),
        *("warranty_until", "contract_until", "support_until", "windows", "status"),
    )
)
_COLUMNS = tuple(column.name for column in _FIELDS)
_VALUES = attrgetter(*(field.name for field in fields(RegisteredDevice)))
_DEVICES: Select[*tuple[Any, ...]] = select(*_FIELDS)
_NEXT_REVISION = (
    update(counters).where(counters.c.name == "devices").values(value=counters.c.value + 1).returning(counters.c.value)
)
_REVISION = select(counters.c.value).where(counters.c.name == "devices")
_KIND_ORDER = case({"router": 0, "recorder": 1, "switch": 2}, value=devices.c.kind, else_=3)


class SqlRegistry:
    """See `gateway.ports.registry.Registry`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(
        self, customers: Sequence[Customer] = (), sites: Sequence[Site] = (), devices: Sequence[RegisteredDevice] = ()
    ) -> None:
        """See the port."""
        missing = check(customers, sites, devices)
        await self._database.transact(lambda connection: _put(connection, customers, sites, devices, missing))

    async def devices(self) -> AsyncIterator[RegisteredDevice]:
        """See the port."""
        after = ""
        while chunk := await self._many(_DEVICES.where(devices.c.device_id > after).order_by(_FIELDS[0]).limit(CHUNK)):
            for device in chunk:
                yield device
            after = chunk[-1].device_id

    async def revision(self) -> int:
        """See the port."""
        return await self._database.read(lambda connection: int(connection.execute(_REVISION).scalar_one()))

    async def changed_since(self, revision: int) -> tuple[int, AsyncIterator[RegisteredDevice]]:
        """See the port."""
        now = await self.revision()
        return now, self._changes(revision, now)

    async def _changes(self, revision: int, until: int) -> AsyncIterator[RegisteredDevice]:
        after, device_id = revision + 1, ""
        while revision < until and (
            chunk := await self._rows(
                select(*_FIELDS, devices.c.revision)
                .where(
                    tuple_(devices.c.revision, devices.c.device_id) > tuple_(literal(after), literal(device_id)),
                    devices.c.revision <= until,
                )
                .order_by(devices.c.revision, devices.c.device_id)
                .limit(CHUNK)
            )
        ):
            for row in chunk:
                yield _device(row[:-1])
            after, device_id = chunk[-1].revision, chunk[-1].device_id

    async def device(self, device_id: str) -> RegisteredDevice | None:
        """See the port."""
        found = await self._many(_DEVICES.where(devices.c.device_id == storable(device_id)))
        return found[0] if found else None

    async def devices_of_site(self, site_id: str) -> Sequence[RegisteredDevice]:
        """See the port."""
        of_site = _DEVICES.where(devices.c.site_id == storable(site_id))
        return await self._many(of_site.order_by(_KIND_ORDER, devices.c.name, devices.c.device_id))

    async def owned_devices(self, customer_id: str) -> Sequence[RegisteredDevice]:
        """See the port."""
        owned = _DEVICES.join(sites, sites.c.site_id == devices.c.site_id).where(
            sites.c.customer_id == storable(customer_id)
        )
        return await self._many(owned.order_by(devices.c.device_id))

    async def search_devices(self, text: str, after: str = "", limit: int = 50) -> Sequence[RegisteredDevice]:
        """See the port."""
        statement = _DEVICES.where(devices.c.device_id > storable(after)).order_by(devices.c.device_id).limit(limit)
        wanted = storable(text.strip()).lower()
        if wanted:
            places = select(sites.c.site_id).join(customers, customers.c.customer_id == sites.c.customer_id)
            places = places.where(or_(_has(sites.c.name, wanted), _has(customers.c.name, wanted)))
            own = (_has(column, wanted) for column in (devices.c.device_id, devices.c.name, devices.c.model))
            statement = statement.where(or_(*own, devices.c.site_id.in_(places)))
        return await self._many(statement)

    async def support_ending(self, first: str, last: str, after: str = "", limit: int = 200) -> Sequence[str]:
        """See the port."""
        of = devices.c
        ending = select(of.device_id).where(of.support_until.between(max(first, "1"), last), of.device_id > after)
        ending = ending.where(of.status == DeviceStatus.ACTIVE.value).order_by(of.device_id).limit(limit)
        return [device_id for (device_id,) in await self._rows(ending)]

    async def site(self, site_id: str) -> Site | None:
        """See the port."""
        row = await self._one(select(sites).where(sites.c.site_id == storable(site_id)))
        return Site(*row) if row else None

    async def sites_of_customer(self, customer_id: str) -> Sequence[Site]:
        """See the port."""
        found = (
            select(sites).where(sites.c.customer_id == storable(customer_id)).order_by(sites.c.name, sites.c.site_id)
        )
        return await self._database.read(lambda connection: [Site(*row) for row in connection.execute(found)])

    async def customer(self, customer_id: str) -> Customer | None:
        """See the port."""
        row = await self._one(select(customers).where(customers.c.customer_id == storable(customer_id)))
        return Customer(*row) if row else None

    async def customers(self) -> Sequence[Customer]:
        """See the port."""
        found = select(customers).order_by(customers.c.name, customers.c.customer_id)
        return await self._database.read(lambda connection: [Customer(*row) for row in connection.execute(found)])

    async def device_secret(self, device_id: str) -> bytes | None:
        """See the port."""
        row = await self._one(select(devices.c.secret_hash).where(devices.c.device_id == storable(device_id)))
        return bytes(row[0]) if row and row[0] is not None else None

    async def set_device_secret(self, device_id: str, secret_hash: bytes) -> None:
        """See the port."""
        change = update(devices).where(devices.c.device_id == storable(device_id)).values(secret_hash=secret_hash)
        if not await self._database.transact(lambda connection: connection.execute(change).rowcount):
            raise KeyError(device_id)

    async def _rows(self, statement: Select[*tuple[Any, ...]]) -> Sequence[Row[*tuple[Any, ...]]]:
        return await self._database.read(lambda connection: connection.execute(statement).all())

    async def _many(self, statement: Select[*tuple[Any, ...]]) -> list[RegisteredDevice]:
        return await self._database.read(lambda connection: [_device(row) for row in connection.execute(statement)])

    async def _one(self, statement: Select[*tuple[Any, ...]]) -> Row[*tuple[Any, ...]] | None:
        return await self._database.read(lambda connection: connection.execute(statement).one_or_none())


def _put(
    connection: Connection,
    new_customers: Sequence[Customer],
    new_sites: Sequence[Site],
    new_devices: Sequence[RegisteredDevice],
    missing: Missing,
) -> None:
    known = Missing(
        _known(connection, customers.c.customer_id, missing.customers),
        _known(connection, sites.c.site_id, missing.sites),
        _known(connection, devices.c.device_id, missing.devices),
    )
    missing.refuse_unless(known)
    upsert(connection, customers, [asdict(customer) for customer in new_customers])
    upsert(connection, sites, [asdict(site) for site in new_sites])
    if new_devices:
        revision = connection.execute(_NEXT_REVISION).scalar_one()
        upsert(connection, devices, [_row(device, revision) for device in new_devices])


def _known(connection: Connection, column: Column[Any], wanted: Mapping[str, str]) -> Mapping[str, str]:
    names = list(wanted)
    found: dict[str, str] = {}
    for start in range(0, len(names), CHUNK):
        rows = connection.execute(select(column).where(column.in_(names[start : start + CHUNK])))
        found |= {name: "" for (name,) in rows}
    return found


def _row(device: RegisteredDevice, revision: int) -> dict[str, Any]:
    row = dict(zip(_COLUMNS, _VALUES(device), strict=True))  # asdict() copies deeply: five times the cost of the insert
    row["status"] = device.status.value
    row["revision"] = revision
    return row


def _device(row: Sequence[Any]) -> RegisteredDevice:
    return RegisteredDevice(*(*row[:-1], DeviceStatus(row[-1])))


def _has(column: Column[Any], text: str) -> Any:
    return func.lower(column).contains(text, autoescape=True)
