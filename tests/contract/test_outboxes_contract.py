"""What every outbox keeps to: recorded first, sent second, never lost in between."""

from gateway.ports.ingest import Outbound
from tests.parts.stores import NOW, Stores, batch, change, register


async def test_messages_go_down_in_the_order_of_recording(stores: Stores) -> None:
    sent = [Outbound("a", b"\x001", expires_at=NOW), Outbound("b", b"2"), Outbound("a", b"3")]
    await stores.downlink.send(sent[:2])
    await stores.downlink.send(sent[2:])
    pending = await stores.downlink.pending(10)
    assert [p.message for p in pending] == sent
    assert [p.message for p in await stores.downlink.pending(1)] == sent[:1]
    await stores.downlink.done([pending[0].id, pending[2].id, 999])
    await stores.downlink.done([])
    assert [p.message for p in await stores.downlink.pending(10)] == sent[1:2]


async def test_of_retained_messages_only_the_newest_of_a_topic_waits(stores: Stores) -> None:
    await stores.downlink.send([Outbound("a", b"1", retain=True), Outbound("b", b"x", retain=True)])
    (first, _) = await stores.downlink.pending(10)
    await stores.downlink.send(
        [Outbound("a", b"2", retain=True), Outbound("a", b"once"), Outbound("a", b"3", retain=True)]
    )
    pending = await stores.downlink.pending(10)
    assert [(p.message.topic, p.message.payload) for p in pending] == [("b", b"x"), ("a", b"once"), ("a", b"3")]
    await stores.downlink.done([first.id])  # published meanwhile by someone who had read it before
    assert len(await stores.downlink.pending(10)) == 3


async def test_an_id_is_never_given_twice(stores: Stores) -> None:
    await stores.downlink.send([Outbound("a", b"1")])
    (first,) = await stores.downlink.pending(10)
    await stores.downlink.done([first.id])
    await stores.downlink.send([Outbound("a", b"2")])
    (second,) = await stores.downlink.pending(10)
    assert second.id > first.id


async def test_sending_nothing_is_nothing(stores: Stores) -> None:
    await stores.downlink.send([])
    assert await stores.downlink.pending(10) in ([], ())


async def test_a_notification_is_tried_again_later_and_at_last_becomes_a_dead_letter(stores: Stores) -> None:
    await register(stores.registry)
    outbox = stores.notifications
    await stores.ledger.commit(batch(change(), change(scope_id="cam-7")))
    first, second = await outbox.due(NOW, 10)
    assert (first.type, first.attempts, first.at) == ("ticket.opened", 0, NOW)
    assert await outbox.due(NOW - 1, 10) in ([], ())
    assert len(await outbox.due(NOW, 1)) == 1
    await outbox.failed([first.id], NOW + 60, "451 try later")
    assert [one.id for one in await outbox.due(NOW, 10)] == [second.id]
    again = (await outbox.due(NOW + 60, 10))[0]
    assert (again.attempts, again.error, again.event_id) == (1, "451 try later", first.event_id)
    assert await outbox.waiting() == 2
    await outbox.failed([first.id], None, "550 no such user")
    await outbox.failed([], None, "")
    await outbox.failed([12345], None, "unknown")
    assert [one.error for one in await outbox.dead(10)] == ["550 no such user"]
    await outbox.done([second.id])
    await outbox.done([])
    assert await outbox.waiting() == 0
