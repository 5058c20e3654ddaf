"""A rule book in memory over a small rule file, for tests."""

from collections.abc import Sequence

from diagnostics.catalogue import load_catalogue
from diagnostics.changes import Change, ChangeKind, Evidence, Scope, Severity
from diagnostics.faults import load_faults
from diagnostics.lint import Sighting
from gateway.clock import ManualClock
from gateway.ports.rule_book import Edition
from gateway.rules.book import Base, at_start, base_of
from gateway.rules.budget import Budget
from gateway.rules.desk import RuleDesk
from gateway.storage.memory import MemoryNotificationOutbox, MemoryRegistry, MemoryTickets
from gateway.storage.memory.rule_book import MemoryRuleBook
from gateway.tickets.ticket import CloseCode
from tests.parts.rule_texts import HOT_HEAD

CATALOGUE, FAULTS = load_catalogue(), load_faults()
NOW = 1_795_244_700.0
DAY = 86_400.0
HOT = (
    "# Heat.\n"
    + HOT_HEAD
    + """min_samples = 2
steps = [{ severity = "warning", limit = 82, clear = 70 }]
reason = "A limit that this test has chosen."

[[rule.example]]
say = "heat opens"
segments = [{ for_s = 3600, metrics = { soc_temp_c = 60 } }, { for_s = 3600, metrics = { soc_temp_c = 85 } }]
expect = ["opened warning"]
"""
)
WEAK = """[[rule]]
name = "weak"
version = 3
fault_class = "F20"
kind = "level"
metric = "rssi_dbm"
direction = "below"
steps = [{ severity = "warning", limit = -80, clear = -70 }]
reason = "A limit that this test has chosen."
"""
SILENT = """[[rule]]
name = "silent"
version = 1
fault_class = "OFFLINE"
kind = "silence"
steps = [{ severity = "high", limit = 1 }]
reason = "A device that says nothing is not there."
"""
BASE = base_of(f"{HOT}\n{WEAK}\n{SILENT}", "rules.toml")
HOTTER = HOT.replace("limit = 82", "limit = 83").replace("version = 1", "version = 2")
NEW = WEAK.replace('"weak"', '"weaker"').replace("-80", "-90").replace("version = 3", "version = 1")


class Room:
    """A desk and what stands behind it."""

    def __init__(self, base: Base = BASE, fleet: Sequence[Sighting] = ()) -> None:
        self.clock = ManualClock(NOW)
        self.tickets = MemoryTickets(MemoryRegistry(), MemoryNotificationOutbox(), self.clock)
        self.book = MemoryRuleBook(self.tickets)
        self.woken = 0
        self.fleet = list(fleet)
        self.desk = RuleDesk(
            self.book,
            base,
            CATALOGUE,
            FAULTS,
            sightings=lambda: self.fleet,
            budget=Budget(0.2, 4, 90),
            changed=self.wake,
        )

    def wake(self) -> None:
        self.woken += 1

    async def start(self) -> Edition:
        first = at_start(self.desk.base, await self.book.newest(), NOW)
        assert first is not None
        await self.book.append(first)
        return first

    async def ticket(self, rule: str, device: str, code: CloseCode | None, at: float = NOW - DAY) -> None:
        change = Change(
            ChangeKind.OPENED, Scope.DEVICE, device, "F07", rule, Severity.WARNING, at, at,
            Evidence("", None, None, None, at),
        )  # fmt: skip
        made = self.tickets.apply(change, lambda _: 0.0, at).ticket_id
        if code is not None:
            await self.tickets.solve(made, 1, "sari", code, "", at + 60)
