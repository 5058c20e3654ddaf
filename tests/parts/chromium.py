"""A real browser (Debian's chromium) driven by playwright, and the application on a loop of its own in a thread."""

import asyncio
import shutil
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from aiohttp import web
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response, sync_playwright

T = TypeVar("T")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


@contextmanager
def running_chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class ServedApp:
    """An application on a free loopback port, on its own loop in a thread; `run` does something on that loop."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, web.Application]]) -> None:
        self._make = make
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.url = ""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _start(self) -> None:
        self._runner = web.AppRunner(await self._make(), access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    def __enter__(self) -> "ServedApp":
        self._thread.start()
        self.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@dataclass
class Visit:
    """One person's browser. Everything the console complains of is kept: a page that complains is not right."""

    context: BrowserContext
    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    def go(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def sign_in(self, name: str, password: str) -> None:
        self.go("/login")
        self.page.fill("#name", name)
        self.page.fill("#password", password)
        self.page.click("main button")
        self.page.wait_for_url(lambda address: "/login" not in address)


def visit(browser: Browser, url: str, **options: Any) -> Visit:
    """A browser context of its own: no cookies, no cache."""
    context = browser.new_context(**options)
    context.set_default_timeout(10_000)
    page = context.new_page()
    someone = Visit(context, page, url)

    def hear(message: ConsoleMessage) -> None:
        # A page that answers 4xx on purpose is named by the browser as an error of the document itself.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            someone.complaints.append(message.text)

    def failed(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # a page that is left ends what it was loading
            someone.complaints.append(f"{request.url} failed: {request.failure}")

    page.on("console", hear)
    page.on("pageerror", lambda problem: someone.complaints.append(str(problem)))
    page.on("response", lambda it: someone.responses.append(it))
    page.on("requestfailed", failed)
    return someone
