"""A device as the update part sees it: what the registry knows of it now, and what it said of itself.

Nothing is copied from the registry: what it knows is read with the row, so that a change of windows or contracts holds
at once, and a device that never spoke of updates has no row here, whatever the size of the fleet.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, bindparam, select

from firmware_updates.codec import decode_row
from firmware_updates.device import UpdateDevice
from firmware_updates.entitlement import Entitlement
from firmware_updates.window import Window
from firmware_updates.window_text import parse_windows
from gateway.ports.registry import DeviceStatus
from gateway.storage.rejects import storable
from gateway.storage.schema.registry import devices, sites
from gateway.storage.schema.updates import update_devices

_IDS: Final[BindParameter[Any]] = bindparam("ids", expanding=True)
_REGISTERED: Final = (
    select(
        devices.c.device_id,
        devices.c.model,
        devices.c.site_id,
        devices.c.redundancy_group,
        devices.c.windows,
        devices.c.support_until,
        devices.c.contract_until,
        devices.c.status,
        sites.c.zone,
        update_devices.c.row,
    )
    .outerjoin(sites, sites.c.site_id == devices.c.site_id)
    .outerjoin(update_devices, update_devices.c.device_id == devices.c.device_id)
    .where(devices.c.device_id.in_(_IDS))
)
_OTHERS: Final = select(update_devices.c.device_id, update_devices.c.row).where(update_devices.c.device_id.in_(_IDS))


def read_devices(connection: Connection, device_ids: Sequence[str]) -> list[UpdateDevice]:
    """Those that are there, in the order asked for: registered ones, and others that have a row.

    A retired device is there only if it has a row.
    """
    ids = [storable(device_id) for device_id in device_ids]
    found: dict[str, UpdateDevice] = {}
    for row in connection.execute(_REGISTERED, {"ids": ids}):
        if row.row is not None or row.status == DeviceStatus.ACTIVE.value:
            found[row.device_id] = _merged(row)
    if others := [device_id for device_id in ids if device_id not in found]:
        known = connection.execute(_OTHERS, {"ids": others})
        found |= {device_id: decode_row(UpdateDevice, text) for device_id, text in known}
    return [found[device_id] for device_id in ids if device_id in found]


def _merged(row: Any) -> UpdateDevice:
    zone = row.zone or "UTC"
    registered = UpdateDevice(
        device_id=row.device_id,
        model=row.model,
        hw_id=row.model.lower().replace(" ", "-"),  # until it reports its own
        site_id=row.site_id,
        group=row.redundancy_group,
        windows=_windows(zone, row.windows),
        entitlement=Entitlement(zone, _day(row.support_until), _day(row.contract_until)),
    )
    if row.row is None:
        return registered
    said = decode_row(UpdateDevice, row.row)
    return replace(
        said,
        model=registered.model,
        hw_id=said.hw_id if said.stock is not None else registered.hw_id,
        site_id=registered.site_id,
        group=registered.group,
        windows=registered.windows,
        entitlement=registered.entitlement,
    )


@lru_cache(maxsize=4096)
def _windows(zone: str, text: str) -> tuple[Window, ...]:
    return parse_windows(zone, text)


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
