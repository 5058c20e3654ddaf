"""Two customers, five people, every state of a device: in a real browser."""

import os
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from gateway.storage.update_desk import SqlUpdates
from gateway.web.server import create_app
from tests.gateway.firmware.scene import scene
from tests.gateway.web.world import PASSWORD, World, make_world
from tests.parts.chromium import ServedApp, Visit, running_chromium, visit

ARTEFACTS = Path(os.environ.get("SIAGA_ARTEFACTS", Path(__file__).parents[2] / "artefacts"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


class Stage:
    """The application and its world, and whoever visits."""

    def __init__(self, browser: Browser, served: ServedApp, world: World, release: str = "") -> None:
        self._browser, self._served, self.world, self.release = browser, served, world, release
        self._visits: list[Visit] = []
        self.updates: SqlUpdates | None = None
        self.url = served.url

    def tick(self) -> None:
        """The clock brings what is due to the rollouts, and the pages hear of it."""

        async def go_on(world: World) -> None:
            assert self.updates is not None
            for minute in range(2):
                await self.updates.tick(world.clock.now() + 60 * minute)
            world.wake.publish("rollouts")

        self.do(go_on)

    def visit(self, name: str = "", **options: Any) -> Visit:
        someone = visit(self._browser, self.url, **{"locale": "en", **options})
        self._visits.append(someone)
        if name:
            someone.sign_in(name, PASSWORD)
        return someone

    def do(self, work: Callable[[World], Any]) -> Any:
        """Something happens in the gateway while people look."""

        async def on_the_loop() -> Any:
            return await work(self.world)

        return self._served.run(on_the_loop())

    def leave(self) -> list[str]:
        complaints = [it for someone in self._visits for it in someone.complaints]
        for someone in self._visits:
            someone.context.close()
        return complaints


@pytest.fixture
def stage(chromium: Browser) -> Iterator[Stage]:
    worlds: list[World] = []

    async def make() -> Any:
        worlds.append(await make_world())
        return create_app(worlds[0].parts())

    with ServedApp(make) as served:
        on_stage = Stage(chromium, served, worlds[0])
        yield on_stage
        assert on_stage.leave() == [], "the console of a browser complained"


@pytest.fixture
def updating(chromium: Browser, tmp_path: Path) -> Iterator[Stage]:
    """A stage on which updates are under way; `release` is the id of the one that is whole."""
    made: list[Any] = []
    stack = AsyncExitStack()

    async def make() -> Any:
        made.append(await stack.enter_async_context(scene(tmp_path)))
        return create_app(made[0][1])

    with ServedApp(make) as served:
        world, _parts, release, updates = made[0]
        on_stage = Stage(chromium, served, world, release)
        on_stage.updates = updates
        yield on_stage
        complaints = on_stage.leave()
        served.run(stack.aclose())
        assert complaints == [], "the console of a browser complained"


@pytest.fixture(scope="module")
def artefacts() -> Path:
    ARTEFACTS.mkdir(exist_ok=True)
    return ARTEFACTS
