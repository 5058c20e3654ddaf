"""A real SMTP server and a real receiver of webhooks, and events to send to them."""

import asyncio
import email
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from gateway.clock import ManualClock
from gateway.notify.mail import MailServer, Security
from gateway.ports.notifications import Line


class QuickClock(ManualClock):
    """Sleeping takes no time: the clock is moved instead."""

    async def sleep(self, seconds: float) -> None:
        self.move(seconds)


@dataclass
class PostOffice:
    """What arrived, and how the next letters are answered ("" = accepted)."""

    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    refuse_to: str = ""
    people: list[str] = field(default_factory=list)
    arrived: Callable[[], None] = lambda: None
    was_protected: list[bool] = field(default_factory=list)

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options) -> str:
        if address == self.refuse_to:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        self.letters.append(email.message_from_bytes(envelope.content or b"", policy=default))  # type: ignore[arg-type]
        self.was_protected.append(session.ssl is not None)
        self.arrived()
        return self.answers.pop(0) if self.answers else "250 taken"

    def authenticate(self, _server, _session, _envelope, mechanism: str, data) -> AuthResult:
        del mechanism
        self.people.append(data.login.decode())
        return AuthResult(success=data.password == b"right", handled=False)

    def server(self, **changes: Any) -> MailServer:
        plain = {"security": Security.NONE}
        return MailServer("127.0.0.1", self.port, "Siaga <care@siaga.example>", **{**plain, **changes})


@asynccontextmanager
async def post_office(*, tls: ssl.SSLContext | None = None, sign_in: bool = False) -> AsyncIterator[PostOffice]:
    loop, office = asyncio.get_running_loop(), PostOffice()

    def protocol() -> SMTP:
        signing = {"authenticator": office.authenticate, "auth_required": True} if sign_in else {}
        return SMTP(
            office, loop=loop, hostname="post.example", tls_context=tls, require_starttls=tls is not None, **signing
        )

    server = await loop.create_server(protocol, "127.0.0.1", 0)
    office.port = server.sockets[0].getsockname()[1]
    try:
        yield office
    finally:
        server.close()
        await server.wait_closed()


@dataclass
class Receiver:
    """A webhook's other end: what it was sent, and what it answers next (200 when nothing is said)."""

    url: str = ""
    seen: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[web.Response] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        self.seen.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        self.came.set()
        return self.answers.pop(0) if self.answers else web.Response(text="thanks")

    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.seen]


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield found
    finally:
        await runner.cleanup()


def line(type_: str, at: float, ticket: str = "t1", severity: str = "warning", event: str = "", **facts: Any) -> Line:
    name = event or f"{ticket}-{type_}-{at}"
    return Line(name, "toko", type_, at, ticket, json.dumps({"severity": severity, **facts}))
