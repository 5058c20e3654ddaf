"""Who belongs to the fleet, and what of it is kept on disk: registering, forgetting, saving, restoring, other rules."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from diagnostics.changes import Change
from diagnostics.engine import Engine
from diagnostics.episodes import Outcome
from diagnostics.judging import Finding
from diagnostics.memory import Memory, dump, load, remember
from diagnostics.openings import Openings, note_trouble
from diagnostics.other_rules import leave_behind, take_past
from diagnostics.outages import Outages
from diagnostics.peers import PeerGroups
from diagnostics.places import Site
from diagnostics.saving import Saving
from diagnostics.topology import Device

SHARED_VERSION = 1


class Roster:
    """Devices, their memories and sites. Invariant: every memory belongs to a registered device and is known to its
    site.
    """

    def __init__(self, engine: Engine, devices: Iterable[Device], now: float) -> None:
        self._engine = engine
        self._devices: dict[str, Device] = {}
        self._memories: dict[str, Memory] = {}
        self._sites: dict[str, Site] = {}
        self._saving = Saving(self._memories)
        self._openings = Openings()
        self._peers = PeerGroups()
        self._outages = Outages(now, self._memories, self._sites, self._openings, self._peers)
        self._outages.touched = self._saving.touch
        self._sight = self._outages.sight
        for device in devices:
            self.register(device)

    def register(self, device: Device) -> None:
        """Listen to a device, or take note of its new registration (its memory stays)."""
        known = self._devices.get(device.device_id)
        if known == device:
            return
        kept = self.save(device.device_id)
        if kept:
            self._saving.touch(device.device_id)
        if known is not None:
            self._take_out(known)
        self._devices[device.device_id] = device
        self._site(device).members[device.device_id] = None
        self._openings.fleet_size = len(self._devices)
        self.restore(device.device_id, kept)

    def forget(self, device_id: str) -> None:
        """A device is no longer ours: nothing of it remains."""
        device = self._devices.get(device_id)
        if device is not None:
            self._take_out(device)
            self._saving.forget(device_id)

    def _take_out(self, device: Device) -> None:
        device_id = device.device_id
        del self._devices[device_id]
        site = self._sites[device.site_id]
        site.members.pop(device_id, None)
        site.unlist(device_id)
        memory = self._memories.pop(device_id, None)
        if memory is not None:
            self._peers.leave(memory)
            self._outages.gone(memory, site)
        self._openings.storms.forget(device_id)
        self._openings.fleet_size = len(self._devices)
        if not site.members:
            del self._sites[device.site_id]
            self._outages.restless.pop(device.site_id, None)

    def expect(self, device_id: str, until: float, reboots: int = 1) -> None:
        """The device is being worked on (an update): until then its silence, that many restarts and new faults are no
        news.
        """
        memory = self._memories.get(device_id)
        if memory is not None:
            self._saving.touch(device_id)
            memory.expected_until, memory.expected_boots = until, reboots

    def _site(self, device: Device) -> Site:
        return self._sites.setdefault(device.site_id, Site(device.site_id))

    def _first(self, device_id: str) -> Memory | None:
        device = self._devices.get(device_id)
        if device is None:
            return None
        memory = self._memories[device_id] = remember(
            device, self._engine.plan(device.kind, device.model), self._site(device)
        )
        self._speaks(memory)
        return memory

    def _speaks(self, memory: Memory) -> None:
        device = memory.device
        site = self._sites[device.site_id]
        site.spoke[device.device_id] = memory.plan.shared_trouble

    def adopt(self, engine: Engine, now: float) -> Sequence[Change]:
        """Judge by other rules from now on. Episodes of rules that stay go on; those of rules that are gone are
        withdrawn; a rule that was only watched and fires now is told.

        Cost: one pass over all devices (about 0.2 ms each). To be repeated at the same point of a replay.
        """
        changes: list[Change] = []
        self._engine = engine
        for device_id, memory in list(self._memories.items()):
            device, before = memory.device, memory.plan
            times = (memory.effective_at, now)
            self._saving.touch(device_id)
            for rule in leave_behind(memory, engine.plan(device.kind, device.model)):
                self._peers.drop(rule.name, memory)
                if rule.name in memory.active:
                    gone = Finding(rule, memory.active.pop(rule.name), Outcome.RECOVERED)
                    changes += self._openings.withdraw(memory, gone, times)
            kept = dump(memory)
            self._peers.leave(memory)
            memory.site.unlist(device_id)
            self.restore(device_id, kept)
            after = take_past(self._memories[device_id], memory)
            told = [
                Finding(after.plan.rules[name], episode, Outcome.OPENED)
                for name, episode in after.active.items()
                if before.rules[name].watch and episode.severity is not None
            ]
            if told:
                changes += self._openings.merge(after, after.site, told, times)
        return changes

    @property
    def offline_count(self) -> int:
        """Devices that are silent past their timeout. Cost: the number of sites."""
        return sum(len(site.silent) for site in self._sites.values())

    @property
    def device_count(self) -> int:
        """Registered devices."""
        return len(self._devices)

    @property
    def spoke_count(self) -> int:
        """Devices that have reported."""
        return len(self._memories)

    def dirty(self) -> set[str]:
        """Devices whose memory changed since the last call."""
        changed = self._saving.changed | self._saving.left
        self._saving.changed, self._saving.left = set(), set()
        return changed

    def begin_checkpoint(self) -> bytes:
        """Begin to save the fleet as it is now; returns what belongs to no single device. No pass over devices."""
        self._saving.begin()
        return self.save_shared()

    def some_of_checkpoint(self, limit: int) -> Sequence[tuple[str, bytes]]:
        """The next memories that changed since the checkpoint before, as they were when this one began; () = done.

        About `limit` of them (20 us each); those that changed meanwhile come in addition.
        """
        return self._saving.some(limit)

    def save(self, device_id: str) -> bytes:
        """A device's memory (b"" if it never reported)."""
        memory = self._memories.get(device_id)
        return dump(memory) if memory is not None else b""

    def restore(self, device_id: str, kept: bytes) -> None:
        """Take back what `save` gave. Unknown devices are ignored; ValueError in one line for unreadable bytes."""
        device = self._devices.get(device_id)
        if device is None or not kept:
            return
        memory = load(device, self._engine.plan(device.kind, device.model), self._site(device), kept)
        self._memories[device_id] = memory
        self._speaks(memory)
        self._peers.rejoin(memory)
        site = memory.site
        if memory.silent_since:
            site.silent[device_id] = memory.silent_since
        self._outages.resume(memory)
        site.heard_at = max(site.heard_at, memory.received_at)
        note_trouble(memory, site)

    def save_shared(self) -> bytes:
        """What belongs to no single device: site verdicts, storms, blindness."""
        sites = [site.export() for site in self._sites.values() if site.restless]
        kept: dict[str, Any] = {"v": SHARED_VERSION, "sites": sites, "storms": self._openings.storms.export()}
        kept["restless"] = list(self._outages.restless)
        kept |= self._outages.export()
        return json.dumps(kept, separators=(",", ":")).encode()

    def restore_shared(self, kept: bytes) -> None:
        """Take back what `save_shared` gave, before the devices' memories. ValueError for another version's bytes."""
        parts = json.loads(kept)
        if parts.get("v") != SHARED_VERSION:
            raise ValueError("the fleet's shared memory was written by another version of the software")
        for part in parts["sites"]:
            if part[0] in self._sites:
                self._sites[part[0]].load(part)
        self._outages.load(parts)
        self._outages.restless = {site_id: None for site_id in parts["restless"] if site_id in self._sites}
        self._openings.storms.load(parts["storms"])
