"""The customer's pages on a phone: light, without scripts, in both languages."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.real
PHONE = {"viewport": {"width": 360, "height": 740}}
FIRST_VISIT_BYTES = 14 * 1024  # one TCP first window
REPEAT_VISIT_BYTES = 5 * 1024


def wire_bytes(visit, work) -> tuple[int, int]:
    """Bytes over the wire, headers included, and requests, while `work` runs."""
    session = visit.context.new_cdp_session(visit.page)
    session.send("Network.enable")
    sizes: list[float] = []
    requests: list[str] = []
    session.on("Network.loadingFinished", lambda it: sizes.append(it["encodedDataLength"]))
    session.on("Network.requestWillBeSent", lambda it: requests.append(it["request"]["url"]))
    work()
    visit.page.wait_for_load_state("networkidle")
    visit.page.wait_for_timeout(200)
    return int(sum(sizes)), len({it for it in requests if not it.startswith("data:")})


def test_the_first_visit_fits_one_tcp_window_and_the_next_is_lighter(stage) -> None:
    phone = stage.visit(**PHONE)
    # This log-in happens without a page, so it does not warm the cache.
    answer = phone.context.request.post(
        f"{stage.url}/api/v1/session", data={"name": "budi", "password": "siaga siaga siaga"}
    )
    assert answer.ok
    first, requests = wire_bytes(phone, lambda: phone.go("/home"))
    assert first <= FIRST_VISIT_BYTES, first
    assert requests <= 3
    again, _ = wire_bytes(phone, lambda: phone.go("/home"))
    assert again <= REPEAT_VISIT_BYTES, again


def test_everything_a_customer_can_do_works_without_scripts(stage) -> None:
    phone = stage.visit("budi", java_script_enabled=False, **PHONE)
    page = phone.page
    expect(page.get_by_role("heading", level=1)).to_contain_text("1 dari 12 perangkat perlu Anda periksa")
    page.get_by_role("link", name="EN", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("1 of your 12 devices needs you")
    page.locator("summary", has_text="devices work normally").click()
    page.get_by_role("link", name="Kamera lorong").click()
    page.get_by_role("link", name="Report a problem").click()
    page.get_by_label("The picture is bad or black").check()
    page.get_by_label("In your own words").fill("Black since noon")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status")).to_contain_text("We have it and look at it")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Reported by the customer")
    page.get_by_label("Write to us").fill("It came back, and went again")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#talk")).to_contain_text("It came back, and went again")


def test_a_customer_says_that_it_is_all_right_and_rates_once(stage) -> None:
    phone = stage.visit("budi", **PHONE)
    page = phone.go("/home?lang=en")
    fixed = page.locator("article", has_text="Fixed at")
    fixed.get_by_role("button", name="Yes, it is all right").click()
    expect(page.get_by_role("status")).to_contain_text("Good to hear")
    expect(page.get_by_role("button", name="Yes, it is all right")).to_have_count(0)
    page.get_by_role("button", name="5 of 5").click()
    expect(page.get_by_role("status")).to_contain_text("Thank you for your rating")
    expect(page.get_by_role("button", name="5 of 5")).to_have_count(0)


def test_a_customer_who_says_no_opens_the_ticket_again(stage) -> None:
    phone = stage.visit("budi", **PHONE)
    page = phone.go("/home/tickets/SG-1006?lang=en")
    page.get_by_role("button", name="No, still bad").click()
    expect(page.get_by_role("status")).to_contain_text("open again")
    expect(phone.go("/home").locator("article", has_text="SG-1006")).to_contain_text("We are already on it")


def test_an_answer_to_our_question_lets_the_ticket_go_on(stage) -> None:
    phone = stage.visit("wayan", **PHONE)
    page = phone.page
    first = page.locator("article").first
    expect(first).to_contain_text("We need one thing from you (SG-1005)")
    expect(first).to_contain_text("May we restart the kitchen camera tonight after 23:00?")
    first.get_by_role("link", name="Details and answer").click()
    page.get_by_label("Write to us").fill("Yes, please do")
    page.get_by_role("button", name="Send").click()
    expect(phone.go("/home").locator("article", has_text="SG-1005")).to_contain_text("We are already on it")


def test_a_device_that_is_being_updated_must_not_be_unplugged(stage) -> None:
    phone = stage.visit("wayan", **PHONE)
    expect(phone.page.locator("article", has_text="Updating.")).to_contain_text("Please do not unplug it")


def test_nothing_on_a_phone_is_wider_than_the_phone(stage) -> None:
    phone = stage.visit("budi", viewport={"width": 320, "height": 640})
    for path in ("/home", "/home/devices/kemang-cam-01", "/home/tickets/SG-1001", "/home/measures"):
        phone.go(path)
        assert phone.page.evaluate("document.documentElement.scrollWidth") <= 320, path
