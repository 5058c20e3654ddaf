"""The way in over an existing broker (mosquitto, EMQX, HiveMQ): paho-mqtt, MQTT 5, persistent session, QoS 1.

paho's own thread costs 40 us a message (eight system calls each). Here paho is driven by the event loop and speaks the
protocol; plain messages are read past it, out of a buffer, and what one read brought is one batch. It is acknowledged
by hand, after the commit, in one write. Reading pauses while the pipeline has no room; keep-alive goes on.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.clock import Clock
from gateway.ingest import topics
from gateway.ingest.broker_batch import BrokerBatch
from gateway.ingest.broker_link import BrokerAddress, BufferedClient, Session
from gateway.ports.ingest import Intake, Outbound

__all__ = ["BrokerAddress", "BrokerClient"]

log = structlog.get_logger()

FILTERS: Final = tuple((f"{topics.PREFIX}+/{channel}", 1) for channel in sorted(topics.UPLINK))
SESSION_EXPIRY_S: Final = 7 * 24 * 3600
MAX_BACKOFF_S: Final = 30.0
READS_AT_ONCE: Final = 8


class BrokerClient:
    """A connection to the broker that is always there or coming back. `run()` is its life; it is the Downlink too."""

    def __init__(self, address: BrokerAddress, intake: Intake, clock: Clock) -> None:
        self._address, self._intake, self._clock = address, intake, clock
        self._loop = asyncio.get_running_loop()
        self._client = self._make_client()
        self._session = Session(self._client)
        self._batch = BrokerBatch(address.adapters)
        self._paused = False
        self._socket: Any = None
        self._lost = asyncio.Event()
        self._subscribed = asyncio.Event()
        self._published: dict[int, asyncio.Future[None]] = {}
        self._why = ""  # what the broker or paho said of this connection
        self.trouble = "not connected yet"
        self.connections = 0

    async def ready(self) -> None:
        """Raise OSError in one line while the broker is away."""
        if self.trouble:
            raise ConnectionError(self.trouble)

    async def run(self) -> None:
        """Connect, serve, and come back with back-off, until cancelled."""
        delay = 0.5
        try:
            while True:
                try:
                    await self._connect()
                    delay = 0.5
                    await self._serve()
                except TimeoutError:
                    self._say(f"no answer within {self._address.patience_s:g} s")
                except OSError as error:
                    self._say(str(error))
                self._drop()
                await self._clock.sleep(delay)
                delay = min(delay * 2, MAX_BACKOFF_S)
        finally:
            if self._client.is_connected():
                self._client.disconnect()
            self._drop()

    async def publish(self, messages: Sequence[Outbound]) -> None:
        """See `Downlink.publish`."""
        await self.ready()
        now = self._clock.now()
        waiting = []
        for message in messages:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            if message.expires_at is not None:
                if message.expires_at <= now:
                    continue
                properties.MessageExpiryInterval = max(1, int(message.expires_at - now))
            sent = self._client.publish(message.topic, message.payload, 1, message.retain, properties)
            if sent.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise ConnectionError(f"broker: {paho.error_string(sent.rc)}")
            waiting.append(self._published.setdefault(sent.mid, self._loop.create_future()))
        async with asyncio.timeout(10):
            await asyncio.gather(*waiting)

    def _make_client(self) -> BufferedClient:
        address = self._address
        client = BufferedClient(
            CallbackAPIVersion.VERSION2,
            client_id=address.client_id,
            protocol=paho.MQTTv5,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        if address.username:
            client.username_pw_set(address.username, address.password)
        if address.tls is not None:
            client.tls_set_context(address.tls)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_socket_open = self._on_socket_open
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_write_wanted
        client.on_socket_unregister_write = self._on_write_done
        return client

    async def _connect(self) -> None:
        self._lost.clear()
        self._subscribed.clear()
        self._why = ""
        self._session = Session(self._client)
        self._client.forget_unread()
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = self._address.receive_maximum
        address = self._address
        # Name look-up and the TCP connect block, so they happen on a thread; callbacks come back through the loop.
        await asyncio.to_thread(
            self._client.connect,
            address.host,
            address.port,
            address.keepalive_s,
            clean_start=False,
            properties=properties,
        )
        async with asyncio.timeout(address.patience_s):
            await self._first(self._subscribed, self._lost)
        if not self._subscribed.is_set():
            raise ConnectionError(self._why or "closed while connecting")
        self.connections += 1
        self.trouble = ""
        log.info("connected to the broker", host=address.host, port=address.port)

    async def _serve(self) -> None:
        while not self._lost.is_set():
            self._client.loop_misc()
            try:
                async with asyncio.timeout(1):
                    await self._lost.wait()
            except TimeoutError:
                continue
        raise ConnectionError(self._why or "connection lost")

    @staticmethod
    async def _first(*events: asyncio.Event) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _say(self, why: str) -> None:
        trouble = f"broker {self._address.host}:{self._address.port}: {why}"
        if trouble != self.trouble:
            log.warning("the broker is away; trying again", reason=trouble)
        self.trouble = trouble

    def _drop(self) -> None:
        """Give this connection up, whatever state it is in: the next one begins with nothing of it."""
        self._session.alive = False
        self._client.hang_up()
        for future in self._published.values():
            if not future.done():
                future.set_exception(ConnectionError("connection to the broker lost"))
                future.exception()  # nobody may be waiting any more
        self._published.clear()

    # --- paho's callbacks: on the event loop, but for the first of a connection, which comes from its thread

    def _on_loop(self, call: Callable[..., object], *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(call, *arguments)

    def _on_socket_open(self, _client: paho.Client, _data: object, sock: Any) -> None:
        self._socket = sock
        self._on_loop(self._watch, sock)

    def _on_socket_close(self, _client: paho.Client, _data: object, sock: Any) -> None:
        self._socket = None
        fd = sock.fileno()
        if fd >= 0:
            self._loop.remove_reader(fd)
            self._loop.remove_writer(fd)
        self._lost.set()

    def _watch(self, sock: Any) -> None:
        if sock is self._socket and sock.fileno() >= 0 and not self._paused:
            self._loop.add_reader(sock.fileno(), self._read)

    def _on_write_wanted(self, _client: paho.Client, _data: object, sock: Any) -> None:
        self._on_loop(self._want_write, sock)

    def _want_write(self, sock: Any) -> None:
        if sock is self._socket and sock.fileno() >= 0:
            self._loop.add_writer(sock.fileno(), self._client.loop_write)

    def _on_write_done(self, _client: paho.Client, _data: object, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_writer(sock.fileno())

    def _read(self) -> None:
        """Read what a few system calls bring, and hand it over as one batch."""
        if self._paused:
            return
        client, take, session = self._client, self._batch.take, self._session
        for _ in range(READS_AT_ONCE):
            now = self._clock.now()
            heard = client.publishes()
            for topic, payload, receipt, retained in heard:
                take(topic, payload, now, receipt, retained, session)
            if heard and not client.has_unread():
                break
            if client.loop_read() is not MQTTErrorCode.MQTT_ERR_SUCCESS or not client.has_unread():
                break
        else:
            self._loop.call_soon(self._read)  # others have their turn; the selector cannot see what is unread
        batch = self._batch.handed_over()
        if batch and not self._intake.take(batch):
            self._pause()

    def _pause(self) -> None:
        self._paused = True
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
        self._intake.when_room(self._resume)

    def _resume(self) -> None:
        self._paused = False
        if self._socket is not None:
            self._watch(self._socket)
            self._loop.call_soon(self._read)

    def _on_connect(
        self, client: paho.Client, _data: object, _flags: object, code: ReasonCode, _properties: object
    ) -> None:
        if code.is_failure:
            self._why = f"the broker refused us: {code}"
            self._lost.set()
            client.disconnect()
            return
        # The session is kept, but a subscription costs nothing and a new broker has none.
        foreign = [(topic_filter, 1) for adapter in self._address.adapters for topic_filter in adapter.filters]
        client.subscribe([*FILTERS, *foreign])

    def _on_subscribe(
        self, client: paho.Client, _data: object, _mid: int, codes: Sequence[ReasonCode], _properties: object
    ) -> None:
        if any(code.is_failure for code in codes):
            self._why = f"the broker does not let us subscribe: {', '.join(map(str, codes))}"
            self._lost.set()
            client.disconnect()
        else:
            self._subscribed.set()

    def _on_disconnect(
        self, _client: paho.Client, _data: object, _flags: object, code: ReasonCode, _properties: object
    ) -> None:
        self._why = self._why or f"disconnected: {code}"
        self._lost.set()

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        receipt = message.mid if message.qos else 0
        topic, payload = message.topic.encode(), bytes(message.payload)
        self._batch.take(topic, payload, self._clock.now(), receipt, message.retain, self._session)

    def _on_publish(
        self, _client: paho.Client, _data: object, mid: int, _code: ReasonCode, _properties: object
    ) -> None:
        future = self._published.pop(mid, None)
        if future is not None and not future.done():
            future.set_result(None)
