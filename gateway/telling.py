"""Who is told what, wired: settings to receivers, the pages' words to letters, counters to /metrics."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

from prometheus_client import Metric
from yarl import URL

from diagnostics.catalogue import Catalogue
from diagnostics.changes import Severity
from diagnostics.faults import Faults
from gateway.clock import Clock
from gateway.derived import base_url, web_secret
from gateway.metrics import counter, gauge, labelled
from gateway.notify.grouping import QuietHours
from gateway.notify.mail import MailServer, Security
from gateway.notify.part import Notifier, open_notifier
from gateway.notify.signing import secret_of
from gateway.notify.webhook import Endpoint
from gateway.ports.registry import Registry
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.storage.deliveries import SqlDeliveries
from gateway.storage.notifications import SqlNotificationOutbox
from gateway.web.knowledge import Knowledge
from gateway.web.letters import LetterWriter


def mail_server(settings: Settings) -> MailServer | None:
    """Where letters are handed in; None where no host is set."""
    mail = settings.mail
    if not mail.host:
        return None
    return MailServer(
        mail.host,
        mail.port,
        mail.sender,
        mail.username,
        mail.password.get_secret_value(),
        Security(mail.security),
        mail.ca_file,
    )


def endpoints(settings: Settings) -> Sequence[Endpoint]:
    """The webhooks. ValueError in one line for a secret file that holds none."""
    made = []
    for one in settings.webhook:
        newest = one.secret.get_secret_value()
        if one.secret_file is not None:
            try:
                newest = one.secret_file.read_text().strip()
            except OSError as error:
                raise ValueError(f"webhook {one.name}: {one.secret_file}: {error.strerror}") from None
        secrets = [text for text in (newest, one.previous_secret.get_secret_value()) if text]
        try:
            keys = tuple(secret_of(text) for text in secrets)
        except ValueError as error:
            raise ValueError(f"webhook {one.name}: {error}") from None
        least = Severity[one.least_severity.upper()]
        made.append(Endpoint(one.name, URL(one.url), keys, frozenset(one.types), least, one.allow_private))
    return made


def letter_writer(settings: Settings, registry: Registry, knowledge: Knowledge) -> LetterWriter:
    """The pages' words for letters."""
    http = settings.http
    secret = web_secret(settings)
    return LetterWriter(registry, knowledge, base_url(settings), http.company, http.support_contact, secret)


@asynccontextmanager
async def open_telling(
    settings: Settings, database: Database, registry: Registry, faults: Faults, catalogue: Catalogue, clock: Clock
) -> AsyncIterator[tuple[Notifier, SqlDeliveries]]:
    """The notifier as the settings ask for it, and what it keeps. ValueError in one line for what cannot work."""
    deliveries = SqlDeliveries(database)
    writer = letter_writer(settings, registry, Knowledge(faults, catalogue))
    async with open_notifier(
        SqlNotificationOutbox(database),
        deliveries,
        registry,
        writer,
        clock,
        server=mail_server(settings),
        quiet=QuietHours.parse(settings.mail.quiet),
        endpoints=endpoints(settings),
    ) as notifier:
        yield notifier, deliveries


def telling_metrics(notifier: Notifier, now: float) -> Iterator[Metric]:
    """What goes out to people and systems. Receivers are as many as the settings name."""
    standing = notifier.standing
    oldest = standing.oldest_at
    yield gauge("notifications_waiting", "Events and messages that are still to go out.", standing.waiting)
    yield gauge("notifications_dead", "Messages that were given up and wait for a person.", standing.dead)
    yield gauge(
        "notifications_age_seconds",
        "Age of the oldest that should have gone out.",
        0.0 if oldest is None else max(0.0, now - oldest),
    )
    by_target = [(one.target, one) for one in notifier.couriers]
    yield labelled("notifications_sent", "Messages taken by receivers.", "target", ((t, c.sent) for t, c in by_target))
    yield labelled("notifications_failed", "Tries that failed.", "target", ((t, c.failed) for t, c in by_target))
    given_up = sum(one.given_up for _, one in by_target)
    yield counter("notifications_given_up", "Messages given up since the start.", given_up)
