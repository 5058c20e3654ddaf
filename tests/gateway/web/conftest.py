"""Pages without a browser: the application on a loopback port, and people who sign in to it."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from gateway.web.server import create_app
from tests.gateway.web.world import PASSWORD, World, make_world

FORM_TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass
class Person:
    """A browser of one person: keeps cookies, follows no redirects, sends forms with their token."""

    client: TestClient

    def plant(self, cookie: str) -> None:
        """A session cookie that somebody put there."""
        self.client.session.cookie_jar.update_cookies({"siaga": cookie}, self.client.make_url("/"))

    async def get(self, path: str, **more: object) -> ClientResponse:
        return await self.client.get(path, allow_redirects=False, **more)

    async def page(self, path: str) -> str:
        answer = await self.get(path)
        assert answer.status == 200, f"{path}: {answer.status}"
        return await answer.text()

    async def token(self, path: str) -> str:
        found = FORM_TOKEN.search(await (await self.get(path)).text())
        assert found, f"{path} has no form"
        return found[1]

    async def send(self, path: str, form_on: str, **fields: str) -> ClientResponse:
        data = {"csrf": await self.token(form_on), **fields}
        return await self.client.post(path, data=data, allow_redirects=False)

    async def sign_in(self, name: str, password: str = PASSWORD) -> ClientResponse:
        return await self.send("/login", "/login", name=name, password=password)


@pytest.fixture
async def world() -> World:
    return await make_world()


@pytest.fixture
async def server(world: World) -> AsyncIterator[TestServer]:
    running = TestServer(create_app(world.parts()))
    await running.start_server()
    yield running
    await running.close()


@pytest.fixture
async def person(server: TestServer) -> AsyncIterator[Callable[[str], Awaitable[Person]]]:
    """`await person("sari")` signs Sari in; `await person("")` is a visitor."""
    clients: list[TestClient] = []

    async def come(name: str) -> Person:
        client = TestClient(server)
        clients.append(client)
        someone = Person(client)
        if name:
            assert (await someone.sign_in(name)).status == 303
        return someone

    yield come
    for client in clients:
        await client.session.close()
