"""Every reason why a device does not get a release now, by name. `Refused.retry_at` says when asking again may help."""

from dataclasses import dataclass
from enum import Enum


class Refusal(Enum):
    """One guard each. The value goes to the device as `reason` and to people through the catalogue of texts."""

    ROLLOUT_NOT_RUNNING = "rollout_not_running"
    WAVE_NOT_OPEN = "wave_not_open"
    NOT_STAGED = "not_staged"
    NO_WINDOW = "no_window"
    WINDOW_CLOSED = "window_closed"
    WINDOW_TOO_SHORT = "window_too_short"
    BLACKOUT_DATE = "blackout_date"
    SUPPORT_ENDED = "support_ended"
    MANIFEST_EXPIRED = "manifest_expired"
    RELEASE_REVOKED = "release_revoked"
    KEY_NOT_TRUSTED = "key_not_trusted"
    DOWNGRADE = "downgrade"
    HARDWARE = "hardware"
    FROM_VERSION = "from_version"
    DEPENDS = "depends"
    CONFLICTS = "conflicts"
    SPACE = "space"
    NO_INVENTORY = "no_inventory"
    INVENTORY_STALE = "inventory_stale"
    QUARANTINED = "quarantined"
    DEVICE_AT_RISK = "device_at_risk"
    SITE_CAP = "site_cap"
    GROUP_CAP = "group_cap"
    RATE = "rate"
    BUDGET = "budget"
    CONSENT = "consent"
    POSTPONED = "postponed"
    CRITICAL_TICKET = "critical_ticket"
    DEVICE_BUSY = "device_busy"
    LOW_BATTERY = "low_battery"
    NONCE_USED = "nonce_used"


PERMANENT = frozenset(
    {
        Refusal.SUPPORT_ENDED,
        Refusal.MANIFEST_EXPIRED,
        Refusal.RELEASE_REVOKED,
        Refusal.KEY_NOT_TRUSTED,
        Refusal.DOWNGRADE,
        Refusal.HARDWARE,
        Refusal.QUARANTINED,
        Refusal.NO_WINDOW,
    }
)
"""Asking again does not help unless people change something: the device is told "deny", not "wait"."""

FLEET_WIDE = frozenset({Refusal.ROLLOUT_NOT_RUNNING, Refusal.RATE, Refusal.BUDGET})
"""These hold for every device of the rollout alike."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A guard that does not hold; `retry_at` is when it may, 0 if nobody can tell."""

    refusal: Refusal
    retry_at: float = 0.0
