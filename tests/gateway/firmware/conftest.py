"""A gateway's update part on SQLite behind the real pages and API, with people who sign in."""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from firmware_updates.inbox import Director
from firmware_updates.manifest import release_id
from firmware_updates.service import UpdateService
from firmware_updates.signing import KeyRole, encode_signature, generate_key, key_set, public_raw, sign
from gateway.clock import ManualClock
from gateway.firmware.images import ImageStore
from gateway.firmware.owners_desk import OwnersDesk
from gateway.firmware.release_desk import ReleaseDesk
from gateway.firmware.views import UpdatePages
from gateway.ports.registry import Role, User
from gateway.storage.database import Database, open_database
from gateway.storage.registry import SqlRegistry
from gateway.storage.update_desk import SqlUpdates
from gateway.web.server import create_app
from tests.firmware_updates.factories import RELEASE_KEY
from tests.gateway.web.conftest import Person
from tests.gateway.web.world import CUSTOMERS, DEVICES, HASH, NOW, SITES, World, make_world
from tests.parts.stores import time_to_act

IMAGE = b"the bytes of a camera's software " * 3000


def manifest_of(image: bytes, **changes: object) -> str:
    sha256 = hashlib.sha256(image).hexdigest()
    fields = {
        "schema": 1, "product": "cam-dome", "component": "firmware", "hw_ids": ["cam-4k"], "version": "2.5.0",
        "release_counter": 7, "min_counter": 5, "class": "feature", "from_versions": ">=2.0", "size": len(image),
        "sha256": sha256, "chunk_size": len(image), "chunks": [sha256],
        "install": {"p95_s": 240, "reboot_s": 60, "needs_battery_pct": 0, "free_bytes": 2000},
        "confirm_timeout_s": 600, "notes": {"en": "Fixes the clock.", "id": "Memperbaiki jam."},
        "created": "2026-11-01T00:00:00Z", "expires": "2027-11-01T00:00:00Z",
    }  # fmt: skip
    return json.dumps({**fields, **changes})


def signed(document: str, key=RELEASE_KEY) -> dict[str, object]:
    return {"manifest": document, "signatures": [encode_signature(sign(document.encode(), key))]}


@dataclass
class Gateway:
    world: World
    database: Database
    updates: SqlUpdates
    service: UpdateService
    images: ImageStore
    releases: ReleaseDesk
    pages: UpdatePages
    server: TestServer
    clock: ManualClock

    async def published(self, **changes: object) -> str:
        """A release whose image is here; its id."""
        document = manifest_of(IMAGE, **changes)
        said = signed(document)
        await self.releases.publish(document.encode(), said["signatures"], "ayu", NOW)  # type: ignore[arg-type]

        async def whole():
            yield IMAGE

        await self.releases.receive(hashlib.sha256(IMAGE).hexdigest(), 0, whole())
        return release_id(document.encode())


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    world = await make_world()
    await world.accounts.put_user(User("rini", Role.MANAGER, HASH, "", "Rini", "en"))
    images = ImageStore(tmp_path / "images", b"k" * 32, "")
    trusted = key_set(KeyRole.RELEASE, 1, [public_raw(RELEASE_KEY)])
    service = UpdateService(Director(generate_key(), trusted, images))
    async with open_database(f"sqlite:///{tmp_path}/siaga.db") as database:
        await SqlRegistry(database).put(CUSTOMERS, SITES, DEVICES)
        updates = SqlUpdates(database, service, time_to_act, world.clock)
        releases = ReleaseDesk(updates, service, world.registry, images)
        pages = UpdatePages(database, updates, service)
        parts = world.parts(
            images=images, releases=releases, rollouts=pages, updates=pages, software=OwnersDesk(updates, service)
        )
        server = TestServer(create_app(parts))
        await server.start_server()
        yield Gateway(world, database, updates, service, images, releases, pages, server, world.clock)
        await server.close()


@pytest.fixture
async def person(gateway: Gateway) -> AsyncIterator[Callable[[str], Awaitable[Person]]]:
    """`await person("dewi")` signs Dewi in."""
    clients: list[TestClient] = []

    async def come(name: str) -> Person:
        clients.append(TestClient(gateway.server))
        someone = Person(clients[-1])
        assert (await someone.sign_in(name)).status == 303
        return someone

    yield come
    for client in clients:
        await client.session.close()
