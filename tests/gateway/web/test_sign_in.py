"""Signing in, sessions, and what forms must carry."""

from tests.gateway.web.world import HASH, NOW, PASSWORD, World


async def test_a_person_lands_where_they_belong(person) -> None:
    for name, home in (("budi", "/home"), ("sari", "/staff/queue"), ("dewi", "/staff/queue")):
        visitor = await person("")
        answer = await visitor.sign_in(name)
        assert (answer.status, answer.headers["Location"]) == (303, home)
        assert (await (await person(name)).get("/")).headers["Location"] == home


async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(person) -> None:
    visitor = await person("")
    wrong, unknown = await visitor.sign_in("sari", "not the password"), await visitor.sign_in("nobody", "not it")
    assert wrong.status == unknown.status == 422
    texts = [await answer.text() for answer in (wrong, unknown)]
    assert all("The name or the password is not right." in text for text in texts)


async def test_the_sixth_wrong_try_in_a_minute_is_refused_even_with_the_right_password(person) -> None:
    visitor = await person("")
    for _ in range(5):
        assert (await visitor.sign_in("sari", "wrong wrong")).status == 422
    refused = await visitor.sign_in("sari")
    assert refused.status == 429
    assert refused.headers["Retry-After"] == "60"
    assert (await visitor.sign_in("andi")).status == 303, "another account is not locked"


async def test_the_session_id_changes_at_log_in_so_a_planted_cookie_is_worthless(person, world: World) -> None:
    visitor = await person("")
    await visitor.get("/login")
    visitor.plant("planted-by-somebody")
    assert (await visitor.sign_in("sari")).status == 303
    kept = {cookie.key: cookie.value for cookie in visitor.client.session.cookie_jar}
    assert kept["siaga"] != "planted-by-somebody"
    attacker = await person("")
    attacker.plant("planted-by-somebody")
    assert (await attacker.get("/staff/queue")).status == 303


async def test_signing_in_again_ends_the_session_before(person) -> None:
    sari = await person("sari")
    old = next(cookie.value for cookie in sari.client.session.cookie_jar if cookie.key == "siaga")
    await sari.send("/logout", "/staff/queue")
    thief = await person("")
    thief.plant(old)
    assert (await thief.get("/staff/queue")).headers["Location"].startswith("/login")


async def test_changing_a_user_ends_the_sessions_of_that_user(person, world: World) -> None:
    from gateway.ports.registry import Role, User

    sari = await person("sari")
    await world.accounts.put_user(User("sari", Role.AGENT, HASH, "", "Sari"))
    assert (await sari.get("/staff/queue")).status == 303


async def test_staff_are_signed_out_after_eight_idle_hours_and_customers_are_not(person, world: World) -> None:
    sari, budi = await person("sari"), await person("budi")
    world.clock.move(8 * 3600 + 1)
    assert (await sari.get("/staff/queue")).status == 303
    assert (await budi.get("/home")).status == 200


async def test_working_staff_stay_signed_in_for_a_day_and_no_longer(person, world: World) -> None:
    sari = await person("sari")
    for _ in range(3):
        world.clock.move(7 * 3600)
        assert (await sari.get("/staff/queue")).status == 200
    world.clock.move(4 * 3600)
    assert (await sari.get("/staff/queue")).status == 303


async def test_a_form_without_its_token_is_refused(person) -> None:
    sari = await person("sari")
    answer = await sari.client.post("/staff/tickets/SG-1004/take", data={"version": "1"}, allow_redirects=False)
    assert answer.status == 403
    forged = await sari.client.post("/logout", data={"csrf": "0.0"}, allow_redirects=False)
    assert forged.status == 403
    assert (await sari.get("/staff/queue")).status == 200


async def test_a_form_from_another_site_is_refused_even_with_the_token(person) -> None:
    sari = await person("sari")
    token = await sari.token("/staff/settings")
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
    ):
        answer = await sari.client.post("/logout", data={"csrf": token}, headers=headers, allow_redirects=False)
        assert answer.status == 403, headers
    fine = await sari.client.post(
        "/logout", data={"csrf": token}, headers={"Sec-Fetch-Site": "same-origin"}, allow_redirects=False
    )
    assert fine.status == 303


async def test_a_token_of_one_person_does_not_work_for_another(person) -> None:
    sari, andi = await person("sari"), await person("andi")
    token = await sari.token("/staff/settings")
    assert (await andi.client.post("/logout", data={"csrf": token}, allow_redirects=False)).status == 403


async def test_every_answer_carries_the_policy_that_allows_no_foreign_code(person) -> None:
    visitor = await person("")
    for path in ("/login", "/nothing-here", "/healthz", "/static/dist/nothing.js"):
        answer = await visitor.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'"), path
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"


async def test_the_log_in_never_sends_people_to_another_site(person) -> None:
    for trap in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\thome"):
        visitor = await person("")
        answer = await visitor.send("/login", "/login", name="sari", password=PASSWORD, next=trap)
        assert answer.headers["Location"] == "/staff/queue", trap
    visitor = await person("")
    answer = await visitor.send(
        "/login", "/login", name="sari", password="siaga siaga siaga", next="/staff/devices?q=x"
    )
    assert answer.headers["Location"] == "/staff/devices?q=x"


async def test_secure_cookies_carry_the_host_prefix(world: World) -> None:
    from aiohttp.test_utils import TestClient, TestServer

    from gateway.web.parts import WebSettings
    from gateway.web.server import create_app

    parts = world.parts(settings=WebSettings(secret=b"x" * 32, secure_cookies=True))
    async with TestClient(TestServer(create_app(parts))) as client:
        body = {"name": "sari", "password": "siaga siaga siaga"}
        answer = await client.post("/api/v1/session", json=body)
        cookie = answer.headers["Set-Cookie"]
        assert answer.status == 200
        assert cookie.startswith("__Host-siaga=")
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        assert "max-age" in answer.headers["Strict-Transport-Security"]


async def test_the_store_keeps_only_a_hash_of_the_session(person, world: World) -> None:
    import hashlib

    sari = await person("sari")
    token = next(cookie.value for cookie in sari.client.session.cookie_jar if cookie.key == "siaga")
    assert len(token) >= 43
    assert await world.accounts.session(hashlib.sha256(token.encode()).digest(), NOW) is not None
    assert await world.accounts.session(token.encode(), NOW) is None


async def test_behind_a_proxy_each_person_has_an_own_limit_and_nobody_can_invent_an_address() -> None:
    from aiohttp.test_utils import make_mocked_request

    from gateway.web.auth import client_address

    forged = make_mocked_request("POST", "/login", headers={"X-Forwarded-For": "1.1.1.1, 203.0.113.7"})
    assert client_address(forged, 1) == "203.0.113.7", "what our own proxy saw"
    assert client_address(forged, 2) == "1.1.1.1"
    assert client_address(forged, 0) == client_address(forged, 3), "then the connection's own address counts"
