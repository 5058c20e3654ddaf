"""What every ledger keeps to."""

import pytest

from diagnostics.changes import ChangeKind
from gateway.ports.ledger import DeviceMessage, Reject, RejectReason
from tests.parts.stores import NOW, Stores, batch, change, register


def reject(device_id: str, number: int, reason: RejectReason = RejectReason.SCHEMA) -> Reject:
    return Reject(device_id, f"siaga/v1/{device_id}/telemetry", reason, f"fault {number}", NOW + number, b"\x00{")


async def test_positions_grow_and_the_journal_is_read_in_order(stores: Stores) -> None:
    committed = [await stores.ledger.commit(batch(journal=f"b{n}".encode(), at=NOW + n)) for n in range(5)]
    positions = [one.position for one in committed]
    assert positions == sorted(set(positions))
    entries = await stores.ledger.read_journal(0, 1_000_000)
    assert [(e.position, e.payload, e.at, e.count) for e in entries] == [
        (position, f"b{n}".encode(), NOW + n, 1) for n, position in enumerate(positions)
    ]
    assert [e.position for e in await stores.ledger.read_journal(positions[2], 1_000_000)] == positions[3:]
    assert await stores.ledger.read_journal(positions[-1], 1_000_000) in ([], ())


async def test_a_read_stops_at_its_bytes_but_gives_at_least_one_entry(stores: Stores) -> None:
    for _ in range(4):
        await stores.ledger.commit(batch(journal=b"x" * 1000))
    assert len(await stores.ledger.read_journal(0, 10)) == 1
    assert len(await stores.ledger.read_journal(0, 2500)) == 2
    assert len(await stores.ledger.read_journal(0, 4000)) == 4


async def test_a_backlog_counts_entries_bytes_and_the_oldest(stores: Stores) -> None:
    ledger = stores.ledger
    empty = await ledger.backlog("history")
    assert (empty.entries, empty.bytes, empty.oldest_at) == (0, 0, None)
    first = await ledger.commit(batch(journal=b"x" * 10, at=NOW))
    await ledger.commit(batch(journal=b"y" * 20, at=NOW + 1))
    await ledger.commit(batch(journal=b"z" * 30, at=NOW + 2))
    behind = await ledger.backlog("history")
    assert (behind.entries, behind.bytes, behind.oldest_at) == (3, 60, NOW)
    await ledger.advance("history", first.position)
    behind = await ledger.backlog("history")
    assert (behind.entries, behind.bytes, behind.oldest_at) == (2, 50, NOW + 1)


async def test_an_entry_is_dropped_only_once_every_reader_and_the_checkpoint_have_passed_it(stores: Stores) -> None:
    ledger = stores.ledger
    positions = [(await ledger.commit(batch(journal=b"x"))).position for _ in range(200)]
    await ledger.advance("history", positions[150])
    assert len(await ledger.read_journal(0, 1_000_000)) == 200
    await ledger.checkpoint(positions[99], [], b"")
    assert (await ledger.read_journal(0, 1_000_000))[0].position == positions[100]
    await ledger.checkpoint(positions[199], [], b"")
    assert (await ledger.read_journal(0, 1_000_000))[0].position == positions[151]
    await ledger.advance("history", positions[199])
    assert (await ledger.backlog("history")).entries == 0
    assert (await ledger.commit(batch())).position > positions[199]


async def test_a_cursor_starts_at_zero_and_never_goes_back(stores: Stores) -> None:
    assert await stores.ledger.cursor("history") == 0
    await stores.ledger.advance("history", 7)
    await stores.ledger.advance("history", 5)
    assert await stores.ledger.cursor("history") == 7


async def test_recovery_gives_the_last_checkpoint_with_the_newest_memory_of_each_device(stores: Stores) -> None:
    ledger = stores.ledger
    fresh = await ledger.recover()
    assert (fresh.position, fresh.shared, [memory async for memory in fresh.memories]) == (0, b"", [])
    await ledger.checkpoint(10, [("cam-1", b"one"), ("cam-2", b"two")], b"shared")
    await ledger.checkpoint(20, [("cam-2", b"TWO"), ("cam-3", b"three")], b"SHARED")
    recovery = await ledger.recover()
    assert (recovery.position, recovery.shared) == (20, b"SHARED")
    memories = [memory async for memory in recovery.memories]
    assert memories == [("cam-1", b"one"), ("cam-2", b"TWO"), ("cam-3", b"three")]


async def test_a_staged_memory_counts_only_once_its_checkpoint_is_complete(stores: Stores) -> None:
    ledger = stores.ledger
    await ledger.checkpoint(10, [("cam-1", b"one"), ("cam-2", b"two")], b"shared")
    await ledger.stage(20, [("cam-1", b"ONE")])
    await ledger.stage(20, [("cam-3", b"three")])
    before = await ledger.recover()
    assert (before.position, before.shared) == (10, b"shared")
    assert [memory async for memory in before.memories] == [("cam-1", b"one"), ("cam-2", b"two")]

    await ledger.checkpoint(20, [("cam-4", b"four")], b"SHARED")
    after = await ledger.recover()
    assert (after.position, after.shared) == (20, b"SHARED")
    memories = [memory async for memory in after.memories]
    assert memories == [("cam-1", b"ONE"), ("cam-2", b"two"), ("cam-3", b"three"), ("cam-4", b"four")]


async def test_memories_staged_for_a_checkpoint_that_never_came_give_way_to_the_next(stores: Stores) -> None:
    ledger = stores.ledger
    await ledger.checkpoint(10, [("cam-1", b"one")], b"")
    await ledger.stage(20, [("cam-1", b"LOST")])
    await ledger.checkpoint(30, [("cam-1", b"ONE")], b"")
    assert [memory async for memory in (await ledger.recover()).memories] == [("cam-1", b"ONE")]


async def test_recovery_streams_more_devices_than_fit_into_one_chunk(stores: Stores) -> None:
    memories = [(f"cam-{n:05}", str(n).encode()) for n in range(2345)]
    await stores.ledger.checkpoint(1, memories, b"")
    assert [memory async for memory in (await stores.ledger.recover()).memories] == memories


async def test_rejects_are_kept_newest_first_and_a_loud_device_hides_nobody(stores: Stores) -> None:
    ledger = stores.ledger
    await ledger.commit(batch(rejects=[reject("quiet", 1, RejectReason.NOT_JSON)]))
    for start in range(0, 400, 200):
        await ledger.commit(batch(rejects=[reject("loud", number) for number in range(start, start + 200)]))
    loud = await ledger.rejects("loud", 1000)
    assert [kept.detail for kept in loud] == [f"fault {number}" for number in range(399, 299, -1)]
    assert await ledger.rejects("quiet", 10) == [reject("quiet", 1, RejectReason.NOT_JSON)]
    assert len(await ledger.rejects(None, 5)) == 5
    assert len(await ledger.rejects(None, 1000)) == 101


async def test_a_reject_may_hold_any_text(stores: Stores) -> None:
    strange = Reject("cam\x00", "siaga/\ud800", RejectReason.UNKNOWN_TOPIC, "nul \x00 here", NOW, b"\x00\xff")
    await stores.ledger.commit(batch(rejects=[strange]))
    assert (await stores.ledger.rejects(None, 1))[0].sample == b"\x00\xff"


async def test_messages_of_devices_are_answered_in_the_same_transaction(stores: Stores) -> None:
    said = DeviceMessage("cam-1", "update/request", b"may I?", NOW)
    committed = await stores.ledger.commit(batch(messages=[said]))
    assert committed.downlink
    assert [p.message.payload for p in await stores.downlink.pending(10)] == [b"may I?"]


async def test_a_message_that_the_update_part_refuses_is_kept_as_a_reject(stores: Stores) -> None:
    said = [DeviceMessage("cam-1", "update/request", b"bad", NOW), DeviceMessage("cam-2", "event", b"ok", NOW)]
    committed = await stores.ledger.commit(batch(messages=said))
    (kept,) = await stores.ledger.rejects("cam-1", 10)
    assert committed.rejects == (kept,)
    assert (kept.reason, kept.sample) == (RejectReason.SCHEMA, b"bad")
    assert [p.message.payload for p in await stores.downlink.pending(10)] == [b"ok"]


async def test_a_batch_that_fails_in_its_middle_has_no_effect_at_all(stores: Stores) -> None:
    await register(stores.registry)
    before = await stores.ledger.commit(batch())
    failing = batch(
        change(), rejects=[reject("cam-1", 1)], messages=[DeviceMessage("cam-1", "update/request", b"boom", NOW)]
    )
    with pytest.raises(RuntimeError, match="boom"):
        await stores.ledger.commit(failing)
    assert (await stores.ledger.read_journal(before.position, 1_000_000)) in ([], ())
    assert await stores.ledger.rejects(None, 10) == []
    assert await stores.tickets.of_device("cam-1") == []
    assert await stores.notifications.waiting() == 0


async def test_a_commit_says_which_tickets_it_touched(stores: Stores) -> None:
    await register(stores.registry)
    opened = await stores.ledger.commit(batch(change(), change(scope_id="cam-2")))
    tickets = [await stores.tickets.of_device(device) for device in ("cam-1", "cam-2")]
    assert opened.tickets == tuple(found[0].ticket_id for found in tickets)
    assert opened.notifications
    again = await stores.ledger.commit(batch(change()))
    assert (again.tickets, again.notifications) == ((), False)
    amended = await stores.ledger.commit(batch(change(ChangeKind.AMENDED, since=NOW - 500.0)))
    assert (amended.tickets, amended.notifications) == (opened.tickets[:1], False)


async def test_a_ready_ledger_says_nothing(stores: Stores) -> None:
    await stores.ledger.ready()
