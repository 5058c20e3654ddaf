"""Registered devices as the update part follows them: windows in the site's zone, periods, only those that changed."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from firmware_updates.inbox import Director
from firmware_updates.service import UpdateService
from firmware_updates.signing import KeyRole, generate_key, key_set, public_raw
from gateway.clock import ManualClock
from gateway.firmware.devices import follow_registry, update_device
from gateway.firmware.images import ImageStore
from gateway.ports.registry import Customer, DeviceStatus, RegisteredDevice, Site
from gateway.storage.database import open_database
from gateway.storage.registry import SqlRegistry
from gateway.storage.update_desk import SqlUpdates
from tests.firmware_updates.factories import NIGHT, RELEASE_KEY, stock
from tests.parts.stores import time_to_act

CAMERA = RegisteredDevice(
    "cam-1", "Kasir", "camera", "Dome 2", "shop", group="door", windows="Sat,Sun 02:00-04:00",
    support_until="2027-06-30", contract_until="2026-12-31",
)  # fmt: skip


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[tuple[SqlUpdates, UpdateService, SqlRegistry]]:
    images = ImageStore(tmp_path / "images", b"k" * 32, "")
    trusted = key_set(KeyRole.RELEASE, 1, [public_raw(RELEASE_KEY)])
    service = UpdateService(Director(generate_key(), trusted, images))
    async with open_database(f"sqlite:///{tmp_path}/siaga.db") as database:
        registry = SqlRegistry(database)
        await registry.put([Customer("c", "C", "id", "Asia/Jakarta")], [Site("shop", "c", "Toko", "Asia/Makassar")])
        yield SqlUpdates(database, service, time_to_act, ManualClock(NIGHT)), service, registry


def test_a_device_has_its_windows_in_the_zone_of_its_site_and_its_periods_as_dates() -> None:
    found = update_device(CAMERA, "Asia/Makassar")
    assert (found.hw_id, found.group, found.site_id) == ("dome-2", "door", "shop")
    assert [window.zone for window in found.windows] == ["Asia/Makassar"]
    assert (found.entitlement.support_until, found.entitlement.contract_until) == (
        date(2027, 6, 30),
        date(2026, 12, 31),
    )
    bare = update_device(replace(CAMERA, support_until="", contract_until="", windows=""), "UTC")
    assert (bare.entitlement.support_until, bare.entitlement.contract_until) == (None, None)
    assert bare.windows, "nothing registered means every night"


async def test_only_what_changed_is_followed_and_what_a_device_reported_stays(stores) -> None:
    updates, service, registry = stores
    await registry.put(devices=[CAMERA, replace(CAMERA, device_id="cam-2", status=DeviceStatus.RETIRED)])
    assert await follow_registry(updates, service, registry) == 2
    first = await updates.read(lambda store: store.device("cam-1"))
    assert first is not None
    assert first.windows[0].zone == "Asia/Makassar"
    assert await updates.read(lambda store: store.device("cam-2")) is None, "retired"
    assert await follow_registry(updates, service, registry) == 0
    await updates.act(lambda store: store.put_device(replace(first, stock=stock())))
    await registry.put(devices=[replace(CAMERA, support_until="2030-01-01")])
    assert await follow_registry(updates, service, registry) == 1
    again = await updates.read(lambda store: store.device("cam-1"))
    assert again is not None
    assert (again.entitlement.support_until, again.stock) == (date(2030, 1, 1), stock())
