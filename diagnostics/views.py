"""What pages may know of a device now: a copy of its memory in plain parts."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from diagnostics.changes import Severity
from diagnostics.episodes import Phase
from diagnostics.memory import Memory
from diagnostics.topology import Device

STALE_GAPS = 3.0
STALE_LEAST_S = 3600.0


class Link(Enum):
    """Whether a device is heard, judged on receive time."""

    ONLINE = "online"
    SUSPECT = "suspect"  # its last will says offline; the silence timeout has not passed
    OFFLINE = "offline"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class EpisodeView:
    """A rule that is not quiet. `held_by` names why no ticket opened: maintenance, expected, site-wide, neighbours,
    everywhere, explained, storm, outage, "".
    """

    rule: str
    fault_class: str
    phase: Phase
    severity: Severity | None
    since: float
    fired_at: float
    value: float | None
    flapping: bool
    stale: bool
    held_by: str
    watch: bool


@dataclass(frozen=True, slots=True)
class DeviceView:
    """Everything known now. Times are epoch seconds; None = never. `metrics` are (effective time, value)."""

    device: Device
    link: Link
    received_at: float | None = None
    effective_at: float | None = None
    boot: int | None = None
    seq: int | None = None
    firmware: str = ""
    metrics: Mapping[str, tuple[float, float]] | None = None
    states: Mapping[str, str] | None = None
    episodes: tuple[EpisodeView, ...] = ()
    clock_offset_s: float = 0.0
    impossible_values: int = 0


def link_of(memory: Memory) -> Link:
    """Online, suspect or offline."""
    if memory.silent_since:
        return Link.OFFLINE
    return Link.SUSPECT if memory.suspect else Link.ONLINE


def view_of(memory: Memory) -> DeviceView:
    """A copy that stays as it is while the fleet moves on."""
    episodes = []
    stale_after = max(STALE_LEAST_S, STALE_GAPS * memory.gap_s)
    for name, episode in memory.active.items():
        rule = memory.plan.rules[name]
        fault = memory.faults.get(rule.fault_class)
        episodes.append(
            EpisodeView(
                rule.label,
                rule.fault_class,
                episode.phase,
                episode.severity,
                episode.since,
                episode.fired_at,
                episode.newest,
                episode.flapping,
                bool(memory.silent_since) or memory.effective_at - episode.last_at > stale_after,
                fault.held if fault is not None and name in fault.rules else "",
                rule.watch,
            )
        )
    return DeviceView(
        memory.device,
        link_of(memory),
        memory.received_at,
        memory.effective_at,
        memory.order.boot,
        memory.order.seq,
        memory.firmware,
        memory.everything(),
        dict(memory.states),
        tuple(episodes),
        -memory.clock.offset,
        memory.impossible,
    )
