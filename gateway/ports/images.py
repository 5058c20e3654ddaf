"""Where whole images are kept, named by their SHA-256. Several gateways may share one."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol


class Shelf(Protocol):
    """An image is there whole or not at all. Names are 64 small hex digits. All raise OSError while it is away."""

    async def size(self, sha256: str) -> int | None:
        """Bytes; None if it is not here."""

    def read(self, sha256: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end`, in pieces. FileNotFoundError (before the first) if it is not here."""

    async def put(self, sha256: str, file: Path) -> None:
        """Keep a file whose hash was checked, and remove it where it was. What is there already stays."""

    async def check(self) -> None:
        """Whether it can be reached. OSError in one line if not."""
