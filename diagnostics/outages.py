"""Silence and what it means: one device, a parent with its children, a whole site, or ourselves. Driven by time alone.

A device that is silent past its timeout is judged at once when its surroundings are alive; while they too are overdue
it is held until their own timeouts have told. Cost: a device costs one look per timeout, whatever the size of the
fleet.
"""

from collections.abc import Callable, Mapping
from typing import Any

from diagnostics.blindness import BLIND_SHARE, BLIND_SITES, SEEN_AGAIN_S, SET_BACK_S, Sight
from diagnostics.changes import Change, ChangeKind
from diagnostics.episodes import Episode, advance
from diagnostics.judging import Finding
from diagnostics.memory import Memory
from diagnostics.openings import OUTAGE, UNDECIDED, Openings
from diagnostics.peers import PeerGroups
from diagnostics.places import Outage, Site
from diagnostics.sites import OVERDUE, ancestors, is_outage, last_wills, overdue, patience_of, taken_together, tell
from diagnostics.wheel import Wheel

LONGEST_HOLD_S = 3600.0
PROVE_S = 120.0
MAINTENANCE_S = 7200.0


class Outages:
    """Judges silence. Shares the fleet's memories, sites, peers and openings."""

    def __init__(
        self,
        now: float,
        memories: Mapping[str, Memory],
        sites: Mapping[str, Site],
        openings: Openings,
        peers: PeerGroups,
    ) -> None:
        self.wheel = Wheel(now)
        self.sight = Sight(now, sites)
        self._memories, self._sites, self._openings, self._peers = memories, sites, openings, peers
        self.silent_count = 0  # over all sites
        self.restless: dict[str, None] = {}  # sites where time alone may change something
        self._later = Wheel(now)  # silent devices that may become a worse case
        self.touched: Callable[[str], None] = lambda _: None
        self.bring_over: Callable[[Site, float], list[Change]] = lambda _site, _now: []

    def deadline(self, memory: Memory) -> float:
        """When silence becomes a verdict, gateway time."""
        patience = patience_of(memory)
        if memory.states.get("maintenance") == "on":
            patience += MAINTENANCE_S
        return max(self._silent_from(memory) + patience, memory.expected_until)

    def look_at(self, memory: Memory, at: float) -> None:
        """Judge a device's silence at a time, not before."""
        memory.watch_at = at + self.wheel.ahead
        self.wheel.put(memory.device.device_id, memory.watch_at)

    def resume(self, memory: Memory) -> None:
        """Put a device where its memory says that it waits."""
        if not memory.silent_since:
            self.wheel.put(memory.device.device_id, memory.watch_at)
        elif memory.later_at:
            self._later.watch(memory.device.device_id, memory.later_at)

    def tick(self, now: float) -> list[Change]:
        """Let time pass."""
        if by := self.sight.was_set_back(now):
            self._set_back(by, now)
        watch = self.sight.watch
        changes: list[Change] = self.sight.tick(now)
        due = [memory for device_id in self.wheel.due(now) if (memory := self._memories.get(device_id)) is not None]
        silent = []
        for memory in due:
            self.touched(memory.device.device_id)
            at = self.deadline(memory)
            if at > now or watch.blind_since:
                self.look_at(memory, max(at, now + 1.0))
            else:
                memory.received_at = min(memory.received_at, self._silent_from(memory))
                silent.append(memory)
        overdue_at = [memory.received_at + OVERDUE * memory.gap_s for memory in silent]
        if overdue_at and (blind := self.sight.doubt(min(overdue_at), now)) is not None:
            changes.append(blind)
            for memory in silent:
                self.look_at(memory, now + SEEN_AGAIN_S)
            return changes
        for memory in silent:
            self._fall_silent(memory, now, changes)
        if not watch.blind_since:
            for device_id in self._later.due(now):
                self._still_silent(device_id, now, changes)
            for site_id in sorted(self.restless):
                self._decide(self._sites[site_id], now, changes)
        return changes

    def _set_back(self, by: float, now: float) -> None:
        """Our clock was set back: what waits waits as long as before, and nobody was heard in the future."""
        self.sight.set_back(now)
        self.wheel.ahead = self._later.ahead = self.wheel.ahead + by
        for site in self._sites.values():
            site.set_back(by, now)
            for device_id in site.silent:
                memory = self._memories[device_id]
                self.touched(device_id)
                memory.received_at = min(memory.received_at, now)
                memory.later_at = max(1.0, memory.later_at - by) if memory.later_at else 0.0

    def _silence(self, memory: Memory, now: float) -> list[Finding]:
        findings = []
        for name in memory.plan.silences:
            rule = memory.plan.rules[name]
            episode = memory.active.get(name) or Episode(good_before=memory.received_at)
            memory.begin(name, episode)
            times = (now - self._silent_from(memory)) / patience_of(memory)
            outcome = advance(episode, rule, now, max(times, episode.newest or 0.0))  # no clock ends a silence
            if outcome:
                findings.append(Finding(rule, episode, outcome))
        self.look_later(memory, now)
        return findings

    def _silent_from(self, memory: Memory) -> float:
        watch, heard = self.sight.watch, memory.received_at
        return max(heard if heard <= watch.ticked_at + SET_BACK_S else 0.0, watch.grace_from)

    def look_later(self, memory: Memory, now: float) -> None:
        """When the next worse step of a silence rule comes, it is looked at again."""
        start, patience = self._silent_from(memory), patience_of(memory)
        steps = [step.limit for name in memory.plan.silences for step in memory.plan.rules[name].steps]
        memory.later_at = min((at for limit in steps if (at := start + limit * patience) > now), default=0.0)
        self.resume(memory)

    def _fall_silent(self, memory: Memory, now: float, changes: list[Change]) -> None:
        device_id = memory.device.device_id
        site = self._sites[memory.device.site_id]
        changes += self.bring_over(site, now)
        memory.silent_since = memory.received_at
        self.silent_count += device_id not in site.silent
        site.silent[device_id] = memory.received_at
        site.suspects.pop(device_id, None)
        site.held[device_id] = now
        self.restless[site.site_id] = None
        self._peers.leave(memory)
        changes += self._openings.merge(memory, site, self._silence(memory, now), (now, now))

    def _still_silent(self, device_id: str, now: float, changes: list[Change]) -> None:
        memory = self._memories.get(device_id)
        if memory is None or not 0.0 < memory.later_at <= now:
            return  # it woke since, or is gone
        self.touched(device_id)
        site = self._sites[memory.device.site_id]
        changes += self.bring_over(site, now)
        changes += self._openings.merge(memory, site, self._silence(memory, now), (now, now))
        if device_id not in site.proving and any(fault.held == UNDECIDED for fault in memory.faults.values()):
            site.held[device_id] = now  # the first step of a rule that waits for more than one timeout
            self.restless[site.site_id] = None

    def wake(self, memory: Memory, now: float) -> None:
        """A silent device has reported. Its own episodes recover by its reports; its children and site are looked
        at.
        """
        device_id = memory.device.device_id
        site = self._sites[memory.device.site_id]
        memory.silent_since = 0.0
        self.gone(memory, site)
        self.look_at(memory, self.deadline(memory))
        for child_id in sorted(site.silent):
            child = self._memories[child_id]
            if child_id in site.held or child_id in site.proving:
                continue
            above = ancestors(child, self._memories)
            if memory in above and not any(parent.silent_since for parent in above):
                self._must_prove(site, child, now, device_id)
        if site.restless:
            self.restless[site.site_id] = None

    def gone(self, memory: Memory, site: Site) -> None:
        """A device is no longer among the silent ones of its site: it reported, or was forgotten."""
        device_id = memory.device.device_id
        self.silent_count -= site.silent.pop(device_id, None) is not None
        site.suspects.pop(device_id, None)
        site.held.pop(device_id, None)
        site.proving.pop(device_id, None)
        memory.later_at = 0.0

    @staticmethod
    def _must_prove(site: Site, memory: Memory, now: float, parent: str) -> None:
        patience = max(memory.device.silence_s, 2.0 * memory.gap_s, PROVE_S)
        site.proving[memory.device.device_id] = (now + patience, parent)

    def _decide(self, site: Site, now: float, changes: list[Change]) -> None:
        """Look at a restless site: one outage, explained children, or devices on their own."""
        changes += self.bring_over(site, now)
        if site.outage is not None:
            self._watch_outage(site, site.outage, now, changes)
        elif site.held or site.suspects:
            together = self._gone_together(site, now)
            if is_outage(site, together):
                since = min(self._memories[device_id].received_at for device_id in together)
                site.outage = Outage(since, now, tuple(together))
                changes.append(tell(ChangeKind.OPENED, site, site.outage, now))
        for device_id in () if self._excused(site, now) else sorted(site.held):
            self._decide_device(site, self._memories[device_id], now, changes)
        for device_id in sorted(site.proving):
            until, parent = site.proving[device_id]
            if site.outage is not None or now >= until:
                del site.proving[device_id]
                if site.outage is None:
                    self._open(site, self._memories[device_id], now, changes, parent)
        if not site.restless:
            self.restless.pop(site.site_id, None)

    def _gone_together(self, site: Site, now: float) -> list[str]:
        """Devices that silence or last wills show to be gone together; empty while that is not clear."""
        if site.held and not self._excused(site, now):
            impatient = now - min(site.held.values()) >= self._longest_hold(site)
            together = taken_together(site, self._memories, now, patient=not impatient)
            if is_outage(site, together):
                return together
        together = last_wills(site, now)
        if not is_outage(site, together):
            return []
        speaking = [other for other in self._sites.values() if other.spoke]
        alike = sum(is_outage(other, last_wills(other, now)) for other in speaking) if len(speaking) > 1 else 0
        return [] if alike >= max(BLIND_SITES, BLIND_SHARE * len(speaking)) else together

    def suspect(self, memory: Memory, now: float, *, online: bool) -> None:
        """A status message or last will came."""
        memory.suspect = not online
        if online:
            memory.site.suspects.pop(memory.device.device_id, None)
        elif not memory.silent_since:
            memory.site.suspects[memory.device.device_id] = now
            self.restless[memory.site.site_id] = None

    def _excused(self, site: Site, now: float) -> bool:
        """We did not hear for a while: also who was silent before that gets a full timeout."""
        return bool(site.held) and now < self.sight.watch.grace_from + self._longest_hold(site)

    def _longest_hold(self, site: Site) -> float:
        return min(LONGEST_HOLD_S, max(patience_of(self._memories[device_id]) for device_id in site.held))

    def _decide_device(self, site: Site, memory: Memory, now: float, changes: list[Change]) -> None:
        device_id = memory.device.device_id
        self.touched(device_id)
        if site.outage is not None:
            self._mark(memory, OUTAGE)
            del site.held[device_id]
            if device_id not in site.outage.devices:
                site.outage.devices = (*site.outage.devices, device_id)
                changes.append(tell(ChangeKind.AMENDED, site, site.outage, now))
            return
        above = ancestors(memory, self._memories)
        if any(parent.silent_since for parent in above):
            self._mark(memory, OUTAGE)
            del site.held[device_id]
            return
        waited = now - site.held[device_id] >= self._longest_hold(site)
        if not waited and (any(overdue(parent, now) for parent in above) or self._could_be_outage(site, now)):
            return
        del site.held[device_id]
        self._open(site, memory, now, changes, "")

    def _could_be_outage(self, site: Site, now: float) -> bool:
        return is_outage(site, taken_together(site, self._memories, now, patient=False))

    @staticmethod
    def _mark(memory: Memory, held: str) -> None:
        for name in memory.plan.silences:
            fault = memory.faults.get(memory.plan.rules[name].fault_class)
            if fault is not None and fault.held == UNDECIDED:
                fault.held = held

    def _open(self, site: Site, memory: Memory, now: float, changes: list[Change], parent: str) -> None:
        for name in {memory.plan.rules[rule].fault_class for rule in memory.plan.silences}:
            if (fault := memory.faults.get(name)) is not None and fault.held in {UNDECIDED, OUTAGE}:
                self.touched(memory.device.device_id)
                self._openings.open_if_free(memory, site, name, (now, now), changes, parent)

    def _watch_outage(self, site: Site, outage: Outage, now: float, changes: list[Change]) -> None:
        """The outage is over when half of its devices, or its router, are back. The rest must prove itself."""
        known = [self._memories[device_id] for device_id in outage.devices if device_id in self._memories]
        gone = [memory for memory in known if memory.received_at <= outage.opened_at]
        router_back = any(memory.device.kind == "router" and memory not in gone for memory in known)
        if len(gone) > len(known) / 2 and not router_back:
            return
        site.outage = None
        changes.append(tell(ChangeKind.RECOVERED, site, outage, now))
        for device_id in sorted(site.silent.keys() - site.held.keys()):
            self._must_prove(site, self._memories[device_id], now, site.site_id)

    def export(self) -> dict[str, Any]:
        """What belongs to no single device, as JSON can carry it."""
        return {"sight": self.sight.export(), "next": [self.wheel.next, self._later.next, self.wheel.ahead]}

    def load(self, kept: dict[str, Any]) -> None:
        """Take back what `export` gave."""
        self.sight.load(kept["sight"])
        self.wheel.next, self._later.next, *ahead = kept["next"]
        self.wheel.ahead = self._later.ahead = ahead[0] if ahead else 0.0
