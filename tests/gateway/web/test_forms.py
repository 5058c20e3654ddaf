"""What customers and staff can do by form, without a browser."""

import pytest

from gateway.ports.tickets import View
from gateway.tickets.ticket import CloseCode, Entry, State, WaitingFor
from gateway.web.updates import UpdateView
from tests.gateway.web.world import NOW, World


async def kinds(world: World, number: str) -> list[Entry]:
    ticket = await world.tickets.get(number)
    assert ticket is not None
    return [it.kind for it in await world.tickets.history(ticket.ticket_id)]


async def act(sari, number: str, step: str, **fields: str):
    page = f"/staff/tickets/{number}"
    return await sari.send(f"{page}/{step}", page, **fields)


async def version(world: World, number: str) -> str:
    ticket = await world.tickets.get(number)
    assert ticket is not None
    return str(ticket.version)


async def test_staff_take_note_wait_promise_solve_and_reopen(person, world: World) -> None:
    sari = await person("sari")
    steps = [
        ("take", {}, State.OPEN),
        ("note", {"text": "looked at it"}, State.OPEN),
        ("reply", {"text": "Kami periksa"}, State.OPEN),
        ("promise", {"at": "2026-11-21T18:30"}, State.OPEN),
        ("wait", {"reason": "parts"}, State.PENDING),
        ("solve", {"code": "part_replaced", "text": "new card"}, State.SOLVED),
        ("reopen", {"text": "came back"}, State.OPEN),
    ]
    for step, fields, state in steps:
        answer = await act(sari, "SG-1007", step, version=await version(world, "SG-1007"), **fields)
        assert (answer.status, answer.headers.get("Location")) == (303, "/staff/tickets/SG-1007"), step
        ticket = await world.tickets.get("SG-1007")
        assert ticket is not None
        assert ticket.state is state, step
        if step == "wait":
            assert ticket.waiting_for is WaitingFor.PARTS
        if step == "solve":
            assert ticket.close_code is CloseCode.PART_REPLACED
    assert Entry.REPLY in await kinds(world, "SG-1007")


async def test_a_promise_is_read_in_the_sites_own_time(person, world: World) -> None:
    sari = await person("sari")
    answer = await act(sari, "SG-1007", "promise", version=await version(world, "SG-1007"), at="2026-11-21T18:30")
    assert answer.status == 303
    ticket = await world.tickets.get("SG-1007")
    assert ticket is not None
    assert ticket.promise_at == 1_795_257_000.0, "18:30 in Lombok is 10:30 UTC"


@pytest.mark.parametrize(
    ("step", "fields"),
    [
        ("note", {"text": "  "}),
        ("note", {"text": "x" * 4001}),
        ("wait", {"reason": "godot"}),
        ("promise", {"at": "soon"}),
        ("solve", {"code": "auto"}),
        ("solve", {"code": ""}),
    ],
)
async def test_a_form_that_makes_no_sense_changes_nothing_and_says_why(person, world: World, step, fields) -> None:
    sari = await person("sari")
    before = await version(world, "SG-1007")
    answer = await act(sari, "SG-1007", step, version=before, **fields)
    assert answer.status == 422
    assert "Please" in await answer.text()
    assert await version(world, "SG-1007") == before


async def test_a_step_the_life_cycle_forbids_is_refused_in_words(person, world: World) -> None:
    sari = await person("sari")
    past = await act(sari, "SG-1007", "promise", version=await version(world, "SG-1007"), at="2020-01-01T00:00")
    assert past.status == 409
    assert "must lie in the future" in await past.text()
    assert (await act(sari, "SG-1006", "take", version=await version(world, "SG-1006"))).status == 409
    assert (await act(sari, "SG-1007", "explode", version="1")).status == 404


async def test_a_stale_edit_shows_both_versions_and_changes_nothing(person, world: World) -> None:
    sari, andi = await person("sari"), await person("andi")
    seen = await version(world, "SG-1007")
    assert (await act(andi, "SG-1007", "take", version=seen)).status == 303
    answer = await act(sari, "SG-1007", "solve", version=seen, code="no_fault_found", text="my words")
    text = await answer.text()
    assert answer.status == 409
    assert "my words" in text
    assert "No fault found" in text
    assert "Andi" in text
    assert f'value="{await version(world, "SG-1007")}"' in text, "doing it on top carries the new version"
    ticket = await world.tickets.get("SG-1007")
    assert ticket is not None
    assert ticket.state is State.OPEN


async def test_every_change_wakes_the_pages_that_watch(person, world: World) -> None:
    sari = await person("sari")
    with world.wake.watch() as watcher:
        await act(sari, "SG-1007", "take", version=await version(world, "SG-1007"))
        assert await watcher.names() == ("tickets",)


async def test_a_customers_report_opens_a_ticket_or_joins_the_open_one(person, world: World) -> None:
    budi = await person("budi")
    form = "/home/devices/kemang-cam-04/report"
    for place, text in enumerate(("black since noon", "still black")):
        answer = await budi.send(form, form, category="picture", text=text)
        assert answer.headers["Location"].startswith("/home/tickets/SG-1009"), place
    ticket = await world.tickets.get("SG-1009")
    assert ticket is not None
    assert ticket.fault_class == "REPORTED"
    assert (await budi.send(form, form, category="nonsense", text="x")).status == 422


async def test_a_ticket_is_rated_once(person) -> None:
    budi = await person("budi")
    page = "/home/tickets/SG-1006"
    token = await budi.token(page)
    sent = [
        (await budi.client.post(f"{page}/rate", data={"csrf": token, "stars": stars}, allow_redirects=False)).status
        for stars in ("6", "5", "4")
    ]
    assert sent == [422, 303, 409]


async def test_a_customers_answer_reaches_staff_as_the_customers_words(person, world: World) -> None:
    wayan, sari = await person("wayan"), await person("sari")
    await wayan.send("/home/tickets/SG-1005/reply", "/home/tickets/SG-1005", text="Yes <b>please</b>")
    assert (await kinds(world, "SG-1005"))[-1] is Entry.CUSTOMER
    text = await sari.page("/staff/tickets/SG-1005")
    assert "Yes &lt;b&gt;please&lt;/b&gt;" in text
    assert "<b>please</b>" not in text


async def test_notes_of_staff_never_reach_the_customer(person) -> None:
    budi = await person("budi")
    text = await budi.page("/home/tickets/SG-1001")
    assert "Card ordered" not in text
    assert "Kartu memori baru sudah kami pesan" in text


async def test_the_queue_searches_pages_and_refuses_what_is_not_a_view(person) -> None:
    sari = await person("sari")
    found = await sari.page("/staff/queue/rows?q=kasir")
    assert "SG-1001" in found
    assert "SG-1002" not in found
    assert (await sari.get("/staff/queue?view=everything")).status == 404
    assert (await sari.get("/staff/queue?cursor=not-ours")).status == 404
    for view in View:
        await sari.page(f"/staff/queue?view={view.value}")


async def test_a_rollout_is_paused_and_resumed_by_a_manager_with_a_reason(person, world: World) -> None:
    dewi = await person("dewi")
    page = "/staff/rollouts/r-250"
    assert (await dewi.send(f"{page}/pause", page, reason="")).status == 422
    assert (await dewi.send(f"{page}/pause", page, reason="dusk")).status == 303
    assert (await dewi.send(f"{page}/pause", page, reason="again")).status == 409
    assert (await dewi.send(f"{page}/resume", page)).status == 303
    assert (await dewi.send(f"{page}/stop", page, reason="bad", typed="2.5")).status == 422
    assert (await dewi.send(f"{page}/stop", page, reason="bad", typed="2.5.0")).status == 303
    assert [step for step, *_ in world.rollouts.steps] == ["pause", "resume", "stop"]


async def test_a_rollout_is_approved_by_a_second_person_only(person, world: World) -> None:
    from dataclasses import replace

    from gateway.ports.registry import Role, User
    from tests.gateway.web.world import HASH

    await world.accounts.put_user(User("rina", Role.MANAGER, HASH, "", "Rina"))
    world.rollouts.one = replace(world.rollouts.one, state="pending_approval", approver="")
    dewi, rina = await person("dewi"), await person("rina")
    page = "/staff/rollouts/r-250"
    assert "Approve" not in await dewi.page(page), "the author is not asked"
    assert (await dewi.send(f"{page}/approve", page)).status == 409
    assert "Approve" in await rina.page(page)
    assert (await rina.send(f"{page}/approve", page)).status == 303
    assert world.rollouts.steps == [("approve", "rina", "")]


async def test_pages_stay_whole_without_updates_and_with_a_history_that_is_away(person, world: World, server) -> None:
    class Away:
        async def series(self, *_: object):
            raise OSError("history: connection refused")

    from dataclasses import replace

    from gateway.web.parts import PARTS

    server.app._state[PARTS] = replace(server.app[PARTS], history=Away(), updates=None, rollouts=None)
    sari, budi = await person("sari"), await person("budi")
    assert "SG-1001" in await budi.page("/home")
    await budi.page("/home/devices/kemang-cam-01")
    payload = await (await sari.get("/staff/tickets/SG-1001/evidence.json")).json()
    assert len(payload["data"][0]) == 48, "the evidence that the ticket carries is drawn instead"
    assert "away" in payload["note"]
    assert "No rollout yet" in await sari.page("/staff/rollouts")
    assert (await sari.get("/staff/rollouts/r-250")).status == 404


async def test_charts_carry_their_marks_and_leave_holes_where_nothing_was_heard(person, world: World) -> None:
    from gateway.ports.history import Sample

    sari = await person("sari")
    samples = [
        Sample.of("kemang-router", NOW - 6 * 3600 + k * 60, {"rtt_ms": 20.0}) for k in range(300) if not 100 < k < 160
    ]
    await world.history.append(2, samples)
    payload = await (await sari.get("/staff/devices/kemang-router/series.json?metric=rtt_ms&range=6h")).json()
    assert None in payload["data"][2]
    assert payload["healthy"] == [8, 60]
    marks = (await (await sari.get("/staff/tickets/SG-1001/evidence.json")).json())["marks"]
    assert [it["kind"] for it in marks] == ["onset", "opened", "impact"]
    assert (await sari.get("/staff/devices/kemang-router/series.json?metric=rtt_ms&range=9y")).status == 422


async def test_the_device_page_tells_how_its_update_goes(person, world: World) -> None:
    world.updates.views["kemang-cam-04"] = UpdateView(
        "r", "2.5.0", "ready", False, NOW, reason="window_closed", next_window_at=NOW + 11 * 3600
    )
    sari = await person("sari")
    text = await sari.page("/staff/devices/kemang-cam-04")
    assert "2.5.0: ready" in text
    assert "window closed" in text
    assert "01:05 WIB tomorrow" in text


STAFF_PAGES = {
    "/staff/devices": "kemang-cam-01",
    "/staff/devices?q=pool": "senggigi-cam-02",
    "/staff/devices?q=nothing-like-it": "",
    "/staff/devices/kemang-nvr": "kemang-router",
    "/staff/devices/kemang-cam-01?metric=sd_life_used_pct&range=7d": "SG-1001",
    "/staff/devices/senggigi-cam-07": "senggigi-nvr",
    "/staff/devices/kemang-cam-04/now": "2.4.1",
    "/staff/customers/hotel-senggigi": "SG-1005",
    "/staff/rejects": "21504 bytes",
    "/staff/settings": "<kbd>j / k</kbd>",
    "/staff/rollouts": "2.5.0",
    "/staff/rollouts/r-250/now": "39</td>",
    "/staff/tickets/SG-1004/peek?view=inbox": "Gudang Bekasi",
    "/staff/queue/counts": "unresolved",
}


@pytest.mark.parametrize("language", ["en", "id"])
async def test_every_page_of_staff_opens_in_both_languages(person, language) -> None:
    dewi = await person("dewi")
    await dewi.get(f"/staff/queue?lang={language}")
    for path, shows in STAFF_PAGES.items():
        text = await dewi.page(path)
        assert shows in text, path
        if "<html" in text:
            assert f'<html lang="{language}">' in text
    for path in ("/staff/devices/nobody", "/staff/customers/nobody", "/staff/tickets/SG-9", "/staff/rollouts/r-0"):
        assert (await dewi.get(path)).status == 404, path


async def test_switched_off_shortcuts_stay_off(person) -> None:
    sari = await person("sari")
    assert "data-keys" in await sari.page("/staff/queue")
    assert (await sari.send("/staff/settings", "/staff/settings", keys="off")).status == 303
    assert "data-keys" not in await sari.page("/staff/queue")
    assert (await sari.send("/staff/settings", "/staff/settings", keys="on")).status == 303
    assert "data-keys" in await sari.page("/staff/queue")


async def test_our_own_blindness_is_said_on_both_sides(person, world: World) -> None:
    world.live.blind = NOW - 600
    sari, budi = await person("sari"), await person("budi")
    assert "We hear nothing from any device since" in await sari.page("/staff/devices/kemang-cam-04")
    assert "Informasi kami belum cukup" in await budi.page("/home/devices/kemang-cam-04")
