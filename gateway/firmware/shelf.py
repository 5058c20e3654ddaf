"""Whole images in a directory."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

CHUNK: Final = 256 * 1024


class DiskShelf:
    """See `gateway.ports.images.Shelf`. A file appears by a rename, after it is on the disk."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    async def size(self, sha256: str) -> int | None:
        """See the port."""
        path = self._folder / sha256
        return path.stat().st_size if path.is_file() else None

    async def read(self, sha256: str, start: int, end: int) -> AsyncIterator[bytes]:
        """See the port."""
        with (self._folder / sha256).open("rb") as file:
            file.seek(start)
            while start < end and (chunk := await asyncio.to_thread(file.read, min(CHUNK, end - start))):
                start += len(chunk)
                yield chunk

    async def put(self, sha256: str, file: Path) -> None:
        """See the port."""
        await asyncio.to_thread(_keep, file, self._folder / sha256)

    async def check(self) -> None:
        """See the port."""
        self._folder.stat()


def _keep(file: Path, target: Path) -> None:
    with file.open("rb") as written:
        os.fsync(written.fileno())
    file.replace(target)
