"""The relational ports in memory: for tests, trials and virtual time. Held to the same contract suites as the SQL ones.

Nothing is durable, nothing ever is away. Parts that share state share the object that owns it.
"""

from gateway.storage.memory.accounts import MemoryAccounts
from gateway.storage.memory.deliveries import MemoryDeliveries
from gateway.storage.memory.ledger import MemoryLedger
from gateway.storage.memory.outboxes import MemoryDownlinkOutbox, MemoryNotificationOutbox
from gateway.storage.memory.registry import MemoryRegistry
from gateway.storage.memory.tickets import MemoryTickets

__all__ = [
    "MemoryAccounts",
    "MemoryDeliveries",
    "MemoryDownlinkOutbox",
    "MemoryLedger",
    "MemoryNotificationOutbox",
    "MemoryRegistry",
    "MemoryTickets",
]
