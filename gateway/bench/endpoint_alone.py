"""The embedded endpoint by itself, with a pipeline that only acknowledges: for measuring it and for protocol suites.

`python -m gateway.bench.endpoint_alone --port 1883 --general` serves every client with every topic (but two).
"""

import argparse
import asyncio
import resource
import signal
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from gateway import loops
from gateway.clock import SystemClock
from gateway.ingest.endpoint.limits import EndpointSettings, for_guests
from gateway.ingest.endpoint.server import open_endpoint
from gateway.ports.endpoint import AuthRefusal, Credentials, EndpointStore, Principal, Rights
from gateway.ports.ingest import Inbound
from gateway.storage.database import open_database
from gateway.storage.endpoint import SqlEndpointStore
from gateway.storage.endpoint_memory import MemoryEndpointStore

_CLOSED: Final = ("nosubscribe", "test/nosubscribe")
"""Topics that public suites want refused."""


class PromptIntake:
    """An Intake that commits nothing and acknowledges at the end of each turn of the loop."""

    def __init__(self) -> None:
        self.taken = 0
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Inbound] = []

    def take(self, messages: Sequence[Inbound]) -> bool:
        """Accept a batch."""
        if not self._waiting:
            self._loop.call_soon(self._acknowledge)
        self._waiting += messages
        self.taken += len(messages)
        return True

    def when_room(self, resume: Callable[[], None]) -> None:
        """There is always room."""
        self._loop.call_soon(resume)

    def _acknowledge(self) -> None:
        waiting, self._waiting = self._waiting, []
        first = 0
        for index in range(1, len(waiting) + 1):
            if index == len(waiting) or waiting[index].link is not waiting[first].link:
                waiting[first].link.acknowledge([message.receipt for message in waiting[first:index]])
                first = index


async def _everyone(credentials: Credentials) -> Principal | AuthRefusal:
    return Principal(credentials.username or credentials.client_id, Rights.GENERAL)


async def _devices(credentials: Credentials) -> Principal | AuthRefusal:
    return Principal(credentials.username) if credentials.username else AuthRefusal.BAD_CREDENTIALS


@asynccontextmanager
async def _store(url: str | None) -> AsyncIterator[EndpointStore]:
    if url is None:
        yield MemoryEndpointStore()
        return
    async with open_database(url) as database:
        yield SqlEndpointStore(database)


async def _serve(
    host: str, port: int, *, general: bool, certificate: str | None, database: str | None, max_keep_alive: int
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    intake = PromptIntake()
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    settings = EndpointSettings(host=host, port=port, tls=tls)
    if general:
        settings = for_guests(settings, _CLOSED)
    settings = replace(settings, max_keep_alive_s=max_keep_alive or None)
    authenticate = _everyone if general else _devices
    async with (
        _store(database) as store,
        open_endpoint(settings, intake, store, authenticate, SystemClock()) as endpoint,
    ):
        print(f"listening on {host}:{endpoint.port}", flush=True)
        start_us = _cpu_us()
        await stop.wait()
        cpu_us = _cpu_us() - start_us
        print(f"{intake.taken} messages, {cpu_us / max(1, intake.taken):.2f} us each, {endpoint.counters}")


def _cpu_us() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1e6


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--general", action="store_true", help="give every client every topic")
    parser.add_argument("--certificate", help="PEM file with key and certificate: serve TLS")
    parser.add_argument(
        "--database", help="keep sessions and retained messages there (sqlite:///... or postgresql://...)"
    )
    parser.add_argument(
        "--max-keep-alive",
        type=int,
        default=60,
        metavar="SECONDS",
        help="the longest keep alive that an MQTT 5 client gets, 60 unless told; 0 grants any",
    )
    arguments = parser.parse_args()
    loops.run(_serve(**vars(arguments)))


if __name__ == "__main__":
    main()
