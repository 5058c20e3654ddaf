"""A notifier in a process of its own, to be killed: database file, SMTP port."""

import asyncio
import sys
from typing import Any

from gateway.clock import SystemClock
from gateway.notify.mail import MailServer, Security
from gateway.notify.part import open_notifier
from gateway.ports.notifications import Letter
from gateway.ports.registry import Customer
from gateway.storage.database import open_database
from gateway.storage.deliveries import SqlDeliveries
from gateway.storage.notifications import SqlNotificationOutbox
from gateway.storage.registry import SqlRegistry


class PlainWriter:
    """Letters of event names."""

    async def write(self, customer: Customer, lines: Any, now: float) -> Letter:
        said = ", ".join(line.type for line in lines)
        return Letter(said, f"{customer.name}: {said}", f"<p>{said}</p>", "https://siaga.example/mail/x?sig=1", "t")


async def main(database_url: str, port: int) -> None:
    async with open_database(database_url) as database:
        server = MailServer("127.0.0.1", port, "Siaga <care@siaga.example>", security=Security.NONE)
        async with open_notifier(
            SqlNotificationOutbox(database),
            SqlDeliveries(database),
            SqlRegistry(database),
            PlainWriter(),
            SystemClock(),
            server=server,
            quiet=None,
            endpoints=(),
            lease_s=0.3,
        ) as notifier:
            await notifier.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
