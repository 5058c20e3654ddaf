"""What must survive, on its way to the store: changes are written in groups, and who waits for them is told after.

Memory is ahead of the store; nothing is called safe before it is written. While the store is away (OSError) the changes
wait and are tried again.
"""

import asyncio
import logging
from collections.abc import Callable

from gateway.ingest.endpoint.counters import Counters
from gateway.ports.endpoint import Change, DeleteSession, Dequeue, EndpointStore, Enqueue, SaveSession

_log = logging.getLogger(__name__)
_LONGEST_WAIT_S = 5.0


class Journal:
    """Changes in the order they were added, at most one commit under way."""

    def __init__(self, store: EndpointStore, counters: Counters) -> None:
        self._store = store
        self._counters = counters
        self._changes: list[Change | None] = []
        self._fresh: dict[tuple[str, int], int] = {}
        self._saves: dict[str, int] = {}
        self._waiting: list[Callable[[], None]] = []
        self._promised: set[asyncio.Future[None]] = set()
        self._writing = False
        self._wake = asyncio.Event()

    @property
    def backlog(self) -> int:
        """Changes that are not being written yet."""
        return len(self._changes)

    def add(self, change: Change) -> None:
        """Have this change written. A message that comes and goes before it was written is not written at all, and of
        a session only the last state is.
        """
        if isinstance(change, SaveSession):
            at = self._saves.setdefault(change.session.key, len(self._changes))
            if at < len(self._changes):
                self._changes[at] = change
                return
        elif isinstance(change, DeleteSession):
            self._saves.pop(change.key, None)
        elif isinstance(change, Enqueue):
            self._fresh[change.key, change.message.position] = len(self._changes)
        elif isinstance(change, Dequeue):
            fresh = self._fresh.pop((change.key, change.position), None)
            if fresh is not None:
                self._changes[fresh] = None
                return
        self._changes.append(change)
        self._wake.set()

    def after(self, done: Callable[[], None]) -> None:
        """Call `done` once everything added so far is durable: at once if it is."""
        if self._changes or self._writing:
            self._waiting.append(done)
            self._wake.set()
        else:
            done()

    def written(self) -> asyncio.Future[None]:
        """Done once everything added so far is durable; fails with ConnectionError if the endpoint stops before."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._promised.add(written)
        written.add_done_callback(self._promised.discard)

        def done() -> None:
            if not written.done():
                written.set_result(None)

        self.after(done)
        return written

    async def run(self) -> None:
        """Write until cancelled; whoever waits then, waits for nothing."""
        try:
            await self._write()
        finally:
            for written in list(self._promised):
                if not written.done():
                    written.set_exception(ConnectionError("the endpoint stopped before this was written"))

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            changes = [change for change in self._changes if change is not None]
            waiting = self._waiting
            self._changes, self._waiting, self._fresh, self._saves = [], [], {}, {}
            if changes:
                self._writing = True
                await self._commit(changes)
                self._writing = False
            for done in waiting:
                done()

    async def _commit(self, changes: list[Change]) -> None:
        wait_s = 0.1
        while True:
            try:
                await self._store.commit(changes)
            except OSError as error:
                self._counters.store_retries += 1
                _log.warning("endpoint store is away (%s): %d changes wait", error, len(changes))
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
            else:
                return
