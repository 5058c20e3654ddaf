"""Rules in the console: a manager writes a draft, sees its mistakes, backtests, activates and rolls back."""

import asyncio

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.test_every_page_in_a_browser import IN_THE_DARK, RULES

pytestmark = pytest.mark.real
DESK = {"viewport": {"width": 1440, "height": 900}}
HOT = """[[rule]]
name = "hot-yard"
version = 1
fault_class = "F07"
kind = "level"
metric = "soc_temp_c"
min_samples = 2
steps = [{ severity = "warning", limit = %s, clear = 50 }]
reason = "Chosen so that the warm afternoons of this test are over it."

[[rule.example]]
say = "an hour of heat opens"
segments = [{ for_s = 3600, metrics = { soc_temp_c = 50 } }, { for_s = 3600, metrics = { soc_temp_c = 95 } }]
expect = ["opened warning"]
"""


def work_off_one(stage) -> None:
    """The gateway's worker, for one backtest."""

    async def work(world) -> None:
        job = await world.rules._queue.get()
        await world.rules._work(job)

    stage.do(work)


def test_a_manager_writes_backtests_activates_and_rolls_back_a_rule(stage) -> None:
    page = stage.visit("dewi", **DESK).page
    page.goto(f"{stage.url}/staff/rules?lang=en")
    page.get_by_role("button", name="Write a new rule").click()
    page.locator("#text").fill('[[rule]]\nname = "hot-yard"\nversion = 1\nmetric = "soc_temp_c"\nkind = "levle"\n')
    page.get_by_role("button", name="Save and check").click()
    expect(page.locator(".mistakes .wrong")).to_contain_text("Line")
    page.locator("#text").fill(HOT % 50.5)
    page.get_by_role("button", name="Save and check").click()
    expect(page.locator(".mistakes")).to_contain_text("would fire on most of the fleet: healthy is 30 to 72")
    page.locator("#text").fill(HOT % 59)
    page.locator("#days").fill("14")
    page.get_by_role("button", name="Save and backtest").click()
    expect(page.locator("#result")).to_contain_text("Backtest waits for its turn")
    work_off_one(stage)
    expect(page.locator("#result h2")).to_contain_text("Backtest: 14 days, 22 of 22 devices")
    expect(page.locator("#result")).to_contain_text("hot-yard")
    page.locator("#result summary", has_text="Each ticket that differs").click()
    page.get_by_role("link", name="Chart").first.click()
    expect(page.locator(".chart canvas")).to_be_visible()
    assert Axe().run(page, options=RULES).response["violations"] == []
    page.go_back()
    page.get_by_role("link", name="Look again and activate").click()
    expect(page.locator(".diff ins").first).to_be_visible()
    page.get_by_label("Why?").fill("warm yards")
    page.get_by_role("button", name="Activate now").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Edition 2")
    page.goto(f"{stage.url}/staff/rule/hot-yard")
    expect(page.locator("header.head")).to_contain_text("made here")
    page.goto(f"{stage.url}/staff/rules/editions/1")
    page.get_by_label("Why?").fill("too warm after all")
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Edition 3")
    page.goto(f"{stage.url}/staff/rules/editions")
    expect(page.locator("tbody tr")).to_have_count(3)


def test_an_agent_does_not_see_that_there_are_rules(stage) -> None:
    page = stage.visit("sari", **DESK).page
    expect(page.locator("nav.side")).not_to_contain_text("Rules")


PAGES = {
    "rules": "/staff/rules",
    "rule": "/staff/rule/sd-slow",
    "rule-editions": "/staff/rules/editions",
    "rule-edition": "/staff/rules/editions/1",
    "rule-draft": "/staff/rules/drafts/a-draft",
    "rule-activate": "/staff/rules/drafts/a-draft/activate",
}


async def some_history(world) -> None:
    """A demotion, a changed rule and a backtest, to look at."""
    desk, now = world.rule_desk, world.clock.now()
    await desk.watch("wifi-weak", 0, "siaga", "9 of 10 judged tickets in 90 days were false (60 to 98 %)", now)
    newest = await desk.newest()
    world.rules.begin((await desk.book.draft("a-draft")).text, newest, 10, "", draft_id="a-draft", version=1)
    await world.rules._work(await asyncio.wait_for(world.rules._queue.get(), 5))


@pytest.mark.parametrize(("language", "width"), [("en", 1440), ("id", 360)], ids=str)
def test_the_rules_pages_are_accessible_in_light_and_dark(stage, artefacts, language, width) -> None:
    stage.do(some_history)
    axe, found = Axe(), []
    someone = stage.visit("dewi", viewport={"width": width, "height": 900}, locale=language)
    someone.go(f"/login?lang={language}")
    for title, path in PAGES.items():
        page = someone.go(path)
        page.emulate_media(color_scheme="light")
        page.wait_for_load_state("domcontentloaded")
        violations = axe.run(page, options=RULES).response["violations"]
        page.screenshot(path=artefacts / f"{title}-{width}-light.png", full_page=True)
        page.emulate_media(color_scheme="dark")
        violations += page.evaluate(IN_THE_DARK)["violations"]
        for it in violations:
            found.append(f"{title}: {it['id']} {[node['target'] for node in it['nodes']][:3]}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{title} is too wide"
    assert found == []
