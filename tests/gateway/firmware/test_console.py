"""The console: from a signed release to devices, by two people, with the dry run before and the table after."""

import html
import re
from dataclasses import replace

import pytest

from firmware_updates.attempt_row import State
from tests.firmware_updates.factories import stock
from tests.gateway.firmware.conftest import IMAGE, manifest_of, signed
from tests.gateway.web.conftest import Person
from tests.gateway.web.world import NOW

FILTER = "?model=CAM-4K&site=kemang"
ROLLOUT = "/staff/rollouts/kemang-1"


@pytest.fixture
async def release(gateway) -> str:
    """A whole release, and a site whose cameras have reported; the page of the release."""
    name = await gateway.published()

    def report(store):  # type: ignore[no-untyped-def]
        for number in range(1, 5):
            device = store.device(f"kemang-cam-{number:02d}")
            store.put_device(replace(device, stock=stock(received_at=NOW - 600)))

    await gateway.updates.act(report)
    return f"/staff/releases/{name}"


async def make(someone: Person, release: str, name: str = "kemang-1", **more: str):
    form = {"name": name, "model": "CAM-4K", "site": "kemang", **more}
    return await someone.send(f"{release}/rollouts", release + FILTER, **form)


async def approve(someone: Person, content: str | None = None):
    page = await someone.page(ROLLOUT)
    found = re.search(r'name="content" value="([^"]*)"', page)
    shown = found[1] if found else ""
    return await someone.send(f"{ROLLOUT}/approve", "/staff/settings", content=shown if content is None else content)


async def test_the_dry_run_says_who_and_who_not_and_why_before_anything_is_made(release, person, gateway) -> None:
    dewi = await person("dewi")
    page = await dewi.page(release + FILTER)
    assert "4 of 5 devices get it" in page
    assert "has not said what runs on it" in page
    assert "kemang-cam-05" in page
    assert "Fixes the clock." in page
    assert await gateway.pages.all() == []
    assert "no device fits the filter" in await dewi.page(release + "?model=NONE")
    named = await dewi.page(release + "?model=&devices=kemang-cam-01+ghost")
    assert "ghost" in named


async def test_a_rollout_needs_a_second_person_and_what_they_saw(release, person, gateway) -> None:
    dewi, rini = await person("dewi"), await person("rini")
    made = await make(dewi, release)
    assert (made.status, made.headers["Location"]) == (303, ROLLOUT)
    assert "4 of 5 devices get it" in await rini.page(f"{ROLLOUT}/plan")
    assert (await dewi.send(f"{ROLLOUT}/decide", ROLLOUT, act="submit")).status == 303
    assert "Somebody else has to approve it." in await dewi.page(ROLLOUT)
    own = (await gateway.pages.get("kemang-1")).content_sha256
    assert (await approve(dewi, own)).status == 409, "the author"
    assert (await approve(rini, "0" * 64)).status == 409, "something else than is stored"
    assert (await gateway.pages.get("kemang-1")).state == "pending_approval"
    assert (await approve(rini)).status == 303
    view = await gateway.pages.get("kemang-1")
    assert (view.state, view.author, view.approver) == ("scheduled", "dewi", "rini")


async def test_a_rollout_that_was_sent_back_is_put_forward_on_a_new_dry_run(release, person, gateway) -> None:
    dewi, rini = await person("dewi"), await person("rini")
    await make(dewi, release)
    await dewi.send(f"{ROLLOUT}/decide", ROLLOUT, act="submit")
    assert (await rini.send(f"{ROLLOUT}/decide", ROLLOUT, act="decline")).status == 303
    assert (await gateway.pages.get("kemang-1")).state == "draft"
    assert (await dewi.send(f"{ROLLOUT}/decide", ROLLOUT, act="submit")).status == 303
    assert (await approve(rini)).status == 303


async def test_what_failed_is_tried_once_more_and_refused_signatures_are_not(release, person, gateway) -> None:
    dewi, rini = await person("dewi"), await person("rini")
    await make(dewi, release)
    await dewi.send(f"{ROLLOUT}/decide", ROLLOUT, act="submit")
    await approve(rini)
    await gateway.updates.tick(NOW)

    def fail(store):  # type: ignore[no-untyped-def]
        for number, (state, reason) in enumerate(
            ((State.FAILED, "flash"), (State.REJECTED, "signature"), (State.REJECTED, "space")), start=1
        ):
            row = store.attempt(f"kemang-1/kemang-cam-0{number}/1")
            store.put_attempt(replace(row, state=state, reason=reason))

    await gateway.updates.act(fail)
    assert "Try what failed once more" in await dewi.page(ROLLOUT)
    assert (await dewi.send(f"{ROLLOUT}/decide", ROLLOUT, act="retry")).status == 303
    rows = await gateway.updates.read(lambda store: {row.device_id: row for row in store.attempts("kemang-1")})
    assert [rows[f"kemang-cam-0{number}"].number for number in (1, 2, 3)] == [2, 1, 2]


async def test_every_device_is_exported_and_no_cell_is_a_formula(release, person, gateway) -> None:
    dewi = await person("dewi")
    await make(dewi, release)

    def odd(store):  # type: ignore[no-untyped-def]
        store.put_attempt(replace(store.attempt("kemang-1/kemang-cam-01/1"), reason="=cmd()"))

    await gateway.updates.act(odd)
    answer = await dewi.get(f"{ROLLOUT}/devices.csv")
    lines = (await answer.text()).splitlines()
    assert (answer.content_type, lines[0]) == ("text/csv", "device,site,wave,state,reason,since")
    assert [line.split(",")[0] for line in lines[1:]] == [f"kemang-cam-0{number}" for number in range(1, 6)]
    assert ",'=cmd()," in lines[1]
    assert (await dewi.get("/staff/rollouts/nothing/devices.csv")).status == 404


async def test_a_rollout_that_has_not_begun_can_be_stopped_for_good(release, person, gateway) -> None:
    dewi = await person("dewi")
    await make(dewi, release)
    page = await dewi.page(ROLLOUT)
    assert "5 have not begun and will not begin." in page
    assert (await dewi.send(f"{ROLLOUT}/stop", ROLLOUT, reason="wrong site", typed="2.5.0")).status == 303
    assert (await gateway.pages.get("kemang-1")).state == "aborted"


async def test_bad_words_make_nothing(release, person, gateway) -> None:
    dewi = await person("dewi")
    for form in ({"name": "Up & away"}, {"name": "r", "days": "soon"}, {"name": "r", "budget": "-1"}):
        assert (await make(dewi, release, **form)).status == 422, form
    assert (await make(dewi, release, name="r", model="NONE")).status == 409
    await make(dewi, release)
    assert (await make(dewi, release)).status == 409, "the name is taken"
    assert (await dewi.send(f"{ROLLOUT}/decide", ROLLOUT, act="explode")).status == 422
    assert (await dewi.send("/staff/rollouts/nothing/decide", ROLLOUT, act="submit")).status == 404
    assert len(await gateway.pages.all()) == 1


async def test_a_release_without_its_image_is_shown_so_and_goes_nowhere(person, gateway) -> None:
    document = manifest_of(IMAGE, version="3.0.0", release_counter=9)
    said = signed(document)
    view = await gateway.releases.publish(document.encode(), said["signatures"], "ayu", NOW)
    dewi = await person("dewi")
    page = f"/staff/releases/{view.release_id}"
    assert "Its image is not here yet" in await dewi.page(page)
    assert (await make(dewi, page)).status == 409
    assert "of 99000 bytes" in await dewi.page("/staff/releases")


async def test_agents_see_dry_runs_and_cannot_make_rollouts(release, person, gateway) -> None:
    sari = await person("sari")
    page = await sari.page(release + FILTER)
    assert "4 of 5 devices get it" in page
    assert '/rollouts"' not in page.replace('href="/staff/rollouts"', "")
    made = await sari.send(f"{release}/rollouts", "/staff/settings", name="r")
    assert made.status == 404


async def test_a_ticket_whose_fault_has_a_fix_leads_to_a_rollout_of_its_device_alone(person, gateway) -> None:
    dewi = await person("dewi")
    ticket = "/staff/tickets/SG-1001"  # F01 on kemang-cam-01
    assert "A release fixes this" not in await dewi.page(ticket)
    await gateway.published(fixes=["F01"])
    page = await dewi.page(ticket)
    link = html.unescape(re.search(r'href="(/staff/releases/[^"]+)">Schedule 2.5.0', page)[1])
    assert "of 1 devices get it" in await dewi.page(link)
    made = await dewi.send(link.partition("?")[0] + "/rollouts", link, name="fix-sg-1001", devices="kemang-cam-01")
    assert made.status == 303
    rows = await gateway.updates.read(lambda store: store.attempts("fix-sg-1001"))
    assert [row.device_id for row in rows] == ["kemang-cam-01"]
    assert "A release fixes this" not in await dewi.page("/staff/tickets/SG-1003"), "another class of fault"
