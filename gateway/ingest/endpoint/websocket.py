"""MQTT over WebSocket (chapter 6): a transport like asyncio's own, so that a connection does not know what carries it.
Who may come this way is for the listener to say; how a client gets in, for `admission` as ever.
"""

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import WSCloseCode, WSMsgType, web

from gateway.ingest.endpoint.connection import Connection
from gateway.ingest.endpoint.reasons import Reason

if TYPE_CHECKING:
    from gateway.ingest.endpoint.hub import Hub

_PROTOCOL: Final = "mqtt"


class WebSocketTransport(asyncio.Transport):
    """Carries one connection in binary frames, which need not align with packets (MQTT-6.0.0-2)."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, peer: str, connection: Connection) -> None:
        super().__init__({"peername": (peer, 0)})
        self._connection = connection
        self._socket = socket
        self._request = request
        self._unsent: list[bytes] = []
        self._size = 0
        self._high = 0
        self._full = False
        self._closing = False
        self._code = WSCloseCode.OK
        self._wake = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()

    # --- what a connection asks of its transport ---------------------------------------------------------------------

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:  # noqa: ARG002 - asyncio's
        """Tell the connection to pause from `high` unsent bytes on, until a quarter of that is left."""
        self._high = high or 0

    def get_write_buffer_size(self) -> int:
        """Bytes that are not sent yet."""
        return self._size

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send when the client takes it."""
        if self._closing:
            return
        self._unsent.append(bytes(data))
        self._size += len(data)
        self._wake.set()
        if not self._full and self._size > self._high:
            self._full = True
            self._connection.pause_writing()

    def can_write_eof(self) -> bool:
        """A WebSocket is closed as a whole, by a handshake that lets the last frame arrive."""
        return False

    def pause_reading(self) -> None:
        """Hand over no more frames; TCP tells the client."""
        self._reading.clear()

    def resume_reading(self) -> None:
        """Hand over frames again."""
        self._reading.set()

    def is_closing(self) -> bool:
        """Whether nothing more can be written."""
        return self._closing

    def close(self) -> None:
        """Send what is unsent, then close."""
        self._closing = True
        self._reading.set()
        self._wake.set()

    def abort(self) -> None:
        """Cut the network connection."""
        self._unsent.clear()
        self.close()
        if self._request.transport is not None:
            self._request.transport.abort()

    # --- the two halves, each run by `converse` ----------------------------------------------------------------------

    async def send(self) -> None:
        """Send until closed."""
        try:
            while self._unsent or not self._closing:
                await self._wake.wait()
                self._wake.clear()
                frame = b"".join(self._unsent)
                self._unsent.clear()
                if frame:
                    await self._socket.send_bytes(frame)
                    self._size -= len(frame)
                    self._judge_fill()
            await self._socket.close(code=self._code)
        except ConnectionError:
            self.abort()

    def _judge_fill(self) -> None:
        if self._full and self._size <= self._high // 4:
            self._full = False
            self._connection.resume_writing()

    async def receive(self) -> None:
        """Read until the client closes, or says something that is not a binary frame (MQTT-6.0.0-1)."""
        connection = self._connection
        buffer = connection.hub.buffer
        async for message in self._socket:
            if message.type is not WSMsgType.BINARY:
                self._code = WSCloseCode.UNSUPPORTED_DATA
                connection.close()
                return
            for start in range(0, len(message.data), len(buffer)):
                await self._reading.wait()
                part = message.data[start : start + len(buffer)]
                buffer[: len(part)] = part
                connection.buffer_updated(len(part))


async def converse(hub: "Hub", request: web.Request, peer: str) -> web.StreamResponse:
    """Serve one client to its end. HTTPBadRequest for a request that is no WebSocket of MQTT, HTTPServiceUnavailable
    where the endpoint is full.
    """
    settings = hub.settings
    socket = web.WebSocketResponse(
        protocols=(_PROTOCOL,), compress=False, max_msg_size=settings.max_packet_bytes, timeout=settings.close_timeout_s
    )
    ready = socket.can_prepare(request)
    if not ready or ready.protocol != _PROTOCOL:
        raise web.HTTPBadRequest(text="a WebSocket of sub-protocol mqtt is served here\n")
    if len(hub.connections) >= settings.max_connections:
        hub.counters.connections_over_limit += 1
        raise web.HTTPServiceUnavailable(text="as many clients are connected as may be\n")
    await socket.prepare(request)
    connection = Connection(hub)
    transport = WebSocketTransport(socket, request, peer, connection)
    connection.connection_made(transport)
    hub.websockets.add(connection)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(transport.send())
            await transport.receive()
            transport.close()
    finally:
        hub.websockets.discard(connection)
        connection.connection_lost(None)
    return socket


def end_conversations(hub: "Hub") -> None:
    """The listener stops: its clients are told, and their wills dropped as at any orderly stop."""
    for connection in list(hub.websockets):
        connection.will = None
        connection.fail(Reason.SERVER_SHUTTING_DOWN, "the gateway stops")
