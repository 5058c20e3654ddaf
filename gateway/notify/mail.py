"""Letters by SMTP: one connection for what is due, TLS always checked, an id that stays when it comes twice."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from email.utils import format_datetime, parseaddr
from enum import Enum
from pathlib import Path
from typing import Final

import aiosmtplib

from gateway.notify.backoff import Fate, Outcome
from gateway.ports.notifications import Delivery, Letter

TARGET: Final = "mail"
TIMEOUT_S: Final = 30.0


class Security(Enum):
    """How the connection is protected."""

    STARTTLS = "starttls"
    TLS = "tls"  # from the first byte (port 465)
    NONE = "none"  # a relay on this machine


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where letters are handed in, and in whose name."""

    host: str
    port: int
    sender: str
    username: str = ""
    password: str = ""
    security: Security = Security.STARTTLS
    ca_file: Path | None = None

    @property
    def domain(self) -> str:
        """The right half of our Message-IDs."""
        return parseaddr(self.sender)[1].rpartition("@")[2] or "localhost"


def payload_of(letter: Letter) -> str:
    """A letter as a delivery keeps it."""
    return json.dumps(asdict(letter), ensure_ascii=False)


def one_line(text: str) -> str:
    """Without anything that could begin another header."""
    return " ".join("".join(it if it.isprintable() else " " for it in text).split())


def message_of(delivery: Delivery, server: MailServer) -> EmailMessage:
    """The mail. Everything in it follows from the delivery, so that a repetition is the same mail."""
    letter = Letter(**json.loads(delivery.payload))
    message = EmailMessage(POLICY)
    name, address = parseaddr(server.sender)
    message["From"] = Address(one_line(name), addr_spec=address)
    message["To"] = Address(addr_spec=one_line(delivery.address))
    message["Subject"] = one_line(letter.subject)
    message["Date"] = format_datetime(datetime.fromtimestamp(delivery.created_at, UTC))
    message["Message-ID"] = f"<{delivery.delivery_id}@{server.domain}>"
    if letter.thread:
        message["References"] = f"<{letter.thread}@{server.domain}>"
        message["In-Reply-To"] = f"<{letter.thread}@{server.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # no vacation notice is sent back (RFC 3834)
    message["X-Auto-Response-Suppress"] = "All"
    if letter.unsubscribe:
        message["List-Unsubscribe"] = f"<{letter.unsubscribe}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


class MailSender:
    """Hands letters in over one connection, opened when the first is due. Made by `open_mail`."""

    def __init__(self, server: MailServer, client: aiosmtplib.SMTP) -> None:
        self._server, self._client = server, client

    async def check(self) -> None:
        """Connect, protect, sign in. OSError in one line where one of these fails."""
        try:
            await self._connected()
        except (aiosmtplib.SMTPException, OSError) as error:
            raise OSError(f"{self._server.host}:{self._server.port}: {_said(error)}") from None

    async def send(self, delivery: Delivery, now: float) -> Outcome:
        """One try."""
        del now
        try:
            message = message_of(delivery, self._server)
        except (ValueError, IndexError) as wrong:  # what the email package says of an address that is none
            return Outcome(Fate.REFUSED, f"{one_line(delivery.address)}: {one_line(str(wrong))}")
        try:
            await self._connected()
            await self._client.send_message(message)
        except (aiosmtplib.SMTPRecipientsRefused, aiosmtplib.SMTPResponseException) as refusal:
            return _judge(refusal)
        except (aiosmtplib.SMTPException, OSError) as trouble:
            self._client.close()
            return Outcome(Fate.AWAY, f"{self._server.host}:{self._server.port}: {_said(trouble)}")
        return Outcome(Fate.TAKEN)

    async def rest(self) -> None:
        """Nothing more is due: let the connection go."""
        if self._client.is_connected:
            try:
                await self._client.quit()
            except (aiosmtplib.SMTPException, OSError):
                self._client.close()

    async def _connected(self) -> None:
        if self._client.is_connected:
            return
        await self._client.connect()
        if self._server.username:
            try:
                await self._client.login(self._server.username, self._server.password)
            except aiosmtplib.SMTPException:
                self._client.close()  # or the next letter would go out unsigned
                raise


def _judge(refusal: aiosmtplib.SMTPRecipientsRefused | aiosmtplib.SMTPResponseException) -> Outcome:
    """5xx about this mail is for good; 4xx, and whatever is said about ourselves, may pass."""
    first = refusal.recipients[0] if isinstance(refusal, aiosmtplib.SMTPRecipientsRefused) else refusal
    line = one_line(f"{first.code} {first.message}")
    if isinstance(first, aiosmtplib.SMTPAuthenticationError | aiosmtplib.SMTPConnectResponseError):
        return Outcome(Fate.AWAY, line)
    if first.code == 421:
        return Outcome(Fate.AWAY, line)
    about_us = isinstance(first, aiosmtplib.SMTPSenderRefused)
    return Outcome(Fate.REFUSED if first.code >= 500 and not about_us else Fate.LATER, line)


def _said(error: Exception) -> str:
    return one_line(str(error)) or type(error).__name__


@asynccontextmanager
async def open_mail(server: MailServer) -> AsyncIterator[MailSender]:
    """A sender. ValueError for a CA file that cannot be read; nothing is connected yet."""
    context: ssl.SSLContext | None = None
    if server.security is not Security.NONE:
        try:
            context = ssl.create_default_context(cafile=server.ca_file)
        except OSError as error:
            raise ValueError(f"mail.ca_file: {server.ca_file}: {error}") from None
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        timeout=TIMEOUT_S,
        use_tls=server.security is Security.TLS,
        start_tls=server.security is Security.STARTTLS,  # True: refuse to go on in clear where it is not offered
        tls_context=context,
    )
    sender = MailSender(server, client)
    try:
        yield sender
    finally:
        await sender.rest()
