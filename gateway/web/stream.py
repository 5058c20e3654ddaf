"""The live stream of the console: names of what changed. A page that is closed or too slow is forgotten."""

import asyncio

from aiohttp import web
from aiohttp_sse import sse_response

from gateway.web.parts import PARTS
from gateway.web.routes import Access, add

PULSE_S = 15.0
APART_S = 0.4  # names that come together are sent together
LIFE_PULSES = 240  # an hour; then the page connects anew, which checks its session anew


async def events(request: web.Request) -> web.StreamResponse:
    """Events "tickets", "devices", "rollouts" with no data but a counter; viewers fetch what they may see."""
    with request.app[PARTS].wake.watch() as watcher:
        async with sse_response(request, ping_interval=PULSE_S) as stream:
            await stream.send("", event="ready", retry=1000)
            for number in range(LIFE_PULSES * 40):
                try:
                    async with asyncio.timeout(PULSE_S):
                        names = await watcher.names()
                except TimeoutError:
                    names = ()
                if watcher.closed or not stream.is_connected():
                    break
                try:
                    for name in names:
                        await stream.send(str(number), event=name)
                except (ConnectionResetError, TimeoutError):
                    break
                await asyncio.sleep(APART_S if names else 0)
        return stream


async def say_goodbye(app: web.Application) -> None:
    """Let open streams end, so that the process can."""
    app[PARTS].wake.close()


def add_routes(app: web.Application) -> None:
    """The stream's route."""
    add(app, Access.STAFF, "GET", "/staff/events", events)
    app.on_shutdown.append(say_goodbye)
