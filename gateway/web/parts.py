"""What the web server is made of: every dependency by name and type. The composition root fills it in."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web
from prometheus_client import CollectorRegistry

from gateway.clock import Clock
from gateway.ports.history import History
from gateway.ports.ledger import Reject
from gateway.ports.live import LiveFleet
from gateway.ports.notifications import Deliveries
from gateway.ports.registry import Accounts, Registry
from gateway.ports.tickets import Tickets
from gateway.rules.jobs import Backtests
from gateway.web.knowledge import Knowledge
from gateway.web.release_views import Releases, Software
from gateway.web.updates import Rollouts, UpdateViews
from gateway.web.wake import Broadcaster

Check = Callable[[], Awaitable[None]]
"""A readiness check: returns, or raises OSError with one readable line."""


class Rejects(Protocol):
    """The part of the ledger that pages read."""

    async def rejects(self, device_id: str | None, limit: int) -> Sequence[Reject]:
        """The newest rejects, of one device or of all."""


class Images(Protocol):
    """The image store as devices' downloads need it."""

    async def size(self, sha256: str) -> int | None:
        """Bytes of a whole image; None if it is not here."""

    def read(self, sha256: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Its bytes from `start` up to `end`."""

    def allows(self, path: str, device_id: str, expires: str, signature: str, now: float) -> bool:
        """Whether a signed address is ours and still good."""


@dataclass(frozen=True, slots=True)
class WebSettings:
    """`secret` signs form tokens: at least 32 bytes. `base_url` is how people reach us ("https://care.example.com").

    `support_contact` is a telephone number or address shown to customers ("" = none). `watch_s` is how long a solved
    ticket stays on the customer's page as "fixed, we keep watching it". `trusted_proxies` is how many proxies of ours
    stand in front: the log-in limit counts the address that the outermost of them saw.
    """

    secret: bytes
    base_url: str = "http://127.0.0.1:8080"
    secure_cookies: bool = True
    support_contact: str = ""
    company: str = "Siaga"
    watch_s: float = 86_400.0
    logins_per_minute: int = 5
    trusted_proxies: int = 0

    def __post_init__(self) -> None:
        if len(self.secret) < 32:
            raise ValueError("web.secret must have at least 32 bytes")


@dataclass(frozen=True, slots=True)
class WebParts:
    """Everything pages are made from. `rejects` is usually the ledger; `checks` are asked by /readyz, by name."""

    tickets: Tickets
    registry: Registry
    accounts: Accounts
    history: History
    live: LiveFleet
    knowledge: Knowledge
    rejects: Rejects
    clock: Clock
    settings: WebSettings
    wake: Broadcaster = field(default_factory=Broadcaster)
    checks: Mapping[str, Check] = field(default_factory=dict)
    metrics: CollectorRegistry | None = None
    updates: UpdateViews | None = None
    rollouts: Rollouts | None = None
    images: Images | None = None
    releases: Releases | None = None
    software: Software | None = None
    rules: Backtests | None = None
    deliveries: Deliveries | None = None


PARTS: web.AppKey[WebParts] = web.AppKey("parts", WebParts)
