"""Who belongs to the fleet, and what of it is kept on disk: registering, forgetting, saving, restoring, other rules."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from diagnostics.changes import Change
from diagnostics.engine import Engine
from diagnostics.handover import Handover
from diagnostics.memory import Memory, remember
from diagnostics.openings import Openings, note_trouble
from diagnostics.outages import Outages
from diagnostics.peers import PeerGroups
from diagnostics.places import Site
from diagnostics.saved import load
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
        self._peers = PeerGroups()
        self._openings = Openings(self._peers.releases)
        self._handover = Handover(engine, self._memories, self._sites, self._openings, self._peers)
        self._saving = Saving(self._memories, self._handover.seal)
        self._outages = Outages(now, self._memories, self._sites, self._openings, self._peers)
        self._outages.touched = self._handover.touched = self._saving.touch
        self._outages.bring_over = self._handover.bring_over
        self._sight = self._outages.sight
        self._behind = False  # whether somebody may be judged by rules of before
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
        memory = self._memories.get(device.device_id)
        if memory is not None and memory.firmware and not self._peers.releases.anew:
            self._peers.releases.joins(device.model)

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
            if memory.firmware:
                self._peers.releases.leaves(device.model)
        self._openings.storms.forget(device_id)
        self._openings.fleet_size = len(self._devices)
        if not site.members:
            del self._sites[device.site_id]
            self._handover.remove(device.site_id)
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
        site = self._sites.get(device.site_id)
        if site is None:
            site = self._sites[device.site_id] = self._handover.add(device.site_id)
        return site

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

    def adopt(self, engine: Engine, now: float, number: int | None = None) -> Sequence[Change]:
        """Judge by other rules from now on. Episodes of rules that stay go on; those of rules that are gone are
        withdrawn; a rule that was only watched and fires now is told.

        A site goes over when it is next heard or judged, the others with the ticks that follow, the first of them at
        once. `number` (None: the next) is said by what is saved; the number in force already changes nothing. To be
        repeated at the same point of a replay.
        """
        handover = self._handover
        number = handover.number + 1 if number is None else number
        if number == handover.number:
            return []
        changes = handover.finish(now) if number in handover.engines else []
        self._engine = engine
        handover.begin(number, engine)
        return changes + self._go_on(now)

    def judged_by(self, engines: Mapping[int, Engine]) -> None:
        """Before anything is restored: the rules that judge it, by number as `editions` gave them."""
        self._handover.recall(engines)
        self._engine = engines[self._handover.number]

    @property
    def editions(self) -> Mapping[int, Engine]:
        """The rules that some memory may be judged by, by number, the last of them in force."""
        return self._handover.engines

    def _go_on(self, now: float) -> list[Change]:
        """Bring over the next sites."""
        changes = self._handover.sweep(now)
        self._behind = self._handover.under_way
        return changes

    @property
    def offline_count(self) -> int:
        """Devices that are silent past their timeout."""
        return self._outages.silent_count

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
        return self._handover.seal(memory) if memory is not None else b""

    def restore(self, device_id: str, kept: bytes) -> None:
        """Take back what `save` gave. Unknown devices are ignored; ValueError in one line for unreadable bytes."""
        device = self._devices.get(device_id)
        if device is None or not kept:
            return
        site = self._site(device)
        engine, kept = self._handover.unseal(site, kept)
        self._behind = self._handover.under_way
        memory = load(device, engine.plan(device.kind, device.model), site, kept)
        self._memories[device_id] = memory
        self._speaks(memory)
        self._peers.rejoin(memory)
        if memory.firmware and self._peers.releases.anew:
            self._peers.releases.joins(device.model)
        if memory.silent_since:
            self._outages.silent_count += device_id not in site.silent
            site.silent[device_id] = memory.silent_since
        self._outages.resume(memory)
        site.heard_at = max(site.heard_at, memory.received_at)
        note_trouble(memory, site)

    def save_shared(self) -> bytes:
        """What belongs to no single device: site verdicts, storms, blindness."""
        sites = [site.export() for it in self._outages.restless if (site := self._sites[it]).restless]
        kept: dict[str, Any] = {"v": SHARED_VERSION, "sites": sites, "storms": self._openings.storms.export()}
        kept["restless"] = list(self._outages.restless)
        kept["handover"] = self._handover.export()
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
        self._handover.load(parts.get("handover", []))
        self._behind = self._handover.under_way
        self._outages.restless = {site_id: None for site_id in parts["restless"] if site_id in self._sites}
        self._openings.storms.load(parts["storms"])
