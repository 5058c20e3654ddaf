"""For machines that watch us: alive, ready (asks every part by name), metrics, and where to report a weakness."""

import asyncio
from datetime import UTC, datetime, timedelta

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway.web.parts import PARTS, Check
from gateway.web.routes import Access, add

CHECK_S = 2.0


async def healthz(request: web.Request) -> web.StreamResponse:
    """The process answers. Nothing else is asked, so that an outage of a store does not restart us."""
    del request
    return web.json_response({"status": "ok"})


async def _ask(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_S):
            await check()
    except TimeoutError:
        return f"no answer within {CHECK_S:g} s"
    except OSError as reason:
        return str(reason).splitlines()[0] if str(reason) else type(reason).__name__
    return "ok"


async def readyz(request: web.Request) -> web.StreamResponse:
    """Whether everything works: 200, or 503 with the reason of each part that does not."""
    checks = request.app[PARTS].checks
    answers = dict(zip(checks, await asyncio.gather(*(_ask(check) for check in checks.values())), strict=True))
    ready = all(answer == "ok" for answer in answers.values())
    return web.json_response({"ready": ready, "parts": answers}, status=200 if ready else 503)


async def metrics(request: web.Request) -> web.StreamResponse:
    """The exposition of the registry that the wiring passed."""
    registry = request.app[PARTS].metrics
    if registry is None:
        raise web.HTTPNotFound
    return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def security_txt(request: web.Request) -> web.StreamResponse:
    """RFC 9116."""
    settings = request.app[PARTS].settings
    now = request.app[PARTS].clock.now()
    expires = (datetime.fromtimestamp(now, UTC) + timedelta(days=180)).strftime("%Y-%m-%dT00:00:00Z")
    contact = settings.support_contact if "@" in settings.support_contact else ""
    lines = [
        f"Contact: mailto:{contact}" if contact else f"Contact: {settings.base_url}/login",
        f"Expires: {expires}",
        "Preferred-Languages: en, id",
    ]
    return web.Response(text="\n".join(lines) + "\n")


def add_routes(app: web.Application) -> None:
    """The machine's routes. `/metrics` is for signed-in staff here; scrapers have a listener of their own."""
    add(app, Access.PUBLIC, "GET", "/healthz", healthz)
    add(app, Access.PUBLIC, "GET", "/readyz", readyz)
    add(app, Access.STAFF, "GET", "/metrics", metrics)
    add(app, Access.PUBLIC, "GET", "/.well-known/security.txt", security_txt)
