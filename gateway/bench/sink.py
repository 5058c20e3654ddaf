"""A store that takes everything: HTTP on loopback, InfluxDB's write paths, nothing kept but the number of lines.

What writes to it is compared, so it must cost the same whoever writes. `python -m gateway.bench.sink` prints its port;
GET /count says how many lines came.
"""

import asyncio
import contextlib
import gzip
import signal
from typing import Final

_NO_CONTENT: Final = b"HTTP/1.1 204 No Content\r\nX-Influxdb-Version: v2.7.0\r\nContent-Length: 0\r\n\r\n"
_RESULTS: Final = b'{"results":[{}]}'


class Sink:
    """Counts lines of line protocol, gzip or plain."""

    def __init__(self) -> None:
        self.lines = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *rows = head.split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rows)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                writer.write(self.answer(first, headers, body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def answer(self, first: str, headers: dict[str, str], body: bytes) -> bytes:
        """What to say to one request."""
        path = first.split(" ")[1].partition("?")[0]
        if path.endswith("write"):
            text = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
            self.lines += text.count(b"\n") + (not text.endswith(b"\n")) if text else 0
            return _NO_CONTENT
        if path == "/ping":
            return _NO_CONTENT
        said = b"%d" % self.lines if path == "/count" else _RESULTS
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said)


async def _main() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await asyncio.start_server(Sink().serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(_main())
