"""The staff console."""

from aiohttp import web


def add_routes(app: web.Application) -> None:
    """The console's routes."""
