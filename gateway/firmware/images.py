"""Images on disk, named by their SHA-256, and the signed addresses under which devices fetch them."""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterable
from hmac import compare_digest, digest
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from firmware_updates.device import Release

GOOD_FOR_S: Final = 15 * 60
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class ImageStore:
    """A directory of files named by their content. A file is there whole or not at all."""

    def __init__(self, folder: Path, secret: bytes, base_url: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._secret, self._base_url = folder, secret, base_url.rstrip("/")
        self._busy: set[str] = set()

    def path(self, sha256: str) -> Path | None:
        """Where an image is; None if it is not here."""
        if not _SHA256.fullmatch(sha256):
            return None
        path = self._folder / sha256
        return path if path.is_file() else None

    def part(self, sha256: str) -> Path:
        """Where an upload that is not complete waits. ValueError for a name that is no hash."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"{sha256[:80]!r} is no SHA-256")
        return self._folder / f"{sha256}.part"

    def uploaded(self, sha256: str) -> int:
        """Bytes that are here already: where an upload goes on."""
        whole, part = self.path(sha256), self.part(sha256)
        return whole.stat().st_size if whole else part.stat().st_size if part.exists() else 0

    async def receive(self, sha256: str, offset: int, size: int, chunks: AsyncIterable[bytes]) -> bool:
        """Append to an upload; True once it is whole and its hash is right. ValueError in one line otherwise.

        A wrong hash deletes what was uploaded: its bytes are worth nothing.
        """
        have = self.uploaded(sha256)
        if self.path(sha256) is not None:
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
        return have == size and await asyncio.to_thread(self._complete, sha256, part)

    def add(self, path: Path) -> str:
        """Copy a file in; its SHA-256."""
        sha256 = _hash(path)
        part = self.part(sha256)
        part.write_bytes(path.read_bytes())
        self._complete(sha256, part)
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

    def _complete(self, sha256: str, part: Path) -> bool:
        if _hash(part) != sha256:
            part.unlink()
            raise ValueError(f"the bytes do not have the SHA-256 {sha256}: the upload begins anew")
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.rename(self._folder / sha256)
        return True


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
