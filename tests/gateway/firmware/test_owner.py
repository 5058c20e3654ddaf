"""What an owner reads and answers: notes in their language and zone, the question, later, and the end of support."""

import hashlib
import html
import json
import re
from dataclasses import replace

import pytest

from firmware_updates.attempt_row import State
from firmware_updates.messages import Component
from firmware_updates.policy import Policy
from gateway.web.language import speak
from gateway.web.software import support_notice
from tests.firmware_updates.factories import stock
from tests.gateway.web.world import DAY, NOW

CAMERA = "senggigi-cam-01"
PAGE = f"/home/devices/{CAMERA}/update"


@pytest.fixture
async def asked(gateway) -> str:
    """A rollout that asks each customer; the attempt of the hotel's camera."""
    release, service = await gateway.published(), gateway.service

    def begin(store):  # type: ignore[no-untyped-def]
        store.put_device(replace(store.device(CAMERA), stock=stock(received_at=NOW - 600)))
        policy = Policy(consent_required=True, control=0.0)
        service.create_rollout(store, "dewi", "r1", "r1", release, [CAMERA], policy, NOW, NOW + 20 * DAY, NOW)
        shown = service.simulated(store, "dewi", "r1", NOW)
        service.submit(store, "dewi", "r1", NOW)
        service.approve(store, "rini", "r1", shown.content_sha256, NOW)

    await gateway.updates.act(begin)
    for minute in range(3):
        await gateway.updates.tick(NOW + 60 * minute)
    row = await gateway.updates.read(lambda store: store.attempt(f"r1/{CAMERA}/1"))
    assert row.state is State.AWAIT_CONSENT
    return row.attempt_id


async def attempt(gateway, name: str):
    return await gateway.updates.read(lambda store: store.attempt(name))


async def send(someone, said: str, **more: str):
    page = await someone.page(PAGE)
    found = re.search(r'name="text" value="([0-9a-f]{64})"', page)
    return await someone.send(PAGE, PAGE, **{"answer": said, "text": found[1] if found else "", **more})


async def test_the_question_is_in_the_owners_words_and_zone_and_what_was_read_is_kept(gateway, asked, person) -> None:
    wayan = await person("wayan")
    assert "An update waits for your answer." in await wayan.page("/home")
    page = await wayan.page(PAGE)
    words = html.unescape(re.search(r"<blockquote>(.*?)</blockquote>", page)[1])
    assert words == (
        "Update Lobby to version 2.5.0. What changes: Fixes the clock. It restarts once; please do not unplug it"
        " meanwhile."
    )
    assert "Every day 01:00-05:00 WITA" in page
    assert (await send(wayan, "yes")).headers["Location"] == f"{PAGE}?said=yes"
    row = await attempt(gateway, asked)
    assert row.state is State.READY
    assert (row.consent.who, row.consent.at) == ("wayan", NOW)
    assert row.consent.text_sha256 == hashlib.sha256(words.encode()).hexdigest()
    assert "An update waits for your answer." not in await wayan.page("/home")


async def test_in_indonesian_the_notes_are_the_indonesian_ones(gateway, asked, person) -> None:
    wayan = await person("wayan")
    assert (await wayan.get("/home?lang=id")).status == 303
    page = await wayan.page(PAGE)
    assert "Memperbaiki jam." in page
    assert "Setiap hari 01:00-05:00 WITA" in page
    english = hashlib.sha256(b"other words").hexdigest()
    assert (await send(wayan, "yes", text=english)).status == 409
    assert (await attempt(gateway, asked)).state is State.AWAIT_CONSENT


async def test_a_no_is_final_for_this_rollout(gateway, asked, person) -> None:
    wayan = await person("wayan")
    assert (await send(wayan, "no")).status == 303
    assert (await attempt(gateway, asked)).state is State.CANCELED
    assert "No update is waiting." in await wayan.page(PAGE)
    assert (await wayan.send(PAGE, "/home/devices/senggigi-cam-01/report", answer="yes", text="")).status == 409


async def test_later_is_kept_and_shown_in_the_owners_zone(gateway, asked, person) -> None:
    wayan = await person("wayan")
    assert (await send(wayan, "later-7")).status == 303
    row = await attempt(gateway, asked)
    assert (row.state, row.postponed_until) == (State.AWAIT_CONSENT, NOW + 7 * DAY)
    assert "15:05 WITA on Sat 28 Nov" in await wayan.page(PAGE)
    assert (await send(wayan, "never")).status == 422


async def test_nobody_else_can_read_or_answer(gateway, asked, person) -> None:
    budi = await person("budi")
    assert (await budi.get(PAGE)).status == 404
    assert (await budi.send(PAGE, "/home/devices/kemang-cam-01/report", answer="yes")).status == 404
    assert (await attempt(gateway, asked)).state is State.AWAIT_CONSENT


async def test_what_changed_last_is_told_once_the_device_reports_it(gateway, asked, person) -> None:
    wayan = await person("wayan")
    assert "What changed last" not in await wayan.page(PAGE)
    new = stock(components=(("firmware", Component("2.5.0", 7)),))
    await gateway.updates.act(lambda store: store.put_device(replace(store.device(CAMERA), stock=new, hw_id="cam-4k")))
    assert "Version 2.5.0: Fixes the clock." in await wayan.page(PAGE)


async def test_a_draft_is_nothing_a_customer_hears_of(gateway, person) -> None:
    release, service = await gateway.published(), gateway.service
    await gateway.updates.act(
        lambda store: service.create_rollout(
            store, "dewi", "r1", "r1", release, [CAMERA], Policy(control=0.0), NOW, NOW + DAY, NOW
        )
    )
    wayan = await person("wayan")
    assert "No update is waiting." in await wayan.page(PAGE)
    assert "Software: what changed, and what comes" in await wayan.page(f"/home/devices/{CAMERA}")


def test_the_end_of_support_is_told_three_months_ahead_by_the_sites_calendar() -> None:
    speak("en")
    jakarta = "Asia/Jakarta"  # it is 21 November there
    assert support_notice("", jakarta, NOW) == ""
    assert support_notice("2027-02-20", jakarta, NOW) == ""
    assert "in 90 days" in support_notice("2027-02-19", jakarta, NOW)
    assert "on 22 Nov 2026, in 1 day." in support_notice("2026-11-22", jakarta, NOW)
    assert support_notice("2026-11-21", jakarta, NOW).startswith("Today is the last day")
    assert "in 1 day." in support_notice("2026-11-22", jakarta, NOW + 9 * 3600), "23:05 there"
    assert support_notice("2026-11-22", jakarta, NOW + 10 * 3600).startswith("Today"), "00:05 there"
    assert "ended on 20 Nov 2026" in support_notice("2026-11-20", jakarta, NOW)


async def test_an_owner_is_asked_by_mail_once_and_strangers_never(gateway, asked) -> None:
    from gateway.storage.notifications import SqlNotificationOutbox, announce_question

    said = []
    for device in (CAMERA, "stranger"):

        def record(connection, device=device) -> bool:
            return announce_question(connection, asked, device, "2.5.0", NOW)

        said.append(await gateway.database.transact(record))
    assert said == [False, False], "the rollout has asked"
    (event,) = await SqlNotificationOutbox(gateway.database).due(NOW, 10)
    facts = json.loads(event.payload)
    assert (event.type, event.ticket_id) == ("update.asks", "")
    assert (facts["customer_id"], facts["device_id"], facts["version"]) == ("hotel-senggigi", CAMERA, "2.5.0")


async def test_a_rollout_that_asks_records_the_question_with_its_transaction(gateway, person) -> None:
    from gateway.storage.notifications import SqlNotificationOutbox

    release, service = await gateway.published(), gateway.service

    def begin(store):  # type: ignore[no-untyped-def]
        store.put_device(replace(store.device(CAMERA), stock=stock(received_at=NOW - 600)))
        policy = Policy(consent_required=True, control=0.0)
        service.create_rollout(store, "dewi", "r1", "r1", release, [CAMERA], policy, NOW, NOW + 20 * DAY, NOW)
        shown = service.simulated(store, "dewi", "r1", NOW)
        service.submit(store, "dewi", "r1", NOW)
        service.approve(store, "rini", "r1", shown.content_sha256, NOW)

    await gateway.updates.act(begin)
    told = [(await gateway.updates.tick(NOW + 60 * minute)).notified for minute in range(3)]
    assert told.count(True) == 1
    assert [event.type for event in await SqlNotificationOutbox(gateway.database).due(NOW + 999, 10)] == ["update.asks"]
