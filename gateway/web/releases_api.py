"""The API for releases: a signed manifest first, then its image in as many pieces as the line needs.

`PUT /api/v1/images/{sha256}` takes the bytes from `Upload-Offset` (or the start of `Content-Range`) on; `HEAD` says how
far it is. What may be uploaded, and how much, is what a manifest signed by a trusted key names: nothing else.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateway.web.api import api
from gateway.web.apikit import problem
from gateway.web.parts import PARTS
from gateway.web.release_views import Releases, ReleaseView
from gateway.web.routes import Access
from gateway.web.updates import Refused
from gateway.web.viewer import viewer_of

CHUNK: Final = 256 * 1024
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,13})-(\d{1,13})/(\d{1,13}|\*)")
_OFFSET: Final = re.compile(r"\d{1,13}")


class ImagePath(BaseModel):
    """An image by the SHA-256 of its bytes."""

    model_config = ConfigDict(extra="forbid")
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ReleaseIn(BaseModel):
    """The manifest's exact text, and signatures as `siaga firmware sign` writes them (key id, colon, base64)."""

    model_config = ConfigDict(extra="forbid")
    manifest: Annotated[str, Field(min_length=2, max_length=12 * 1024)]
    signatures: Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(min_length=1, max_length=8)]


class ReleaseOut(BaseModel):
    """A release. `uploaded` of `size` bytes of its image are here."""

    id: str
    product: str
    version: str
    counter: int
    kind: str
    cves: Sequence[str]
    size: int
    sha256: str
    uploaded: int
    revoked: str


class ReleaseList(BaseModel):
    """Releases, newest first."""

    releases: list[ReleaseOut]


class ImageState(BaseModel):
    """How far an upload is; it goes on at byte `uploaded`."""

    sha256: str
    uploaded: int
    size: int
    complete: bool


def _releases(request: web.Request) -> Releases:
    found = request.app[PARTS].releases
    if found is None:
        raise web.HTTPNotFound
    return found


def _out(it: ReleaseView) -> ReleaseOut:
    return ReleaseOut(
        id=it.release_id,
        product=it.product,
        version=it.version,
        counter=it.counter,
        kind=it.kind,
        cves=it.cves,
        size=it.size,
        sha256=it.sha256,
        uploaded=it.uploaded,
        revoked=it.revoked,
    )


@api.route("GET", "/api/v1/releases", access=Access.STAFF)
async def list_releases(request: web.Request) -> ReleaseList:
    """Published releases, newest first."""
    return ReleaseList(releases=[_out(it) for it in await _releases(request).all()])


@api.route("POST", "/api/v1/releases", access=Access.MANAGER, status=201, errors=(403,))
async def publish_release(request: web.Request, *, body: ReleaseIn) -> ReleaseOut | web.StreamResponse:
    """Publish a signed manifest; its image may follow. Publishing it again changes nothing."""
    actor, now = viewer_of(request).user, request.app[PARTS].clock.now()
    try:
        return _out(await _releases(request).publish(body.manifest.encode(), body.signatures, actor, now))
    except Refused as refusal:
        return problem(422, str(refusal))


@api.route("GET", "/api/v1/images/{sha256}", access=Access.STAFF)
async def image_state(request: web.Request, *, path: ImagePath) -> ImageState | web.StreamResponse:
    """Where an upload goes on; HEAD says the same in `Upload-Offset` and `Upload-Length`."""
    found = await _releases(request).image(path.sha256)
    if found is None:
        return problem(404, "no published manifest names this image")
    return _answer(path.sha256, *found, status=200)


@api.route("PUT", "/api/v1/images/{sha256}", access=Access.MANAGER, status=201, errors=(400, 409))
async def upload_image(request: web.Request, *, path: ImagePath) -> ImageState | web.StreamResponse:
    """Bytes of an image from `Upload-Offset` on (201: it is whole, 202: go on, 409: wrong offset or wrong bytes)."""
    releases = _releases(request)
    known = await releases.image(path.sha256)
    if known is None:
        return problem(404, "no published manifest names this image: publish its manifest first")
    here, size = known
    try:
        offset = _offset(request, size)
        if request.content_length is not None and offset + request.content_length > size:
            return problem(413, f"the manifest says {size} bytes")
        await releases.receive(path.sha256, offset, request.content.iter_chunked(CHUNK))
    except ValueError as wrong:
        return problem(400, str(wrong))
    except Refused as refusal:
        again = await releases.image(path.sha256)
        refused = problem(409, str(refusal))
        refused.headers["Upload-Offset"] = str(again[0] if again else here)
        return refused
    after = await releases.image(path.sha256)
    uploaded = after[0] if after else here
    return _answer(path.sha256, uploaded, size, status=201 if uploaded == size else 202)


def _offset(request: web.Request, size: int) -> int:
    """Where the bytes belong. ValueError in one line for headers that cannot be meant."""
    said = request.headers.get("Content-Range")
    if said is None:
        offset = request.headers.get("Upload-Offset", "0")
        if not _OFFSET.fullmatch(offset):
            raise ValueError("Upload-Offset: a number of bytes, please")
        return int(offset)
    found = _CONTENT_RANGE.fullmatch(said)
    if found is None:
        raise ValueError("Content-Range: such as `bytes 0-1048575/4194304`, please")
    start, end, whole = int(found[1]), int(found[2]), found[3]
    if whole not in ("*", str(size)):
        raise ValueError(f"Content-Range: the manifest says {size} bytes")
    if request.content_length is not None and request.content_length != end - start + 1:
        raise ValueError("Content-Range: not as many bytes as the body has")
    return start


def _answer(sha256: str, uploaded: int, size: int, *, status: int) -> web.Response:
    said = ImageState(sha256=sha256, uploaded=uploaded, size=size, complete=uploaded == size)
    headers = {"Upload-Offset": str(uploaded), "Upload-Length": str(size)}
    return web.Response(text=said.model_dump_json(), status=status, content_type="application/json", headers=headers)
