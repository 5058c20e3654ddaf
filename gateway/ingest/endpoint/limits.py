"""Bounds that keep one client from harming the others, and the token bucket behind the rate limit."""

import ssl
from dataclasses import dataclass, field, replace

from gateway.ingest.endpoint.topics import valid_filter


@dataclass(frozen=True, slots=True)
class Rate:
    """Messages a second in the long run, and how many may come at once."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """Where the endpoint listens and what it grants. Sizes are bytes, times seconds.

    `receive_maximum` bounds the unacknowledged messages of one connection: an MQTT 5 client that exceeds it is
    disconnected, one of 3.1.1 is read no further until some are acknowledged. `closed` are topic filters that nobody
    but devices may use.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    backlog: int = 4096
    max_connections: int = 20_000
    connect_timeout_s: float = 10.0
    max_packet_bytes: int = 262_144
    max_connect_bytes: int = 65_536
    receive_maximum: int = 1_000
    topic_alias_maximum: int = 32
    max_keep_alive_s: int | None = None
    max_session_expiry_s: int = 30 * 86_400
    max_client_id_chars: int = 256
    max_sessions_per_device: int = 8
    max_subscriptions: int = 128
    max_retained_per_device: int = 64
    max_retained: int = 1_000_000
    max_inflight: int = 128
    max_queued: int = 1_000
    max_queued_bytes: int = 4_194_304
    write_high_water_bytes: int = 131_072
    stall_timeout_s: float = 30.0
    close_timeout_s: float = 2.0
    max_journal_backlog: int = 50_000
    stop_timeout_s: float = 5.0
    device_rate: Rate | None = None
    closed: tuple[str, ...] = ()


def for_guests(settings: EndpointSettings, closed: tuple[str, ...]) -> EndpointSettings:
    """The same endpoint with the bounds that strangers expect of a broker; a device's are tight. ValueError for a
    malformed filter.
    """
    for topic_filter in closed:
        if not valid_filter(topic_filter):
            raise ValueError(f"mqtt.closed_topics: {topic_filter!r} is not a topic filter")
    return replace(
        settings,
        max_packet_bytes=16 * 1024 * 1024,
        max_connect_bytes=1024 * 1024,
        max_client_id_chars=65_535,
        topic_alias_maximum=1_024,
        max_subscriptions=10_000,
        max_queued=100_000,
        max_queued_bytes=64 * 1024 * 1024,
        max_keep_alive_s=60,
        closed=closed,
    )


class TokenBucket:
    """Spends a token a message; what was spent ahead is waited for. Times come from one monotonic clock."""

    __slots__ = ("_at", "_burst", "_per_second", "_tokens")

    def __init__(self, rate: Rate, now: float) -> None:
        self._per_second = rate.per_second
        self._burst = rate.burst
        self._tokens = float(rate.burst)
        self._at = now

    def spend(self, count: int, now: float) -> float:
        """Take tokens for `count` messages that did arrive; return the seconds to read no further (0.0 = go on)."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second) - count
        self._at = now
        return 0.0 if self._tokens >= 0 else -self._tokens / self._per_second
