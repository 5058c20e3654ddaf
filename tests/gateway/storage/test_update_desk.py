"""Firmware updates on the database: what devices say, people do and the clock does, and the tickets that follow."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from firmware_updates.attempt_row import Cause, State
from firmware_updates.inbox import Director
from firmware_updates.messages import Channel, Reported, Slot, encode_message
from firmware_updates.policy import Policy
from firmware_updates.ports import Done, TicketEdit
from firmware_updates.service import UpdateService
from firmware_updates.signing import KeyRole, generate_key, key_set, public_raw
from gateway.clock import ManualClock
from gateway.ports.ingest import Outbound
from gateway.ports.ledger import DeviceMessage, RejectReason
from gateway.storage.database import Database, open_database
from gateway.storage.ledger import SqlLedger
from gateway.storage.tickets import SqlTickets
from gateway.storage.update_desk import SqlUpdates
from gateway.tickets.ticket import CloseCode
from gateway.tickets.ticket import State as TicketState
from tests.firmware_updates.factories import NIGHT, NOON, RELEASE_KEY, device, release, stock
from tests.parts.stores import batch, time_to_act


class Urls:
    def url(self, release, device_id, now):
        return f"https://images.invalid/{release.release_id}?for={device_id}"


SERVICE = UpdateService(
    Director(generate_key(), key_set(KeyRole.RELEASE, 1, [public_raw(RELEASE_KEY)]), Urls())  # type: ignore[arg-type]
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    file = f"sqlite:///{tmp_path}/siaga.db"
    url = file if request.param == "sqlite" else request.getfixturevalue("postgresql").new_database()
    async with open_database(url) as opened:
        yield opened


@pytest.fixture
async def updates(database: Database) -> SqlUpdates:
    return SqlUpdates(database, SERVICE, time_to_act, ManualClock(NIGHT))


def inventory(seq: int = 2) -> bytes:
    components = dict(stock().components)
    return encode_message(Reported(boot=12, seq=seq, components=components, slot=Slot("a", True), counter_floor=5))


async def test_a_rollout_offers_its_release_and_the_offer_goes_down_once(updates: SqlUpdates) -> None:
    one = release()

    def begin(store):  # type: ignore[no-untyped-def]
        SERVICE.register(store, [device()])
        SERVICE.publish_release(store, "ayu", one.document, one.signatures, NOON)
        SERVICE.create_rollout(
            store, "ayu", "r1", "November", one.release_id, ["cam-1"], Policy(control=0.0), NOON, NOON + 9e5, NOON
        )
        shown = SERVICE.simulated(store, "ayu", "r1", NOON)
        SERVICE.submit(store, "ayu", "r1", NOON)
        SERVICE.approve(store, "budi", "r1", shown.content_sha256, NOON)

    await updates.act(begin)
    for minute in range(5):
        handled = await updates.tick(NIGHT + 60 * minute)
        if handled.updates:
            break
    assert handled.updates
    (offer,) = await updates.pending(10)
    assert (offer.message.topic, offer.message.retain) == ("siaga/v1/cam-1/update/desired", True)
    assert [p.id for p in await updates.pending(10)] == [offer.id]  # published at least once: until it is done
    await updates.done([offer.id])
    await updates.done([])
    assert await updates.pending(10) == []
    (row,) = await updates.read(lambda store: store.attempts("r1"))
    assert row.state is State.OFFERED


async def test_what_a_device_reports_is_kept_with_the_batch_and_what_it_garbles_is_a_reject(
    database: Database, updates: SqlUpdates
) -> None:
    await updates.act(lambda store: SERVICE.register(store, [device(stock=None)]))
    ledger = SqlLedger(database, time_to_act, updates.handle)
    said = [
        DeviceMessage("cam-1", "update/reported", inventory(), NIGHT),
        DeviceMessage("cam-1", "update/reported", b"{", NIGHT),
        DeviceMessage("cam-9", "update/reported", inventory(), NIGHT),
        DeviceMessage("cam-1", "command/result", b"{}", NIGHT),
    ]
    committed = await ledger.commit(batch(at=NIGHT, messages=said))
    assert [(r.device_id, r.reason) for r in committed.rejects] == [
        ("cam-1", RejectReason.SCHEMA),
        ("cam-9", RejectReason.UNREGISTERED),
    ]
    assert list(await ledger.rejects(None, 10)) == list(reversed(committed.rejects))
    kept = await updates.read(lambda store: store.device("cam-1"))
    assert kept is not None
    assert kept.stock is not None
    assert kept.heard == ((Channel.REPORTED, 12, 2),)


async def test_a_lost_device_is_one_urgent_ticket_until_each_rollout_has_closed_it(
    database: Database, updates: SqlUpdates
) -> None:
    def edit(rollout: str, *, opens: bool, reason: str) -> Done:
        return Done(tickets=(TicketEdit("cam-1", rollout, Cause.LOST, open=opens, reason=reason, urgent=True),))

    tickets = SqlTickets(database, ManualClock(NIGHT))
    opened = await updates.follow(lambda _: edit("r1", opens=True, reason="silent for 90 min"), NIGHT)
    await updates.follow(lambda _: edit("r2", opens=True, reason="silent too"), NIGHT + 1)
    (ticket,) = await tickets.of_device("cam-1")
    assert (opened.tickets, opened.notified) == ([ticket.ticket_id], True)
    assert (ticket.fault_class, ticket.severity.name, ticket.episodes) == ("UPDATE_LOST", "CRITICAL", 2)
    await updates.follow(lambda _: edit("r1", opens=False, reason="rolled_back"), NIGHT + 2)
    (ticket,) = await tickets.of_device("cam-1")
    assert ticket.state is TicketState.NEW
    await updates.follow(lambda _: edit("r2", opens=False, reason="succeeded"), NIGHT + 3)
    (ticket,) = await tickets.of_device("cam-1")
    assert (ticket.state, ticket.close_code) == (TicketState.SOLVED, CloseCode.AUTO)


async def test_the_outbox_of_updates_takes_nothing_from_others(updates: SqlUpdates) -> None:
    await updates.send([])
    with pytest.raises(ValueError, match="recorded by the update service alone"):
        await updates.send([Outbound("siaga/v1/cam-1/update/grant", b"{}")])
