"""What every store of deliveries keeps to: made once, tried until settled, never lost in between."""

import json
from dataclasses import replace

from gateway.ports.notifications import Delivery, DeliveryState, Line
from tests.parts.stores import NOW, Stores, batch, change, register

LEASE = 60.0


def delivery(name: str, target: str = "webhook:a", at: float = NOW, tickets: tuple[str, ...] = ("t1",)) -> Delivery:
    return Delivery(name, target, "somewhere", "toko", tickets, "ticket.opened", '{"é":1}', at, next_try=at)


def line(name: str, customer: str = "toko", at: float = NOW) -> Line:
    return Line(name, customer, "ticket.opened", at, "t1", json.dumps({"severity": "high"}))


async def test_events_become_lines_and_deliveries_once(stores: Stores) -> None:
    await register(stores.registry)
    await stores.ledger.commit(batch(change(), change(scope_id="cam-7")))
    events = await stores.notifications.due(NOW, 10)
    ids = [event.id for event in events]
    assert (await stores.deliveries.standing()).waiting == 2
    await stores.deliveries.sort(ids, [line("e1"), line("e2", "bakery", NOW - 1)], [delivery("d1")])
    await stores.deliveries.sort(ids, [line("e3")], [delivery("d3")])  # another gateway was slower
    assert await stores.notifications.due(NOW, 10) in ([], ())
    waiting = await stores.deliveries.lines()
    assert {name: [one.event_id for one in lines] for name, lines in waiting.items()} == {
        "bakery": ["e2"],
        "toko": ["e1"],
    }
    assert [one.delivery_id for one in await stores.deliveries.claim("webhook:a", NOW, 10, LEASE)] == ["d1"]
    standing = await stores.deliveries.standing()
    assert (standing.waiting, standing.dead, standing.oldest_at) == (3, 0, NOW)


async def test_lines_become_one_letter_once(stores: Stores) -> None:
    book = stores.deliveries
    told = [line("e1"), line("e2")]
    await book.sort([], told, [])
    await book.write(told, delivery("letter", "mail", tickets=("t1", "t2")))
    await book.write(told, delivery("again", "mail"))  # another gateway was slower
    assert await book.lines() == {}
    assert [one.delivery_id for one in await book.claim("mail", NOW, 10, LEASE)] == ["letter"]
    assert [one.delivery_id for one in await book.of_ticket("t2")] == ["letter"]
    assert dict(await book.mailed(["toko", "bakery"], NOW - 1)) == {"toko": [NOW]}
    assert dict(await book.mailed(["toko"], NOW + 1)) == {}
    await book.sort([], [line("e4")], [])
    await book.write([line("e4")], None)
    assert await book.lines() == {}


async def test_what_was_taken_by_one_who_died_is_claimed_again_and_is_the_same(stores: Stores) -> None:
    book = stores.deliveries
    made = delivery("d1")
    await book.sort([], [], [made, delivery("d0", at=NOW - 5), delivery("other", "webhook:b")])
    first = await book.claim("webhook:a", NOW, 10, LEASE)
    assert [one.delivery_id for one in first] == ["d0", "d1"]
    assert await book.claim("webhook:a", NOW + LEASE - 1, 10, LEASE) in ([], ())
    again = await book.claim("webhook:a", NOW + LEASE, 1, LEASE)
    assert [one.delivery_id for one in again] == ["d0"]
    (one,) = [it for it in await book.claim("webhook:a", NOW + LEASE, 10, LEASE) if it.delivery_id == "d1"]
    assert replace(one, next_try=None) == replace(made, next_try=None)


async def test_a_delivery_is_tried_again_given_up_revived_sent_and_at_last_forgotten(stores: Stores) -> None:
    book = stores.deliveries
    await book.sort([], [], [delivery("d1")])
    await book.failed("d1", NOW + 9, "500 no")
    await book.failed("d1", NOW + 5, "not tried", tried=False)
    (one,) = await book.claim("webhook:a", NOW + 5, 10, LEASE)
    assert (one.attempts, one.error, one.state) == (1, "not tried", DeliveryState.WAITING)
    await book.failed("d1", None, "410 gone " + "x" * 1000)
    (dead,) = await book.given_up(10)
    assert (dead.state, len(dead.error)) == (DeliveryState.DEAD, 500)
    assert (await book.standing()).dead == 1
    assert await book.revive(NOW + 100, "unknown") == 0
    assert await book.revive(NOW + 100, "d1") == 1
    assert await book.revive(NOW + 100) == 0
    (again,) = await book.claim("webhook:a", NOW + 100, 10, LEASE)
    assert again.attempts == 0
    assert await book.forget(NOW + 1000) == 0
    await book.sent("d1", NOW + 101)
    (told,) = await book.of_ticket("t1")
    assert (told.state, told.sent_at, told.error) == (DeliveryState.SENT, NOW + 101, "")
    assert (await book.standing()).oldest_at is None
    assert await book.forget(NOW + 1000) == 1
    assert await book.of_ticket("t1") in ([], ())
    await book.failed("d1", None, "unknown by now")


async def test_everybody_wants_mail_who_has_not_said_no(stores: Stores) -> None:
    assert await stores.deliveries.wants_mail("toko")
    await stores.deliveries.choose_mail("toko", NOW, wanted=False)
    assert not await stores.deliveries.wants_mail("toko")
    await stores.deliveries.choose_mail("toko", NOW, wanted=True)
    assert await stores.deliveries.wants_mail("toko")


async def test_a_receiver_that_is_gone_is_remembered_with_its_address_until_it_is_turned_on(stores: Stores) -> None:
    book = stores.deliveries
    assert dict(await book.gone()) == {}
    await book.went("webhook:a", "https://a.example", NOW)
    await book.went("webhook:b", "https://b.example", NOW)
    await book.went("webhook:a", "https://other.example", NOW + 1)
    assert dict(await book.gone()) == {"webhook:a": "https://other.example", "webhook:b": "https://b.example"}
    assert await book.turn_on("webhook:a")
    assert not await book.turn_on("webhook:a")
    assert dict(await book.gone()) == {"webhook:b": "https://b.example"}
