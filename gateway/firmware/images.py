"""Images named by their SHA-256: uploads that go on where they broke off, and the signed addresses of devices."""

import asyncio
import hashlib
import re
import shutil
from collections.abc import AsyncIterable, AsyncIterator
from hmac import compare_digest, digest
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from firmware_updates.device import Release
from gateway.firmware.shelf import DiskShelf
from gateway.ports.images import Shelf

GOOD_FOR_S: Final = 15 * 60
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class ImageStore:
    """Uploads wait in `folder` until they are whole and right; then they go to the shelf (the folder itself, or S3)."""

    def __init__(self, folder: Path, secret: bytes, base_url: str, shelf: Shelf | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._secret, self._base_url = folder, secret, base_url.rstrip("/")
        self.shelf: Shelf = DiskShelf(folder) if shelf is None else shelf
        self._busy: set[str] = set()

    async def size(self, sha256: str) -> int | None:
        """Bytes of a whole image; None if it is not here."""
        return await self.shelf.size(sha256) if _SHA256.fullmatch(sha256) else None

    def read(self, sha256: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes of a whole image from `start` up to `end`."""
        return self.shelf.read(sha256, start, end)

    def part(self, sha256: str) -> Path:
        """Where an upload that is not complete waits. ValueError for a name that is no hash."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"{sha256[:80]!r} is no SHA-256")
        return self._folder / f"{sha256}.part"

    async def uploaded(self, sha256: str) -> int:
        """Bytes that are here already: where an upload goes on."""
        part, whole = self.part(sha256), await self.shelf.size(sha256)
        return whole if whole is not None else part.stat().st_size if part.exists() else 0

    async def receive(self, sha256: str, offset: int, size: int, chunks: AsyncIterable[bytes]) -> bool:
        """Append to an upload; True once it is whole and its hash is right. ValueError in one line otherwise.

        A wrong hash deletes what was uploaded: its bytes are worth nothing. While the shelf is away (OSError) a whole
        upload waits: sending nothing more at its end tries again.
        """
        have = await self.uploaded(sha256)
        if await self.size(sha256) is not None:
            return True
        if offset != have:
            raise ValueError(f"the upload is at byte {have}, not {offset}: go on from there")
        if sha256 in self._busy:
            raise ValueError("somebody else is uploading it now")
        self._busy.add(sha256)
        try:
            return await self._append(sha256, have, size, chunks)
        finally:
            self._busy.discard(sha256)

    async def _append(self, sha256: str, have: int, size: int, chunks: AsyncIterable[bytes]) -> bool:
        part = self.part(sha256)
        with part.open("ab") as file:
            async for chunk in chunks:
                have += len(chunk)
                if have > size:
                    part.unlink()
                    raise ValueError(f"more than the {size} bytes that were announced")
                file.write(chunk)
        if have != size:
            return False
        await self._complete(sha256, part)
        return True

    async def add(self, path: Path) -> str:
        """Copy a file in; its SHA-256."""
        sha256 = await asyncio.to_thread(_hash, path)
        part = self.part(sha256)
        await asyncio.to_thread(shutil.copyfile, path, part)
        await self._complete(sha256, part)
        return sha256

    def url(self, release: Release, device_id: str, now: float) -> str:
        """A signed address for one device, good for fifteen minutes (see `ports.ImageUrls`)."""
        path = f"/firmware/{release.manifest.sha256}"
        expires = int(now) + GOOD_FOR_S
        query = urlencode({"device": device_id, "exp": expires, "sig": self._sign(path, device_id, expires)})
        return f"{self._base_url}{path}?{query}"

    def allows(self, path: str, device_id: str, expires: str, signature: str, now: float) -> bool:
        """Whether an address is ours and still good."""
        if not expires.isascii() or not expires.isdecimal() or not signature.isascii() or int(expires) < now:
            return False
        return compare_digest(self._sign(path, device_id, int(expires)), signature)

    def _sign(self, path: str, device_id: str, expires: int) -> str:
        return digest(self._secret, f"GET\n{path}\n{device_id}\n{expires}".encode(), "sha256").hex()

    async def _complete(self, sha256: str, part: Path) -> None:
        if await asyncio.to_thread(_hash, part) != sha256:
            part.unlink()
            raise ValueError(f"the bytes do not have the SHA-256 {sha256}: the upload begins anew")
        await self.shelf.put(sha256, part)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
