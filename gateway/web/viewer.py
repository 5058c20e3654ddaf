"""Who is looking, in which language and local time. Read once a request, from the session alone."""

from dataclasses import dataclass

from aiohttp import web

from gateway.ports.registry import Role


@dataclass(frozen=True, slots=True)
class Viewer:
    """A signed-in person. `customer_id` is "" for staff. A session ends whenever its user changes, so it is true."""

    user: str
    role: Role
    customer_id: str
    display_name: str
    language: str

    @property
    def is_staff(self) -> bool:
        """An agent or a manager."""
        return self.role is not Role.CUSTOMER


VIEWER: web.RequestKey[Viewer | None] = web.RequestKey("viewer", Viewer)


def viewer_of(request: web.Request) -> Viewer:
    """The signed-in person behind a route that `guard` let through."""
    viewer = request[VIEWER]
    assert viewer is not None, "only for routes that ask for a log-in"
    return viewer
