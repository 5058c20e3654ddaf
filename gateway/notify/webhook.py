"""Sends webhooks, and says what a receiver's answer means (see `signing` for what is sent)."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from yarl import URL

from diagnostics.changes import Severity
from gateway.notify.backoff import Fate, Outcome
from gateway.notify.guard import Forbidden, PublicOnly, check
from gateway.notify.signing import signature
from gateway.ports.notifications import Delivery, Notification

TIMEOUT_S: Final = 20.0
ANSWER_BYTES: Final = 300
"""So much of a refusal is kept for people to read."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One receiver. `secrets`: the newest first; `types` empty means all; `least`: of the ticket."""

    name: str
    url: URL
    secrets: Sequence[bytes]
    types: frozenset[str] = frozenset()
    least: Severity = Severity.INFO
    allow_private: bool = False

    @property
    def target(self) -> str:
        """What its deliveries are called."""
        return f"webhook:{self.name}"

    def wants(self, event: Notification) -> bool:
        """Whether it asked for this event."""
        if self.types and event.type not in self.types:
            return False
        said = json.loads(event.payload).get("severity", "")
        return not said or Severity[said.upper()] >= self.least


class WebhookSender:
    """Sends deliveries to one endpoint. Made by `open_sender`."""

    def __init__(self, endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        self._endpoint, self._session = endpoint, session

    async def send(self, delivery: Delivery, now: float) -> Outcome:
        """One try. What it raises is a fault of ours."""
        return await self.post(f"msg_{delivery.delivery_id}", delivery.payload.encode(), now)

    async def rest(self) -> None:
        """Connections stay for a while by themselves."""

    async def post(self, message_id: str, body: bytes, now: float) -> Outcome:
        """POST it, signed as of now. Nothing that a receiver does makes it raise."""
        stamp = int(now)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Siaga-Webhook/1",
            "webhook-id": message_id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": signature(message_id, stamp, body, self._endpoint.secrets),
        }
        try:
            if not self._endpoint.allow_private:
                check(self._endpoint.url)
            async with self._session.post(
                self._endpoint.url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                said = (await answer.content.read(ANSWER_BYTES)).decode(errors="replace").strip()
                return judge(answer.status, answer.headers.get("Retry-After", ""), said)
        except TimeoutError:
            return Outcome(Fate.AWAY, f"no answer within {TIMEOUT_S:g} seconds")
        except (aiohttp.ClientError, OSError, UnicodeError) as trouble:
            reason = trouble.__cause__ if isinstance(trouble.__cause__, Forbidden) else trouble
            return Outcome(Fate.AWAY, " ".join(str(reason).split()) or type(trouble).__name__)


def judge(status: int, retry_after: str, said: str) -> Outcome:
    """What an answer means. A redirect is refused: its target was not configured, and may be inside."""
    line = " ".join(f"{status} {said}".split())[:ANSWER_BYTES]
    after = float(retry_after) if retry_after.isascii() and retry_after.isdecimal() else None
    if 200 <= status < 300:
        return Outcome(Fate.TAKEN)
    if status == 410:
        return Outcome(Fate.GONE, line)
    if status in (408, 425, 429) or status >= 500:
        return Outcome(Fate.AWAY, line, after)
    if 300 <= status < 400:
        return Outcome(Fate.LATER, f"{line} (redirects are not followed)")
    return Outcome(Fate.LATER, line)


@asynccontextmanager
async def open_sender(endpoint: Endpoint) -> AsyncIterator[WebhookSender]:
    """Connections to one endpoint, with the guard in the resolver and no cache between the look and the connect."""
    more: dict[str, Any] = {} if endpoint.allow_private else {"resolver": PublicOnly()}
    connector = aiohttp.TCPConnector(limit=2, use_dns_cache=False, **more)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    # Cookies of a receiver are none of our business, and neither is a proxy of the environment.
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    ) as session:
        yield WebhookSender(endpoint, session)
