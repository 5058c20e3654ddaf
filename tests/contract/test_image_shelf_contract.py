"""What every shelf of images keeps to: a directory, and a real S3 server on this machine."""

import hashlib
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from moto.server import ThreadedMotoServer

from gateway.firmware.images import ImageStore
from gateway.firmware.s3 import Bucket, S3Shelf
from gateway.firmware.shelf import DiskShelf
from gateway.ports.images import Shelf
from tests.parts.mosquitto import free_port

IMAGE = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(IMAGE).hexdigest()


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def bucket(endpoint: str, name: str = "firmware") -> Bucket:
    return Bucket(name, "siaga/", endpoint, "us-east-1", "key", "secret", allow_http=True)


async def make_bucket(endpoint: str, name: str) -> None:
    async with aiohttp.ClientSession() as session, session.put(f"{endpoint}/{name}") as answer:
        assert answer.status == 200


@pytest.fixture(params=["disk", "s3"])
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelf]:
    if request.param == "disk":
        yield DiskShelf(tmp_path / "shelf")
        return
    endpoint: str = request.getfixturevalue("s3_server")
    name = f"b{secrets.token_hex(8)}"
    await make_bucket(endpoint, name)
    yield S3Shelf(bucket(endpoint, name))


async def bytes_of(shelf: Shelf, start: int, end: int) -> bytes:
    return b"".join([chunk async for chunk in shelf.read(SHA256, start, end)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "camera.bin"
    path.write_bytes(IMAGE)
    return path


async def test_an_image_is_there_whole_and_its_file_is_gone(shelf: Shelf, file: Path) -> None:
    assert await shelf.size(SHA256) is None
    await shelf.put(SHA256, file)
    assert await shelf.size(SHA256) == len(IMAGE)
    assert not file.exists()
    assert await bytes_of(shelf, 0, len(IMAGE)) == IMAGE
    await shelf.check()


@pytest.mark.parametrize(("start", "end"), [(0, 1), (1000, 300_000), (len(IMAGE) - 1, len(IMAGE)), (7, 7)])
async def test_any_part_of_it_can_be_read(shelf: Shelf, file: Path, start: int, end: int) -> None:
    await shelf.put(SHA256, file)
    assert await bytes_of(shelf, start, end) == IMAGE[start:end]


async def test_what_is_put_again_stays_the_same(shelf: Shelf, file: Path) -> None:
    for _ in range(2):
        file.write_bytes(IMAGE)
        await shelf.put(SHA256, file)
    assert await bytes_of(shelf, 0, len(IMAGE)) == IMAGE


async def test_what_is_not_there_is_said_before_the_first_byte(shelf: Shelf) -> None:
    with pytest.raises(FileNotFoundError):
        await bytes_of(shelf, 0, 10)


async def test_an_upload_ends_on_the_shelf_and_goes_on_after_an_outage_of_it(shelf: Shelf, tmp_path: Path) -> None:
    async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    class Away:
        async def size(self, sha256: str) -> int | None:
            return await shelf.size(sha256)

        async def put(self, sha256: str, file: Path) -> None:
            raise OSError("the bucket is away")

    away = ImageStore(tmp_path / "uploads", b"k" * 32, "", Away())  # type: ignore[arg-type]
    assert not await away.receive(SHA256, 0, len(IMAGE), pieces(IMAGE[:1000]))
    with pytest.raises(OSError, match="away"):
        await away.receive(SHA256, 1000, len(IMAGE), pieces(IMAGE[1000:]))
    store = ImageStore(tmp_path / "uploads", b"k" * 32, "", shelf)
    assert await store.uploaded(SHA256) == len(IMAGE)
    assert await store.receive(SHA256, len(IMAGE), len(IMAGE), pieces())
    assert await bytes_of(shelf, 0, len(IMAGE)) == IMAGE
    assert await store.size(SHA256) == len(IMAGE)


async def test_a_bucket_that_is_not_there_or_away_is_said_in_one_line(
    s3_server: str, unused_tcp_port: int, file: Path
) -> None:
    nowhere = S3Shelf(bucket(f"http://127.0.0.1:{free_port()}"))
    for work in (nowhere.size(SHA256), nowhere.check(), nowhere.put(SHA256, file)):
        with pytest.raises(OSError, match="bucket firmware at http") as said:
            await work
        assert "\n" not in str(said.value)
    assert file.exists(), "nothing is lost while the bucket is away"
    with pytest.raises(OSError, match="bucket none at"):
        await S3Shelf(bucket(s3_server, "none")).put(SHA256, file)
