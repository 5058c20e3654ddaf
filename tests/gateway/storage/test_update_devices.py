"""Devices as the update part sees them: the registry as it is now, and what they said of themselves."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import func, select

from firmware_updates.inbox import Director
from firmware_updates.messages import Reported, Slot, encode_message
from firmware_updates.service import UpdateService
from firmware_updates.signing import KeyRole, generate_key, key_set, public_raw
from gateway.clock import ManualClock
from gateway.firmware.images import ImageStore
from gateway.ports.registry import Customer, DeviceStatus, RegisteredDevice, Site
from gateway.storage.database import Database, open_database
from gateway.storage.registry import SqlRegistry
from gateway.storage.schema.updates import update_devices
from gateway.storage.update_desk import SqlUpdates
from tests.firmware_updates.factories import NIGHT, RELEASE_KEY, device, stock
from tests.parts.stores import time_to_act

CAMERA = RegisteredDevice(
    "cam-1", "Kasir", "camera", "Dome 2", "shop", group="door", windows="Sat,Sun 02:00-04:00",
    support_until="2027-06-30", contract_until="2026-12-31",
)  # fmt: skip
RETIRED = replace(CAMERA, device_id="cam-2", status=DeviceStatus.RETIRED)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    file = f"sqlite:///{tmp_path}/siaga.db"
    url = file if request.param == "sqlite" else request.getfixturevalue("postgresql").new_database()
    async with open_database(url) as opened:
        sites = [Site("shop", "c", "Toko", "Asia/Makassar"), Site("barn", "c", "Gudang", "Asia/Jayapura")]
        await SqlRegistry(opened).put([Customer("c", "C", "id", "Asia/Jakarta")], sites, [CAMERA, RETIRED])
        yield opened


@pytest.fixture
def updates(database: Database, tmp_path: Path) -> SqlUpdates:
    images = ImageStore(tmp_path / "images", b"k" * 32, "")
    trusted = key_set(KeyRole.RELEASE, 1, [public_raw(RELEASE_KEY)])
    service = UpdateService(Director(generate_key(), trusted, images))
    return SqlUpdates(database, service, time_to_act, ManualClock(NIGHT))


async def seen(updates: SqlUpdates, device_id: str = "cam-1"):
    return await updates.read(lambda store: store.device(device_id))


async def test_a_registered_device_that_never_spoke_has_its_windows_in_the_zone_of_its_site_and_takes_no_room(
    updates: SqlUpdates, database: Database
) -> None:
    found = await seen(updates)
    assert (found.hw_id, found.group, found.site_id, found.stock) == ("dome-2", "door", "shop", None)
    assert [window.zone for window in found.windows] == ["Asia/Makassar"]
    assert (found.entitlement.support_until, found.entitlement.contract_until) == (
        date(2027, 6, 30),
        date(2026, 12, 31),
    )
    rows = await database.read(lambda connection: connection.scalar(select(func.count()).select_from(update_devices)))
    assert rows == 0


async def test_nothing_registered_means_every_night_and_no_end(updates: SqlUpdates, database: Database) -> None:
    await SqlRegistry(database).put(devices=[replace(CAMERA, support_until="", contract_until="", windows="")])
    bare = await seen(updates)
    assert (bare.entitlement.support_until, bare.entitlement.contract_until) == (None, None)
    assert bare.windows


async def test_what_the_registry_says_holds_at_once_and_what_a_device_said_of_itself_stays(
    updates: SqlUpdates, database: Database
) -> None:
    first = await seen(updates)
    await updates.act(lambda store: store.put_device(replace(first, stock=stock(), hw_id="cam-a", seen_at=NIGHT)))
    moved = replace(CAMERA, site_id="barn", group="", support_until="2030-01-01", windows="daily 03:00-04:00")
    await SqlRegistry(database).put(devices=[moved])
    found = await seen(updates)
    assert (found.site_id, found.group, found.entitlement.support_until) == ("barn", "", date(2030, 1, 1))
    assert [window.zone for window in found.windows] == ["Asia/Jayapura"]
    assert (found.stock, found.hw_id, found.seen_at) == (stock(), "cam-a", NIGHT)


async def test_a_device_registered_a_moment_ago_is_heard_with_its_first_word(updates: SqlUpdates, database) -> None:
    await SqlRegistry(database).put(devices=[replace(CAMERA, device_id="cam-9", model="Bullet 1")])
    said = encode_message(Reported(1, 1, dict(stock().components), Slot("a", True), 5))
    await updates.act(lambda store: updates._service.handle(store, "cam-9", "update/reported", said, NIGHT))
    found = await seen(updates, "cam-9")
    assert (found.model, found.stock.received_at) == ("Bullet 1", NIGHT)


async def test_a_retired_device_is_there_only_as_long_as_something_of_it_is(
    updates: SqlUpdates, database: Database
) -> None:
    assert await seen(updates, "cam-2") is None
    first = await seen(updates)
    await updates.act(lambda store: store.put_device(replace(first, stock=stock())))
    await SqlRegistry(database).put(devices=[replace(CAMERA, status=DeviceStatus.RETIRED)])
    assert (await seen(updates)).stock == stock()


async def test_devices_come_in_the_order_asked_for_with_those_that_only_the_update_part_has(
    updates: SqlUpdates,
) -> None:
    await updates.act(lambda store: store.put_device(device("alone-1")))
    found = await updates.read(lambda store: store.devices(["cam-1", "nobody", "cam-2", "alone-1"]))
    assert [one.device_id for one in found] == ["cam-1", "alone-1"]
