"""The staff console: live between browsers, by keyboard, with charts."""

import pytest
from playwright.sync_api import expect

from diagnostics.changes import Severity
from tests.gateway.web.world import NOW, open_ticket

pytestmark = pytest.mark.real
DESK = {"viewport": {"width": 1440, "height": 900}}


def live(page) -> None:
    expect(page.locator("#pulse")).to_contain_text("live")


async def new_ticket(world) -> None:
    open_ticket(world, "F22", "kemang-nvr", since=NOW - 300, severity=Severity.CRITICAL, rule="memory-leak@2")
    world.wake.publish("tickets")


def test_two_agents_see_each_others_work_without_reloading(stage) -> None:
    sari, andi = stage.visit("sari", **DESK), stage.visit("andi", **DESK)
    for agent in (sari, andi):
        agent.go("/staff/queue?view=inbox&lang=en")
        agent.go("/staff/queue?view=inbox")
        live(agent.page)
    row = andi.page.locator("tr", has_text="SG-1004")
    expect(row).not_to_contain_text("Sari")
    sari.page.locator("tr", has_text="SG-1004").get_by_role("link").click()
    sari.page.get_by_role("button", name="Take it").click()
    expect(sari.page.locator("header.head")).to_contain_text("Owner: Sari")
    expect(row).to_have_class("tone-act gone")
    expect(andi.page.locator('[data-count="inbox"]')).to_have_text("4")
    expect(andi.page.locator("#pill")).to_be_visible()


def test_a_row_never_moves_by_itself_new_tickets_wait_behind_the_pill(stage) -> None:
    sari = stage.visit("sari", **DESK)
    page = sari.page
    live(page)
    before = page.locator("#rows tr").evaluate_all("rows => rows.map(row => row.dataset.id)")
    stage.do(new_ticket)
    expect(page.locator("#pill")).to_have_text("1 new ticket .")
    assert page.locator("#rows tr").evaluate_all("rows => rows.map(row => row.dataset.id)") == before
    expect(page.locator('[data-count="unresolved"]')).to_have_text("8")
    page.keyboard.press(".")
    expect(page.locator("#rows tr")).to_have_count(8)
    expect(page.locator("#pill")).to_be_hidden()
    expect(page.locator("#rows")).to_contain_text("SG-1009")


def test_an_agent_works_the_queue_by_keyboard_alone(stage) -> None:
    sari = stage.visit("sari", **DESK)
    page = sari.page
    live(page)
    chosen = page.locator("tr[aria-selected=true]")
    expect(chosen).to_contain_text("SG-1003")
    page.keyboard.press("j")
    expect(chosen).to_contain_text("SG-1002")
    expect(page.locator("#peek")).to_contain_text("Weak Wi-Fi")
    page.keyboard.press("k")
    expect(chosen).to_contain_text("SG-1003")
    expect(page.locator("#peek h2").first).to_contain_text("SG-1003")
    page.keyboard.press("o")
    expect(page.get_by_role("heading", level=1)).to_have_text("Device gets too hot")
    page.keyboard.press("a")
    expect(page.locator("header.head")).to_contain_text("Owner: Sari")
    page.keyboard.press("n")
    page.keyboard.type("asked for a photo; a, r and j are letters here")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".history")).to_contain_text("asked for a photo; a, r and j are letters here")
    page.keyboard.press("g")
    page.keyboard.press("m")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Mine")
    page.keyboard.press("/")
    page.keyboard.type("kasir")
    page.keyboard.press("Enter")
    expect(page.locator("#rows tr")).to_have_count(1)


def test_every_shortcut_is_a_visible_button_and_can_be_switched_off(stage) -> None:
    sari = stage.visit("sari", **DESK)
    page = sari.go("/staff/tickets/SG-1003")
    for key in "acnpsr":
        expect(page.locator(f'[data-key="{key}"]')).to_be_visible()
    sari.go("/staff/settings").get_by_role("button", name="Switch them off").click()
    sari.go("/staff/tickets/SG-1003")
    page.keyboard.press("a")
    page.keyboard.press("n")
    expect(page.locator("details.step[open]")).to_have_count(0)
    expect(page.locator("header.head")).to_contain_text("Owner: –")


def test_a_stale_page_says_so_and_a_stale_edit_shows_both_versions(stage) -> None:
    sari, andi = stage.visit("sari", **DESK), stage.visit("andi", **DESK)
    andi.go("/staff/tickets/SG-1003?lang=en")
    andi.go("/staff/tickets/SG-1003")
    live(andi.page)
    sari.go("/staff/tickets/SG-1003").get_by_role("button", name="Take it").click()
    expect(andi.page.get_by_text("This ticket has just changed.")).to_be_visible()
    andi.page.locator("summary", has_text="Solve").click()
    andi.page.get_by_label("How was it solved?").select_option("no_fault_found")
    andi.page.get_by_label("What was done").fill("It was only a hot day")
    andi.page.get_by_role("button", name="Solve", exact=True).click()
    expect(andi.page.get_by_role("heading", level=1)).to_have_text("Somebody was faster")
    expect(andi.page.get_by_text("It was only a hot day")).to_be_visible()
    expect(andi.page.locator("main")).to_contain_text("Owner: Sari")
    andi.page.get_by_role("button", name="Do it on top of theirs").click()
    expect(andi.page.locator("header.head")).to_contain_text("Solved")
    expect(andi.page.locator(".history")).to_contain_text("It was only a hot day")


def test_the_evidence_is_drawn_and_its_picture_is_not_empty(stage) -> None:
    page = stage.visit("sari", **DESK).go("/staff/tickets/SG-1001")
    canvas = page.locator(".chart canvas")
    expect(canvas).to_be_visible()
    inked = canvas.evaluate(
        "it => { const d = it.getContext('2d').getImageData(0, 0, it.width, it.height).data;"
        " let n = 0; for (let k = 3; k < d.length; k += 4) n += d[k] > 0; return n; }"
    )
    assert inked > 2000


def test_a_device_page_renews_its_numbers_by_itself(stage) -> None:
    page = stage.visit("sari", **DESK).go("/staff/devices/kemang-cam-04")
    live(page)

    async def hotter(world) -> None:
        from dataclasses import replace

        from gateway.ports.history import Latest

        view = world.live.views["kemang-cam-04"]
        metrics = {**view.metrics, "soc_temp_c": Latest(NOW, 91.0)}
        world.live.views["kemang-cam-04"] = replace(view, metrics=metrics)
        world.wake.publish("devices")

    stage.do(hotter)
    expect(page.locator("#now tr.outside")).to_contain_text("91\u00a0°C")


def test_a_manager_stops_a_rollout_only_after_reading_what_that_means(stage) -> None:
    page = stage.visit("dewi", **DESK).go("/staff/rollouts/r-250")
    page.locator("summary", has_text="Stop…").click()
    expect(page.locator("details.step[open]")).to_contain_text("123 finished devices keep 2.5.0.")
    expect(page.locator("details.step[open]")).to_contain_text("870 have not begun and will not begin.")
    page.get_by_label("Why?").last.fill("restarts doubled")
    page.get_by_label("Type 2.5.0 to stop").fill("2.5.0")
    page.get_by_role("button", name="Stop for good").click()
    expect(page.locator("#now")).to_contain_text("stopped for good")
    assert stage.world.rollouts.steps == [("stop", "dewi", "restarts doubled")]


def test_hostile_words_from_a_device_are_only_words(stage) -> None:
    sari = stage.visit("sari", **DESK)
    for path in ("/staff/rejects", "/staff/devices/kemang-cam-04"):
        expect(sari.go(path).get_by_text("<script>alert(1)</script>").first).to_be_visible()


def test_the_first_visit_of_staff_weighs_less_than_sixty_kilobytes(stage) -> None:
    sari = stage.visit("sari", **DESK)
    live(sari.page)
    weights = {
        it.url.rpartition("/")[2]: it.headers.get("content-length") for it in sari.responses if "/static/" in it.url
    }
    assert sum(int(size) for size in weights.values() if size) < 60 * 1024, weights
