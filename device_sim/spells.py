"""Something that happens to a device for a while: a fault's episode, or a confounder that only looks like one.

The simulator's truth lives here and never goes over the wire.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from device_sim.device import Device
    from device_sim.faults.fault import FaultClass
    from device_sim.physics import Metrics, States


class Spell(Protocol):
    """Active in [start, end); `work` changes a report that the physics made; `finish` runs once afterwards."""

    @property
    def start(self) -> float:
        """First instant."""

    @property
    def end(self) -> float:
        """First instant after it."""

    def fresh(self) -> Spell:
        """The same spell with nothing remembered: one for each device and run."""

    def work(self, device: Device, m: Metrics, s: States) -> None:
        """Change one report; what it does not say, it does not begin to say."""

    def finish(self, device: Device) -> None:
        """What stays when it is over."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened, in the time of the receiver's clock; for a site's fault `device_id` is its router."""

    device_id: str
    fault: str
    onset: float
    customer_visible_at: float
    recovered_at: float
    site_id: str
    scope: str  # device, switch, site, gateway, release
    shape: str  # degradation, step
    affected: tuple[str, ...]
    imitates: tuple[str, ...] = ()  # classes that it only looks like


@dataclass(slots=True)
class Episode:
    """One fault on one device from onset to repair.

    `onset`, `visible_at`, `recovered_at` are instants of the run. Development is linear in progress: 0 at onset, 1 when
    the customer notices. With `pivot` set, development runs `speed` times faster after it while the world keeps its
    pace (the demo needs days of a fault within a minute); `lead_s` is the development time from onset to visible.
    """

    fault: FaultClass
    device_id: str
    site_id: str
    onset: float
    lead_s: float
    repair_s: float
    u: tuple[float, float, float, float]  # uniform 0..1, what makes this episode unlike others
    affected: tuple[str, ...] = ()
    release: str = ""  # the version that brought it, the same for all devices of a cohort
    pivot: float = math.inf
    speed: float = 1.0
    memo: dict[str, Any] = field(default_factory=dict)

    def _instant(self, age_s: float) -> float:
        until_pivot = self.pivot - self.onset
        if age_s <= until_pivot:
            return self.onset + age_s
        return self.pivot + (age_s - until_pivot) / self.speed if until_pivot > 0 else self.onset + age_s / self.speed

    @property
    def start(self) -> float:
        """The onset."""
        return self.onset

    @property
    def visible_at(self) -> float:
        """When the customer would notice."""
        return self._instant(self.lead_s)

    @property
    def end(self) -> float:
        """When it has been repaired."""
        return self._instant(self.lead_s + self.repair_s)

    def age_s(self, now: float) -> float:
        """Development since the onset, in seconds."""
        if now <= self.pivot:
            return now - self.onset
        return max(0.0, self.pivot - self.onset) + (now - max(self.pivot, self.onset)) * self.speed

    def fresh(self) -> Episode:
        """The same episode with nothing remembered."""
        return replace(self, memo={})

    def work(self, device: Device, m: Metrics, s: States) -> None:
        """The fault's effect at the device's present instant."""
        age = self.age_s(device.now)
        self.fault.effect(age / self.lead_s, self, device, m, s)

    def finish(self, device: Device) -> None:
        """The repair: what was replaced starts anew."""
        if self.fault.cure is not None:
            self.fault.cure(self, device)

    def truth(self) -> Truth:
        """The record to judge tickets by."""
        return Truth(
            self.device_id,
            self.fault.id,
            self.onset,
            self.visible_at,
            self.end,
            self.site_id,
            self.fault.scope.value,
            self.fault.shape.value,
            self.affected or (self.device_id,),
            self.fault.imitates,
        )
