"""Whole images in an S3-compatible bucket (`pip install "siaga[s3]"`), so that several gateways share them.

Devices do not fetch from the bucket: the gateway passes the bytes on. A bucket's ETag is not the content's SHA-256 and
may differ after a copy, so `If-Range` would begin every broken download anew; a redirect would ask each device to trust
a second host; and an address of a bucket that leaks is good for anybody. The price is that downloads go through us.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

try:
    import obstore
    import obstore.exceptions
    import obstore.store
except ImportError:  # the extra is not installed
    obstore = None  # type: ignore[assignment]

CHUNK: Final = 256 * 1024
PATIENCE: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where the images are. `endpoint` "" is AWS; keys "" are those of the environment."""

    name: str
    prefix: str = ""
    endpoint: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: str = ""
    allow_http: bool = False


class S3Shelf:
    """See `gateway.ports.images.Shelf`. ValueError in one line where the extra is not installed."""

    def __init__(self, bucket: Bucket) -> None:
        if obstore is None:
            raise ValueError('s3.bucket needs the extra: pip install "siaga[s3]"')
        given: dict[str, Any] = {"region": bucket.region}
        if bucket.endpoint:
            given |= {"endpoint": bucket.endpoint, "virtual_hosted_style_request": False}
        if bucket.access_key:
            given |= {"access_key_id": bucket.access_key, "secret_access_key": bucket.secret_key}
        self._where = f"bucket {bucket.name} at {bucket.endpoint or bucket.region}"
        self._store = obstore.store.S3Store(
            bucket.name,
            prefix=bucket.prefix or None,
            client_options={"allow_http": bucket.allow_http, "connect_timeout": PATIENCE, "timeout": 3 * PATIENCE},
            retry_config={"max_retries": 2, "retry_timeout": PATIENCE},
            **given,
        )

    async def size(self, sha256: str) -> int | None:
        """See the port."""
        try:
            found = await self._store.head_async(sha256)
        except Exception as error:  # noqa: BLE001 - its errors have no base of their own among the built-in ones
            trouble = self._trouble(error)
            if isinstance(trouble, FileNotFoundError):
                return None
            raise trouble from None
        return int(found["size"])

    async def read(self, sha256: str, start: int, end: int) -> AsyncIterator[bytes]:
        """See the port. `end` is at most the image's size."""
        if start >= end:
            return
        try:
            found = await self._store.get_async(sha256, options={"range": (start, end)})
            async for chunk in found.stream(min_chunk_size=CHUNK):
                yield bytes(chunk)
        except Exception as error:  # noqa: BLE001 - its errors have no base of their own among the built-in ones
            raise self._trouble(error) from None

    async def put(self, sha256: str, file: Path) -> None:
        """See the port. A bucket shows an object only once it is whole, however it was sent."""
        try:
            await self._store.put_async(sha256, file)
        except Exception as error:  # noqa: BLE001 - its errors have no base of their own among the built-in ones
            raise self._trouble(error) from None
        file.unlink()

    async def check(self) -> None:
        """See the port."""
        await self.size("0" * 64)

    def _trouble(self, error: Exception) -> Exception:
        """The library's errors as ours; anything else stays what it is, for it is a fault."""
        exceptions = obstore.exceptions
        if isinstance(error, exceptions.NotFoundError | FileNotFoundError):
            return FileNotFoundError(f"{self._where}: not here")
        if isinstance(error, exceptions.BaseError):
            line = next((one.strip() for one in str(error).splitlines() if one.strip()), type(error).__name__)
            return OSError(f"{self._where}: {line[:300]}")
        return error
