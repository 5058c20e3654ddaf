"""Who may call what: each route is registered with its access, and a route without one is refused."""

from collections.abc import Awaitable, Callable
from enum import Enum

from aiohttp import web
from yarl import URL

from gateway.ports.registry import Role
from gateway.web.viewer import VIEWER

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Access(Enum):
    """Who may call a route."""

    PUBLIC = "public"
    SIGNED_IN = "signed_in"
    CUSTOMER = "customer"
    STAFF = "staff"
    MANAGER = "manager"


ALLOWED: dict[Access, frozenset[Role]] = {
    Access.SIGNED_IN: frozenset(Role),
    Access.CUSTOMER: frozenset({Role.CUSTOMER}),
    Access.STAFF: frozenset({Role.AGENT, Role.MANAGER}),
    Access.MANAGER: frozenset({Role.MANAGER}),
}

ACCESS: web.AppKey[dict[tuple[str, str], Access]] = web.AppKey("access", dict)


def add(app: web.Application, access: Access, method: str, path: str, handler: Handler) -> None:
    """Register a route. HEAD comes with GET."""
    app.router.add_route(method, path, handler)
    app[ACCESS][method, path] = access
    if method == "GET":
        app.router.add_route("HEAD", path, handler)
        app[ACCESS]["HEAD", path] = access


def is_api(request: web.Request) -> bool:
    """Whether the caller is a program, who gets problem details instead of pages."""
    return request.path.startswith("/api/")


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let through who may; send the signed-out to the log-in; to everybody else the page does not exist (404)."""
    resource = request.match_info.route.resource
    if request.match_info.http_exception is not None or resource is None:
        return await handler(request)
    access = request.app[ACCESS].get((request.method, resource.canonical))
    if access is None:
        raise web.HTTPNotFound
    if access is not Access.PUBLIC:
        viewer = request[VIEWER]
        if viewer is None:
            if is_api(request):
                raise web.HTTPUnauthorized
            raise web.HTTPSeeOther(URL("/login").with_query({"next": request.path_qs}))
        if viewer.role not in ALLOWED[access]:
            raise web.HTTPNotFound
    return await handler(request)
