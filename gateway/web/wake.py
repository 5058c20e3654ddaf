"""Wakes whoever watches a page: names of what changed go out, never data. Each viewer fetches its own part again."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Watcher:
    """One open page. Holds at most one waiting copy of each name, so a slow page costs nothing."""

    def __init__(self) -> None:
        self._waiting: dict[str, None] = {}
        self._something = asyncio.Event()
        self.closed = False

    def wake(self, name: str) -> None:
        """Remember the name until `names` hands it out."""
        self._waiting[name] = None
        self._something.set()

    def close(self) -> None:
        """End the wait for good."""
        self.closed = True
        self._something.set()

    async def names(self) -> tuple[str, ...]:
        """Wait until something changed; then everything that did, each once, oldest first. () once closed."""
        await self._something.wait()
        names = tuple(self._waiting)
        self._waiting.clear()
        if not self.closed:
            self._something.clear()
        return names


class Broadcaster:
    """Fan-out of names such as "tickets", "devices", "rollouts". Called on the event loop only."""

    def __init__(self) -> None:
        self._watchers: set[Watcher] = set()

    def publish(self, name: str) -> None:
        """Wake all who watch now; nobody waits for anybody."""
        for watcher in self._watchers:
            watcher.wake(name)

    def close(self) -> None:
        """End every watch: the server stops."""
        for watcher in self._watchers:
            watcher.close()

    @contextmanager
    def watch(self) -> Iterator[Watcher]:
        """A watcher for as long as the block runs."""
        watcher = Watcher()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def __len__(self) -> int:
        return len(self._watchers)
