"""What is remembered of one device between reports: order, clock, last values, episodes, downsampled past. Exact on
disk.

A device that never reported has none of this. Parts that only trouble needs are made when trouble comes (None until
then).
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from struct import Struct
from types import MappingProxyType
from typing import cast

from diagnostics.arrival import DeviceClock, Sequence
from diagnostics.baseline import Stream
from diagnostics.changes import Severity
from diagnostics.engine import Plan
from diagnostics.episodes import Episode
from diagnostics.places import Site
from diagnostics.shapes import Shape
from diagnostics.topology import Device
from diagnostics.tracks import Block

DOUBLE = Struct("=d")
NAN = float("nan")
KEPT_RECENT = 4
KEPT_OLDER = 256
NO_PEERING = (0.0, 0.0)
"""What a device contributes to peers that it does not belong to."""


@dataclass(slots=True, eq=False)
class OpenFault:
    """One fault class that is open on a device: which rules hold it, and whether the world was told.

    `held` names why it was not announced ("" = announced): maintenance, expected, site, storm.
    """

    since: float
    rules: dict[str, Severity] = field(default_factory=dict)
    held: str = ""


@dataclass(slots=True, eq=False)
class Recent:
    """The newest values of one shape, packed as `shape.values` does, NaN for those that were dropped; and when its next
    hourly sample is due (effective time).
    """

    shape: Shape
    at: float
    packed: bytes
    due: float

    def values(self) -> tuple[float, ...]:
        """The values, in the order of the shape's names."""
        return self.shape.values.unpack(self.packed)


@dataclass(slots=True, eq=False)
class SignatureProgress:
    """For each sign of a signature: when its chain began and when it came last; when all signs were complete."""

    began: list[float | None]
    came: list[float | None]
    complete: list[float] = field(default_factory=list)


NO_EPISODES = cast(dict[str, Episode], MappingProxyType({}))
NO_FAULTS = cast(dict[str, OpenFault], MappingProxyType({}))


@dataclass(slots=True, eq=False)
class Memory:
    """Invariant: `active` holds an episode for every rule that is not plainly quiet. It and `faults` are dictionaries
    of their own only while there is something in them. Times are effective unless named.
    """

    device: Device
    plan: Plan
    site: Site
    order: Sequence = field(default_factory=Sequence)
    clock: DeviceClock = field(default_factory=DeviceClock)
    received_at: float = 0.0  # gateway time of the newest message in order
    effective_at: float = 0.0
    gap_s: float = 0.0  # usual time between reports, gateway time
    booted_at: float = 0.0
    firmware: str = ""
    firmware_since: float = 0.0  # gateway time of the last change of version (0 = it never ran another)
    suspect: bool = False
    silent_since: float = 0.0  # 0 = not silent
    expected_until: float = 0.0
    expected_boots: int = 0
    impossible: int = 0  # values dropped since registration
    states: dict[str, str] = field(default_factory=dict)  # shared by devices: replaced, never changed
    watch_at: float = 0.0  # when silence is looked at next, by the wheel's own time
    later_at: float = 0.0  # when a silent device may become a worse case (0 = never)
    transient: int = 0  # how many of the states end when a report does not carry them
    recent: tuple[Recent, ...] = ()  # one a shape, few
    older: dict[str, tuple[float, float]] | None = None
    active: dict[str, Episode] = field(default_factory=lambda: NO_EPISODES)
    faults: dict[str, OpenFault] = field(default_factory=lambda: NO_FAULTS)
    blocks: tuple[Block, ...] = ()
    windows: dict[str, list[tuple[float, float]]] | None = None  # averages and counts
    bases: dict[str, float] | None = None  # last values of counters
    signs: dict[str, SignatureProgress] | None = None
    reaches: dict[str, tuple[float, float, float]] | None = None  # fault class -> dates
    peers: array[float] | None = None  # (value, effective time) for each of the plan's peer rules; see `peering`
    stuck_values: array[float] | None = None
    stuck_runs: array[int] | None = None
    stuck_at: float = 0.0
    spent: int = 0  # attention that trouble took (patience.py)
    novelties: int = 0  # sets of names it introduced
    streams: dict[str, Stream] | None = None  # baselines

    def begin(self, rule: str, episode: Episode) -> Episode:
        """A rule is no longer quiet."""
        if not self.active:
            self.active = {}
        self.active[rule] = episode
        return episode

    def end(self, rule: str) -> Episode:
        """A rule is quiet again, or gone. KeyError unless it was in `active`."""
        episode = self.active.pop(rule)
        if not self.active:
            self.active = NO_EPISODES
        return episode

    def hold(self, fault_class: str, fault: OpenFault) -> None:
        """A fault class is open from now on."""
        if not self.faults:
            self.faults = {}
        self.faults[fault_class] = fault

    def let_go(self, fault_class: str) -> None:
        """A fault class is open no longer. KeyError unless it was."""
        del self.faults[fault_class]
        if not self.faults:
            self.faults = NO_FAULTS

    def newest(self, shape: Shape) -> Recent | None:
        """The newest values of a shape."""
        for recent in self.recent:
            if recent.shape is shape:
                return recent
        return None

    def latest(self, metric: str) -> tuple[float, float] | None:
        """(effective time, value) of a metric's newest sample."""
        best = self.older.get(metric) if self.older is not None else None
        for recent in self.recent:
            names = recent.shape.names
            if metric in names and (best is None or recent.at >= best[0]):
                (value,) = DOUBLE.unpack_from(recent.packed, DOUBLE.size * names.index(metric))
                if value == value:  # noqa: PLR0124 - dropped values are kept as NaN
                    best = (recent.at, value)
        return best

    def set_aside(self, recent: Recent, packed: bytes = b"") -> None:
        """The values of a shape, or those of them that are missing from its next ones, become older ones (bounded)."""
        if packed == recent.packed:
            return
        self.older = self.older if self.older is not None else {}
        missing = recent.shape.values.unpack(packed) if packed else [NAN] * len(recent.shape.names)
        for name, value, now in zip(recent.shape.names, recent.values(), missing, strict=True):
            if now != now and value == value and (name in self.older or len(self.older) < KEPT_OLDER):  # noqa: PLR0124
                self.older[name] = (recent.at, value)

    def everything(self) -> dict[str, tuple[float, float]]:
        """Every metric's newest sample."""
        found = dict(self.older or {})
        for recent in self.recent:
            for name, value in zip(recent.shape.names, recent.values(), strict=True):
                if value == value and (name not in found or recent.at >= found[name][0]):  # noqa: PLR0124
                    found[name] = (recent.at, value)
        return found

    def peering(self, rule_name: str) -> tuple[float, float]:
        """(value, effective time) that the device contributes to its peers for a rule; NO_PEERING: nothing."""
        if self.peers is None:
            return NO_PEERING
        place = self.plan.peers[rule_name]
        return self.peers[place], self.peers[place + 1]

    def keep_peering(self, rule_name: str, value: float, at: float) -> None:
        """Remember what the device contributes."""
        if self.peers is None:
            self.peers = array("f", [0.0]) * (2 * len(self.plan.peers))
        place = self.plan.peers[rule_name]
        self.peers[place], self.peers[place + 1] = value, at

    def keep(self, recent: Recent) -> None:
        """Remember the values of a new shape; the stalest shape's values move to `older` (bounded)."""
        if len(self.recent) >= KEPT_RECENT:
            gone = min(self.recent, key=lambda known: known.at)
            self.recent = tuple([known for known in self.recent if known is not gone])
            self.set_aside(gone)
        self.recent = (*self.recent, recent)


def remember(device: Device, plan: Plan, site: Site) -> Memory:
    """An empty memory of a device that reports for the first time."""
    return Memory(
        device, plan, site, blocks=tuple([Block(*part) for part in zip(plan.blocks, plan.depths, strict=True)])
    )
