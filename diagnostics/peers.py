"""Peers: devices of one model and firmware, or of one site and kind. Their median says what today is like for everyone.

A group holds the newest hourly values of at most 64 members in sorted order: joining, leaving and the median cost
microseconds whatever the size of the fleet. What a member contributes is kept in its own memory, so that groups are
rebuilt exactly from memories.
"""

from bisect import bisect_left, insort
from statistics import median

from diagnostics.memory import Memory, Peering
from diagnostics.rules import Peer

MEMBERS = 64
NOISE_FLOOR = 1e-9


def group_of(rule: Peer, memory: Memory) -> str:
    """The name of the group a device belongs to for a rule."""
    device = memory.device
    if rule.group == "site":
        return f"{rule.name}\n{device.site_id}\n{device.kind}"
    return f"{rule.name}\n{device.model}\n{memory.firmware}"


class PeerGroups:
    """All groups of a fleet: sorted values by group name."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}
        self._names: dict[str, str] = {}  # one string a group, whoever refers to it

    def share(self, rule: Peer, memory: Memory, value: float) -> None:
        """A device's newest value. It joins while there is room."""
        group = group_of(rule, memory)
        mine = memory.peers.get(rule.name) if memory.peers is not None else None
        if mine is not None:
            if mine.group == group and mine.value == value:
                return
            self._take(mine)
        values = self._values.get(group)
        if values is None:
            values = self._values[group] = []
            self._names[group] = group
        if len(values) < MEMBERS:
            insort(values, value)
            if memory.peers is None:
                memory.peers = {}
            memory.peers[rule.name] = Peering(self._names[group], value)

    def _take(self, mine: Peering) -> None:
        values = self._values[mine.group]
        del values[bisect_left(values, mine.value)]
        if not values:
            del self._values[mine.group]
            del self._names[mine.group]

    def drop(self, rule_name: str, memory: Memory) -> None:
        """A rule is gone, or another rule now: the device's value for it speaks for nobody."""
        mine = memory.peers.pop(rule_name, None) if memory.peers is not None else None
        if mine is not None:
            self._take(mine)

    def leave(self, memory: Memory) -> None:
        """A device fell silent or is gone: its values no longer speak for today."""
        for mine in (memory.peers or {}).values():
            self._take(mine)
        memory.peers = None

    def rejoin(self, memory: Memory) -> None:
        """A memory came back from disk: its values belong to their groups again."""
        for mine in (memory.peers or {}).values():
            mine.group = self._names.setdefault(mine.group, mine.group)
            insort(self._values.setdefault(mine.group, []), mine.value)

    def measure(self, rule: Peer, memory: Memory, value: float) -> float | None:
        """The device's value minus its peers' median; None with too few peers."""
        values = self._values.get(group_of(rule, memory), [])
        mine = (memory.peers or {}).get(rule.name)
        others = len(values) - (mine is not None)
        if others < rule.min_peers:
            return None
        middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
        excess = value - middle
        if rule.scale == "unit":
            return excess
        spread = 1.4826 * median(abs(other - middle) for other in values)
        metric = memory.plan.catalogue.metric[rule.metric]
        return excess / max(spread, metric.noise_at(middle), NOISE_FLOOR)
