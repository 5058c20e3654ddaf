"""Images on disk and over HTTP: whole or not at all, resumed on the same bytes only, fetched by signed addresses."""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from gateway.firmware.images import GOOD_FOR_S, ImageStore
from gateway.web.server import create_app
from tests.firmware_updates.factories import release
from tests.gateway.web.world import NOW, World

IMAGE = bytes(range(256)) * 40
SHA256 = hashlib.sha256(IMAGE).hexdigest()
ETAG = f'"{SHA256}"'


async def whole(store: ImageStore) -> bytes | None:
    size = await store.size(SHA256)
    return None if size is None else b"".join([chunk async for chunk in store.read(SHA256, 0, size)])


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.fixture
async def images(tmp_path: Path) -> ImageStore:
    file = tmp_path / "camera.bin"
    file.write_bytes(IMAGE)
    store = ImageStore(tmp_path / "images", b"k" * 32, "http://updates.example/")
    assert await store.add(file) == SHA256
    return store


@pytest.fixture
async def client(images: ImageStore) -> AsyncIterator[TestClient]:
    world = World()
    running = TestClient(TestServer(create_app(world.parts(images=images))))
    await running.start_server()
    yield running
    await running.close()


def address(images: ImageStore, *, sha: str = SHA256, device: str = "cam-1", at: float = NOW) -> URL:
    return URL(images.url(release(sha=sha), device, at)).relative()


async def test_names_that_are_no_hash_reach_no_file(images: ImageStore) -> None:
    assert await images.size("../" + SHA256) is None
    assert await images.size("ab" * 32) is None
    with pytest.raises(ValueError, match="is no SHA-256"):
        images.part("../../etc/passwd")


async def test_an_upload_goes_on_where_it_broke_off(tmp_path: Path) -> None:
    store = ImageStore(tmp_path, b"k" * 32, "")
    assert not await store.receive(SHA256, 0, len(IMAGE), pieces(IMAGE[:300], IMAGE[300:700]))
    assert (await store.uploaded(SHA256), await whole(store)) == (700, None)
    with pytest.raises(ValueError, match="at byte 700, not 0"):
        await store.receive(SHA256, 0, len(IMAGE), pieces(IMAGE))
    assert await store.receive(SHA256, 700, len(IMAGE), pieces(IMAGE[700:]))
    assert await whole(store) == IMAGE
    assert await store.receive(SHA256, 0, len(IMAGE), pieces(b"anything")), "it is here: nothing is written"
    assert (await store.uploaded(SHA256), await whole(store)) == (len(IMAGE), IMAGE)


@pytest.mark.parametrize(
    ("sent", "why"), [(IMAGE + b"x", "more than the"), (b"y" + IMAGE[1:], "do not have the SHA-256")]
)
async def test_too_many_or_wrong_bytes_are_thrown_away(tmp_path: Path, sent: bytes, why: str) -> None:
    store = ImageStore(tmp_path, b"k" * 32, "")
    with pytest.raises(ValueError, match=why):
        await store.receive(SHA256, 0, len(IMAGE), pieces(sent))
    assert (await store.uploaded(SHA256), list(tmp_path.iterdir())) == (0, [])


@settings(max_examples=30)
@given(cuts=st.lists(st.integers(0, len(IMAGE)), max_size=6))
def test_any_way_of_cutting_an_upload_gives_the_same_file(tmp_path_factory: pytest.TempPathFactory, cuts) -> None:
    store = ImageStore(tmp_path_factory.mktemp("cuts"), b"k" * 32, "")
    edges = [0, *sorted(cuts), len(IMAGE)]

    async def upload() -> None:
        for start, end in itertools.pairwise(edges):
            await store.receive(SHA256, await store.uploaded(SHA256), len(IMAGE), pieces(IMAGE[start:end]))

    asyncio.run(upload())
    assert asyncio.run(whole(store)) == IMAGE


def test_a_signed_address_is_for_one_device_one_image_and_fifteen_minutes(images: ImageStore) -> None:
    url = address(images)
    given_ = url.query["device"], url.query["exp"], url.query["sig"]
    assert images.allows(url.path, *given_, NOW)
    assert images.allows(url.path, *given_, NOW + GOOD_FOR_S)
    assert not images.allows(url.path, *given_, NOW + GOOD_FOR_S + 1)
    assert not images.allows(url.path, "cam-2", *given_[1:], NOW)
    assert not images.allows("/firmware/" + "ab" * 32, *given_, NOW)
    assert not images.allows(url.path, "cam-1", str(int(given_[1]) + 60), given_[2], NOW)
    for exp in ("", "-1", "1e9", "٣"):
        assert not images.allows(url.path, "cam-1", exp, given_[2], NOW)
    assert not images.allows(url.path, "cam-1", given_[1], "ü", NOW)


async def test_a_device_downloads_the_whole_image_with_a_strong_etag(client: TestClient, images: ImageStore) -> None:
    answer = await client.get(address(images))
    assert (answer.status, await answer.read()) == (200, IMAGE)
    assert (answer.headers["ETag"], answer.headers["Accept-Ranges"]) == (ETAG, "bytes")
    assert answer.headers["Content-Length"] == str(len(IMAGE))


async def test_head_says_the_size_and_sends_nothing(client: TestClient, images: ImageStore) -> None:
    answer = await client.head(address(images))
    assert (answer.status, answer.headers["Content-Length"], await answer.read()) == (200, str(len(IMAGE)), b"")


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=1000-", 1000, len(IMAGE)),
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=-10", len(IMAGE) - 10, len(IMAGE)),
        ("bytes=10-999999", 10, len(IMAGE)),
        ("bytes=-999999", 0, len(IMAGE)),
    ],
)
async def test_a_range_is_answered_with_exactly_those_bytes(client, images, asked, start, end) -> None:
    answer = await client.get(address(images), headers={"Range": asked, "If-Range": ETAG})
    assert (answer.status, await answer.read()) == (206, IMAGE[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(IMAGE)}"
    assert answer.headers["ETag"] == ETAG


async def test_a_download_that_broke_off_is_resumed_under_a_fresh_address(client, images) -> None:
    first = await client.get(address(images), headers={"Range": "bytes=0-4095"})
    have = await first.read()
    world_later = address(images, at=NOW + 600)
    rest = await client.get(world_later, headers={"Range": f"bytes={len(have)}-", "If-Range": first.headers["ETag"]})
    assert (rest.status, have + await rest.read()) == (206, IMAGE)


@pytest.mark.parametrize("known", ['"other"', f"W/{ETAG}", "Sat, 21 Nov 2026 07:05:00 GMT"])
async def test_if_range_with_anything_but_this_image_starts_again_from_the_first_byte(client, images, known) -> None:
    answer = await client.get(address(images), headers={"Range": "bytes=100-", "If-Range": known})
    assert (answer.status, await answer.read()) == (200, IMAGE)


@pytest.mark.parametrize("asked", [f"bytes={len(IMAGE)}-", "bytes=9-5", "lines=1-2", "bytes=a-b"])
async def test_a_range_that_cannot_be_met_is_416(client, images, asked) -> None:
    answer = await client.get(address(images), headers={"Range": asked})
    assert answer.status == 416


async def test_an_expired_or_changed_address_is_401_and_an_absent_image_404(client, images) -> None:
    expired = address(images, at=NOW - GOOD_FOR_S - 1)
    assert (await client.get(expired)).status == 401
    good = address(images)
    assert (await client.get(good.update_query(device="cam-2"))).status == 401
    assert (await client.get(good.update_query(sig="0" * 64))).status == 401
    assert (await client.get(good.path)).status == 401
    assert (await client.get(address(images, sha="cd" * 32))).status == 404


async def test_a_gateway_without_images_has_no_such_address(images: ImageStore) -> None:
    async with TestClient(TestServer(create_app(World().parts()))) as bare:
        assert (await bare.get(address(images))).status == 404
