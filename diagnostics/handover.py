"""Other rules are taken over site by site: when a site is next heard or judged, and the rest a few with every tick.

A change of the rules stops nobody, whatever the size of the fleet, and a site is always judged by one edition: what its
devices are compared with is theirs. Which tick takes a site's turn follows from its name alone, so a replay brings over
what was brought over, whatever was registered since.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from zlib import crc32

from diagnostics.changes import Change
from diagnostics.engine import Engine, Plan
from diagnostics.episodes import Outcome
from diagnostics.judging import Finding
from diagnostics.memory import Memory
from diagnostics.openings import Openings, note_trouble
from diagnostics.other_rules import gone, judge_by, leave_behind
from diagnostics.peers import PeerGroups
from diagnostics.places import Site
from diagnostics.rules import Rule
from diagnostics.saved import dump

SHELVES = 16_384
DEVICES_A_TICK = 500
"""About so many devices a tick have their turn: 80 ms where each is also copied for a checkpoint under way."""


class Handover:
    """Invariant: every memory is judged by one of `engines`; the last of them is in force. A site whose `edition` is
    that one's number has no memory under another. While not `under_way` every memory is judged by the last.
    """

    def __init__(
        self,
        engine: Engine,
        memories: Mapping[str, Memory],
        sites: Mapping[str, Site],
        openings: Openings,
        peers: PeerGroups,
    ) -> None:
        self.engines: dict[int, Engine] = {0: engine}
        self.number = 0
        self.under_way = False
        self.a_tick = DEVICES_A_TICK
        self._shelf, self._step, self._at = 0, SHELVES, 0.0
        self._shelves: dict[int, set[str]] = {}
        self._missed: set[str] = set()
        """Sites that may have been filled with older memories after their turn."""
        self._gone: dict[tuple[int, int], tuple[Rule, ...]] = {}
        """What one plan leaves behind of another: by their identities, which `engines` keep alive."""
        self._memories, self._sites = memories, sites
        self._openings, self._peers = openings, peers
        self.touched: Callable[[str], None] = lambda _: None

    def add(self, site_id: str) -> Site:
        """A new site, judged by the rules in force."""
        self._shelves.setdefault(crc32(site_id.encode()) % SHELVES, set()).add(site_id)
        return Site(site_id, edition=self.number)

    def remove(self, site_id: str) -> None:
        """A site is gone."""
        number = crc32(site_id.encode()) % SHELVES
        self._shelves[number].discard(site_id)
        if not self._shelves[number]:
            del self._shelves[number]
        self._missed.discard(site_id)

    def begin(self, number: int, engine: Engine) -> None:
        """Judge by other rules from now on, under a number that no memory is judged by."""
        if not self._memories:
            self.engines.clear()
            self._gone.clear()
        self.engines[number] = engine
        self.number = number
        size = 1 << max(0, len(self._memories) - 1).bit_length()  # a device more or less changes nobody's turn
        self._shelf, self._step, self._at = 0, max(1, SHELVES * self.a_tick // size), 0.0
        self.under_way = bool(self._memories)

    def recall(self, engines: Mapping[int, Engine]) -> None:
        """The rules that the memories to be restored are judged by, the last of them those in force. Before any."""
        self.engines = dict(engines)
        self.number = list(engines)[-1]
        for site in self._sites.values():
            site.edition = self.number

    def label(self, memory: Memory) -> int:
        """The number of the rules that a memory is judged by."""
        device = memory.device
        known = reversed(self.engines.items())
        return next(number for number, engine in known if engine.plan(device.kind, device.model) is memory.plan)

    def seal(self, memory: Memory) -> bytes:
        """A memory for disk, with the number of its rules in front (none for 0)."""
        number = self.label(memory)
        return b"R%d\n%s" % (number, dump(memory)) if number else dump(memory)

    def unseal(self, site: Site, kept: bytes) -> tuple[Engine, bytes]:
        """The rules that a memory from disk is judged by, and the rest of it. Under rules that nobody knows any more it
        keeps what fits the oldest known ones: so do memories from before there were numbers.
        """
        head, _, rest = kept.partition(b"\n") if kept[:1] == b"R" else (b"R0", b"", kept)
        number = int(head[1:])
        if number not in self.engines:
            number = next(iter(self.engines))
        if number != self.number:
            site.edition = number
            self._missed.add(site.site_id)
            self.under_way = True
        return self.engines[number], rest

    def bring_over(self, site: Site, now: float) -> list[Change]:
        """Judge a site by the rules in force, step by step through all since its own. Cost: about 30 us a device."""
        changes: list[Change] = []
        if site.edition != self.number:
            site.edition = self.number
            self._missed.discard(site.site_id)
            for device_id in sorted(site.spoke):
                memory = self._memories[device_id]
                for engine in self._since(self.label(memory)):
                    changes += self._take_over(memory, engine.plan(memory.device.kind, memory.device.model), now)
        return changes

    def _since(self, number: int) -> list[Engine]:
        numbers = list(self.engines)
        return [self.engines[later] for later in numbers[numbers.index(number) + 1 :]]

    def sweep(self, now: float) -> list[Change]:
        """The next sites have their turn. The same tick again does nothing."""
        changes: list[Change] = []
        if not self.under_way or now <= self._at:
            return changes
        self._at = now
        until = min(SHELVES, self._shelf + self._step)
        for shelf in range(self._shelf, until):
            changes += self._all(self._shelves.get(shelf, ()), now)
        self._shelf = until
        if until == SHELVES:
            changes += self.finish(now)
        return changes

    def _all(self, site_ids: Iterable[str], now: float) -> list[Change]:
        changes: list[Change] = []
        for site_id in sorted(site_ids):
            changes += self.bring_over(self._sites[site_id], now)
        return changes

    def finish(self, now: float) -> list[Change]:
        """Bring over who is left."""
        left = self._missed if self._shelf == SHELVES else self._sites
        changes = self._all([it for it in left if self._sites[it].edition != self.number], now)
        self.engines = {self.number: self.engines[self.number]}
        self._gone.clear()
        self.under_way = False
        return changes

    def export(self) -> list[Any]:
        """Whose turn is next, as JSON can carry it; [] while not under way."""
        return [self._shelf, self._step, self._at] if self.under_way else []

    def load(self, kept: list[Any]) -> None:
        """Take back what `export` gave."""
        if kept:
            self._shelf, self._step, self._at = kept
            self.under_way = True

    def _take_over(self, memory: Memory, plan: Plan, now: float) -> list[Change]:
        """Judge a device by the next rules."""
        changes: list[Change] = []
        before, site, times = memory.plan, memory.site, (memory.effective_at, now)
        if plan is before:
            return changes
        self.touched(memory.device.device_id)
        left = self._gone.get((id(before), id(plan)))
        if left is None:
            left = self._gone[id(before), id(plan)] = gone(before, plan)
        leave_behind(memory, left)
        for rule in left:
            self._peers.drop(rule.name, memory)
            if rule.name in memory.active:
                ended = Finding(rule, memory.end(rule.name), Outcome.RECOVERED)
                changes += self._openings.withdraw(memory, ended, times)
        judge_by(memory, plan)
        site.unlist(memory.device.device_id)
        site.spoke[memory.device.device_id] = plan.shared_trouble
        note_trouble(memory, site)
        told = [
            Finding(plan.rules[name], episode, Outcome.OPENED)
            for name, episode in memory.active.items()
            if episode.severity is not None and _was_only_watched(memory, before.rules[name])
        ]
        if told:
            changes += self._openings.merge(memory, site, told, times)
        return changes


def _was_only_watched(memory: Memory, rule: Rule) -> bool:
    """Whether nobody knows what the rule has seen: it does not hold its fault open from before it was demoted."""
    fault = memory.faults.get(rule.fault_class)
    return rule.watch and (fault is None or rule.name not in fault.rules)
