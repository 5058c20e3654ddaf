"""Listening for browsers: the pages, MQTT over WebSocket beside them, metrics on a listener of their own, a small page
while the database is away.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from gateway.ingest.endpoint.server import Endpoint
from gateway.settings import Settings
from gateway.storage.forwarder import Forwarder
from gateway.web.auth import client_address
from gateway.web.routes import Access, add


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve until the block ends; yields the port. Raises OSError if it is taken."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, reuse_address=True)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def with_mqtt(app: web.Application, endpoint: Endpoint | None, settings: Settings) -> web.Application:
    """The same application, also serving MQTT over WebSocket where the settings say so. A page of another site gets
    403: it would speak from inside its reader's network.
    """
    if endpoint is None or not settings.mqtt.websocket:
        return app

    async def mqtt(request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        at_home = origin is None or origin.partition("://")[2] == request.host
        if not at_home and origin not in settings.mqtt.websocket_origins:
            raise web.HTTPForbidden(text="mqtt.websocket_origins does not have this origin\n")
        return await endpoint.converse(request, client_address(request, settings.http.trusted_proxies))

    add(app, Access.PUBLIC, "GET", "/mqtt", mqtt)
    app.on_shutdown.append(endpoint.end_conversations)
    return app


async def flowing(forwarder: Forwarder) -> None:
    """Whether telemetry reaches its store, for /readyz: OSError with the reason where it does not."""
    state = forwarder.state
    if state.full:
        raise OSError("the outbox is full: not acknowledging until the history store has caught up")
    if state.trouble:
        raise OSError(state.trouble)


def starting_page(reason: Callable[[], str]) -> web.Application:
    """What is served before the database is there: alive, not ready, and why."""

    async def healthz(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ok"})

    async def other(request: web.Request) -> web.StreamResponse:
        answer = {"ready": False, "parts": {"database": reason()}}
        if request.path == "/readyz":
            return web.json_response(answer, status=503)
        return web.Response(
            text=f"Siaga is starting: {reason()}\n",
            status=503,
            headers={"Retry-After": "5", "Cache-Control": "no-store"},
        )

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_route("*", "/{path:.*}", other)
    return app


def metrics_page(registry: CollectorRegistry) -> web.Application:
    """/metrics alone, for a listener inside."""

    async def metrics(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    return app
