"""The flash of a device: two image slots and a small record that survives power cuts, each write whole or not at all.

Everything that is not written here is forgotten when the power fails. `Mishaps` is how a test or a scenario breaks
things: power cuts at any named step, rotten bytes, images that do not start.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

SLOTS: Final = ("a", "b")


class Step(Enum):
    """Every point at which the record is written, in the order of a good update."""

    ACCEPTED = "accepted"
    RECEIVING = "receiving"
    STAGED = "staged"
    ASKED = "asked"
    INSTALLING = "installing"
    SWITCHED = "switched"
    REBOOTING = "rebooting"
    TRYING = "trying"
    CONFIRMED = "confirmed"
    FLOOR_MOVED = "floor_moved"
    DROPPED = "dropped"
    REVERTING = "reverting"
    CLAIM_SENT = "claim_sent"


class PowerCutError(Exception):
    """The power is gone: whoever holds the updater throws it away and boots a new one from the same flash."""


@dataclass(slots=True)
class Mishaps:
    """What goes wrong. `cut_at` cuts the power once at that step, before or after the record is written."""

    cut_at: Step | None = None
    cut_before_write: bool = False
    image_starts: bool = True  # False: the new image does not boot, the loader goes back by itself
    self_test_passes: bool = True
    rots: bool = False  # staged bytes change in the flash before the install
    brick: bool = False  # the new image boots and never speaks
    brick_heals: bool = False  # ... until its watchdog gives up at the confirm timeout and goes back
    busy: str | None = None  # why the device would rather not install now


@dataclass(slots=True)
class Image:
    """What a slot holds."""

    version: str
    release_counter: int
    sha256: str
    confirmed: bool


@dataclass(slots=True)
class Job:
    """The device's memory of its last grant."""

    grant_id: str
    attempt: str
    state: str
    code: str = "none"

    def wire(self) -> dict[str, str]:
        """As it rides on requests and inventories."""
        return {"grant_id": self.grant_id, "state": self.state, "code": self.code}


@dataclass(slots=True)
class Record:
    """What is written at each step. `offer` is the accepted release; `claims` are statuses not yet acknowledged."""

    slots: dict[str, Image | None]
    active: str = "a"
    trying: str | None = None
    tries_left: int = 0
    floor: int = 0
    pending_floor: int = 0
    confirm_timeout_s: float = 0.0
    offer: dict[str, Any] | None = None
    staged: bool = False
    bad_downloads: int = 0
    job: Job | None = None
    ended: list[str] = field(default_factory=list)  # attempts that are over, for replays of retained messages
    claims: list[dict[str, Any]] = field(default_factory=list)


class Flash:
    """Slots and record. `record` is the copy in memory; `write` makes it last; `power_on` forgets what did not."""

    def __init__(self, version: str, release_counter: int, *, size: int = 64 * 1024 * 1024) -> None:
        self.mishaps = Mishaps()
        self.size = size
        self.bytes = bytearray()  # the inactive slot while a download fills it; appended bytes last at once
        self.record = Record({"a": Image(version, release_counter, "", confirmed=True), "b": None})
        self._lasting = copy.deepcopy(self.record)

    @property
    def inactive(self) -> str:
        """The slot that does not run."""
        return "b" if self.record.active == "a" else "a"

    @property
    def running(self) -> Image:
        """The image that runs."""
        image = self.record.slots[self.record.active]
        assert image is not None, "the active slot always holds an image"
        return image

    def write(self, step: Step) -> None:
        """Make the record last; the power may fail here."""
        mishaps = self.mishaps
        if mishaps.cut_at is step and mishaps.cut_before_write:
            mishaps.cut_at = None
            raise PowerCutError(step.value)
        self._lasting = copy.deepcopy(self.record)
        if mishaps.cut_at is step:
            mishaps.cut_at = None
            raise PowerCutError(step.value)

    def power_on(self) -> None:
        """The boot loader: a slot on trial gets its tries, then the old one runs again."""
        self.record = copy.deepcopy(self._lasting)
        record = self.record
        if record.trying is None:
            return
        if record.tries_left > 0 and self.mishaps.image_starts:
            record.tries_left -= 1
            record.active = record.trying
        else:
            record.active = "b" if record.trying == "a" else "a"
            record.trying = None
        self.write(Step.TRYING)
