"""Every adapter of the relational ports, opened the same way."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from diagnostics.changes import Change, ChangeKind, Evidence, Impact, Scope, Severity
from gateway.clock import ManualClock
from gateway.ports.downlink import DownlinkOutbox
from gateway.ports.ingest import Outbound
from gateway.ports.ledger import DeviceMessage, Effects, JournalKind, Ledger, Reject, RejectReason
from gateway.ports.notifications import Deliveries, NotificationOutbox
from gateway.ports.registry import Accounts, Customer, RegisteredDevice, Registry, Site
from gateway.ports.rule_book import RuleBook
from gateway.ports.tickets import Tickets
from gateway.storage.accounts import SqlAccounts
from gateway.storage.database import Database, Durability, open_database
from gateway.storage.deliveries import SqlDeliveries
from gateway.storage.downlink import SqlDownlinkOutbox
from gateway.storage.ledger import SqlLedger
from gateway.storage.memory import (
    MemoryAccounts,
    MemoryDeliveries,
    MemoryDownlinkOutbox,
    MemoryLedger,
    MemoryNotificationOutbox,
    MemoryRegistry,
    MemoryTickets,
)
from gateway.storage.memory.rule_book import MemoryRuleBook
from gateway.storage.notifications import SqlNotificationOutbox
from gateway.storage.registry import SqlRegistry
from gateway.storage.rule_book import SqlRuleBook
from gateway.storage.subject import Handled
from gateway.storage.tickets import SqlTickets
from gateway.tickets.sla import Policy, Target
from gateway.tickets.ticket import Ticket

NOW = 1_795_000_000.0
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Stores:
    ledger: Ledger
    tickets: Tickets
    registry: Registry
    accounts: Accounts
    downlink: DownlinkOutbox
    notifications: NotificationOutbox
    clock: ManualClock
    deliveries: Deliveries
    rule_book: RuleBook


def time_to_act(_fault_class: str) -> float:
    return HOUR


def echo(messages: Sequence[DeviceMessage], _now: float) -> Handled:
    """Answer on the message's own channel; b"bad" is refused; b"boom" makes the whole batch fail."""
    if any(message.payload == b"boom" for message in messages):
        raise RuntimeError("boom")
    good = [message for message in messages if message.payload != b"bad"]
    refused = [
        Reject(m.device_id, f"siaga/v1/{m.device_id}/{m.channel}", RejectReason.SCHEMA, "bad", m.received_at, m.payload)
        for m in messages
        if m.payload == b"bad"
    ]
    return Handled([Outbound(f"siaga/v1/{m.device_id}/{m.channel}", m.payload) for m in good], rejects=refused)


def promise(ticket: Ticket) -> Policy | None:
    """Only the bakery has bought a service level: half an hour to the first word, a day to the solution."""
    if ticket.customer_id != "bakery":
        return None
    return Policy("gold", targets=((Severity.WARNING, Target(HOUR / 2, 4 * HOUR, 24 * HOUR)),))


def sql_stores(database: Database, readers: Sequence[str] = ("history",)) -> Stores:
    clock = ManualClock(NOW)

    def answer(_connection: Connection, messages: Sequence[DeviceMessage], now: float) -> Handled:
        return echo(messages, now)

    return Stores(
        SqlLedger(database, time_to_act, answer, readers, promise),
        SqlTickets(database, clock, promise),
        SqlRegistry(database),
        SqlAccounts(database),
        SqlDownlinkOutbox(database),
        SqlNotificationOutbox(database),
        clock,
        SqlDeliveries(database),
        SqlRuleBook(database),
    )


def memory_stores(readers: Sequence[str] = ("history",)) -> Stores:
    clock = ManualClock(NOW)
    registry, downlink, notifications = MemoryRegistry(), MemoryDownlinkOutbox(), MemoryNotificationOutbox()
    tickets = MemoryTickets(registry, notifications, clock, promise)
    ledger = MemoryLedger(tickets, downlink, time_to_act, echo, readers)
    made = MemoryDeliveries(notifications)
    return Stores(
        ledger, tickets, registry, MemoryAccounts(), downlink, notifications, clock, made, MemoryRuleBook(tickets)
    )


@asynccontextmanager
async def sqlite_stores(folder: Path) -> AsyncIterator[Stores]:
    async with open_database(f"sqlite:///{folder}/siaga.db", durability=Durability.PROCESS_CRASH) as database:
        yield sql_stores(database)


def change(
    kind: ChangeKind = ChangeKind.OPENED,
    scope_id: str = "cam-1",
    *,
    fault_class: str = "SENSOR_HOT",
    rule: str = "hot@1",
    severity: Severity = Severity.WARNING,
    since: float = NOW - 100.0,
    at: float | None = None,
    impact: Impact | None = None,
    scope: Scope = Scope.DEVICE,
    devices: tuple[str, ...] = (),
    note: str = "",
) -> Change:
    when = since if at is None else at
    evidence = Evidence("soc_temp_c", 91.5, 85.0, 61.0, since, ((since, 91.5),), note)
    return Change(kind, scope, scope_id, fault_class, rule, severity, when, when, evidence, impact, devices)


def batch(*changes: Change, at: float = NOW, journal: bytes = b"batch", **rest: object) -> Effects:
    return Effects(JournalKind.BATCH, at, 1, journal, changes, **rest)  # type: ignore[arg-type]


async def register(registry: Registry) -> None:
    """Two customers, three sites, five devices; cam-9's warranty and contract are over."""
    over = "2025-01-31"
    await registry.put(
        [Customer("toko", "Toko Budi", "id", "Asia/Jakarta"), Customer("bakery", "Bakery Lee", "en", "Europe/Berlin")],
        [
            Site("toko-a", "toko", "Toko A", "Asia/Jakarta"),
            Site("toko-b", "toko", "Toko B", "Asia/Jayapura"),
            Site("bakery-1", "bakery", "Main street", "Europe/Berlin"),
        ],
        [
            RegisteredDevice("nvr-1", "Recorder", "recorder", "NVR8", "toko-a", warranty_until="2027-01-31"),
            RegisteredDevice("cam-1", "Door", "camera", "C200", "toko-a", "nvr-1", warranty_until="2027-01-31"),
            RegisteredDevice("cam-2", "Till", "camera", "C200", "toko-a", "nvr-1", group="till"),
            RegisteredDevice("cam-7", "Oven", "camera", "C300", "bakery-1", contract_until="2028-01-01"),
            RegisteredDevice("cam-9", "Yard", "camera", "C100", "toko-b", warranty_until=over, contract_until=over),
        ],
    )
