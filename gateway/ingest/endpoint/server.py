"""The embedded MQTT endpoint: devices connect straight to the gateway. `open_endpoint` is the way to one."""

import asyncio
import asyncio.sslproto
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from gateway.clock import Clock
from gateway.ingest.endpoint.connection import Connection
from gateway.ingest.endpoint.counters import Counters
from gateway.ingest.endpoint.hub import Hub
from gateway.ingest.endpoint.limits import EndpointSettings
from gateway.ingest.endpoint.reasons import Reason
from gateway.ingest.endpoint.session import Message
from gateway.ingest.endpoint.websocket import converse, end_conversations
from gateway.ports.endpoint import Authenticate, EndpointStore
from gateway.ports.ingest import Intake, Outbound

_log = logging.getLogger(__name__)

_SWEEP_S = 0.25
_RETAINED_SWEEPS = 240
_TLS_BUFFER_BYTES = 16_384
_TLS_RECEIVE_BYTES = 16_384
_GATEWAY = ""


class Endpoint:
    """A listening endpoint, and the way down to the devices that connect to it (a Downlink)."""

    def __init__(self, hub: Hub, port: int) -> None:
        self._hub = hub
        self.port = port

    @property
    def counters(self) -> Counters:
        """What was counted since the start."""
        return self._hub.counters

    @property
    def connections(self) -> int:
        """Network connections now, admitted or not."""
        return len(self._hub.connections)

    @property
    def sessions(self) -> int:
        """Sessions now, with and without a connection."""
        return len(self._hub.sessions)

    @property
    def retained(self) -> int:
        """Retained messages now."""
        return self._hub.router.retained.count

    @property
    def journal_backlog(self) -> int:
        """Changes that wait to be written to the store."""
        return self._hub.journal.backlog

    def connected(self, device_id: str) -> bool:
        """Whether a client of this identity is connected now."""
        return device_id in self._hub.online

    async def converse(self, request: web.Request, peer: str) -> web.StreamResponse:
        """Serve a client that comes by WebSocket to somebody else's listener, to its end. `peer` is its address."""
        return await converse(self._hub, request, peer)

    async def end_conversations(self, _app: web.Application) -> None:
        """That listener stops (`on_shutdown`): tell those clients."""
        end_conversations(self._hub)

    async def publish(self, messages: Sequence[Outbound]) -> None:
        """Route, queue and retain messages at QoS 1; return once they are durable. ConnectionError if that fails
        because the endpoint stops.
        """
        hub = self._hub
        for outbound in messages:
            message = Message(outbound.topic, outbound.payload, 1, outbound.retain, outbound.expires_at)
            if outbound.retain:
                hub.router.keep(message, _GATEWAY)
            hub.router.route(message, None)
        hub.flush()
        await hub.journal.written()


@asynccontextmanager
async def open_endpoint(
    settings: EndpointSettings, intake: Intake, store: EndpointStore, authenticate: Authenticate, clock: Clock
) -> AsyncIterator[Endpoint]:
    """Listen until the block ends; then clients are told, sessions written. Raises OSError if the port is taken or the
    store cannot be read.
    """
    if settings.tls is not None:
        # Every TLS connection has a read buffer of 256 KiB, as asyncio and uvloop want it; one TLS record is 16 KiB.
        # asyncio can be told so. uvloop cannot, but what is never read at once is never touched: see the listeners.
        asyncio.sslproto.SSLProtocol.max_size = _TLS_BUFFER_BYTES
    hub = Hub(settings, intake, store, authenticate, clock)
    hub.restore(await store.load())
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as hub.tasks:
        server = await loop.create_server(
            lambda: Connection(hub),
            settings.host,
            settings.port,
            ssl=settings.tls,
            ssl_handshake_timeout=settings.connect_timeout_s if settings.tls else None,
            ssl_shutdown_timeout=settings.close_timeout_s if settings.tls else None,
            backlog=settings.backlog,
            start_serving=False,
        )
        if settings.tls is not None:
            for listener in server.sockets:  # connections inherit it
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _TLS_RECEIVE_BYTES)
        await server.start_serving()
        running = [hub.tasks.create_task(hub.journal.run()), hub.tasks.create_task(_sweep(hub))]
        port = int(server.sockets[0].getsockname()[1])
        _log.info("mqtt endpoint listens on %s:%d", settings.host, port)
        try:
            yield Endpoint(hub, port)
        finally:
            server.close()
            for connection in list(hub.connections):
                connection.will = None
                connection.fail(Reason.SERVER_SHUTTING_DOWN, "the gateway stops")
            hub.hand_in()
            await _last_words(hub, running[0])
            for task in (*running, *hub.admissions):
                task.cancel()
            for connection in list(hub.connections):
                connection.abort()


async def _last_words(hub: Hub, journal: "asyncio.Task[None]") -> None:
    """Write what is unwritten, unless the journal itself is what broke; a store that is away is not waited for long."""
    written = hub.journal.written()
    written.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.wait({written, journal}, timeout=hub.settings.stop_timeout_s, return_when=asyncio.FIRST_COMPLETED)


async def _sweep(hub: Hub) -> None:
    """Do what time makes due: silent clients, delayed wills, ended sessions, expired retained messages."""
    sweeps = 0
    while True:
        await asyncio.sleep(_SWEEP_S)
        now = hub.seconds()
        for connection in [c for c in hub.connections if c.deadline is not None and c.deadline <= now]:
            connection.overdue()
        hub.tick()
        sweeps += 1
        if sweeps % _RETAINED_SWEEPS == 0:
            hub.router.expire_retained(hub.clock.now())
        hub.flush()
