"""Whether service is owed for a device today. Pure."""

from datetime import UTC, datetime
from enum import Enum
from zoneinfo import ZoneInfo


class Entitlement(Enum):
    """What covers a device. UNKNOWN is treated as covered: missing data must not cost a customer their service."""

    WARRANTY = "warranty"
    CONTRACT = "contract"
    UNKNOWN = "unknown"
    ENDED = "ended"

    @property
    def covered(self) -> bool:
        """Whether a fault becomes a ticket (otherwise an advisory)."""
        return self is not Entitlement.ENDED


def entitlement(warranty_until: str, contract_until: str, zone: str, now: float) -> Entitlement:
    """Judge by ISO days, each valid to the end of that local day ("" = no date known)."""
    today = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(zone)).date().isoformat()
    if warranty_until >= today:
        return Entitlement.WARRANTY
    if contract_until >= today:
        return Entitlement.CONTRACT
    return Entitlement.ENDED if warranty_until or contract_until else Entitlement.UNKNOWN
