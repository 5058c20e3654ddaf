"""What customers read in mail: the pages' words, in their language and zone, with links to the pages.

The adapter of `gateway.ports.notifications.Writer`. Everything that came from devices or people is escaped in HTML and
kept to one line in subjects.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

import jinja2

from gateway.ports.notifications import ASKS, SUPPORT_ENDS, Letter, Line
from gateway.ports.registry import Customer, Registry
from gateway.web import language, times
from gateway.web.knowledge import Knowledge
from gateway.web.language import _, n_
from gateway.web.mail_choice import choice_signature
from gateway.web.pages import TEMPLATES
from gateway.web.software import support_notice

SHOWN = 20
"""More than so many matters in one letter are counted, not told."""


@dataclass(frozen=True, slots=True)
class Item:
    """One matter: a heading, sentences, and where to read on. `quoted` is what a person wrote."""

    heading: str
    sentences: Sequence[str]
    link: str
    action: str
    quoted: str = ""


class LetterWriter:
    """`secret` signs the link by which mail is switched off without signing in."""

    def __init__(
        self, registry: Registry, knowledge: Knowledge, base_url: str, company: str, contact: str, secret: bytes
    ) -> None:
        self._registry, self._knowledge = registry, knowledge
        self._base_url, self._company, self._contact = base_url.rstrip("/"), company, contact
        self._secret = secret

    async def write(self, customer: Customer, lines: Sequence[Line], now: float) -> Letter:
        """See `Writer`."""
        facts = [json.loads(line.payload) for line in lines]
        names = await asyncio.gather(*(self._subject(one) for one in facts[:SHOWN]))
        mine = language.language()
        language.speak(customer.language if customer.language in language.LANGUAGES else "en")
        try:
            items = [
                self._item(line, one, name, zone or customer.zone, now)
                for line, one, (name, zone) in zip(lines, facts, names, strict=False)
            ]
            return self._letter(customer, lines, facts, items)
        finally:
            language.speak(mine)

    async def _subject(self, facts: dict[str, Any]) -> tuple[str, str]:
        """What it is about, as the customer calls it, and the zone there."""
        device = await self._registry.device(facts["device_id"]) if facts.get("device_id") else None
        site = await self._registry.site(device.site_id if device else facts.get("site_id", ""))
        return (device.name if device else site.name if site else ""), (site.zone if site else "")

    def _letter(
        self, customer: Customer, lines: Sequence[Line], facts: Sequence[dict[str, Any]], items: Sequence[Item]
    ) -> Letter:
        numbers = list(dict.fromkeys(one["number"] for one in facts if one.get("number")))
        subject = items[0].heading
        if len(items) > 1:
            subject = n_("%(num)s message about your devices", "%(num)s messages about your devices", len(lines))
        if len(numbers) == 1:
            subject = f"[{numbers[0]}] {subject}"
        unsubscribe = f"{self._base_url}/mail/{quote(customer.customer_id, safe='')}?" + urlencode(
            {"sig": choice_signature(self._secret, customer.customer_id)}
        )
        more = len(lines) - len(items)
        shown = {
            "language": language.language(),
            "company": self._company,
            "customer": customer,
            "items": items,
            "more": n_("And %(num)s more: see the page.", "And %(num)s more: see the page.", more) if more else "",
            "home": f"{self._base_url}/home",
            "contact": _("Reach us: %(contact)s", contact=self._contact) if self._contact else "",
            "unsubscribe": unsubscribe,
            "hello": _("Hello %(name)s,", name=customer.name),
            "all": _("All your devices"),
            "why": _("You get this because %(company)s looks after your devices.", company=self._company),
            "no_more": _("No more mail about them"),
        }
        thread = f"ticket.{lines[0].ticket_id}" if len(numbers) == 1 else ""
        return Letter(
            subject, _templates().get_template("letter.txt").render(shown), _html().render(shown), unsubscribe, thread
        )

    def _item(self, line: Line, facts: dict[str, Any], name: str, zone: str, now: float) -> Item:
        if line.type == ASKS:
            link = f"{self._base_url}/home/devices/{quote(facts['device_id'], safe='')}/update"
            heading = _("%(device)s: may we update it?", device=name or facts["device_id"])
            said = [
                _("New software is ready: version %(version)s. It waits for your yes.", version=facts["version"]),
                _("The page says what changes and when it would be installed. You may also say later, or no."),
            ]
            return Item(heading, said, link, _("Read and answer"))
        if line.type == SUPPORT_ENDS:
            until = str(facts["support_until"])
            link = f"{self._base_url}/home/devices/{quote(facts['device_id'], safe='')}/update"
            heading = _(
                "%(device)s: software updates until %(day)s",
                device=name or facts["device_id"],
                day=times.calendar_day(until),
            )
            said = [support_notice(until, zone, now), _("Please ask us what comes after it. You need not do anything.")]
            return Item(heading, said, link, _("Its software"))
        fault = self._knowledge.fault(facts["fault_class"])
        link = f"{self._base_url}/home/tickets/{quote(facts['number'], safe='')}"
        about = _("Your report") if facts["fault_class"] == "REPORTED" else fault.name
        heading = f"{name}: {about}" if name else about
        at = times.when(facts["opened_at"], now, zone)
        quoted = ""
        match line.type:
            case "ticket.replied":
                said, quoted = [_("We have answered you:")], str(facts["text"])
            case "ticket.solved":
                said = [_("It is fixed. We keep watching it."), _("Please tell us whether it is all right for you.")]
            case "ticket.advised":
                said = [
                    _("We noticed this at %(when)s.", when=at),
                    _("Warranty and service are over, so a repair would cost you. Nothing happens without your yes."),
                ]
            case "ticket.reopened":
                said = [_("It is not right yet, so the ticket is open again. We work on it.")]
            case _ if facts["fault_class"] == "REPORTED":
                said = [_("We have your report and look at it. You do not have to call.")]
            case _:
                said = [_("We noticed this at %(when)s and are already on it. You do not have to call.", when=at)]
                if fault.notice:
                    said.append(_("What you would notice: %(notice)s", notice=fault.notice))
                if fault.self_repair and fault.customer:
                    said.append(_("What you can do: %(advice)s", advice=fault.customer))
        return Item(heading, said, link, _("Ticket %(number)s", number=facts["number"]), quoted)


@cache
def _templates() -> jinja2.Environment:
    """Text as it is; HTML escaped (by the name's ending)."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES / "mail"),
        autoescape=jinja2.select_autoescape(("html",)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _html() -> jinja2.Template:
    return _templates().get_template("letter.html")
