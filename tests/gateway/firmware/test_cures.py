"""A ticket whose fault a release ends: waits for the window, says when, closes on evidence, comes back on failure."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from diagnostics.changes import Change, ChangeKind, Evidence, Scope, Severity
from firmware_updates.attempt_row import State
from firmware_updates.inbox import Director
from firmware_updates.policy import Policy
from firmware_updates.service import UpdateService
from firmware_updates.signing import KeyRole, encode_signature, generate_key, key_set, public_raw, sign
from gateway.clock import ManualClock
from gateway.firmware.images import ImageStore
from gateway.ports.registry import Customer, RegisteredDevice, Site
from gateway.storage.changes import apply_change
from gateway.storage.database import Database, open_database
from gateway.storage.registry import SqlRegistry
from gateway.storage.tickets import SqlTickets
from gateway.storage.update_desk import SqlUpdates
from gateway.tickets.ticket import State as Standing
from gateway.tickets.ticket import Ticket, WaitingFor
from tests.firmware_updates.factories import MANIFEST, NOON, RELEASE_KEY, stock
from tests.parts.stores import time_to_act

DOCUMENT = (
    MANIFEST
    % {
        "version": "2.5.0", "counter": 7, "min_counter": 5, "kind": "feature", "from_versions": ">=2.0",
        "depends": "{}", "conflicts": "{}", "sha": "ab" * 32, "expires": "2027-11-01T00:00:00Z",
    }
).replace('"size"', '"fixes": ["F22"], "size"').encode()  # fmt: skip
OPENS = "Sunday 22 Nov between 01:00 and 05:00 (WIB)"


@dataclass
class Scene:
    database: Database
    updates: SqlUpdates
    service: UpdateService
    tickets: SqlTickets
    now: float = NOON

    async def fault(self, kind: ChangeKind, fault: str = "F22") -> None:
        evidence = Evidence("", None, None, None, self.now)
        change = Change(kind, Scope.DEVICE, "cam-1", fault, "leak@1", Severity.HIGH, self.now, self.now, evidence)
        await self.database.transact(lambda connection: apply_change(connection, change, time_to_act, self.now))

    async def approve(self, *, approve: bool = True) -> None:
        def roll_out(store):  # type: ignore[no-untyped-def]
            store.put_device(replace(store.device("cam-1"), stock=stock(received_at=self.now), hw_id="cam-a"))
            signed = [encode_signature(sign(DOCUMENT, RELEASE_KEY))]
            release = self.service.publish_release(store, "ayu", DOCUMENT, signed, self.now)
            self.service.create_rollout(
                store, "ayu", "r1", "Leak", release.release_id, ["cam-1"], Policy(control=0.0), self.now,
                self.now + 9e5, self.now,
            )  # fmt: skip
            self.service.simulated(store, "ayu", "r1", self.now)
            ready = self.service.submit(store, "ayu", "r1", self.now)
            if approve:
                self.service.approve(store, "budi", "r1", ready.content_sha256, self.now)

        await self.updates.act(roll_out)

    async def put(self, **changes: object) -> None:
        def change(store):  # type: ignore[no-untyped-def]
            store.put_attempt(replace(store.attempt("r1/cam-1/1"), **changes))

        await self.updates.act(change)

    async def minute(self) -> Ticket:
        self.now += 60
        await self.updates.tick(self.now)
        (ticket,) = [one for one in await self.tickets.of_device("cam-1") if one.fault_class == "F22"]
        return ticket

    async def said(self, ticket: Ticket) -> list[str]:
        return [line.text for line in await self.tickets.history(ticket.ticket_id) if line.kind.value == "reply"]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    trusted = key_set(KeyRole.RELEASE, 1, [public_raw(RELEASE_KEY)])
    service = UpdateService(Director(generate_key(), trusted, ImageStore(tmp_path / "images", b"k" * 32, "")))
    async with open_database(f"sqlite:///{tmp_path}/siaga.db") as database:
        registry, clock = SqlRegistry(database), ManualClock(NOON)
        await registry.put(
            [Customer("c", "C", "en", "Asia/Jakarta")],
            [Site("shop", "c", "Toko", "Asia/Jakarta")],
            [RegisteredDevice("cam-1", "Door", "camera", "Dome 2", "shop", warranty_until="2027-06-30")],
        )
        updates = SqlUpdates(database, service, time_to_act, clock)
        yield Scene(database, updates, service, SqlTickets(database, clock))


async def test_a_ticket_waits_for_the_window_of_its_cure_and_says_when_that_is(scene: Scene) -> None:
    await scene.fault(ChangeKind.OPENED)
    await scene.approve()
    ticket = await scene.minute()
    assert (ticket.state, ticket.waiting_for) == (Standing.PENDING, WaitingFor.UPDATE_WINDOW)
    (text,) = await scene.said(ticket)
    assert OPENS in text
    assert "2.5.0" in text
    assert ticket.promise_at is not None
    again = await scene.minute()
    assert again.version == ticket.version, "said once"
    await scene.put(state=State.SUCCEEDED, grant_id="g", since=scene.now)
    assert (await scene.minute()).state is Standing.PENDING, "installed is no evidence"
    await scene.fault(ChangeKind.RECOVERED)
    assert (await scene.minute()).state is Standing.SOLVED


async def test_a_cure_that_did_not_help_or_was_not_installed_gives_the_ticket_back(scene: Scene) -> None:
    await scene.fault(ChangeKind.OPENED)
    await scene.approve()
    await scene.minute()
    await scene.put(state=State.INSTALLING, grant_id="g", granted_at=scene.now, contact_at=scene.now)
    assert (await scene.minute()).state is Standing.PENDING
    await scene.put(state=State.ROLLED_BACK, reason="self_test")
    ticket = await scene.minute()
    assert (ticket.state, ticket.waiting_for) == (Standing.OPEN, None)
    assert "it was not installed" in (await scene.said(ticket))[-1]
    assert (await scene.minute()).version == ticket.version
    await scene.put(state=State.SUCCEEDED, grant_id="g", since=scene.now)
    await scene.tickets.wait(ticket.ticket_id, ticket.version, "sari", WaitingFor.UPDATE_WINDOW, scene.now)
    scene.now += 86_400
    ticket = await scene.minute()
    assert ticket.state is Standing.OPEN
    assert "the fault is still there" in (await scene.said(ticket))[-1]


async def test_a_draft_or_a_cure_for_another_fault_changes_no_ticket(scene: Scene) -> None:
    await scene.fault(ChangeKind.OPENED)
    before = await scene.minute()
    await scene.approve(approve=False)
    assert (await scene.minute()).version == before.version
    await scene.fault(ChangeKind.OPENED, "F31")
    await scene.minute()
    (other,) = [one for one in await scene.tickets.of_device("cam-1") if one.fault_class == "F31"]
    assert other.state is not Standing.PENDING
