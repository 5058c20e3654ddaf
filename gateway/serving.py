"""Listening for browsers: the pages, metrics on a listener of their own, a small page while the database is away."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from gateway.storage.forwarder import Forwarder


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
