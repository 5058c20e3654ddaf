"""A rollout as two people make it in real browsers, and the owner's answer: from a filter to a stop for good."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.real


def test_a_rollout_from_a_filter_to_its_stop(updating, artefacts) -> None:
    dewi, rini = updating.visit("dewi"), updating.visit("rini", locale="id")
    page = dewi.go(f"/staff/releases/{updating.release}")
    page.fill("#model", "CAM-4K")
    page.fill("#site", "kemang")
    page.fill("#days", "10")
    page.get_by_text("How carefully").click()
    page.fill("#canary_soak_h", "12")
    page.fill("#soak_min", "30")
    page.get_by_role("button", name="Show what would happen").click()
    expect(page.get_by_role("heading", name="What would happen")).to_be_visible()
    expect(page.get_by_text("4 of 5 devices get it")).to_be_visible()
    page.fill("#name", "kemang-night")
    page.get_by_role("button", name="Make this rollout").click()
    expect(page.get_by_text("12 hours")).to_be_visible()
    expect(page.get_by_text("30 minutes")).to_be_visible()
    page.get_by_role("button", name="Ask for approval").click()
    expect(page.get_by_text("Somebody else has to approve it.")).to_be_visible()
    assert page.get_by_role("button", name="Approve").count() == 0

    other = rini.go("/staff/rollouts/kemang-night?lang=id")
    other.get_by_role("button", name="Setujui").click()
    # The author's page learns of it by itself.
    expect(page.locator("#now")).to_contain_text("approved, begins soon")
    assert page.get_by_text("Pause", exact=True).count() == 0, "there is nothing to pause yet"
    updating.tick()
    expect(page.locator("#now")).to_contain_text("running")

    page.reload()
    page.get_by_text("Pause", exact=False).first.click()
    page.fill("#why-pause", "the neighbours' feast")
    page.locator("form[action$='/pause'] button").click()
    expect(page.get_by_text("the neighbours' feast")).to_be_visible()
    page.get_by_role("button", name="Go on").click()

    page.get_by_text("Stop…").click()
    expect(page.get_by_text(re.compile("have not begun and will not begin"))).to_be_visible()
    page.fill("#why-stop", "the wrong site")
    page.fill("#typed", "2.4.0")
    page.locator("form[action$='/stop'] button").click()
    expect(page.get_by_text("Type 2.5.0 to stop.")).to_be_visible()
    page = dewi.go("/staff/rollouts/kemang-night")
    page.get_by_text("Stop…").click()
    page.fill("#why-stop", "the wrong site")
    page.fill("#typed", "2.5.0")
    page.locator("form[action$='/stop'] button").click()
    expect(page.locator("#now")).to_contain_text("stopped for good")
    with page.expect_download() as asked:
        page.get_by_text("Every device as CSV").click()
    rows = asked.value.path().read_text().splitlines()
    assert len(rows) == 6
    page.screenshot(path=artefacts / "staff-rollout-stopped.png", full_page=True)


def test_an_owner_puts_an_update_off_and_then_agrees(updating) -> None:
    page = updating.visit("wayan").go("/home")
    page.get_by_role("link", name="See what changes, and answer").first.click()
    expect(page.get_by_role("heading", name="May we update it?")).to_be_visible()
    page.get_by_role("button", name="Wait 1 day").click()
    expect(page.get_by_role("status")).to_contain_text("We wait.")
    expect(page.get_by_text("Not before")).to_be_visible()
    page.get_by_role("button", name="Yes, update it").click()
    expect(page.get_by_role("status")).to_contain_text("We update it")


def test_mail_is_switched_off_in_one_press(updating) -> None:
    from gateway.web.mail_choice import choice_signature

    page = updating.visit().go(f"/mail/toko-budi?sig={choice_signature(b's' * 32, 'toko-budi')}")
    page.get_by_role("button", name="Berhenti kirim email").click()
    expect(page.get_by_role("button", name="Kirimi saya email lagi")).to_be_visible()
