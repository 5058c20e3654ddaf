"""The numbers of a rollout that people may set, checked when it is made."""

from dataclasses import dataclass
from datetime import date

from firmware_updates.entitlement import NO_EXCEPTION, SecurityException


class PolicyError(ValueError):
    """A rollout that cannot be meant; the message says which number, in one line."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Shares are of the targets, between 0 and 1; blackouts are local dates of each device.

    `k0` devices may be at risk or bad before anything has proved itself; each mature success allows `per_success` more.
    `fractions` are the shares of the waves after the canaries (as many as k0) and before the rest and the control.
    """

    k0: int = 10
    per_success: int = 1
    fractions: tuple[float, ...] = (0.05, 0.25)
    control: float = 0.05
    soak_s: float = 3600.0
    canary_soak_s: float = 86_400.0
    overdue_s: float = 72 * 60.0
    wave_soak_s: float = 3600.0
    wave_patience_s: float = 3 * 86_400.0
    wave_settled: float = 0.9
    site_cap: int = 2
    grants_per_hour: int = 2000
    downloads_per_site: int = 4
    downloads_total: int = 500
    valid_for_s: int = 300
    inventory_max_age_s: float = 86_400.0
    consent_required: bool = False
    security: SecurityException = NO_EXCEPTION
    blackouts: tuple[date, ...] = ()
    stop_rate: float = 0.01
    stop_alpha: float = 0.001

    def __post_init__(self) -> None:
        checks = (
            (self.k0 >= 1, "k0 must be at least 1"),
            (self.per_success >= 0, "per_success must not be negative"),
            (all(0 < share < 1 for share in self.fractions), "fractions must lie between 0 and 1"),
            (0 <= self.control <= 0.5, "control must lie between 0 and 0.5"),
            (sum(self.fractions) + self.control <= 1, "fractions and control are more than the whole"),
            (self.soak_s > 0 and self.canary_soak_s > 0, "a soak must last"),
            (self.overdue_s > 0 and self.wave_soak_s >= 0 and self.wave_patience_s > 0, "times must be positive"),
            (0 < self.wave_settled <= 1, "wave_settled must lie between 0 and 1"),
            (self.site_cap >= 1, "site_cap must be at least 1"),
            (self.grants_per_hour >= 1, "grants_per_hour must be at least 1"),
            (self.downloads_per_site >= 1 and self.downloads_total >= 1, "downloads must be at least 1"),
            (MIN_VALID_S <= self.valid_for_s <= 3600, f"valid_for_s must lie between {MIN_VALID_S} and 3600"),
            (self.inventory_max_age_s > 0, "inventory_max_age_s must be positive"),
            (0 < self.stop_rate < 1 and 0 < self.stop_alpha < 1, "the stop test needs shares between 0 and 1"),
        )
        for holds, message in checks:
            if not holds:
                raise PolicyError(message)


MIN_VALID_S = 30


def default_k0(fleet: int) -> int:
    """10, or 1 % of a smaller fleet, but never below 2."""
    return min(10, max(2, fleet // 100))
