"""Webhooks arrive at a real receiver: signed, with an id; nothing inside is reached by a crafted address."""

import json

from aiohttp import web
from yarl import URL

from diagnostics.changes import Severity
from gateway.notify.backoff import Fate
from gateway.notify.signing import signature
from gateway.notify.webhook import Endpoint, open_sender
from gateway.ports.notifications import Delivery, Notification
from tests.gateway.notify.parts import receiver

NOW = 1_795_000_000.0
KEY = b"k" * 32


def hook(url: str, **changes: object) -> Endpoint:
    return Endpoint("oncall", URL(url), (KEY,), **{"allow_private": True, **changes})  # type: ignore[arg-type]


def message(payload: str = '{"type":"ticket.opened"}') -> Delivery:
    return Delivery("d1", "webhook:oncall", "", "toko", ("t1",), "ticket.opened", payload, NOW, next_try=NOW)


async def test_a_receiver_can_verify_what_it_gets() -> None:
    async with receiver() as there, open_sender(hook(there.url)) as sender:
        assert (await sender.send(message(), NOW + 5)).fate is Fate.TAKEN
        ((headers, body),) = there.seen
    assert headers["webhook-id"] == "msg_d1"
    assert headers["webhook-timestamp"] == str(int(NOW + 5))
    assert headers["webhook-signature"] == signature("msg_d1", int(NOW + 5), body, [KEY])
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {"type": "ticket.opened"}


async def test_nothing_of_our_own_network_is_reached_by_number_name_or_redirect() -> None:
    async with receiver() as there:
        port = URL(there.url).port
        for address in (f"http://127.0.0.1:{port}/", f"http://localhost:{port}/", f"http://[::ffff:127.0.0.1]:{port}/"):
            async with open_sender(hook(address, allow_private=False)) as sender:
                outcome = await sender.send(message(), NOW)
                assert (outcome.fate, "public address" in outcome.said) == (Fate.AWAY, True), outcome.said
        assert there.seen == []
        there.answers = [web.Response(status=302, headers={"Location": there.url + "/inside"})]
        async with open_sender(hook(there.url)) as sender:
            assert (await sender.send(message(), NOW)).fate is Fate.LATER
        assert len(there.seen) == 1


async def test_answers_are_understood_and_never_read_to_their_end() -> None:
    async with receiver() as there, open_sender(hook(there.url)) as sender:
        there.answers = [
            web.Response(status=503, headers={"Retry-After": "77"}),
            web.Response(status=410),
            web.Response(status=400, text="x" * 100_000),
        ]
        assert (await sender.send(message(), NOW)).after_s == 77.0
        assert (await sender.send(message(), NOW)).fate is Fate.GONE
        refused = await sender.send(message(), NOW)
        assert (refused.fate, len(refused.said)) == (Fate.LATER, 300)
    async with open_sender(hook(there.url)) as sender:
        gone = await sender.send(message(), NOW)
        assert (gone.fate, bool(gone.said)) == (Fate.AWAY, True)


def test_a_receiver_gets_what_it_asked_for() -> None:
    def event(type_: str, severity: str = "high") -> Notification:
        facts = {"severity": severity} if severity else {}
        return Notification(1, "e", type_, NOW, "t", json.dumps(facts), 0, NOW)

    picky = hook("https://x.example/", types=frozenset({"ticket.opened", "update.asks"}), least=Severity.HIGH)
    assert picky.wants(event("ticket.opened"))
    assert picky.wants(event("update.asks", ""))
    assert not picky.wants(event("ticket.opened", "warning"))
    assert not picky.wants(event("ticket.solved"))
    assert hook("https://x.example/").wants(event("ticket.solved", "info"))
