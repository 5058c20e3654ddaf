"""Every route of the application against every kind of person. A new route joins by itself."""

import pytest

from gateway.web.routes import ACCESS, Access

# What stands for each name in a path: something that is Toko Budi's, and exists.
BUDIS = {
    "{device_id}": "kemang-cam-01",
    "{ticket}": "SG-1001",
    "{customer_id}": "toko-budi",
    "{rollout_id}": "r-250",
    "{step}": "note",
    "{status}": "404",
    "{release_id}": "0123456789abcdef",
    "{sha256}": "no-hash",
    "{rule}": "sd-slow",
    "{deed}": "watch",
    "{number}": "1",
    "{draft}": "a-draft",
    "{case}": "0",
    "{job}": "no-job",
}
STREAMS = {"/staff/events"}


def _path(pattern: str) -> str:
    for name, value in BUDIS.items():
        pattern = pattern.replace(name, value)
    return pattern


def _routes(server) -> list[tuple[str, str, Access]]:
    found = [(method, path, access) for (method, path), access in server.app[ACCESS].items() if method != "HEAD"]
    return [it for it in found if it[1] not in STREAMS and not it[1].startswith("/static")]


async def _ask(someone, method: str, path: str) -> int:
    if method == "GET":
        return (await someone.get(path)).status
    token = await someone.token("/login") if not someone.signed else await someone.token(someone.signed)
    as_program = {"headers": {"X-CSRF-Token": token}, "json": {}}
    sent = as_program if path.startswith("/api/") else {"data": {"csrf": token}}
    return (await someone.client.request(method, _path(path), allow_redirects=False, **sent)).status


@pytest.fixture
async def crowd(person):
    people = {}
    for name, form_on in (
        ("", ""),
        ("budi", "/home"),
        ("wayan", "/home"),
        ("sari", "/staff/settings"),
        ("dewi", "/staff/settings"),
    ):
        people[name] = await person(name)
        people[name].signed = form_on
    return people


async def test_a_visitor_is_sent_to_the_log_in_from_every_page_that_is_not_public(server, crowd) -> None:
    for method, pattern, access in _routes(server):
        if access is Access.PUBLIC:
            continue
        status = await _ask(crowd[""], method, _path(pattern))
        assert status == (401 if pattern.startswith("/api/") else 303), f"{method} {pattern}"


async def test_customers_cannot_tell_that_staff_pages_exist_and_staff_have_no_customer_pages(server, crowd) -> None:
    for method, pattern, access in _routes(server):
        if access in (Access.STAFF, Access.MANAGER):
            assert await _ask(crowd["budi"], method, _path(pattern)) == 404, f"{method} {pattern}"
        if access is Access.CUSTOMER:
            assert await _ask(crowd["sari"], method, _path(pattern)) == 404, f"{method} {pattern}"


async def test_agents_cannot_do_what_only_managers_may(server, crowd) -> None:
    managers = [it for it in _routes(server) if it[2] is Access.MANAGER]
    assert managers
    for method, pattern, _ in managers:
        path = _path(pattern.replace("{step}", "pause"))
        assert await _ask(crowd["sari"], method, path) == 404, pattern
        at_once = path == "/staff/rules/drafts" or path.endswith("/cancel")  # nothing to fill in
        done = (200, 303, 422) if method == "GET" or at_once else (422,)
        assert await _ask(crowd["dewi"], method, path) in done, pattern


async def test_what_belongs_to_another_customer_does_not_exist(server, crowd) -> None:
    """Wayan asks for everything of Budi's by its right name."""
    owned = [it for it in _routes(server) if "{" in it[1] and it[2] in (Access.CUSTOMER, Access.SIGNED_IN)]
    assert len(owned) >= 8
    for method, pattern, _ in owned:
        assert await _ask(crowd["wayan"], method, _path(pattern)) == 404, f"{method} {pattern}"
        mine = await _ask(crowd["budi"], method, _path(pattern))
        assert mine in (200, 303, 409, 422), f"{method} {pattern}: {mine}"


async def test_lists_of_the_api_hold_only_what_is_the_callers(crowd) -> None:
    for path, key in (("/api/v1/tickets?limit=200", "tickets"), ("/api/v1/devices?limit=200", "devices")):
        answers = {name: (await (await crowd[name].get(path)).json())[key] for name in ("budi", "wayan", "sari")}
        ids = {name: {it["id"] for it in rows} for name, rows in answers.items()}
        assert ids["budi"], path
        assert ids["wayan"], path
        assert not ids["budi"] & ids["wayan"], path
        assert ids["sari"] >= {it["id"] for it in answers["budi"] if it.get("state") != "solved"}, path


async def test_no_page_of_a_customer_names_anything_of_another(crowd) -> None:
    strange = ("Hotel Senggigi", "senggigi", "Wayan", "SG-1003", "SG-1005", "SG-1007")
    for path in ("/home", "/home/devices/kemang-cam-01", "/home/tickets/SG-1001", "/home/measures"):
        text = await crowd["budi"].page(path)
        assert [word for word in strange if word in text] == [], path


async def test_a_route_without_an_access_is_refused(server, crowd) -> None:
    unlisted = [
        (method, resource.canonical)
        for resource in server.app.router.resources()
        for method in {route.method for route in resource}
        if (method, resource.canonical) not in server.app[ACCESS]
    ]
    assert [it for it in unlisted if it[0] != "OPTIONS"] == []


async def test_the_stream_of_the_console_is_for_staff(crowd) -> None:
    assert (await crowd[""].get("/staff/events")).status == 303
    assert (await crowd["budi"].get("/staff/events")).status == 404
