"""Sessions in the accounts store. The cookie holds 32 random bytes; the table holds only their SHA-256."""

import hashlib
import json
import secrets

from aiohttp import web
from aiohttp_session import AbstractStorage, Session

from gateway.clock import Clock
from gateway.ports.registry import Accounts, Role, User
from gateway.web.viewer import Viewer

STAFF_IDLE_S = 8 * 3600.0
STAFF_LIFE_S = 24 * 3600.0
CUSTOMER_LIFE_S = 30 * 86_400.0
TOUCH_S = 300.0  # the idle time is written at most this often


def token_hash(token: str) -> bytes:
    """What the table keeps of a cookie."""
    return hashlib.sha256(token.encode()).digest()


class AccountSessions(AbstractStorage):
    """aiohttp-session's storage on the accounts port. A row that is gone or expired is a signed-out session."""

    def __init__(self, accounts: Accounts, clock: Clock, *, secure: bool) -> None:
        name = "__Host-siaga" if secure else "siaga"  # the prefix needs Secure, which plain HTTP on loopback has not
        super().__init__(cookie_name=name, secure=secure, httponly=True, samesite="Lax", path="/")
        self._accounts = accounts
        self._clock = clock

    async def load_session(self, request: web.Request) -> Session:
        """The session of the cookie, or a new empty one."""
        token = self.load_cookie(request)
        data = await self._accounts.session(token_hash(token), self._clock.now()) if token else None
        if data is None:
            return await self.new_session()
        mapping = json.loads(data)
        return Session(token, data={"created": 0, "session": mapping}, new=False, max_age=None)

    async def save_session(self, request: web.Request, response: web.StreamResponse, session: Session) -> None:
        """Write the row and the cookie; an emptied session loses both."""
        old = self.load_cookie(request)
        if session.empty:
            await self._forget(old)
            self.save_cookie(response, "")
            return
        token = None if session.new else session.identity
        if token is None:  # log-in: the id changes and the old one ends, so a planted cookie is worth nothing
            await self._forget(old)
            token = secrets.token_urlsafe(32)
        lives_s = CUSTOMER_LIFE_S if session["role"] == Role.CUSTOMER.value else STAFF_LIFE_S
        idle_s = CUSTOMER_LIFE_S if session["role"] == Role.CUSTOMER.value else STAFF_IDLE_S
        ends_at = min(session["signed_in_at"] + lives_s, session["seen_at"] + idle_s)
        data = json.dumps(dict(session))
        await self._accounts.save_session(token_hash(token), session["user"], data, ends_at)
        self.save_cookie(response, token, max_age=max(1, int(ends_at - self._clock.now())))

    async def _forget(self, token: str | None) -> None:
        if token:
            await self._accounts.delete_session(token_hash(token))


def sign_in(session: Session, user: User, now: float) -> None:
    """Write the user into a new session."""
    session["user"] = user.name
    session["role"] = user.role.value
    session["customer_id"] = user.customer_id
    session["display_name"] = user.display_name or user.name
    session["language"] = user.language
    session["signed_in_at"] = session["seen_at"] = now


def viewer_in(session: Session) -> Viewer | None:
    """Who is signed in."""
    if session.empty:
        return None
    return Viewer(
        user=session["user"],
        role=Role(session["role"]),
        customer_id=session["customer_id"],
        display_name=session["display_name"],
        language=session["language"],
    )


def touch(session: Session, now: float) -> None:
    """Note that the person is still there."""
    if not session.empty and now - session["seen_at"] > TOUCH_S:
        session["seen_at"] = now
