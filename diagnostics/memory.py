"""What is remembered of one device between reports: order, clock, last values, episodes, downsampled past. Exact on
disk.

A device that never reported has none of this. Parts that only trouble needs are made when trouble comes (None until
then).
"""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass, field, fields
from struct import Struct
from typing import Any

from diagnostics.arrival import DeviceClock, Sequence
from diagnostics.baseline import Stream
from diagnostics.changes import Severity
from diagnostics.engine import Plan
from diagnostics.episodes import Episode, Phase
from diagnostics.places import Site
from diagnostics.shapes import Shape
from diagnostics.topology import Device
from diagnostics.tracks import Block

VERSION = 2
WITHOUT_PEER_TIMES = 1
"""Up to this version what a device contributes to its peers had no time: it joins them with its next sample."""
DOUBLE = Struct("=d")
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


@dataclass(slots=True, eq=False)
class Memory:
    """Invariant: `active` holds an episode for every rule that is not plainly quiet. Times are effective unless
    named.
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
    recent: list[Recent] = field(default_factory=list)  # one a shape, few
    older: dict[str, tuple[float, float]] | None = None
    active: dict[str, Episode] = field(default_factory=dict)
    faults: dict[str, OpenFault] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()
    windows: dict[str, list[tuple[float, float]]] | None = None  # averages and counts
    bases: dict[str, float] | None = None  # last values of counters
    signs: dict[str, SignatureProgress] | None = None
    reaches: dict[str, tuple[float, float, float]] | None = None  # fault class -> dates
    peers: array[float] | None = None  # (value, effective time) for each of the plan's peer rules; see `peering`
    stuck_values: array[float] | None = None
    stuck_runs: array[int] | None = None
    stuck_at: float = 0.0
    streams: dict[str, Stream] | None = None  # baselines

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
            self.peers = array("d", [0.0]) * (2 * len(self.plan.peers))
        place = self.plan.peers[rule_name]
        self.peers[place], self.peers[place + 1] = value, at

    def keep(self, recent: Recent) -> None:
        """Remember the values of a new shape; the stalest shape's values move to `older` (bounded)."""
        if len(self.recent) >= KEPT_RECENT:
            gone = min(self.recent, key=lambda known: known.at)
            self.recent.remove(gone)
            self.older = self.older if self.older is not None else {}
            for name, value in zip(gone.shape.names, gone.values(), strict=True):
                if value == value and (name in self.older or len(self.older) < KEPT_OLDER):  # noqa: PLR0124
                    self.older[name] = (gone.at, value)
        self.recent.append(recent)


def remember(device: Device, plan: Plan, site: Site) -> Memory:
    """An empty memory of a device that reports for the first time."""
    return Memory(
        device, plan, site, blocks=tuple([Block(*part) for part in zip(plan.blocks, plan.depths, strict=True)])
    )


_PLAIN = (
    "received_at", "effective_at", "gap_s", "booted_at", "firmware", "firmware_since", "suspect", "silent_since",
    "expected_until", "expected_boots", "impossible", "states", "watch_at", "later_at", "transient", "older", "windows",
    "bases", "reaches", "stuck_at",
)  # fmt: skip


def _tuple_of_tuples(rows: Any) -> tuple[tuple[int, int], ...]:
    return tuple((low, high) for low, high in rows)


def _export_slots(part: Any) -> list[Any]:
    return [getattr(part, slot.name) for slot in fields(part)]


def dump(memory: Memory) -> bytes:
    """The memory as JSON, exact to the last bit (floats keep their shortest exact form)."""
    kept: dict[str, Any] = {name: getattr(memory, name) for name in _PLAIN}
    kept["v"] = VERSION
    kept["order"] = _export_slots(memory.order)
    kept["clock"] = _export_slots(memory.clock)
    kept["recent"] = [[new.shape.names, new.at, new.packed.hex(), new.due] for new in memory.recent]
    kept["active"] = {name: _export_episode(episode) for name, episode in memory.active.items()}
    kept["faults"] = {name: _export_slots(fault) for name, fault in memory.faults.items()}
    kept["blocks"] = [block.export() for block in memory.blocks]
    kept["signs"] = {name: _export_slots(part) for name, part in (memory.signs or {}).items()}
    kept["peers"] = {name: memory.peering(name) for name in memory.plan.peers if memory.peering(name) != NO_PEERING}
    if memory.stuck_values is not None and memory.stuck_runs is not None:
        values = array("d", memory.stuck_values)
        kept["stuck"] = [memory.plan.watched, values.tobytes().hex(), memory.stuck_runs.tolist()]
    kept["streams"] = {name: stream.to_bytes().hex() for name, stream in (memory.streams or {}).items()}
    return json.dumps(kept, separators=(",", ":")).encode()


def load(device: Device, plan: Plan, site: Site, data: bytes) -> Memory:
    """Take back what `dump` gave. Episodes of rules that are gone, or are other rules now, are left out.

    ValueError in one line for bytes that are no memory of this version.
    """
    try:
        kept = json.loads(data)
    except ValueError:
        raise ValueError(
            f"memory of device '{device.device_id}' is not readable: restore a backup of the database"
        ) from None
    if not isinstance(kept, dict) or kept.get("v") not in (WITHOUT_PEER_TIMES, VERSION):
        raise ValueError(f"memory of device '{device.device_id}' was written by another version of the software")
    memory = remember(device, plan, site)
    for name in _PLAIN:
        setattr(memory, name, kept[name] if name != "firmware_since" else kept.get(name, 0.0))
    boot, seq, holes, past, captured_at, odd = kept["order"]
    past_rows = tuple((old_boot, last, _tuple_of_tuples(gaps)) for old_boot, last, gaps in past)
    memory.order = Sequence(boot, seq, _tuple_of_tuples(holes), past_rows, captured_at, odd)
    memory.clock = DeviceClock(*kept["clock"])
    memory.states = plan.shared_words(memory.states)
    if memory.older is not None:
        memory.older = {name: (at, value) for name, (at, value) in memory.older.items()}
    if memory.windows is not None:
        memory.windows = {name: [(at, value) for at, value in rows] for name, rows in memory.windows.items()}
    if memory.reaches is not None:
        memory.reaches = {name: (first, middle, last) for name, (first, middle, last) in memory.reaches.items()}
    for names, at, values, due in kept["recent"]:
        key = tuple(names)
        shape = plan.shapes.get(key) or plan.shape(key)
        memory.recent.append(Recent(shape, at, bytes.fromhex(values), due))
    for name, slots in kept["active"].items():
        if name in plan.rules:
            memory.active[name] = _episode(slots)
    for name, (since, rules, held) in kept["faults"].items():
        held_by = {rule: Severity(word) for rule, word in rules.items() if rule in plan.rules}
        if held_by:
            memory.faults[name] = OpenFault(since, held_by, held)
    for block, part in zip(memory.blocks, kept["blocks"], strict=False):
        block.load(part)
    memory.signs = {name: SignatureProgress(*part) for name, part in kept["signs"].items()} or None
    for name, part in kept["peers"].items() if kept["v"] > WITHOUT_PEER_TIMES else ():
        if name in plan.peers:
            memory.keep_peering(name, *part)
    if "stuck" in kept and tuple(kept["stuck"][0]) == plan.watched:
        memory.stuck_values = array("f", memoryview(bytes.fromhex(kept["stuck"][1])).cast("d").tolist())
        memory.stuck_runs = array("H", kept["stuck"][2])
    streams = {name: Stream.from_bytes(bytes.fromhex(part)) for name, part in kept["streams"].items()}
    memory.streams = {name: stream for name, stream in streams.items() if name in plan.rules} or None
    return memory


def _export_episode(episode: Episode) -> list[Any]:
    *plain, trail = _export_slots(episode)
    return [*plain, trail.tolist()]


def _episode(slots: list[Any]) -> Episode:
    good_before, phase, severity, wanted, *plain, trail = slots
    episode = Episode(good_before, Phase(phase), _maybe(severity), _maybe(wanted), *plain)
    episode.trail = array("d", trail)
    return episode


def _maybe(number: int | None) -> Severity | None:
    return None if number is None else Severity(number)
