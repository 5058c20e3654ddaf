"""Rules over the API: check, backtest, activate, demote, roll back; and the forms that are not from our pages."""

import pytest

from tests.gateway.rules.desks import HOTTER
from tests.gateway.web.world import NOW

YARD = HOTTER.replace('"hot"', '"hot-yard"').replace("limit = 83, clear = 70", "limit = 82, clear = 60")


@pytest.fixture
async def manager(person):
    dewi = await person("dewi")
    token = (await (await dewi.get("/api/v1/session")).json())["csrf_token"]

    async def ask(method: str, path: str, status: int = 200, **body: object):
        sent = {"json": body} if method != "GET" else {}
        answer = await dewi.client.request(method, f"/api/v1{path}", headers={"X-CSRF-Token": token}, **sent)
        assert answer.status == status, await answer.text()
        return await answer.json()

    return ask


async def test_a_program_checks_backtests_activates_demotes_and_rolls_back(manager, world) -> None:
    found = await manager("GET", "/rules")
    assert found["edition"] == 1
    assert {"sd-slow", "heat-level"} <= {rule["name"] for rule in found["rules"]}
    assert (await manager("GET", "/rules/sd-slow"))["state"] == "active"
    await manager("GET", "/rules/nobody", 404)
    wrong = await manager("POST", "/rule-checks", text=YARD.replace("soc_temp_c", "sock"))
    assert (wrong["refused"], wrong["mistakes"][0]["line"]) == (True, 7)
    assert not (await manager("POST", "/rule-checks", text=YARD))["refused"]
    assert "sock" in (await manager("POST", "/rule-backtests", 422, text=YARD.replace("soc_temp_c", "sock")))["detail"]
    job = await manager("POST", "/rule-backtests", 202, text=YARD, days=7, devices="kemang")
    assert (job["state"], job["edition"], job["share"]) == ("waiting", 1, 0.0)
    await world.rules._work(await world.rules._queue.get())
    done = await manager("GET", f"/rule-backtests/{job['id']}")
    assert (done["state"], done["devices"], done["reports"] > 1000) == ("done", 7, True)
    assert (done["share"], done["judged_days"], done["left_out"]) == (1.0, 7.0, 0)
    late = await manager("POST", "/rule-backtests", 202, text=YARD)
    assert (await manager("DELETE", f"/rule-backtests/{late['id']}"))["state"] == "cancelled"
    assert (await manager("GET", f"/rule-backtests/{late['id']}"))["problem"] == "it was cancelled"
    await manager("DELETE", "/rule-backtests/0123456789ab", 404)
    await world.rules._queue.get()
    await manager("GET", "/rule-backtests/0123456789ab", 404)
    made = await manager("POST", "/rule-editions", 201, text=YARD, seen=1, note="warm")
    assert (made["number"], made["rule"], made["at"]) == (2, "hot-yard", NOW)
    await manager("POST", "/rule-editions", 409, text=YARD, seen=1)
    assert "nothing differs" in (await manager("POST", "/rule-editions", 422, text=YARD))["detail"]
    await manager("PUT", "/rules/hot-yard/state", state="watch", note="noisy")
    assert (await manager("GET", "/rules/hot-yard"))["state"] == "watch"
    await manager("PUT", "/rules/hot-yard/state", 422, state="watch")
    await manager("PUT", "/rules/hot-yard/state", state="active")
    await manager("POST", "/rule-editions/roll-back", 404, edition=77)
    await manager("POST", "/rule-editions/roll-back", 201, edition=1)
    await manager("GET", "/rules/hot-yard", 404)
    await manager("PUT", "/rules/sd-slow/state", state="deleted", note="no use")
    assert (await manager("GET", "/rules/sd-slow"))["state"] == "deleted"
    await manager("PUT", "/rules/sd-slow/state", state="active")
    editions = (await manager("GET", "/rule-editions"))["editions"]
    assert [it["reason"] for it in editions] == [
        "back_to_file",
        "deleted",
        "rolled_back",
        "restored",
        "watched",
        "activated",
        "started",
    ]


async def test_a_backtest_lists_each_ticket_that_differs(manager, world) -> None:
    low = YARD.replace("limit = 82, clear = 60", "limit = 59, clear = 50")
    job = await manager("POST", "/rule-backtests", 202, text=low, days=14)
    await world.rules._work(await world.rules._queue.get())
    differs = (await manager("GET", f"/rule-backtests/{job['id']}"))["differences"]
    assert {(it["verdict"], it["rule"], it["severity"], it["before_at"]) for it in differs} == {
        ("new", "hot-yard@2", "warning", None)
    }
    assert all(NOW - 14 * 86_400 <= it["after_at"] < NOW for it in differs)


async def test_no_more_backtests_wait_than_the_gateway_can_bear(manager) -> None:
    for _ in range(4):
        await manager("POST", "/rule-backtests", 202, text=YARD)
    assert "try again" in (await manager("POST", "/rule-backtests", 422, text=YARD))["detail"]


async def test_pages_refuse_what_was_changed_meanwhile_and_ask_for_a_reason(person, world) -> None:
    dewi = await person("dewi")
    page, deed = "/staff/rule/sd-slow", "/staff/rule/sd-slow/watch"
    assert (await dewi.send(deed, page, seen="1")).status == 422
    assert (await dewi.send(deed, page, seen="one", why="x")).status == 422
    assert (await dewi.send(deed, page, seen="1", why="noisy")).status == 303
    assert "noisy" in await dewi.page(page)
    assert (await dewi.send("/staff/rule/sd-slow/restore", page, seen="1", why="x")).status == 409
    assert (await dewi.send("/staff/rule/sd-slow/restore", page, seen="2", why="x")).status == 303
    assert (await dewi.send("/staff/rule/sd-slow/to-file", page, seen="3", why="x")).status == 409
    assert (await dewi.send("/staff/rule/sd-slow/roll-back", page, seen="3", why="x", edition="1")).status == 409
    assert (await dewi.send("/staff/rule/nobody/watch", page, seen="3", why="x")).status == 404
    assert (await dewi.send("/staff/rule/sd-slow/explode", page, seen="3", why="x")).status == 404
    assert (await dewi.get("/staff/rule/nobody")).status == 404
    assert (await dewi.get("/staff/rules/editions/99")).status == 404
    assert (await dewi.get("/staff/rules/editions/x")).status == 404
    draft = "/staff/rules/drafts/a-draft"
    assert (await dewi.send(draft, draft, version="1", text="x")).status == 303
    said = await dewi.send(draft, draft, version="1", text="mine is here")
    assert said.status == 409
    assert "mine is here" in await said.text()
    assert (await dewi.send(draft, draft, version="2", act="backtest", text="x")).status == 422
    assert (await dewi.get(f"{draft}/activate")).status == 303
    assert (await dewi.send(f"{draft}/activate", draft, version="1", seen="3", why="x")).status == 409
    assert (await dewi.send(f"{draft}/activate", draft, version="3", seen="3", why="x")).status == 409
    assert (await dewi.send(draft, draft, act="discard")).status == 303
    assert (await dewi.get(draft)).status == 404
    assert (await dewi.send("/staff/rules/drafts", page, rule="nobody")).status == 404
    assert "edition 3" in (await dewi.page("/staff/rules")).lower()
    assert "No rule fits" in await dewi.page("/staff/rules?q=nothing-like-this")
