"""Firmware updates as pages see them. Without the adapters that the wiring passes, pages leave it out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class UpdateView:
    """One device's newest attempt. `at_risk`: it is installing or restarting now, so it must not be unplugged.

    `state` and `reason` are names of the update tables ("installing", "window_closed"); `progress` is 0..1 or None.
    """

    release: str
    version: str
    state: str
    at_risk: bool
    since: float
    reason: str = ""
    progress: float | None = None
    next_window_at: float | None = None
    supported_until: str = ""


class UpdateViews(Protocol):
    """Where the device page and the customer page learn about updates."""

    async def of_device(self, device_id: str) -> UpdateView | None:
        """The newest attempt; None: no update was ever planned for it."""


@dataclass(frozen=True, slots=True)
class WaveView:
    """One wave of a rollout: how many devices stand where. `name`: "canaries", "control", or its number."""

    name: str
    state: str
    devices: int
    waiting: int
    downloading: int
    installing: int
    done: int
    failed: int
    rolled_back: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class RolloutView:
    """One rollout. `budget_used` of `budget_total` devices are at risk or bad; `stops_when`: rules by name, with
    their numbers (see `update_words.stop_rule`).
    """

    rollout_id: str
    release: str
    version: str
    previous_version: str
    target: str
    state: str
    author: str
    approver: str
    created_at: float
    sha256: str
    waves: Sequence[WaveView]
    budget_used: int
    budget_total: int
    stops_when: Sequence[Sequence[str]] = ()
    failures: Sequence[tuple[str, int]] = ()
    reason: str = ""
    content_sha256: str = ""  # what an approver agrees to
    deadline_at: float = 0.0
    canary_soak_s: float = 0.0
    soak_s: float = 0.0
    site_cap: int = 0
    consent: bool = False


class Refused(Exception):
    """The rollout does not allow this step now; the message says why, for people."""


class Rollouts(Protocol):
    """What the rollouts page shows and does. Steps raise Refused, and KeyError for an unknown rollout."""

    async def all(self) -> Sequence[RolloutView]:
        """Every rollout, newest first."""

    async def get(self, rollout_id: str) -> RolloutView | None:
        """One, by id."""

    async def approve(self, rollout_id: str, actor: str, now: float) -> None:
        """A second person agrees to exactly what is stored now."""

    async def pause(self, rollout_id: str, actor: str, reason: str, now: float) -> None:
        """No new install starts; those in the middle go on."""

    async def resume(self, rollout_id: str, actor: str, now: float) -> None:
        """Go on after a pause."""

    async def stop(self, rollout_id: str, actor: str, reason: str, now: float) -> None:
        """For good: finished devices keep the version, those that have not begun never begin."""
