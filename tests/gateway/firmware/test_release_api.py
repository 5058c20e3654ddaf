"""Releases over HTTP: a signed manifest says which bytes may come, and they come in as many pieces as it takes."""

import hashlib

import pytest
from aiohttp import ClientResponse

from firmware_updates.signing import generate_key
from tests.gateway.firmware.conftest import IMAGE, manifest_of, signed
from tests.gateway.web.conftest import Person

SHA256 = hashlib.sha256(IMAGE).hexdigest()
THERE = f"/api/v1/images/{SHA256}"


async def post(someone: Person, body: object) -> ClientResponse:
    token = await someone.token("/staff/settings")
    return await someone.client.post("/api/v1/releases", json=body, headers={"X-CSRF-Token": token})


async def put(someone: Person, data: bytes, path: str = THERE, **headers: str) -> ClientResponse:
    token = await someone.token("/staff/settings")
    return await someone.client.put(path, data=data, headers={"X-CSRF-Token": token, **headers})


@pytest.fixture
async def dewi(person) -> Person:
    someone = await person("dewi")
    assert (await post(someone, signed(manifest_of(IMAGE)))).status == 201
    return someone


async def test_a_release_is_published_once_and_listed_with_what_is_missing(dewi: Person, gateway) -> None:
    again = await post(dewi, signed(manifest_of(IMAGE)))
    assert again.status == 201
    (row,) = (await (await dewi.get("/api/v1/releases")).json())["releases"]
    assert row == await again.json()
    assert (row["version"], row["size"], row["uploaded"], row["sha256"]) == ("2.5.0", len(IMAGE), 0, SHA256)


async def test_a_manifest_that_nobody_trusted_has_signed_is_refused(dewi: Person) -> None:
    newer = manifest_of(IMAGE, version="2.6.0")
    for body in (
        signed(newer, generate_key()),
        {**signed(newer), "manifest": manifest_of(IMAGE, version="2.7.0")},
        signed(manifest_of(IMAGE, size=0)),
        {"manifest": newer, "signatures": []},
        {"manifest": newer},
    ):
        answer = await post(dewi, body)
        assert (answer.status, answer.content_type) == (422, "application/problem+json"), body
    assert len((await (await dewi.get("/api/v1/releases")).json())["releases"]) == 1


async def test_an_upload_is_resumed_at_the_byte_that_head_names(dewi: Person, gateway) -> None:
    first = await put(dewi, IMAGE[:1000])
    assert (first.status, first.headers["Upload-Offset"]) == (202, "1000")
    asked = await dewi.client.head(THERE)
    assert (asked.status, asked.headers["Upload-Offset"]) == (200, "1000")
    assert asked.headers["Upload-Length"] == str(len(IMAGE))
    second = await put(dewi, IMAGE[1000:5000], **{"Upload-Offset": "1000"})
    assert (await second.json())["uploaded"] == 5000
    size = len(IMAGE)
    last = await put(dewi, IMAGE[5000:], **{"Content-Range": f"bytes 5000-{size - 1}/{size}"})
    assert (last.status, (await last.json())["complete"]) == (201, True)
    assert await gateway.images.size(SHA256) == size
    assert b"".join([chunk async for chunk in gateway.images.read(SHA256, 0, size)]) == IMAGE
    assert (await put(dewi, IMAGE)).status == 201, "it is here already"


async def test_an_upload_from_the_wrong_byte_is_told_the_right_one(dewi: Person) -> None:
    await put(dewi, IMAGE[:1000])
    wrong = await put(dewi, IMAGE[2000:3000], **{"Upload-Offset": "2000"})
    assert (wrong.status, wrong.headers["Upload-Offset"], wrong.content_type) == (
        409, "1000", "application/problem+json",
    )  # fmt: skip


async def test_bytes_that_are_not_the_signed_ones_are_thrown_away(dewi: Person, gateway) -> None:
    answer = await put(dewi, b"X" + IMAGE[1:])
    assert (answer.status, answer.headers["Upload-Offset"]) == (409, "0")
    assert await gateway.images.uploaded(SHA256) == 0


async def test_more_than_the_manifest_says_is_refused_before_it_is_read(dewi: Person, gateway) -> None:
    assert (await put(dewi, IMAGE + b"x")).status == 413
    assert await gateway.images.uploaded(SHA256) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Upload-Offset": "-1"},
        {"Upload-Offset": "ten"},
        {"Content-Range": "bytes 0-1"},
        {"Content-Range": "bytes 0-9/999999999"},
        {"Content-Range": "bytes 0-9/*"},
    ],
)
async def test_headers_that_cannot_be_meant_are_400(dewi: Person, headers) -> None:
    assert (await put(dewi, IMAGE[:100], **headers)).status == 400


async def test_an_image_that_no_manifest_names_has_no_place(dewi: Person) -> None:
    other = "/api/v1/images/" + "cd" * 32
    assert (await put(dewi, b"x", other)).status == 404
    assert (await dewi.get(other)).status == 404
    assert (await put(dewi, b"x", "/api/v1/images/short")).status == 422


async def test_only_managers_upload_and_only_with_their_pages_token(dewi: Person, person) -> None:
    assert (await dewi.client.put(THERE, data=IMAGE)).status == 403
    sari = await person("sari")
    assert (await put(sari, IMAGE)).status == 404
    assert (await post(sari, signed(manifest_of(IMAGE)))).status == 404
    assert (await sari.get(THERE)).status == 200
