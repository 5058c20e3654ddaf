"""Images over HTTP for devices: signed addresses, Range and If-Range, a strong ETag (the SHA-256).

aiohttp's FileResponse makes its ETag of time and size, which differ between two gateways, and understands only dates in
If-Range; a device must be able to trust that a resumed download is of the same bytes, so this is our own.
"""

from aiohttp import web

from gateway.web.parts import PARTS
from gateway.web.routes import Access, add


async def image(request: web.Request) -> web.StreamResponse:
    """An image, or the part that is asked for. 401 for an address that is not good (ask for a fresh one)."""
    images, query = request.app[PARTS].images, request.query
    if images is None:
        raise web.HTTPNotFound
    now = request.app[PARTS].clock.now()
    if not images.allows(request.path, query.get("device", ""), query.get("exp", ""), query.get("sig", ""), now):
        raise web.HTTPUnauthorized(text="this address is not good any more: ask for a fresh one\n")
    sha256 = request.match_info["sha256"]
    size = await images.size(sha256)
    if size is None:
        raise web.HTTPNotFound
    etag = f'"{sha256}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
    start, end = 0, size
    if "Range" in request.headers and request.headers.get("If-Range", etag) == etag:
        try:
            asked = request.http_range
        except ValueError:
            asked = slice(size, None)
        start = (asked.start or 0) if (asked.start or 0) >= 0 else max(0, size + asked.start)
        end = min(size, asked.stop if asked.stop is not None else size)
        if start >= end:
            raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}", "ETag": etag})
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    response = web.StreamResponse(status=206 if "Content-Range" in headers else 200, headers=headers)
    response.content_length = end - start
    await response.prepare(request)
    if request.method != "HEAD":
        try:
            async for chunk in images.read(sha256, start, end):
                await response.write(chunk)
        except OSError:
            # The head has gone out: only an end that comes too early says that this is not all. Devices resume.
            if request.transport is not None:
                request.transport.abort()
            raise
    return response


def add_routes(app: web.Application) -> None:
    """The devices' route. It has its own permission, the signature; no session is asked for."""
    add(app, Access.PUBLIC, "GET", "/firmware/{sha256}", image)
