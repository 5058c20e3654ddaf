"""A manager at a real gateway, in a real browser: draft, backtest, activate, the ticket that follows, roll back."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.end_to_end.test_run import add_device, publish
from tests.gateway.rules.desks import HOT, WEAK
from tests.parts.chromium import running_chromium, visit
from tests.parts.gateway_process import GatewayProcess

pytestmark = pytest.mark.real
PASSWORD = "quiet-river-stone-42"
YARD = """[[rule]]
name = "hot-yard"
version = 1
fault_class = "F07"
kind = "level"
metric = "soc_temp_c"
min_samples = 2
steps = [{ severity = "warning", limit = 73, clear = 60 }]
reason = "Yards in the sun are warmer than the shade that the shipped limit was made for."

[[rule.example]]
say = "an hour of heat opens"
segments = [{ for_s = 3600, metrics = { soc_temp_c = 50 } }, { for_s = 3600, metrics = { soc_temp_c = 75 } }]
expect = ["opened warning"]
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    (tmp_path / "rules.toml").write_text(f"{HOT}\n{WEAK}")
    process = GatewayProcess(tmp_path)
    process.config.write_text(f'rules = ["{tmp_path}/rules.toml"]\n{process.config.read_text()}')
    yield process
    process.stop()


def test_a_manager_drafts_backtests_activates_sees_the_ticket_and_rolls_back(gateway) -> None:
    gateway.start()
    added = gateway.command("users", "add", "dewi", "--role", "manager", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert added.returncode == 0, added.stderr
    secret = add_device(gateway, "cam-1")
    time.sleep(2.5)
    seq = iter(range(1, 100))

    def report(value: float) -> None:
        body = {"v": 1, "boot": 1, "seq": next(seq), "metrics": {"soc_temp_c": value}}
        publish(gateway.mqtt_port, "cam-1", secret, json.dumps(body))

    for value in (55, 75, 75, 75):
        report(value)
    with running_chromium() as browser:
        someone = visit(browser, f"http://127.0.0.1:{gateway.http_port}", viewport={"width": 1440, "height": 900})
        someone.sign_in("dewi", PASSWORD)
        page = someone.go("/staff/rules?lang=en")
        page.get_by_role("button", name="Write a new rule").click()
        page.locator("#text").fill(YARD)
        page.locator("#days").fill("7")
        page.get_by_role("button", name="Save and backtest").click()
        expect(page.locator("#result h2")).to_contain_text("Backtest: 7 days, 1 of 1 devices", timeout=20_000)
        expect(page.locator("#result")).to_contain_text("History begins")
        row = page.locator("#result tr", has_text="cam-1")
        expect(row).to_contain_text("new")
        row.get_by_role("link", name="Chart").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("cam-1: new")
        expect(page.locator(".chart canvas")).to_be_visible()
        page.go_back()
        page.get_by_role("link", name="Look again and activate").click()
        page.get_by_label("Why?").fill("warm yards")
        page.get_by_role("button", name="Activate now").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Edition 2")
        time.sleep(1)
        report(75)
        report(75)
        for _ in range(50):
            someone.go("/staff/queue")
            if page.get_by_role("link", name="SG-1001").count():
                break
            time.sleep(0.2)
        someone.go("/staff/tickets/SG-1001")
        expect(page.locator(".why")).to_contain_text("limit 73")
        page.get_by_role("link", name="Rule hot-yard@1").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("hot-yard")
        expect(page.locator("main")).to_contain_text("from 73 °C up")
        expect(page.locator("main")).to_contain_text("SG-1001")
        page.locator("summary", has_text="Undo this change").click()
        page.locator(".decided").get_by_label("Why?").fill("too many")
        page.locator(".decided").get_by_role("button", name="Undo this change").click()
        page.wait_for_url(lambda address: address.endswith("/staff/rules"))
        report(75)
        for _ in range(50):
            someone.go("/staff/tickets/SG-1001")
            if "never was" in page.locator(".history").inner_text():
                break
            time.sleep(0.2)
        expect(page.locator("header.head")).to_contain_text("Solved")
        someone.go("/staff/rules/editions")
        expect(page.locator("tbody tr")).to_have_count(3)
        expect(page.locator("tbody tr").first).to_contain_text("rolled back")
        expect(page.locator("tbody tr").first).to_contain_text("to edition 1: too many")
        assert someone.complaints == []
