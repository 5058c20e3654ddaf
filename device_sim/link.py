"""One MQTT connection of one device, driven by the asyncio loop (paho-mqtt without its thread)."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from concurrent.futures import Executor

_ANSWER_S = 15.0
_MISC_S = 1.0


class LinkLostError(ConnectionError):
    """The connection could not be made or has ended; what was not acknowledged must be sent again."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where and how to connect. `password_of` gives a device's password; None connects without one."""

    host: str
    port: int
    protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5
    keepalive_s: int = 30
    password_of: Callable[[str], str] | None = None
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes, retained, if the device vanishes."""

    topic: str
    payload: bytes


class Link:
    """An open connection. Every `publish` waits for the broker's acknowledgement."""

    def __init__(self, client: paho.Client, lost: asyncio.Future[str]) -> None:
        self._client, self._lost = client, lost
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self.inbox: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    @property
    def alive(self) -> bool:
        """Whether it still stands, as far as is known."""
        return not self._lost.done()

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Return once it is the broker's; LinkLostError when that cannot be known any more."""
        if self._lost.done():
            raise LinkLostError(self._lost.result())
        info = self._client.publish(topic, payload, qos=qos, retain=retain)
        if info.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise LinkLostError(paho.error_string(info.rc))
        if qos == 0:
            return
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[info.mid] = answer
        try:
            async with asyncio.timeout(_ANSWER_S):
                await _first(answer, self._lost)
        except TimeoutError as error:
            raise LinkLostError("no acknowledgement") from error
        finally:
            self._waiting.pop(info.mid, None)
        if not answer.done():
            raise LinkLostError(self._lost.result())

    def acknowledged(self, mid: int) -> None:
        """The broker has taken it (called by the connection)."""
        waiting = self._waiting.get(mid)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)


@asynccontextmanager
async def connect(
    broker: Broker, device_id: str, will: Will, subscriptions: list[str], executor: Executor
) -> AsyncIterator[Link]:
    """A connection with last will and subscriptions, or LinkLostError.

    Leaving normally disconnects politely; leaving by an exception drops the socket, so that the will is published.
    """
    loop = asyncio.get_running_loop()
    lost: asyncio.Future[str] = loop.create_future()
    ready: asyncio.Future[None] = loop.create_future()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=device_id, protocol=broker.protocol)
    link = Link(client, lost)
    pending: set[int] = set()

    def end(reason: str) -> None:
        if not lost.done():
            lost.set_result(reason)

    def on_connect(_c: Any, _u: Any, _f: Any, code: Any, _p: Any) -> None:
        if code.is_failure:
            end(f"refused: {code}")
        elif subscriptions:
            _, mid = client.subscribe([(name, 1) for name in subscriptions])
            pending.add(mid or 0)
        elif not ready.done():
            ready.set_result(None)

    def on_subscribe(_c: Any, _u: Any, mid: int, _codes: Any, _p: Any) -> None:
        if mid in pending and not ready.done():
            ready.set_result(None)

    loop_thread = threading.get_ident()

    def soon(watch: Callable[[], None], sock: Any) -> None:
        """Watch the socket: at once, or from the loop when paho calls from the thread that connects."""
        if threading.get_ident() == loop_thread:
            watch()
        else:
            loop.call_soon_threadsafe(lambda: watch() if sock.fileno() >= 0 else None)

    def opened(_c: Any, _u: Any, sock: Any) -> None:
        soon(lambda: loop.add_reader(sock.fileno(), client.loop_read), sock)

    def closed(_c: Any, _u: Any, sock: Any) -> None:
        loop.remove_reader(sock.fileno())
        loop.remove_writer(sock.fileno())

    def wants_to_write(_c: Any, _u: Any, sock: Any) -> None:
        soon(lambda: loop.add_writer(sock.fileno(), client.loop_write), sock)

    def has_written(_c: Any, _u: Any, sock: Any) -> None:
        loop.remove_writer(sock.fileno())

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_disconnect = lambda _c, _u, _f, code, _p: end(f"ended: {code}")
    client.on_publish = lambda _c, _u, mid, _code, _p: link.acknowledged(mid)
    client.on_message = lambda _c, _u, message: link.inbox.put_nowait((message.topic, bytes(message.payload)))
    client.on_socket_open = opened
    client.on_socket_close = closed
    client.on_socket_register_write = wants_to_write
    client.on_socket_unregister_write = has_written
    client.max_inflight_messages_set(100)
    if broker.password_of is not None:
        client.username_pw_set(device_id, broker.password_of(device_id))
    if broker.tls is not None:
        client.tls_set_context(broker.tls)
    client.will_set(will.topic, will.payload, qos=1, retain=True)
    try:
        await loop.run_in_executor(executor, client.connect, broker.host, broker.port, broker.keepalive_s)
    except OSError as error:
        raise LinkLostError(f"{broker.host}:{broker.port}: {error}") from error

    timers: list[asyncio.TimerHandle] = []

    def tend() -> None:
        code = client.loop_misc()
        if code is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            end(paho.error_string(code))
        timers[:] = [loop.call_later(_MISC_S, tend)]

    tend()
    try:
        async with asyncio.timeout(_ANSWER_S):
            await _first(ready, lost)
        if lost.done():
            raise LinkLostError(lost.result())
        yield link
        client.disconnect()
        client.loop_write()
    except TimeoutError as error:
        raise LinkLostError("no answer to CONNECT") from error
    finally:
        timers[0].cancel()
        end("closed")
        client._sock_close()  # without a word unless DISCONNECT went before: then the broker publishes the will


async def _first(*futures: asyncio.Future[Any]) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
