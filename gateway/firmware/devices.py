"""The registry's devices as the update part needs them: windows in the site's zone, support period, contract."""

from collections import OrderedDict
from datetime import date

from firmware_updates.device import UpdateDevice
from firmware_updates.entitlement import Entitlement
from firmware_updates.ports import UpdateStore
from firmware_updates.service import UpdateService
from firmware_updates.window_text import parse_windows
from gateway.ports.registry import DeviceStatus, RegisteredDevice, Registry
from gateway.storage.update_desk import SqlUpdates

CHUNK = 200
"""Devices a transaction: a few milliseconds, so that commits of messages hardly wait."""
ZONES = 10_000
"""Sites whose zone is remembered meanwhile; devices of a site are mostly put together."""
REVISION = "registry_revision"
"""The meter in which the update part keeps how far it has followed the registry."""


def update_device(device: RegisteredDevice, zone: str) -> UpdateDevice:
    """One device. The hardware id is what it reports itself; until then its model's name in small letters."""
    return UpdateDevice(
        device_id=device.device_id,
        model=device.model,
        hw_id=device.model.lower().replace(" ", "-"),
        site_id=device.site_id,
        group=device.group,
        windows=parse_windows(zone, device.windows),
        entitlement=Entitlement(zone, _day(device.support_until), _day(device.contract_until)),
    )


async def follow_registry(updates: SqlUpdates, service: UpdateService, registry: Registry) -> int:
    """Take over what was registered since the last time, in chunks; how many devices. Raises OSError."""
    since = int(await updates.read(lambda store: store.meter(REVISION)))
    revision, changed = await registry.changed_since(since)
    zones: OrderedDict[str, str] = OrderedDict()
    devices: list[UpdateDevice] = []
    count = 0

    def put(store: UpdateStore) -> None:
        service.register(store, devices)

    async for device in changed:
        count += 1
        if device.status is not DeviceStatus.ACTIVE:
            continue
        if device.site_id not in zones:
            site = await registry.site(device.site_id)
            zones[device.site_id] = site.zone if site else "UTC"
            if len(zones) > ZONES:
                zones.popitem(last=False)
        devices.append(update_device(device, zones[device.site_id]))
        if len(devices) == CHUNK:
            await updates.act(put)
            devices = []
    if devices:
        await updates.act(put)
    if revision != since:
        await updates.act(lambda store: store.put_meter(REVISION, float(revision)))
    return count


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
