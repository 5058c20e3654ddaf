"""From a ticket to what customers and systems get: grouped, retried, never lost, the same id when it comes twice."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from diagnostics.changes import ChangeKind, Severity
from gateway.notify.courier import Courier
from gateway.notify.grouping import QuietHours
from gateway.notify.part import Notifier, open_notifier
from gateway.notify.webhook import Endpoint
from gateway.ports.notifications import Delivery, DeliveryState
from gateway.storage.database import open_database
from tests.gateway.notify.parts import PostOffice, QuickClock, Receiver, post_office, receiver
from tests.parts import notify_child
from tests.parts.notify_child import PlainWriter
from tests.parts.stores import NOW, Stores, batch, change, memory_stores, register, sql_stores


@dataclass
class Part:
    stores: Stores
    notifier: Notifier
    clock: QuickClock
    office: PostOffice
    hook: Receiver

    async def work(self, seconds: float = 0.0) -> None:
        """Let time pass; sort and deliver whatever is due then."""
        self.clock.move(seconds)
        while await self.notifier._sorter.step(self.clock.now()):
            pass
        for courier in self.notifier.couriers:
            while await courier.round():
                pass
            await courier._sender.rest()


async def registered(stores: Stores) -> None:
    await register(stores.registry)
    for name, address in (("toko", "budi@example.com"), ("bakery", "")):
        customer = await stores.registry.customer(name)
        assert customer is not None
        await stores.registry.put([replace(customer, email=address)])


@asynccontextmanager
async def a_part(*, quiet: QuietHours | None = None, **hook: object) -> AsyncIterator[Part]:
    stores, clock = memory_stores(), QuickClock(NOW)
    await registered(stores)
    async with post_office() as office, receiver() as there:
        endpoint = Endpoint("oncall", URL(there.url), (b"k" * 32,), **{"allow_private": True, **hook})  # type: ignore[arg-type]
        async with open_notifier(
            stores.notifications, stores.deliveries, stores.registry, PlainWriter(), clock,
            server=office.server(), quiet=quiet, endpoints=[endpoint],
        ) as notifier:  # fmt: skip
            yield Part(stores, notifier, clock, office, there)


async def test_a_ticket_reaches_on_call_at_once_and_its_customer_after_half_a_minute() -> None:
    async with a_part() as part:
        (ticket,) = (await part.stores.ledger.commit(batch(change()))).tickets
        await part.work()
        (body,) = part.hook.bodies()
        assert (body["type"], body["data"]["ticket_id"]) == ("ticket.opened", ticket)
        assert part.office.letters == []
        await part.work(29)
        assert part.office.letters == []
        await part.work(2)
        (letter,) = part.office.letters
        assert letter["To"] == "budi@example.com"
        told = await part.stores.deliveries.of_ticket(ticket)
        assert [(one.target, one.state) for one in told] == [
            ("mail", DeliveryState.SENT),
            ("webhook:oncall", DeliveryState.SENT),
        ]
        await part.work(1000)
        assert (len(part.office.letters), len(part.hook.seen)) == (1, 1)


async def test_a_storm_of_tickets_is_one_letter() -> None:
    async with a_part() as part:
        classes = [f"FAULT_{place}" for place in range(40)]
        await part.stores.ledger.commit(batch(*(change(fault_class=one) for one in classes)))
        await part.work()
        await part.work(60)
        (letter,) = part.office.letters
        assert letter["Subject"].count("ticket.opened") == 40
        assert len(part.hook.seen) == 40


async def test_nothing_is_told_of_what_opened_and_solved_itself_meanwhile() -> None:
    async with a_part() as part:
        await part.stores.ledger.commit(batch(change()))
        await part.stores.ledger.commit(batch(change(ChangeKind.RECOVERED, since=NOW - 50), at=NOW + 5))
        await part.work(100)
        assert part.office.letters == []
        assert (await part.stores.deliveries.standing()).waiting == 0


async def test_at_night_only_what_is_critical_is_mailed() -> None:
    async with a_part(quiet=QuietHours.parse("17:00-19:00")) as part:  # NOW is 18:06 in Jakarta
        await part.stores.ledger.commit(batch(change()))
        await part.work(600)
        assert part.office.letters == []
        await part.stores.ledger.commit(batch(change(fault_class="ALL_DARK", severity=Severity.CRITICAL), at=NOW + 600))
        await part.work(60)
        (letter,) = part.office.letters
        assert letter["Subject"] == "ticket.opened, ticket.opened"


async def test_who_has_no_address_or_wants_no_mail_gets_none_and_nothing_piles_up() -> None:
    async with a_part() as part:
        await part.stores.deliveries.choose_mail("toko", NOW, wanted=False)
        await part.stores.ledger.commit(batch(change(), change(scope_id="cam-7"), change(scope_id="stranger")))
        await part.work(100)
        assert part.office.letters == []
        assert len(part.hook.seen) == 3
        assert (await part.stores.deliveries.standing()).waiting == 0


async def test_with_nobody_to_tell_events_do_not_pile_up() -> None:
    stores, clock = memory_stores(), QuickClock(NOW)
    await registered(stores)
    await stores.ledger.commit(batch(change()))
    async with open_notifier(
        stores.notifications, stores.deliveries, stores.registry, PlainWriter(), clock,
        server=None, quiet=None, endpoints=[],
    ) as notifier:  # fmt: skip
        assert not await notifier._sorter.step(NOW)
    assert (await stores.deliveries.standing()).waiting == 0


async def test_a_receiver_that_is_away_gets_everything_later_under_the_same_ids() -> None:
    async with a_part() as part:
        part.hook.answers = [web.Response(status=503) for _ in range(3)]
        await part.stores.ledger.commit(batch(change(), change(fault_class="OTHER")))
        for _ in range(6):
            await part.work(2000)
        ids = [headers["webhook-id"] for headers, _ in part.hook.seen]
        assert len(ids) == 5
        assert len(set(ids)) == 2
        told = await part.stores.deliveries.claim("webhook:oncall", part.clock.now() + 1e6, 10, 1)
        assert told in ([], ())


async def test_a_message_that_is_refused_again_and_again_is_given_up_kept_and_can_be_revived() -> None:
    async with a_part() as part:
        part.office.refuse_to = "budi@example.com"
        await part.stores.ledger.commit(batch(change()))
        await part.work()
        await part.work(60)
        (dead,) = await part.stores.deliveries.given_up(10)
        assert (dead.target, dead.error) == ("mail", "550 no such user")
        part.office.refuse_to = ""
        await part.stores.deliveries.revive(part.clock.now())
        await part.work()
        assert len(part.office.letters) == 1
        for _ in range(400):
            part.hook.answers.append(web.Response(status=404))
        await part.stores.ledger.commit(batch(change(fault_class="OTHER"), at=NOW + 100))
        for _ in range(12):
            await part.work(90_000)
        (dead,) = await part.stores.deliveries.given_up(10)
        assert (dead.target, dead.error) == ("webhook:oncall", "404")
        assert 3 <= dead.attempts <= 9


async def test_410_switches_a_webhook_off_and_letters_go_on() -> None:
    async with a_part() as part:
        part.hook.answers = [web.Response(status=410)]
        await part.stores.ledger.commit(batch(change(), change(fault_class="OTHER")))
        await part.work()
        assert len(part.hook.seen) == 1
        assert len(await part.stores.deliveries.given_up(10)) == 2
        await part.stores.ledger.commit(batch(change(fault_class="THIRD"), at=NOW + 1))
        await part.work(100)
        assert len(part.hook.seen) == 1
        assert len(part.office.letters) == 1


async def test_a_webhook_that_is_gone_stays_off_over_restarts_until_it_moves_or_somebody_turns_it_on() -> None:
    stores, clock = memory_stores(), QuickClock(NOW)
    await registered(stores)
    async with receiver() as there, receiver() as elsewhere:
        there.answers = [web.Response(status=410)]
        opened = 0

        async def another_life(url: str) -> None:
            nonlocal opened
            endpoint = Endpoint("oncall", URL(url), (b"k" * 32,), allow_private=True)
            async with open_notifier(
                stores.notifications, stores.deliveries, stores.registry, PlainWriter(), clock,
                server=None, quiet=None, endpoints=[endpoint],
            ) as notifier:  # fmt: skip
                opened += 1
                await stores.ledger.commit(batch(change(fault_class=f"FAULT_{opened}")))
                clock.move(100)
                while await notifier._sorter.step(clock.now()):
                    pass
                await notifier.couriers[0].round()

        await another_life(there.url)
        assert dict(await stores.deliveries.gone()) == {"webhook:oncall": there.url}
        await another_life(there.url)
        await stores.deliveries.revive(clock.now())
        await another_life(there.url)
        assert len(there.seen) == 1
        await another_life(elsewhere.url)
        assert len(elsewhere.seen) >= 1
        assert await stores.deliveries.turn_on("webhook:oncall")
        await another_life(there.url)
        assert len(there.seen) > 1


async def test_the_parts_own_life_delivers_and_counts() -> None:
    async with a_part() as part:
        running = asyncio.ensure_future(part.notifier.run())
        await part.stores.ledger.commit(batch(change()))
        part.notifier.wake()
        async with asyncio.timeout(10):
            await part.hook.came.wait()
        assert {one.target for one in part.notifier.couriers} == {"webhook:oncall", "mail"}
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


class Dying:
    """Hands over, and the process ends before that is written down."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def send(self, delivery: Delivery, now: float):
        self.seen.append(delivery.delivery_id)
        raise KeyboardInterrupt

    async def rest(self) -> None:
        return None


async def test_between_sending_and_writing_down_nothing_is_lost() -> None:
    stores, clock = memory_stores(), QuickClock(NOW)
    made = Delivery("d1", "mail", "a@b.example", "toko", (), "x", "{}", NOW, next_try=NOW)
    await stores.deliveries.sort([], [], [made])
    dying = Dying()
    courier = Courier("mail", dying, stores.deliveries, clock, lease_s=60.0)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            await courier.round()
        assert not await courier.round()  # the lease of the dead one holds
        clock.move(61)
    assert dying.seen == ["d1", "d1"]


async def test_kill_9_between_sending_and_writing_down_repeats_the_letter_with_its_id(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/siaga.db"
    async with open_database(url) as database:
        stores = sql_stores(database)
        await registered(stores)
        await stores.ledger.commit(batch(change()))
    async with post_office() as office:
        child: list[asyncio.subprocess.Process] = []
        came = asyncio.Event()

        def kill() -> None:
            came.set()
            if len(office.letters) < 3:
                os.kill(child[-1].pid, signal.SIGKILL)  # it has sent, and never hears the answer

        office.arrived = kill
        for _ in range(3):
            child.append(
                await asyncio.create_subprocess_exec(sys.executable, "-P", notify_child.__file__, url, str(office.port))
            )
            async with asyncio.timeout(30):
                await came.wait()
            came.clear()
            if len(office.letters) < 3:
                assert await child[-1].wait() == -signal.SIGKILL
                await asyncio.sleep(0.35)  # the lease of the dead one
        async with asyncio.timeout(10), open_database(url) as database:
            while (await sql_stores(database).deliveries.standing()).waiting:  # noqa: ASYNC110 - another process's work
                await asyncio.sleep(0.05)
        child[-1].kill()
        await child[-1].wait()
    assert [letter["Message-ID"] for letter in office.letters] == [office.letters[0]["Message-ID"]] * 3
