"""Peers: devices of one model and firmware, or of one site and kind. Their median says what today is like for everyone.

A group holds the newest hourly values of at most 64 members in sorted order: joining, leaving and the median cost
microseconds whatever the size of the fleet. What a member contributes is kept in its own memory, so that groups are
rebuilt exactly from memories. `releases` counts who took which version (`releases.py`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from statistics import median

from diagnostics.memory import NO_PEERING, Memory
from diagnostics.releases import Releases
from diagnostics.rules import Peer

MEMBERS = 64
NOISE_FLOOR = 1e-9
AT_ONCE_S = 7200.0 + 128.0
"""Values of one time: the hourly samples of two devices lie at most an hour apart, and one may be missing. Groups keep
times to about two minutes.
"""


Name = tuple[str, str, str, str]


def group_of(rule: Peer, memory: Memory) -> Name:
    """The name of the group a device belongs to for a rule. Of another metric it is another group: while a fleet goes
    over to other rules, a name may mean both.
    """
    device = memory.device
    if rule.group == "site":
        return rule.name, rule.metric, device.site_id, device.kind
    return rule.name, rule.metric, device.model, memory.firmware


def single(number: float) -> float:
    """A number as groups keep it: to seven digits, times to two minutes."""
    return array("f", [number])[0]


def _join(group: array[float], value: float, at: float) -> None:
    count = len(group) // 2
    place = bisect_left(group, value, 0, count)
    group.insert(count + place, at)
    group.insert(place, value)


def _part(group: array[float], value: float, at: float) -> None:
    count = len(group) // 2
    place = bisect_left(group, value, 0, count)
    while group[count + place] != at:
        place += 1
    del group[count + place], group[place]


def _around(group: array[float], at: float) -> array[float]:
    """The values of about this time, in rising order. What catches up after an outage speaks of hours ago."""
    count = len(group) // 2
    values, times = group[:count], group[count:]
    if at - AT_ONCE_S <= min(times) and max(times) <= at + AT_ONCE_S:
        return values
    near = zip(values, times, strict=True)
    return array("f", [value for value, when in near if at - AT_ONCE_S <= when <= at + AT_ONCE_S])


class PeerGroups:
    """All groups of a fleet, by name: the values of their members in rising order, then the effective time of each (in
    one array, because an array costs more than ten numbers and most groups are the few devices of a site).
    """

    def __init__(self) -> None:
        self._groups: dict[Name, array[float]] = {}
        self.releases = Releases()

    def share(self, rule: Peer, memory: Memory, place: int, value: float, at: float) -> bool:
        """A device's newest value, and its effective time. It joins while there is room. `place`: of the rule's value
        among the memory's (`Plan.peers`).

        Whether it may be far from its peers: False if it is not even far from the last of them. Most groups lie close
        together most of the time; then nobody needs their median.
        """
        name = group_of(rule, memory)
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = array("f")
        mine = memory.peers
        if mine is None:
            mine = memory.peers = array("f", [0.0]) * (2 * len(memory.plan.peers))
        if mine[place + 1]:
            _part(group, mine[place], mine[place + 1])
        others = count = len(group) // 2
        if count < MEMBERS:
            _join(group, value, at)
            mine[place], mine[place + 1] = value, at
            count += 1
        if others < rule.min_peers:
            return False
        if rule.scale != "unit":
            return True
        limit = rule.steps[0].limit
        return value - group[0] >= limit if rule.direction == "above" else value - group[count - 1] <= limit

    def _take(self, rule: Peer, memory: Memory, name: Name) -> None:
        value, at = memory.peering(rule.name)
        if at:
            group = self._groups[name]
            _part(group, value, at)
            memory.keep_peering(rule.name, *NO_PEERING)
            if not group:
                del self._groups[name]

    def drop(self, rule_name: str, memory: Memory) -> None:
        """A rule is gone, or another rule now: the device's value for it speaks for nobody."""
        rule = memory.plan.rules[rule_name]
        if isinstance(rule, Peer):
            self._take(rule, memory, group_of(rule, memory))

    def leave(self, memory: Memory) -> None:
        """A device fell silent or is gone: its values no longer speak for today."""
        for name in memory.plan.peers if memory.peers is not None else ():
            self.drop(name, memory)
        memory.peers = None

    def rejoin(self, memory: Memory) -> None:
        """A memory came back from disk: its values belong to their groups again."""
        for name in memory.plan.peers if memory.peers is not None else ():
            value, at = memory.peering(name)
            rule = memory.plan.rules[name]
            assert isinstance(rule, Peer)
            if at:
                _join(self._groups.setdefault(group_of(rule, memory), array("f")), value, at)

    def measure(self, rule: Peer, memory: Memory, value: float, at: float) -> float | None:
        """The device's value at a time, which it has shared, minus its peers' median then; None with too few peers."""
        values = _around(self._groups[group_of(rule, memory)], at)
        mine = memory.peering(rule.name)[1]
        others = len(values) - (mine == single(at))
        if others < rule.min_peers:
            return None
        middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
        excess = value - middle
        if rule.scale == "unit":
            return excess
        spread = 1.4826 * median(abs(other - middle) for other in values)
        metric = memory.plan.catalogue.metric[rule.metric]
        return excess / max(spread, metric.noise_at(middle), NOISE_FLOOR)
