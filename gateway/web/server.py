"""The web server: one application from its parts. The order of the middlewares is the order of judging a request."""

from aiohttp import web
from aiohttp_session import get_session, session_middleware

import gateway.web.releases_api
import gateway.web.rules_api  # noqa: F401 - their operations join those of the API
from gateway.web import api, auth, customer, health, images, mail_choice, staff
from gateway.web.assets import DIST, Assets
from gateway.web.language import choose_language
from gateway.web.pages import explain_problems, set_up_templates
from gateway.web.parts import PARTS, WebParts
from gateway.web.routes import ACCESS, Access, Handler, guard
from gateway.web.security import harden, know_browser, refuse_foreign_forms
from gateway.web.sessions import AccountSessions, touch, viewer_in
from gateway.web.viewer import VIEWER

MAX_BODY = 256 * 1024


@web.middleware
async def know_viewer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Read the session once. Files and probes have no viewer and cost no query."""
    if request.path.startswith(("/static/", "/healthz", "/readyz", "/mqtt")):
        request[VIEWER] = None
        return await handler(request)
    session = await get_session(request)
    request[VIEWER] = viewer_in(session)
    touch(session, request.app[PARTS].clock.now())
    return await handler(request)


def create_app(parts: WebParts) -> web.Application:
    """The application, ready for an `AppRunner`. RuntimeError in one line if the browser files are not built."""
    secure = parts.settings.secure_cookies
    sessions = AccountSessions(parts.accounts, parts.clock, secure=secure)
    app = web.Application(
        client_max_size=MAX_BODY,
        middlewares=[
            know_browser(sessions.cookie_name, secure=secure),
            explain_problems,
            session_middleware(sessions),
            know_viewer,
            choose_language(secure=secure),
            refuse_foreign_forms,
            guard,
        ],
    )
    app[PARTS] = parts
    app[ACCESS] = {}
    set_up_templates(app, Assets())
    app.on_response_prepare.append(harden)
    for pages in (auth, health, customer, staff, api, images, mail_choice):
        pages.add_routes(app)
    app.router.add_static("/static/dist", DIST)
    app[ACCESS]["GET", "/static/dist"] = app[ACCESS]["HEAD", "/static/dist"] = Access.PUBLIC
    return app
