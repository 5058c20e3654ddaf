"""A device's memory on disk: JSON, exact to the last bit (floats keep their shortest exact form)."""

from __future__ import annotations

import json
from array import array
from dataclasses import fields
from typing import Any

from diagnostics.arrival import DeviceClock, Sequence
from diagnostics.baseline import Stream
from diagnostics.changes import Severity
from diagnostics.engine import Plan
from diagnostics.episodes import Episode, Phase
from diagnostics.memory import NO_PEERING, Memory, OpenFault, Recent, SignatureProgress, remember
from diagnostics.places import Site
from diagnostics.topology import Device

VERSION = 3
WITHOUT_PEER_TIMES = 1
"""Up to this version what a device contributes to its peers had no time: it joins them with its next sample."""
WIDE_ROWS = 2
"""Up to this version the past of metrics took four bytes a number, and nobody counted the attention that trouble takes:
it begins at nothing.
"""

_PLAIN = (
    "received_at", "effective_at", "gap_s", "booted_at", "firmware", "firmware_since", "suspect", "silent_since",
    "expected_until", "expected_boots", "impossible", "states", "watch_at", "later_at", "transient", "older", "windows",
    "bases", "reaches", "stuck_at", "spent", "novelties",
)  # fmt: skip
_NEWER = {"firmware_since", "spent", "novelties"}
"""What versions before did not know: nothing of it has happened yet."""


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
    if not isinstance(kept, dict) or kept.get("v") not in (WITHOUT_PEER_TIMES, WIDE_ROWS, VERSION):
        raise ValueError(f"memory of device '{device.device_id}' was written by another version of the software")
    memory = remember(device, plan, site)
    for name in _PLAIN:
        setattr(memory, name, kept[name] if name not in _NEWER else kept.get(name, 0))
    boot, seq, holes, past, captured_at, *odd = kept["order"]
    past_rows = tuple((old_boot, last, _tuple_of_tuples(gaps)) for old_boot, last, gaps in past)
    memory.order = Sequence(boot, seq, _tuple_of_tuples(holes), past_rows, captured_at, *odd)
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
        memory.recent = (*memory.recent, Recent(shape, at, bytes.fromhex(values), due))
    for name, slots in kept["active"].items():
        if name in plan.rules:
            memory.begin(name, _episode(slots))
    for name, (since, rules, held) in kept["faults"].items():
        held_by = {rule: Severity(word) for rule, word in rules.items() if rule in plan.rules}
        if held_by:
            memory.hold(name, OpenFault(since, held_by, held))
    for block, part in zip(memory.blocks, kept["blocks"], strict=False):
        block.load(part, wide=kept["v"] <= WIDE_ROWS)
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
