"""One connection: asyncio's calls, and what it reads and when. What packets mean is said in `dialogue`; how a client
gets in, in `admission`. Nothing is acknowledged before the pipeline says so.
"""

import asyncio
from typing import TYPE_CHECKING, cast

from gateway.ingest.endpoint import admission, codec
from gateway.ingest.endpoint.flow import Pause, Phase
from gateway.ingest.endpoint.line import Line
from gateway.ingest.endpoint.packets import V311, Connect, Kind
from gateway.ingest.endpoint.reasons import ProtocolError, Reason
from gateway.ingest.endpoint.scan import Routes, scan
from gateway.ports.endpoint import Rights

if TYPE_CHECKING:
    from gateway.ingest.endpoint.hub import Hub
    from gateway.ingest.endpoint.limits import TokenBucket


class Connection(Line, asyncio.BufferedProtocol):
    """A link of the pipeline, and a protocol of asyncio."""

    __slots__ = ("_need", "_tail", "aliases", "bucket", "routes")

    def __init__(self, hub: "Hub") -> None:
        super().__init__(hub)
        self.bucket: TokenBucket | None = None
        self.aliases: dict[int, str] | None = None
        self.routes = Routes()
        self._tail: bytearray | None = None
        self._need = 0

    # --- asyncio's calls ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept, unless the endpoint is full."""
        transport = cast(asyncio.Transport, transport)  # uvloop's transports are such without saying so
        self._transport = transport
        hub = self.hub
        if len(hub.connections) >= hub.settings.max_connections:
            hub.counters.connections_over_limit += 1
            self.move(Phase.CLOSED)
            transport.abort()
            return
        hub.connections.add(self)
        hub.counters.connections += 1
        transport.set_write_buffer_limits(high=hub.settings.write_high_water_bytes)

    def get_buffer(self, _sizehint: int) -> memoryview:
        """The buffer all connections share: asyncio fills it and calls `buffer_updated` in one go."""
        return self.hub.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Read what is complete, keep the rest."""
        hub = self.hub
        data = bytes(hub.buffer[:nbytes])
        hub.counters.bytes_in += nbytes
        if self._tail is None:
            if self.phase is not Phase.CLOSED:
                self.read(data)
        elif self.phase is not Phase.CLOSED:
            self._tail += data
            if len(self._tail) >= self._need and self.phase is not Phase.ADMITTING:
                data = bytes(self._tail)
                self._tail = None
                self.read(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        """The network connection is gone."""
        hub = self.hub
        hub.connections.discard(self)
        if self.phase is not Phase.CLOSED:
            hub.counters.disconnected["CONNECTION_LOST"] += 1
            self.close()
        self._tail = None
        hub.flush()

    def pause_writing(self) -> None:
        """The client reads too slowly: send and read no more until it has caught up."""
        self.pause(Pause.WRITE)

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.resume(Pause.WRITE)
        self.pump()

    # --- reading -----------------------------------------------------------------------------------------------------

    def read(self, data: bytes) -> None:
        """Take the packets in `data` in order; an incomplete one at the end is kept."""
        hub = self.hub
        inbox = hub.inbox
        before = len(inbox)
        failure: ProtocolError | None = None
        at = len(data)
        try:
            at = scan(self, data, inbox) if self.phase is Phase.OPEN else self._greet(data)
        except ProtocolError as error:
            failure = error
        now_s = hub.seconds()
        count = len(inbox) - before
        if count:
            hub.counters.publishes_in += count
            hub.came()
            if self.bucket is not None:
                wait_s = self.bucket.spend(count, now_s)
                if wait_s:
                    self._rest(wait_s)
            if self.unacknowledged >= hub.most_unacknowledged and failure is None:
                failure = self._judge_window_of_client()
        if hub.full and self.phase is Phase.OPEN and (count or self.principal.rights is Rights.GUEST):
            hub.hold(self)
            self.pause(Pause.PIPELINE)
        if failure is not None:
            self.fail(failure.reason, failure.text)
        elif at < len(data) and self.phase is not Phase.CLOSED:
            self._tail = bytearray(data[at:])
            self._need = codec.wanted(data, at)
        if self.phase is Phase.OPEN and not self._pause:
            self.deadline = now_s + self.keep_alive_s if self.keep_alive_s else None
        if hub.dirty:
            hub.flush()

    def _greet(self, data: bytes) -> int:
        if self.phase is not Phase.WAITING or not data:
            return 0
        if data[0] != Kind.CONNECT << 4:
            raise ProtocolError(Reason.PROTOCOL_ERROR, "the first packet is not CONNECT")
        found = codec.frame(data, 0, self.hub.settings.max_connect_bytes)
        if found is None:
            return 0
        at, end = found
        self.version = codec.peek_level(data, at, end)
        packet = codec.decode(data[0], data, at, end, self.version)
        assert isinstance(packet, Connect)
        self.move(Phase.ADMITTING)
        self.pause(Pause.ADMISSION)
        self.hub.judge(admission.admit(self, packet))
        return end

    def admitted(self) -> None:
        """CONNACK is on its way: send what waited, read what came after CONNECT."""
        self.move(Phase.OPEN)
        self.deadline = None
        self.resume(Pause.ADMISSION)
        self.heard()
        self.pump()
        rest, self._tail = self._tail, None
        if rest:
            self.read(bytes(rest))

    def _rest(self, wait_s: float) -> None:
        self.hub.counters.paused_for_rate += 1
        self.pause(Pause.RATE)
        self.hub.rest(self, wait_s)

    def _judge_window_of_client(self) -> ProtocolError | None:
        """A client of MQTT 5 knows how many messages may be in flight; one of 3.1.1 is read no further."""
        if self.version == V311:
            self.hub.counters.paused_for_window += 1
            self.pause(Pause.WINDOW)
        elif self.unacknowledged > self.hub.most_unacknowledged:
            return ProtocolError(Reason.RECEIVE_MAXIMUM_EXCEEDED, "more messages in flight than allowed")
        return None

    # --- time ---------------------------------------------------------------------------------------------------------

    def overdue(self) -> None:
        """The deadline has passed: what that means depends on where the connection stands."""
        if self.phase is Phase.CLOSED or self.stalled:
            self.fail(Reason.QUOTA_EXCEEDED, "the client does not read")
            self.abort()
        elif self.phase is Phase.OPEN:
            self.fail(Reason.KEEP_ALIVE_TIMEOUT, "nothing heard for one and a half times the keep alive")
        else:
            self.hub.counters.disconnected["CONNECT_TIMEOUT"] += 1
            self.close()
