"""Three periods that are never mixed: support (updates owed), contract (service owed), maintenance window (hours).

Dates end with the local day in the device's zone. The window is in `window`; here are the two dates.
"""

from dataclasses import dataclass
from datetime import date
from enum import Enum

from firmware_updates.manifest import ReleaseClass
from firmware_updates.window import end_of_local_day, local_date_at

DAY_S = 86_400


class Right(Enum):
    """Whether a device may get a release, as far as the support period goes."""

    IN_SUPPORT = "in_support"
    SECURITY_EXCEPTION = "security_exception"
    SUPPORT_ENDED = "support_ended"


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What was promised for one device; None means that no end is known. Dates are in `zone`."""

    zone: str
    support_until: date | None = None
    contract_until: date | None = None


@dataclass(frozen=True, slots=True)
class SecurityException:
    """How long after the support period pure security releases are still given; 0 days means never."""

    days: int = 0


NO_EXCEPTION = SecurityException()


def right_to_update(entitlement: Entitlement, release: ReleaseClass, exception: SecurityException, now: float) -> Right:
    """Valid to the end of the local day. A mixed release is not a security release: it brings features too."""
    ends_at = support_ends_at(entitlement)
    if ends_at is None or now < ends_at:
        return Right.IN_SUPPORT
    if release is ReleaseClass.SECURITY and now < ends_at + exception.days * DAY_S:
        return Right.SECURITY_EXCEPTION
    return Right.SUPPORT_ENDED


def right_ends_at(entitlement: Entitlement, release: ReleaseClass, exception: SecurityException) -> float | None:
    """The first instant at which this device may not get this kind of release any more."""
    ends_at = support_ends_at(entitlement)
    if ends_at is None:
        return None
    return ends_at + exception.days * DAY_S if release is ReleaseClass.SECURITY else ends_at


def support_ends_at(entitlement: Entitlement) -> float | None:
    """The first instant (epoch seconds) after the support period."""
    if entitlement.support_until is None:
        return None
    return end_of_local_day(entitlement.zone, entitlement.support_until).timestamp()


def under_contract(entitlement: Entitlement, now: float) -> bool:
    """Whether service (not updates) is owed at this instant."""
    until = entitlement.contract_until
    return until is None or now < end_of_local_day(entitlement.zone, until).timestamp()


def support_days_left(entitlement: Entitlement, now: float) -> int | None:
    """Whole local days until support ends: 0 on its last day, negative after it. For notices to people."""
    if entitlement.support_until is None:
        return None
    return (entitlement.support_until - local_date_at(entitlement.zone, now)).days
