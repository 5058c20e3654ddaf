"""What every registry and every account store keeps to."""

from dataclasses import replace

import pytest

from gateway.ports.registry import Customer, DeviceStatus, RegisteredDevice, Role, Site, User
from tests.parts.stores import NOW, Stores, register

CAMERA = RegisteredDevice("cam-8", "New", "camera", "C200", "toko-a")


async def test_what_was_put_is_found(stores: Stores) -> None:
    await register(stores.registry)
    registry = stores.registry
    full = RegisteredDevice(
        *("cam-8", "New", "camera", "C200", "toko-a", "nvr-1", "till"),
        *(600.0, "2027-01-01", "2027-02-01", "2030-01-01", "Sat 02:00-04:00", DeviceStatus.RETIRED),
    )
    await registry.put(devices=[full])
    assert await registry.device("cam-8") == full
    assert await registry.device("nothing") is None
    assert await registry.site("toko-b") == Site("toko-b", "toko", "Toko B", "Asia/Jayapura")
    assert await registry.site("nothing") is None
    assert await registry.customer("bakery") == Customer("bakery", "Bakery Lee", "en", "Europe/Berlin")
    assert await registry.customer("nothing") is None
    assert [c.customer_id for c in await registry.customers()] == ["bakery", "toko"]


async def test_put_replaces_and_keeps_the_secret(stores: Stores) -> None:
    await register(stores.registry)
    registry = stores.registry
    await registry.put(devices=[CAMERA])
    assert await registry.device_secret("cam-8") is None
    await registry.set_device_secret("cam-8", b"\x00hash")
    await registry.put(devices=[replace(CAMERA, name="Newer")])
    assert (await registry.device("cam-8")) == replace(CAMERA, name="Newer")
    assert await registry.device_secret("cam-8") == b"\x00hash"
    assert await registry.device_secret("nothing") is None
    with pytest.raises(KeyError):
        await registry.set_device_secret("nothing", b"x")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"sites": [Site("s", "nobody", "S", "UTC")]}, "site 's': there is no customer 'nobody'"),
        ({"devices": [replace(CAMERA, site_id="nowhere")]}, "device 'cam-8': there is no site 'nowhere'"),
        ({"devices": [replace(CAMERA, parent_id="nvr-9")]}, "device 'cam-8': there is no parent device 'nvr-9'"),
        ({"devices": [replace(CAMERA, parent_id="cam-8")]}, "device 'cam-8' is its own parent"),
        ({"sites": [Site("s", "toko", "S", "Mars/Base")]}, "site 's': unknown time zone 'Mars/Base'"),
        ({"customers": [Customer("c", "C", "en", "")]}, "customer 'c': unknown time zone ''"),
        ({"devices": [replace(CAMERA, contract_until="31.1.2027")]}, "contract_until '31.1.2027' is not a day"),
        ({"devices": [replace(CAMERA, warranty_until="20270131")]}, "warranty_until '20270131' is not a day"),
    ],
)
async def test_a_fault_in_the_rows_is_one_line_and_nothing_is_kept(
    stores: Stores, rows: dict[str, list[object]], said: str
) -> None:
    await register(stores.registry)
    put = {"customers": [Customer("ok", "Ok", "en", "UTC")]}
    for kind, faulty in rows.items():
        put[kind] = [*put.get(kind, []), *faulty]  # type: ignore[list-item]
    with pytest.raises(ValueError, match=said) as refused:
        await stores.registry.put(**put)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)
    assert await stores.registry.customer("ok") is None


async def test_what_was_put_since_a_revision_is_found(stores: Stores) -> None:
    registry = stores.registry
    assert await registry.revision() == 0
    await register(registry)
    first, devices = await registry.changed_since(0)
    assert (first, len([device async for device in devices])) == (await registry.revision(), 5)
    same, none = await registry.changed_since(first)
    assert (same, [device async for device in none]) == (first, [])
    await registry.put(devices=[CAMERA, replace(CAMERA, device_id="cam-7", status=DeviceStatus.RETIRED)])
    second, devices = await registry.changed_since(first)
    assert second > first
    assert [device.device_id async for device in devices] == ["cam-7", "cam-8"]


async def test_a_great_many_changes_are_streamed_each_once(stores: Stores) -> None:
    registry = stores.registry
    await register(registry)
    before = await registry.revision()
    await registry.put(devices=[replace(CAMERA, device_id=f"d-{n:05}") for n in range(4321)])
    await registry.put(devices=[CAMERA])
    _, devices = await registry.changed_since(before)
    ids = [device.device_id async for device in devices]
    assert ids == [*(f"d-{n:05}" for n in range(4321)), CAMERA.device_id]


async def test_a_thousand_devices_stream_in_id_order(stores: Stores) -> None:
    await register(stores.registry)
    await stores.registry.put(devices=[replace(CAMERA, device_id=f"d-{n:05}") for n in reversed(range(4321))])
    ids = [device.device_id async for device in stores.registry.devices()]
    assert len(ids) == 4326
    assert ids == sorted(ids)


async def test_devices_whose_updates_end_are_found_by_the_day_in_pages(stores: Stores) -> None:
    await register(stores.registry)
    days = {"e-1": "2026-12-01", "e-2": "2026-12-31", "e-3": "2027-01-01", "e-4": "", "e-5": "2026-12-15"}
    made = [replace(CAMERA, device_id=device_id, support_until=day) for device_id, day in days.items()]
    await stores.registry.put(devices=[*made[:4], replace(made[4], status=DeviceStatus.RETIRED)])
    assert await stores.registry.support_ending("2026-12-01", "2026-12-31") == ["e-1", "e-2"]
    assert await stores.registry.support_ending("2026-12-01", "2027-12-31", "e-1", 1) == ["e-2"]
    assert "e-4" not in await stores.registry.support_ending("", "2026-12-31")


async def test_a_site_shows_what_others_hang_on_first(stores: Stores) -> None:
    await register(stores.registry)
    await stores.registry.put(
        devices=[replace(CAMERA, device_id="r-1", kind="router"), replace(CAMERA, device_id="s-1", kind="switch")]
    )
    ids = [device.device_id for device in await stores.registry.devices_of_site("toko-a")]
    assert ids == ["r-1", "nvr-1", "s-1", "cam-1", "cam-2"]


async def test_a_customer_reaches_only_own_devices_and_sites(stores: Stores) -> None:
    await register(stores.registry)
    owned = [device.device_id for device in await stores.registry.owned_devices("toko")]
    assert owned == ["cam-1", "cam-2", "cam-9", "nvr-1"]
    assert await stores.registry.owned_devices("nobody") in ([], ())
    assert [site.site_id for site in await stores.registry.sites_of_customer("toko")] == ["toko-a", "toko-b"]


async def test_devices_are_found_by_any_of_their_names(stores: Stores) -> None:
    await register(stores.registry)
    for text, ids in {
        "": ["cam-1", "cam-2", "cam-7", "cam-9", "nvr-1"],
        "CAM-7": ["cam-7"],
        "c200": ["cam-1", "cam-2"],
        "recorder": ["nvr-1"],
        "main str": ["cam-7"],
        "budi": ["cam-1", "cam-2", "cam-9", "nvr-1"],
        "c_m": [],
        "%": [],
    }.items():
        assert [d.device_id for d in await stores.registry.search_devices(text)] == ids, text
    page = await stores.registry.search_devices("budi", after="cam-1", limit=2)
    assert [device.device_id for device in page] == ["cam-2", "cam-9"]


ANA = User("Ana", Role.AGENT, "$argon2id$...", "", "Ana S.", "id")


async def test_users_sign_in_by_name_whatever_its_case(stores: Stores) -> None:
    accounts = stores.accounts
    await accounts.put_user(ANA)
    await accounts.put_user(User("budi", Role.CUSTOMER, "$x", "toko"))
    assert await accounts.user("aNA") == ANA
    assert await accounts.user("nobody") is None
    assert [user.name for user in await accounts.users()] == ["Ana", "budi"]
    await accounts.put_user(replace(ANA, name="ANA", role=Role.MANAGER))
    assert next(iter(await accounts.users())).role is Role.MANAGER
    assert await accounts.delete_user("ana")
    assert not await accounts.delete_user("ana")


async def test_a_session_ends_by_time_by_log_out_and_with_its_user(stores: Stores) -> None:
    accounts = stores.accounts
    await accounts.put_user(ANA)
    await accounts.save_session(b"\x01", "", "before log-in", NOW + 10)
    await accounts.save_session(b"\x02", "Ana", "one", NOW + 10)
    await accounts.save_session(b"\x02", "ana", "two", NOW + 20)
    await accounts.save_session(b"\x03", "Ana", "three", NOW + 20)
    assert await accounts.session(b"\x02", NOW + 15) == "two"
    assert await accounts.session(b"\x01", NOW + 10) is None
    await accounts.delete_session(b"\x03")
    assert await accounts.session(b"\x03", NOW) is None
    await accounts.delete_expired(NOW + 10)
    assert await accounts.session(b"\x01", NOW) is None
    await accounts.put_user(replace(ANA, password_hash="$new"))
    assert await accounts.session(b"\x02", NOW) is None
    await accounts.save_session(b"\x04", "Ana", "four", NOW + 20)
    await accounts.delete_user("Ana")
    assert await accounts.session(b"\x04", NOW) is None
