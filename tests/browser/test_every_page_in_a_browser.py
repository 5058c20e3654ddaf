"""Every page for everybody: axe finds nothing, the console is silent, and a picture is kept to look at."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from gateway.web.mail_choice import choice_signature

pytestmark = pytest.mark.real
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
PAGES = {
    "": {"login": "/login", "missing": "/nowhere"},
    "budi": {
        "home": "/home",
        "device": "/home/devices/kemang-cam-01",
        "ticket": "/home/tickets/SG-1001",
        "solved": "/home/tickets/SG-1006",
        "report": "/home/devices/kemang-cam-04/report",
        "measures": "/home/measures",
    },
    "dewi": {
        "queue": "/staff/queue",
        "staff-ticket": "/staff/tickets/SG-1001",
        "staff-outage": "/staff/tickets/SG-1004",
        "staff-device": "/staff/devices/senggigi-cam-02",
        "staff-devices": "/staff/devices",
        "staff-customer": "/staff/customers/toko-budi",
        "staff-rejects": "/staff/rejects",
        "staff-rollouts": "/staff/rollouts",
        "staff-rollout": "/staff/rollouts/r-250",
        "staff-settings": "/staff/settings",
    },
}
LOOKS = [("en", 1440), ("id", 360)]
# What changes with the colours is contrast alone.
IN_THE_DARK = "axe.run(document, {runOnly: {type: 'rule', values: ['color-contrast']}})"


UPDATES = {
    "": {"mail-choice": f"/mail/toko-budi?sig={choice_signature(b's' * 32, 'toko-budi')}"},
    "budi": {
        "update-planned": "/home/devices/kemang-cam-02/update",
        "update-done": "/home/devices/kemang-cam-04/update",
        "update-ending": "/home/devices/kemang-cam-02",
    },
    "wayan": {"update-home": "/home", "update-asks": "/home/devices/senggigi-cam-01/update"},
    "dewi": {
        "staff-told": "/staff/tickets/SG-1001",
        "staff-releases": "/staff/releases",
        "staff-release": "/staff/releases/{release}",
        "staff-dry-run": "/staff/releases/{release}?model=CAM-4K&site=&canary_soak_h=12",
        "staff-rollouts-all": "/staff/rollouts",
        "staff-rollout-running": "/staff/rollouts/kemang-1",
        "staff-rollout-pending": "/staff/rollouts/senggigi-rest",
        "staff-plan": "/staff/rollouts/senggigi-rest/plan",
    },
}


def look_at(stage, artefacts, language, width, people) -> list[str]:
    """What axe finds on these pages, in light and dark. Too wide is found too."""
    axe = Axe()
    found: list[str] = []
    for name, pages in people.items():
        someone = stage.visit(name, viewport={"width": width, "height": 800}, locale=language)
        someone.go(f"/login?lang={language}")
        for title, path in pages.items():
            page = someone.go(path.format(release=stage.release))
            document = [it for it in someone.responses if it.request.is_navigation_request()][-1]
            assert document.status == (404 if title == "missing" else 200), title
            page.emulate_media(color_scheme="light")
            if name == "dewi":
                page.wait_for_load_state("domcontentloaded")
                page.wait_for_timeout(300)  # the chart and the pane beside the queue
            violations = axe.run(page, options=RULES).response["violations"]
            page.screenshot(path=artefacts / f"{title}-{width}-light.png", full_page=True)
            page.emulate_media(color_scheme="dark")
            violations += page.evaluate(IN_THE_DARK)["violations"]
            page.screenshot(path=artefacts / f"{title}-{width}-dark.png", full_page=True)
            for it in violations:
                found.append(f"{title}: {it['id']} {[node['target'] for node in it['nodes']][:3]}")
            if page.evaluate("document.documentElement.scrollWidth") > width:
                found.append(f"{title}: too wide")
    return found


@pytest.mark.parametrize(("language", "width"), LOOKS, ids=str)
def test_every_page_is_accessible_in_light_and_dark(stage, artefacts, language, width) -> None:
    assert look_at(stage, artefacts, language, width, PAGES) == []


@pytest.mark.parametrize(("language", "width"), LOOKS, ids=str)
def test_every_page_of_updates_is_accessible_in_light_and_dark(updating, artefacts, language, width) -> None:
    assert look_at(updating, artefacts, language, width, UPDATES) == []
