"""What machines ask: health, metrics, the API and its document, the stream."""

import asyncio
import json

import pytest
from aiohttp.test_utils import TestClient, TestServer
from openapi_spec_validator import validate
from prometheus_client import CollectorRegistry, Counter

from gateway.web.api import api
from gateway.web.assets import Assets
from gateway.web.parts import WebSettings
from gateway.web.server import create_app
from tests.gateway.web.world import PASSWORD, World


@pytest.fixture
async def program(server: TestServer):
    """A program that signed in over the API."""
    async with TestClient(server) as client:

        async def sign_in(name: str) -> dict[str, str]:
            answer = await client.post("/api/v1/session", json={"name": name, "password": PASSWORD})
            assert answer.status == 200
            me = await (await client.get("/api/v1/session")).json()
            return {"X-CSRF-Token": me["csrf_token"]}

        client.sign_in = sign_in  # type: ignore[attr-defined]
        yield client


async def test_the_gateway_is_ready_only_when_every_part_is_and_says_which_is_not(world: World) -> None:
    async def fine() -> None:
        return None

    async def away() -> None:
        raise OSError("database: connection refused\nat 127.0.0.1")

    async def slow() -> None:
        raise TimeoutError

    async with TestClient(TestServer(create_app(world.parts(checks={"ledger": fine})))) as client:
        answer = await client.get("/readyz")
        assert (answer.status, await answer.json()) == (200, {"ready": True, "parts": {"ledger": "ok"}})
    checks = {"ledger": away, "history": slow, "endpoint": fine}
    async with TestClient(TestServer(create_app(world.parts(checks=checks)))) as client:
        answer = await client.get("/readyz")
        parts = (await answer.json())["parts"]
        assert answer.status == 503
        assert parts == {"ledger": "database: connection refused", "history": "no answer within 2 s", "endpoint": "ok"}
        assert (await client.get("/healthz")).status == 200, "an outage of a store does not restart us"


async def test_metrics_on_the_pages_listener_are_for_staff_and_only_if_the_wiring_passed_them(world: World) -> None:
    registry = CollectorRegistry()
    Counter("siaga_messages", "Messages", registry=registry).inc()
    async with TestClient(TestServer(create_app(world.parts(metrics=registry)))) as client:
        assert (await client.get("/metrics", allow_redirects=False)).status == 303
        await client.post("/api/v1/session", json={"name": "sari", "password": PASSWORD})
        assert "siaga_messages_total 1.0" in await (await client.get("/metrics")).text()
    async with TestClient(TestServer(create_app(world.parts()))) as client:
        await client.post("/api/v1/session", json={"name": "sari", "password": PASSWORD})
        assert (await client.get("/metrics")).status == 404


async def test_a_database_that_is_away_gives_a_page_that_says_so(world: World) -> None:
    class Away:
        async def user(self, name: str):
            raise OSError("database is away")

    async with TestClient(TestServer(create_app(world.parts(accounts=Away())))) as client:
        answer = await client.post("/api/v1/session", json={"name": "sari", "password": "x"})
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "30"
        assert answer.content_type == "application/problem+json"


async def test_a_fault_of_our_own_is_a_page_and_never_a_trace(world: World, caplog) -> None:
    class Broken:
        async def user(self, name: str):
            raise ZeroDivisionError("secret detail")

    async with TestClient(TestServer(create_app(world.parts(accounts=Broken())))) as client:
        answer = await client.post("/api/v1/session", json={"name": "sari", "password": "x"})
        assert answer.status == 500
        assert "secret detail" not in await answer.text()
    assert "secret detail" in caplog.text


async def test_where_to_report_a_weakness_is_known(program) -> None:
    text = await (await program.get("/.well-known/security.txt")).text()
    assert "Contact: " in text
    assert "Expires: 2027-" in text


def test_the_openapi_document_is_valid_and_names_every_operation() -> None:
    document = api.document()
    validate(document)
    assert document["openapi"] == "3.1.0"
    operations = [it["operationId"] for methods in document["paths"].values() for it in methods.values()]  # type: ignore[attr-defined]
    assert len(operations) == len(set(operations)) >= 10
    assert json.dumps(document)


async def test_all_faults_of_a_request_are_told_at_once_and_nothing_is_echoed(program) -> None:
    await program.sign_in("sari")
    answer = await program.get("/api/v1/tickets?view=<script>&limit=9999&odd=1")
    problem = await answer.json()
    assert answer.status == 422
    assert {it["pointer"] for it in problem["errors"]} == {"#/view", "#/limit", "#/odd"}
    assert "<script>" not in json.dumps(problem)


async def test_a_program_works_a_ticket_with_its_version(program) -> None:
    headers = await program.sign_in("sari")
    ticket = await (await program.get("/api/v1/tickets/SG-1007")).json()
    path = f"/api/v1/tickets/{ticket['id']}"
    refused = await program.post(f"{path}/take", json={"version": ticket["version"]})
    assert refused.status == 403, "no token"
    taken = await program.post(f"{path}/take", json={"version": ticket["version"]}, headers=headers)
    assert (await taken.json())["owner"] == "sari"
    stale = await program.post(f"{path}/take", json={"version": ticket["version"]}, headers=headers)
    assert stale.status == 409
    noted = await program.post(f"{path}/notes", json={"text": "by a program"}, headers=headers)
    assert noted.status == 201
    body = {"version": (await noted.json())["version"], "code": "fixed_remotely"}
    solved = await program.post(f"{path}/solve", json=body, headers=headers)
    assert (await solved.json())["state"] == "solved"
    again = await program.post(f"{path}/solve", json={"version": 99, "code": "auto"}, headers=headers)
    assert again.status == 422, "a code of the policy's own"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [(b"{", "application/json", 400), (b"{}", "text/plain", 403), (b"[]", "application/json", 422)],
)
async def test_a_malformed_log_in_is_told_apart(program, body, kind, status) -> None:
    answer = await program.post("/api/v1/session", data=body, headers={"Content-Type": kind})
    assert answer.status == status
    assert answer.content_type == "application/problem+json"


async def test_a_wrong_password_over_the_api_is_401_and_sign_out_ends_the_session(program) -> None:
    wrong = await program.post("/api/v1/session", json={"name": "sari", "password": "nope nope"})
    assert wrong.status == 401
    headers = await program.sign_in("sari")
    assert (await program.delete("/api/v1/session", headers=headers)).status == 200
    assert (await program.get("/api/v1/tickets")).status == 401


async def test_lists_continue_where_they_ended(program) -> None:
    await program.sign_in("sari")
    seen: list[str] = []
    after = ""
    while True:
        page = await (await program.get("/api/v1/devices", params={"limit": 7, "after": after})).json()
        seen += [it["id"] for it in page["devices"]]
        after = page["next"]
        if after is None:
            break
    assert seen == sorted(set(seen))
    assert len(seen) == 22
    assert (await program.get("/api/v1/tickets?cursor=not-ours")).status == 422


async def test_the_stream_sends_names_once_each_and_ends_with_the_server(program, world: World) -> None:
    await program.sign_in("sari")
    answer = await program.get("/staff/events")
    assert answer.content_type == "text/event-stream"
    assert await answer.content.readuntil(b"\r\n\r\n") == b"event: ready\r\ndata: \r\nretry: 1000\r\n\r\n"
    for _ in range(5):
        world.wake.publish("tickets")
    world.wake.publish("devices")
    text = await answer.content.readuntil(b"\r\n\r\n") + await answer.content.readuntil(b"\r\n\r\n")
    assert text.count(b"event: tickets") == text.count(b"event: devices") == 1
    world.wake.close()
    assert await asyncio.wait_for(answer.content.read(), 10) == b""
    assert len(world.wake) == 0


async def test_built_files_are_kept_for_ever_and_compressed(program) -> None:
    url = Assets()["staff.js"].url
    answer = await program.get(url, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Encoding"] == "gzip"
    missing = await program.get("/static/dist/nothing.js")
    assert missing.status == 404
    assert missing.headers["Cache-Control"] == "no-store"


def test_without_its_browser_files_the_server_refuses_to_start_in_one_line(tmp_path) -> None:
    with pytest.raises(RuntimeError, match=r"browser files are not built.*pip install -e \."):
        Assets(tmp_path)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        WebSettings(secret=b"short")


async def test_pages_are_compressed_only_for_who_understands_it(program) -> None:
    plain = await program.get("/login", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    packed = await program.get("/login", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == "Accept-Encoding"


async def test_every_problem_type_has_a_page_in_both_languages(program) -> None:
    from gateway.web.apikit import TITLES

    for status in TITLES:
        said = {}
        for language in ("en", "id"):
            headers = {"Accept-Language": language, "Accept-Encoding": "identity"}
            answer = await program.get(f"/problems/{status}", headers=headers)
            assert answer.status == 200, status
            said[language] = await answer.text()
            assert f'lang="{language}"' in said[language]
        assert said["en"] != said["id"], status
    for unknown in ("999", "abc", "٤٠٤"):
        assert (await program.get(f"/problems/{unknown}")).status == 404
