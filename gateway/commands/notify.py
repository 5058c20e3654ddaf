"""`siaga notify`: try mail and webhooks, see what waits or was given up, try that again, make a secret."""

import argparse
import asyncio
import base64
import json
import secrets
from dataclasses import asdict
from uuid import uuid4

from gateway.clock import SystemClock
from gateway.commands.run import add_settings, settings_of
from gateway.notify.backoff import Fate, Outcome
from gateway.notify.mail import TARGET, open_mail, payload_of
from gateway.notify.signing import PREFIX
from gateway.notify.webhook import open_sender
from gateway.ports.notifications import Delivery, Letter
from gateway.settings import Settings
from gateway.storage.database import open_database
from gateway.storage.deliveries import SqlDeliveries
from gateway.telling import endpoints, mail_server


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    test = actions.add_parser("test", help="send a test letter or event now")
    where = test.add_mutually_exclusive_group(required=True)
    where.add_argument("--to", metavar="ADDRESS", help="a mail address")
    where.add_argument("--webhook", metavar="NAME", help="a webhook of the settings")
    listing = actions.add_parser("list", help="how much waits, and what was given up and why")
    listing.add_argument("--json", action="store_true")
    retry = actions.add_parser("retry", help="try what was given up once more (a running gateway sends it)")
    retry.add_argument("delivery", nargs="?", default="", help="one of them (default: all)")
    back = actions.add_parser("on", help="try a webhook again that has answered 410 (gone for good)")
    back.add_argument("webhook", metavar="NAME")
    actions.add_parser("secret", help="make a secret for a webhook")
    for action in (test, listing, retry, back):
        add_settings(action)


def run(arguments: argparse.Namespace) -> int:
    """0: done; 1: it was refused, or there is nothing to try again; 3: the receiver is away."""
    if arguments.action == "secret":
        print(PREFIX + base64.b64encode(secrets.token_bytes(32)).decode())
        return 0
    settings = settings_of(arguments)
    if arguments.action == "test":
        return asyncio.run(_test(settings, arguments.to, arguments.webhook))
    return asyncio.run(_look(settings, arguments))


async def _test(settings: Settings, address: str | None, name: str | None) -> int:
    now = SystemClock().now()
    if address:
        server = mail_server(settings)
        if server is None:
            raise ValueError("mail.host is not set: there is no mail server to try")
        company = settings.http.company
        words = f"This is a test of {company}. Mail works.\n\nIni uji coba {company}. Email berfungsi."
        html = "".join(f"<p>{line}</p>" for line in words.split("\n\n"))
        letter = Letter(f"{company}: test", words, html, "")
        made = Delivery(uuid4().hex, TARGET, address, "", (), "test", payload_of(letter), now)
        async with open_mail(server) as mail:
            outcome = await mail.send(made, now)
        return _say(outcome, f"{server.host}:{server.port} took a letter to {address}")
    found = [one for one in endpoints(settings) if one.name == name]
    if not found:
        known = ", ".join(one.name for one in settings.webhook) or "none"
        raise ValueError(f"{name}: no such webhook in the settings (there are: {known})")
    async with open_sender(found[0]) as sender:
        body = json.dumps({"type": "test", "timestamp": now, "data": {}}).encode()
        outcome = await sender.post(f"msg_{uuid4().hex}", body, now)
    return _say(outcome, f"{found[0].name} took a signed test event")


def _say(outcome: Outcome, good: str) -> int:
    if outcome.fate is Fate.TAKEN:
        print(good)
        return 0
    if outcome.fate is Fate.AWAY:
        raise OSError(outcome.said)
    print(f"refused: {outcome.said}")
    return 1


async def _look(settings: Settings, arguments: argparse.Namespace) -> int:
    async with open_database(settings.database_url, upgrade=False) as database:
        deliveries = SqlDeliveries(database)
        if arguments.action == "retry":
            count = await deliveries.revive(SystemClock().now(), arguments.delivery)
            print(f"{count} will be tried again")
            return 0 if count else 1
        if arguments.action == "on":
            found = await deliveries.turn_on(f"webhook:{arguments.webhook}")
            print(f"{arguments.webhook} is on again" if found else f"{arguments.webhook} was not off")
            return 0 if found else 1
        standing, dead, gone = await deliveries.standing(), await deliveries.given_up(100), await deliveries.gone()
    if arguments.json:
        print(json.dumps({**asdict(standing), "given_up": [asdict(one) for one in dead], "off": gone}))
        return 0
    for target, address in sorted(gone.items()):
        name = target.removeprefix("webhook:")
        print(f"{name} is off: {address} has answered 410 (siaga notify on {name})")
    print(f"{standing.waiting} wait, {standing.dead} were given up")
    for one in dead:
        receiver = one.address if one.target == TARGET else one.target
        print(f"{one.delivery_id}  {receiver:30}  {one.type:18}  {one.error}")
    return 0
