"""The tables, one module per area. What they are today; how they came to be is in migrations/."""

from gateway.storage.schema import (
    accounts,
    deliveries,
    downlink,
    endpoint,
    journal,
    notifications,
    registry,
    rules,
    tickets,
    updates,
)
from gateway.storage.schema.base import metadata

__all__ = [
    "accounts",
    "deliveries",
    "downlink",
    "endpoint",
    "journal",
    "metadata",
    "notifications",
    "registry",
    "rules",
    "tickets",
    "updates",
]
