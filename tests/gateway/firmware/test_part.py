"""The update part and its pages on a real database: approve, run, expect, pause, stop, and what the gate counts."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from diagnostics.changes import Change, ChangeKind, Evidence, Scope, Severity
from firmware_updates.attempt_row import Attempt, State
from firmware_updates.inbox import Director
from firmware_updates.policy import Policy
from firmware_updates.rollout import AbortMode
from firmware_updates.service import UpdateService
from firmware_updates.signing import KeyRole, generate_key, key_set, public_raw
from gateway.clock import ManualClock
from gateway.firmware.images import ImageStore
from gateway.firmware.part import UpdateLog, UpdatePart
from gateway.firmware.views import UpdatePages
from gateway.ingest.digest import EXPECT, INTERNAL
from gateway.ports.history import Sample
from gateway.ports.ingest import Inbound
from gateway.ports.registry import Customer, RegisteredDevice, Site
from gateway.storage.database import open_database
from gateway.storage.notifications import SqlNotificationOutbox
from gateway.storage.registry import SqlRegistry
from gateway.storage.update_desk import SqlUpdates
from gateway.web.updates import Refused
from tests.firmware_updates.factories import NIGHT, RELEASE_KEY, release, stock
from tests.parts.stores import time_to_act

CAMERAS = ("cam-1", "cam-2", "cam-3")


class Heard:
    """When devices were heard, and what the fleet was told."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self.told: list[Inbound] = []
        self.changes = 0

    def received_at(self, device_id: str) -> float | None:
        return self.at.get(device_id)

    def take(self, messages: Sequence[Inbound]) -> None:
        self.told += messages

    def changed(self) -> None:
        self.changes += 1


@dataclass
class Scene:
    updates: SqlUpdates
    service: UpdateService
    registry: SqlRegistry
    part: UpdatePart
    pages: UpdatePages
    heard: Heard
    clock: ManualClock
    health: UpdateLog

    async def rollout(self, **policy: object) -> None:
        """A rollout by Ayu that waits for approval."""
        await self.part.step(self.clock.now())
        one, now = release(), self.clock.now()
        rules = Policy(**{"control": 0.0, **policy})  # type: ignore[arg-type]

        def begin(store):  # type: ignore[no-untyped-def]
            for camera in CAMERAS:
                store.put_device(replace(store.device(camera), stock=stock(), hw_id="cam-a"))
            self.service.publish_release(store, "ayu", one.document, one.signatures, now)
            self.service.create_rollout(
                store, "ayu", "r1", "November", one.release_id, CAMERAS, rules, now, now + 9e5, now
            )
            self.service.simulated(store, "ayu", "r1", now)
            self.service.submit(store, "ayu", "r1", now)

        await self.updates.act(begin)

    async def running(self) -> float:
        """A rollout that Budi has approved and that has begun; the time."""
        await self.rollout()
        await self.pages.approve("r1", "budi", self.clock.now())
        await self.minutes(1)
        return self.clock.now()

    async def minutes(self, count: int) -> None:
        for _ in range(count):
            self.clock.move(60)
            await self.part.step(self.clock.now())

    async def set(self, device: str, **changes: object) -> Attempt:
        """Put a device's attempt where the test needs it."""

        def put(store):  # type: ignore[no-untyped-def]
            after = replace(store.attempt(f"r1/{device}/1"), **changes)
            store.put_attempt(after)
            return after

        return await self.updates.act(put)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock, heard, health = ManualClock(NIGHT), Heard(), UpdateLog()
    images = ImageStore(tmp_path / "images", b"k" * 32, "")
    trusted = key_set(KeyRole.RELEASE, 1, [public_raw(RELEASE_KEY)])
    service = UpdateService(Director(generate_key(), trusted, images), health)
    async with open_database(f"sqlite:///{tmp_path}/siaga.db") as database:
        registry = SqlRegistry(database)
        await registry.put(
            [Customer("c", "C", "id", "Asia/Jakarta")],
            [Site("shop", "c", "Toko", "Asia/Jakarta")],
            [RegisteredDevice(one, one, "camera", "Dome 2", "shop", support_until="2027-06-30") for one in CAMERAS],
        )
        updates = SqlUpdates(database, service, time_to_act, clock)
        part = UpdatePart(updates, service, health, registry, heard, heard, clock, heard.changed)
        yield Scene(updates, service, registry, part, UpdatePages(database, updates, service), heard, clock, health)


def opened(device: str, at: float, fault: str = "F22") -> Change:
    return Change(
        ChangeKind.OPENED,
        Scope.DEVICE,
        device,
        fault,
        "leak@1",
        Severity.HIGH,
        at,
        at,
        Evidence("", None, None, None, at),
    )


async def test_registered_devices_are_known_after_the_first_round(scene: Scene) -> None:
    await scene.part.step(NIGHT)
    found = await scene.updates.read(lambda store: store.device("cam-2"))
    assert found is not None
    assert (found.model, found.site_id) == ("Dome 2", "shop")


async def test_nothing_is_offered_before_a_second_person_has_approved(scene: Scene) -> None:
    await scene.rollout()
    await scene.minutes(3)
    assert await scene.updates.pending(10) == []
    with pytest.raises(Refused, match="the author may not approve"):
        await scene.pages.approve("r1", "ayu", NIGHT)
    await scene.pages.approve("r1", "budi", NIGHT)
    await scene.minutes(3)
    offers = await scene.updates.pending(10)
    assert offers
    assert all(offer.message.topic.endswith("/update/desired") and offer.message.retain for offer in offers)
    assert scene.heard.changes > 0
    view = await scene.pages.get("r1")
    assert view is not None
    assert (view.state, view.author, view.approver, view.version) == ("running", "ayu", "budi", "2.5.0")
    assert sum(wave.devices for wave in view.waves) == 3
    assert sum(wave.waiting for wave in view.waves) == 3


async def test_a_pause_keeps_everything_and_a_stop_ends_what_has_not_begun(scene: Scene) -> None:
    await scene.rollout()
    await scene.pages.approve("r1", "budi", NIGHT)
    await scene.minutes(2)
    await scene.pages.pause("r1", "ayu", "a bad feeling", scene.clock.now())
    paused = await scene.pages.get("r1")
    assert paused is not None
    assert (paused.state, paused.reason) == ("paused", "a bad feeling")
    await scene.pages.resume("r1", "ayu", scene.clock.now())
    await scene.set("cam-1", state=State.INSTALLING, grant_id="g", granted_at=scene.clock.now())
    await scene.pages.stop("r1", "ayu", "enough", scene.clock.now())
    rows = await scene.updates.read(lambda store: {row.device_id: row.state for row in store.attempts("r1")})
    assert rows == {"cam-1": State.INSTALLING, "cam-2": State.CANCELED, "cam-3": State.CANCELED}
    with pytest.raises(Refused):
        await scene.pages.resume("r1", "budi", scene.clock.now())


async def test_steps_on_a_rollout_that_is_not_there_are_key_errors(scene: Scene) -> None:
    assert await scene.pages.get("r9") is None
    for step in (
        scene.pages.pause("r9", "a", "x", NIGHT),
        scene.pages.resume("r9", "a", NIGHT),
        scene.pages.approve("r9", "a", NIGHT),
        scene.pages.stop("r9", "a", "x", NIGHT),
    ):
        with pytest.raises(KeyError):
            await step


async def test_the_fleet_is_told_once_what_an_update_explains(scene: Scene) -> None:
    now = await scene.running()
    attempt = await scene.set("cam-1", state=State.INSTALLING, grant_id="g", granted_at=now, contact_at=now)
    await scene.part.step(now)
    await scene.part.step(now)
    (told,) = scene.heard.told
    assert (told.device_id, told.channel, told.link) == ("cam-1", EXPECT, INTERNAL)
    assert json.loads(told.payload) == {"until": now + attempt.overdue_s, "reboots": 1}


async def test_a_device_at_work_that_is_heard_is_not_lost_and_a_silent_one_is(scene: Scene) -> None:
    now = await scene.running()
    for camera in ("cam-1", "cam-2"):
        await scene.set(
            camera, state=State.INSTALLING, grant_id="g" + camera, granted_at=now, contact_at=now, deadline_at=now + 60
        )
    for _ in range(10):
        scene.clock.move(600)
        scene.heard.at["cam-1"] = scene.clock.now()
        await scene.part.step(scene.clock.now())
    rows = await scene.updates.read(lambda store: {row.device_id: row for row in store.attempts("r1")})
    assert rows["cam-2"].state is State.LOST
    assert (rows["cam-1"].state, rows["cam-1"].overdue) == (State.INSTALLING, True)
    view = await scene.pages.get("r1")
    assert view is not None
    assert view.failures


async def test_a_fault_on_a_device_in_probation_fails_its_update(scene: Scene) -> None:
    now = await scene.running()
    await scene.set("cam-1", state=State.PROBATION, grant_id="g", granted_at=now, contact_at=now, reported_at=now)
    await scene.part.step(now)
    scene.part.noticed([opened("cam-1", now), opened("cam-3", now)])
    await scene.part.step(now)
    rows = await scene.updates.read(lambda store: {row.device_id: row for row in store.attempts("r1")})
    assert rows["cam-1"].state is State.FAILED
    assert not rows["cam-3"].final, "its fault has nothing to do with an update"


async def test_a_customer_sees_where_the_update_of_a_device_stands(scene: Scene) -> None:
    assert await scene.pages.of_device("cam-1") is None
    await scene.rollout()
    planned = await scene.pages.of_device("cam-1")
    assert planned is not None
    assert (planned.state, planned.at_risk, planned.supported_until) == ("planned", False, "2027-06-30")
    await scene.set("cam-1", state=State.DOWNLOADING, bytes_done=500)
    half = await scene.pages.of_device("cam-1")
    assert half is not None
    assert (half.progress, half.version) == (0.5, "2.5.0")
    await scene.set("cam-1", state=State.INSTALLING)
    working = await scene.pages.of_device("cam-1")
    assert working is not None
    assert working.at_risk


async def test_what_an_update_explains_is_told_even_after_the_rollouts_deadline(scene: Scene) -> None:
    await scene.running()
    scene.clock.move(9e5 - 300)
    now = scene.clock.now()
    await scene.set("cam-1", state=State.PROBATION, grant_id="g", granted_at=now, contact_at=now, reported_at=now)
    await scene.minutes(6)
    view = await scene.pages.get("r1")
    assert view is not None
    assert view.state == "expired"
    scene.part.noticed([opened("cam-1", scene.clock.now())])
    await scene.minutes(1)
    row = await scene.updates.read(lambda store: store.attempt("r1/cam-1/1"))
    assert row is not None
    assert row.state is State.FAILED


class Taken:
    """A history store that takes everything."""

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.full = True

    def offer(self, position: int, samples: Sequence[Sample]) -> None:
        assert samples
        self.positions.append(position)


async def test_the_gate_hears_the_metrics_of_a_rollouts_devices_on_their_way_to_the_history(scene: Scene) -> None:
    await scene.rollout()
    await scene.part.step(NIGHT)
    await scene.part.step(NIGHT)
    history = Taken()
    outflow = scene.health.tap(history)
    assert outflow.full
    for hour in range(48):
        at = NIGHT + hour * 3600
        leak = 20.0 if hour > 24 else 0.0
        outflow.offer(hour, [Sample.of(device, at, {"mem_used_pct": 50.0 + leak}) for device in ("cam-1", "stranger")])
    assert history.positions == list(range(48))
    seen = scene.health.cohort({"cam-1": NIGHT + 24 * 3600, "stranger": NIGHT + 24 * 3600}, NIGHT + 48 * 3600)
    assert seen.worsening == {"mem_used_pct": (2.5,)}


async def test_a_rollout_of_more_devices_than_the_gate_looks_at_is_watched_as_far_as_it_goes(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.firmware.part.WATCHED", 1)
    await scene.rollout()
    await scene.part.step(NIGHT)
    await scene.updates.act(lambda store: scene.service.revoke_release(store, "ayu", release().release_id, "", NIGHT))
    await scene.part.step(NIGHT)


async def test_what_the_gate_remembers_outlives_the_gateway_and_ends_with_its_rollout(scene: Scene) -> None:
    await scene.rollout()
    await scene.part.step(NIGHT)
    for hour in range(48):
        at = NIGHT + hour * 3600
        scene.health.sample("cam-1", at, {"mem_used_pct": 50.0 + (20.0 if hour > 24 else 0.0)})
    scene.part.noticed([opened("cam-1", NIGHT + 30 * 3600)])
    scene.clock.move(48 * 3600)
    await scene.part.step(scene.clock.now())
    health = UpdateLog()
    again = UpdatePart(
        scene.updates, scene.service, health, scene.registry, scene.heard, scene.heard, scene.clock, scene.heard.changed
    )
    await again.step(scene.clock.now())
    since, until = {"cam-1": NIGHT + 24 * 3600}, NIGHT + 48 * 3600
    assert health.cohort(since, until) == scene.health.cohort(since, until)
    assert health.cohort(since, until).worsening == {"mem_used_pct": (2.5,)}
    assert dict(health.cohort(since, until).counts) == {"F22": 1}
    now = scene.clock.now()
    await scene.updates.follow(
        lambda store: scene.service.abort(store, "ayu", "r1", AbortMode.KEEP, "enough", now), now
    )
    await again.step(scene.clock.now())
    await again.step(scene.clock.now())
    assert [key for key, _ in await scene.updates.read(lambda store: store.kept_health("", 9))] == ["*"]


async def test_an_owner_is_told_once_that_software_updates_end_whatever_is_restarted(scene: Scene) -> None:
    end = datetime(2027, 6, 30, 12, tzinfo=UTC).timestamp()
    outbox = SqlNotificationOutbox(scene.updates._database)
    told: list[tuple[str, float, str]] = []
    for day in (100, 91, 90, 89, 31, 30, 29, 8, 7, 6, 1, 0, -1, -2):
        now = end - day * 86_400
        again = UpdatePart(
            scene.updates, scene.service, UpdateLog(), scene.registry, scene.heard, scene.heard, scene.clock,
            scene.heard.changed,
        )  # fmt: skip
        for _ in range(2):
            await again.step(now)
        events = await outbox.due(now, 100)
        told += [(event.type, day, json.loads(event.payload)["device_id"]) for event in events]
        assert {json.loads(event.payload)["support_until"] for event in events} <= {"2027-06-30"}
        await outbox.done([event.id for event in events])
    assert told == [("update.support_ends", day, name) for day in (90, 30, 7) for name in CAMERAS]
