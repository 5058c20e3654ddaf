"""What customers read in mail, and how they switch it off."""

import json
import re

import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.ports.notifications import ASKS, SUPPORT_ENDS, Delivery, Letter, Line
from gateway.storage.memory import MemoryDeliveries, MemoryNotificationOutbox
from gateway.web.knowledge import Knowledge
from gateway.web.letters import LetterWriter
from gateway.web.mail_choice import choice_signature
from gateway.web.server import create_app
from tests.gateway.web.conftest import Person
from tests.gateway.web.world import CATALOGUE, CUSTOMERS, FAULTS, NOW, World, make_world

BUDI, WAYAN = CUSTOMERS
SECRET = b"s" * 32


async def letter(customer, *lines: Line) -> Letter:
    world = await make_world()
    writer = LetterWriter(
        world.registry, Knowledge(FAULTS, CATALOGUE), "https://care.example/", "Siaga", "+62 811", SECRET
    )
    return await writer.write(customer, lines, NOW)


def line(type_: str, device: str = "senggigi-cam-02", fault: str = "F07", number: str = "SG-1003", **more) -> Line:
    facts = {"ticket_id": number, "number": number, "device_id": device, "site_id": "senggigi", "fault_class": fault,
             "opened_at": NOW - 3600, "severity": "high", "text": "", **more}  # fmt: skip
    return Line(f"{type_}{number}", "c", type_, NOW, number if type_ != ASKS else "", json.dumps(facts))


async def test_a_letter_says_what_happened_in_the_customers_language_and_zone() -> None:
    said = await letter(WAYAN, line("ticket.opened"))
    assert said.subject.startswith("[SG-1003] Pool: ")
    assert said.thread == "ticket.SG-1003"
    assert "14:05 WITA today" in said.text
    assert "https://care.example/home/tickets/SG-1003" in said.text
    assert "https://care.example/home/tickets/SG-1003" in said.html
    assert said.unsubscribe in said.text
    ours = await letter(BUDI, line("ticket.opened", "kemang-cam-01", "F01", "SG-1001"))
    assert "Kami melihat ini pada 13.05 WIB hari ini dan sudah menanganinya." in ours.text
    assert '<html lang="id">' in ours.html


@pytest.mark.parametrize("customer", CUSTOMERS, ids=lambda it: it.language)
@pytest.mark.parametrize(
    "type_", ["ticket.opened", "ticket.advised", "ticket.reopened", "ticket.solved", "ticket.replied", ASKS]
)
async def test_every_kind_of_letter_has_its_own_words(customer, type_: str) -> None:
    said = await letter(customer, line(type_, text="Besok kami datang.", version="2.5.0"))
    other = await letter(customer, line("ticket.opened", text="Besok kami datang.", version="2.5.0"))
    assert said.text != other.text or type_ == "ticket.opened"
    assert ("> Besok kami datang." in said.text) == (type_ == "ticket.replied")
    assert ("/update" in said.text) == (type_ == ASKS)
    assert "%(" not in said.text + said.html + said.subject


async def test_the_end_of_software_updates_is_told_with_its_day_in_the_owners_language() -> None:
    ends = [line(SUPPORT_ENDS, number="", support_until=day) for day in ("2026-12-21", "2026-11-28")]
    said = await letter(WAYAN, ends[0])
    assert said.subject == "Pool: software updates until 21 Dec 2026"
    assert "Software updates end on 21 Dec 2026, in 30 days. It keeps working after that" in said.text
    assert "https://care.example/home/devices/senggigi-cam-02/update" in said.text
    ours = await letter(BUDI, ends[1])
    assert "pembaruan perangkat lunak sampai 28 Nov 2026" in ours.subject
    assert "dalam 7 hari" in ours.text
    both = await letter(WAYAN, *ends)
    assert both.subject == "2 messages about your devices"


async def test_many_matters_are_one_letter_and_very_many_are_counted() -> None:
    said = await letter(WAYAN, *(line("ticket.opened", number=f"SG-{1100 + place}") for place in range(33)))
    assert said.subject == "33 messages about your devices"
    assert said.thread == ""
    assert said.text.count("/home/tickets/SG-") == 20
    assert "And 13 more" in said.text


async def test_a_customers_report_and_a_ticket_without_a_device_are_told_too() -> None:
    said = await letter(WAYAN, line("ticket.opened", fault="REPORTED"), line("ticket.opened", "", "F39", "SG-2"))
    assert "We have your report" in said.text
    assert "Hotel Senggigi: " in said.text


async def test_hostile_words_are_text() -> None:
    said = await letter(WAYAN, line("ticket.replied", text="<script>alert(1)</script>"))
    assert "<script>" not in said.html
    assert "&lt;script&gt;" in said.html


@pytest.fixture
async def site():
    world = await make_world()
    book = MemoryDeliveries(MemoryNotificationOutbox())
    async with TestClient(TestServer(create_app(world.parts(deliveries=book)))) as client:
        yield world, book, client


def address(customer_id: str) -> str:
    return f"/mail/{customer_id}?sig={choice_signature(SECRET, customer_id)}"


async def test_mail_is_switched_off_by_one_click_and_on_again_without_signing_in(site) -> None:
    _, book, client = site
    page = await client.get(address("toko-budi"))
    assert page.status == 200
    assert await book.wants_mail("toko-budi"), "looking changes nothing"
    assert "Berhenti kirim email" in await page.text()
    pressed = await client.post(
        address("toko-budi"), data={"List-Unsubscribe": "One-Click"}, headers={"Origin": "https://mail.example"}
    )
    assert pressed.status == 200
    assert not await book.wants_mail("toko-budi")
    assert "Kirimi saya email lagi" in await pressed.text()
    await client.post(address("toko-budi"), data={"mail": "on"})
    assert await book.wants_mail("toko-budi")


async def test_a_link_is_good_for_its_customer_alone(site) -> None:
    _, book, client = site
    forged = address("toko-budi").replace("toko-budi", "hotel-senggigi")
    for wrong in (forged, "/mail/toko-budi", "/mail/toko-budi?sig=", "/mail/toko-budi?sig=é", address("nobody")):
        assert (await client.get(wrong)).status == 404
        assert (await client.post(wrong)).status == 404
    assert await book.wants_mail("hotel-senggigi")


async def test_staff_sees_who_was_told_and_what_failed(site) -> None:
    world: World = site[0]
    ticket = await world.tickets.get("SG-1001")
    assert ticket is not None
    made = [
        Delivery(
            "d1", "mail", "budi@example.com", "toko-budi", (ticket.ticket_id,), "ticket.opened", "{}", NOW, 0, NOW
        ),
        Delivery(
            "d2",
            "webhook:oncall",
            "https://secret.example/token",
            "toko-budi",
            (ticket.ticket_id,),
            "ticket.opened",
            "{}",
            NOW,
            2,
            NOW,
        ),
    ]
    await site[1].sort([], [], made)
    someone = Person(site[2])
    await someone.sign_in("sari")
    page = await (await site[2].get("/staff/tickets/SG-1001")).text()
    assert "budi@example.com" in page
    assert "webhook:oncall" in page
    assert "secret.example" not in page
    await site[1].sent("d1", NOW)
    await site[1].failed("d2", None, "410 gone")
    page = re.sub(r"\s+", " ", await (await site[2].get("/staff/tickets/SG-1001")).text())
    assert "410 gone" in page
    assert "given up" in page
