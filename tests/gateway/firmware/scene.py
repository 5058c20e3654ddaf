"""A fleet in the middle of updates, for looking at: real update part, people, a release, rollouts in every mood."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from firmware_updates.attempt_row import State
from firmware_updates.inbox import Director
from firmware_updates.manifest import release_id
from firmware_updates.messages import Component
from firmware_updates.policy import Policy
from firmware_updates.service import UpdateService
from firmware_updates.signing import KeyRole, generate_key, key_set, public_raw
from gateway.firmware.images import ImageStore
from gateway.firmware.owners_desk import OwnersDesk
from gateway.firmware.release_desk import ReleaseDesk
from gateway.firmware.views import UpdatePages
from gateway.ports.notifications import Delivery
from gateway.ports.registry import Role, User
from gateway.storage.database import open_database
from gateway.storage.memory import MemoryDeliveries, MemoryNotificationOutbox
from gateway.storage.registry import SqlRegistry
from gateway.storage.update_desk import SqlUpdates
from gateway.web.parts import WebParts
from tests.firmware_updates.factories import RELEASE_KEY, stock
from tests.gateway.firmware.conftest import IMAGE, manifest_of, signed
from tests.gateway.web.world import CUSTOMERS, DAY, DEVICES, HASH, HOUR, NOW, SITES, World, make_world
from tests.parts.stores import time_to_act

ASKED, PLANNED, NEW = "senggigi-cam-01", "kemang-cam-02", "kemang-cam-04"
NOTES = {
    "en": "Night pictures are clearer, and the clock no longer drifts.",
    "id": "Gambar malam lebih jernih, dan jam tidak lagi melenceng.",
}


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[tuple[World, WebParts, str, SqlUpdates]]:
    """The world, the parts of its pages, the id of the release, and the updates."""
    world = await make_world()
    await world.accounts.put_user(User("rini", Role.MANAGER, HASH, "", "Rini", "id"))
    device = await world.registry.device(PLANNED)
    assert device is not None
    await world.registry.put(devices=[replace(device, support_until="2026-12-31")])
    images = ImageStore(folder / "images", b"k" * 32, "")
    service = UpdateService(Director(generate_key(), key_set(KeyRole.RELEASE, 1, [public_raw(RELEASE_KEY)]), images))
    async with open_database(f"sqlite:///{folder}/siaga.db") as database:
        updates = SqlUpdates(database, service, time_to_act, world.clock)
        desk, pages = ReleaseDesk(updates, service, world.registry, images), UpdatePages(database, updates, service)
        document = manifest_of(IMAGE, notes=NOTES, fixes=["F01"], cves=["CVE-2026-1234"], **{"class": "mixed"})
        await desk.publish(document.encode(), signed(document)["signatures"], "ayu", NOW - DAY)  # type: ignore[arg-type]
        await _upload(desk)
        newer = manifest_of(IMAGE + b"!", version="2.6.0", release_counter=8, notes=NOTES)
        await desk.publish(newer.encode(), signed(newer)["signatures"], "ayu", NOW - HOUR)  # type: ignore[arg-type]
        release = release_id(document.encode())
        own = SqlRegistry(database)
        await own.put(CUSTOMERS, SITES, DEVICES)
        await own.put(devices=[replace(device, support_until="2026-12-31")])
        await updates.act(lambda store: _rollouts(store, service, release))
        for minute in range(3):
            await updates.tick(NOW + 60 * minute)
        await updates.act(_midway)
        book = MemoryDeliveries(MemoryNotificationOutbox())
        ticket = await world.tickets.get("SG-1001")
        assert ticket is not None
        ids = (ticket.ticket_id,)
        made = [
            Delivery("d1", "mail", "budi@example.com", "toko-budi", ids, "ticket.opened", "{}", NOW - HOUR, 0, NOW),
            Delivery("d2", "webhook:oncall", "", "toko-budi", ids, "ticket.opened", "{}", NOW - HOUR, 2, NOW),
            Delivery("d3", "mail", "budi@example.com", "toko-budi", ids, "ticket.replied", "{}", NOW - 60, 0, NOW),
        ]
        await book.sort([], [], made)
        await book.sent("d1", NOW - HOUR)
        await book.failed("d2", None, "410 gone")
        yield (
            world,
            world.parts(
                images=images, releases=desk, rollouts=pages, updates=pages, deliveries=book,
                software=OwnersDesk(updates, service),
            ),
            release,
            updates,
        )  # fmt: skip


async def _upload(desk: ReleaseDesk) -> None:
    async def whole():  # type: ignore[no-untyped-def]
        yield IMAGE

    await desk.receive(hashlib.sha256(IMAGE).hexdigest(), 0, whole())


def _rollouts(store, service: UpdateService, release: str) -> None:  # type: ignore[no-untyped-def]
    kemang = [f"kemang-cam-{number:02d}" for number in range(1, 6)]
    hotel = [f"senggigi-cam-{number:02d}" for number in range(1, 9)]
    for device in (*kemang, *hotel):
        store.put_device(replace(store.device(device), stock=stock(received_at=NOW - 600)))
    new = stock(components=(("firmware", Component("2.5.0", 7)),), received_at=NOW - 600)
    store.put_device(replace(store.device(NEW), stock=new, hw_id="cam-4k"))
    for name, devices, policy in (
        ("kemang-1", [one for one in kemang if one != NEW], Policy(control=0.0, k0=2)),
        ("senggigi-ask", hotel[:4], Policy(consent_required=True, control=0.0)),
        ("senggigi-rest", hotel[4:], Policy(control=0.0)),
    ):
        service.create_rollout(store, "dewi", name, name, release, devices, policy, NOW, NOW + 14 * DAY, NOW)
        shown = service.simulated(store, "dewi", name, NOW)
        service.submit(store, "dewi", name, NOW)
        if name != "senggigi-rest":
            service.approve(store, "rini", name, shown.content_sha256, NOW)


def _midway(store) -> None:  # type: ignore[no-untyped-def]
    row = store.attempt("kemang-1/kemang-cam-01/1")
    store.put_attempt(replace(row, state=State.ROLLED_BACK, reason="self_test"))
