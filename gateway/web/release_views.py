"""Releases, dry runs and a device's software as pages see them. Without the adapters that the wiring passes, pages
leave them out.
"""

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """One published release. `uploaded` of `size` bytes of its image are here; `kind`: security, feature or mixed."""

    release_id: str
    product: str
    version: str
    counter: int
    kind: str
    cves: Sequence[str]
    hw_ids: Sequence[str]
    size: int
    sha256: str
    notes_en: str
    notes_id: str
    published_at: float
    expires_at: float
    uploaded: int
    revoked: str = ""
    fixes: Sequence[str] = ()

    @property
    def complete(self) -> bool:
        """Whether devices can fetch the image."""
        return self.uploaded == self.size


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to roll out: a filter of devices (empty parts mean all) and the numbers people set.

    `budget` 0 means the default; `days` until the deadline. Soaks: hours (the canaries) and minutes (each later device)
    for which it must stay healthy before it counts; `site_cap` at once at one site.
    """

    release_id: str
    model: str = ""
    site: str = ""
    devices: Sequence[str] = ()
    days: float = 14.0
    budget: int = 0
    consent: bool = False
    canary_soak_h: float = 24.0
    soak_min: float = 60.0
    site_cap: int = 2


@dataclass(frozen=True, slots=True)
class LateSiteView:
    """A site that will probably not finish. `change` by `by` is the smallest change that helps."""

    site_id: str
    left: float
    change: str
    by: int


@dataclass(frozen=True, slots=True)
class PlanView:
    """A dry run. `first` are the earliest starts (device, wave, time), `kept_out` devices with their reasons: at most
    `SHOWN` each, the counts are whole. Times None: not by the deadline. Shares are 0..1.
    """

    targets: int
    already_done: int
    planned: int
    reasons: Sequence[tuple[str, int]]
    first: Sequence[tuple[str, int, float]]
    kept_out: Sequence[tuple[str, Sequence[str]]]
    p50_at: float | None
    p95_at: float | None
    share_done: float
    late_sites: Sequence[LateSiteView] = ()


SHOWN = 100


class Releases(Protocol):
    """Releases, and rollouts from their beginning. Steps raise `updates.Refused`, KeyError for what is unknown."""

    async def all(self) -> Sequence[ReleaseView]:
        """Newest first."""

    async def get(self, release_id: str) -> ReleaseView | None:
        """One."""

    async def publish(self, document: bytes, signatures: Sequence[str], actor: str, now: float) -> ReleaseView:
        """Take in a signed manifest: Refused where it is none, or nobody trusted has signed its exact bytes."""

    async def image(self, sha256: str) -> tuple[int, int] | None:
        """(bytes here, bytes announced) of an image that a published manifest names; None for any other."""

    async def receive(self, sha256: str, offset: int, chunks: AsyncIterable[bytes]) -> bool:
        """Append to an image; True once it is whole and its hash is right. KeyError if no manifest names it."""

    async def dry_run(self, wish: Wish, now: float) -> PlanView:
        """What a rollout would do, without making one."""

    async def create(self, rollout_id: str, wish: Wish, actor: str, now: float) -> None:
        """A rollout that has had its dry run and waits to be put forward for approval."""

    async def plan(self, rollout_id: str, now: float) -> PlanView:
        """The dry run of a rollout that has not begun, on today's inventory."""

    async def submit(self, rollout_id: str, actor: str, now: float) -> None:
        """Ask for approval."""

    async def decline(self, rollout_id: str, actor: str, now: float) -> None:
        """Back to the author."""

    async def retry(self, rollout_id: str, actor: str, now: float) -> int:
        """Try failed devices once more; how many. Signatures and downgrades that were refused are left alone."""

    def export(self, rollout_id: str) -> AsyncIterator[Sequence[str]]:
        """Every device's attempt as rows of text, a heading first."""


@dataclass(frozen=True, slots=True)
class SoftwareView:
    """What a customer may know of a device's software. `notes` are in the asked language. `waiting` is the attempt that
    has not begun ("" = none); `asks`: it waits for the customer's answer. `window` is a sentence.
    """

    version: str = ""
    notes: str = ""
    waiting: str = ""
    waiting_version: str = ""
    waiting_notes: str = ""
    asks: bool = False
    postponed_until: float = 0.0
    expires_at: float = 0.0
    window: str = ""


class Software(Protocol):
    """A device's software for its owner, and the owner's answer."""

    async def of(self, device_id: str, language: str, now: float) -> SoftwareView:
        """What runs and what waits. Empty for a device that was never planned for."""

    async def asking(self, device_ids: Sequence[str]) -> Sequence[str]:
        """Those of the devices whose update waits for an answer."""

    async def answer(self, attempt_id: str, actor: str, text_sha256: str, now: float, *, given: bool) -> None:
        """Yes or no to the words with this hash. Refused where it is too late."""

    async def postpone(self, attempt_id: str, actor: str, until: float, now: float) -> None:
        """Later. Refused where it has begun."""
