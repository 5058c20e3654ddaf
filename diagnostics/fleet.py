"""The fleet: every device's memory, and the one way in for reports, events, presence and time. Pure and deterministic.

The same calls with the same arguments give the same changes, on a fresh fleet or on one restored from disk: a crash is
repaired by loading the last checkpoint and repeating the calls since. Nothing here costs more with more devices.
"""

import json
from array import array
from collections.abc import Iterable, Sequence
from operator import le
from typing import Any

from diagnostics.arrival import Turn
from diagnostics.changes import Change
from diagnostics.engine import Engine
from diagnostics.hearing import keep_values, looked_at, nothing_new, prepare
from diagnostics.judging import judge
from diagnostics.late import late_event, late_report
from diagnostics.measures import Moment, note_count
from diagnostics.memory import Memory, dump, load, remember
from diagnostics.openings import Openings, note_trouble
from diagnostics.outages import Outages
from diagnostics.peers import PeerGroups
from diagnostics.places import Site
from diagnostics.rule_file import BOOT_FELL
from diagnostics.telemetry import Event, Presence, Report, Standing
from diagnostics.topology import Device
from diagnostics.views import DeviceView, Link, view_of

NOTHING: tuple[Change, ...] = ()
TOO_OLD_S = 30 * 86_400.0
STEP_BACK_S = 2.0
GAP_SHARE = 0.1
SHARED_VERSION = 1


class Fleet:
    """Memories by device id, made when a device first reports. Times are epoch seconds by the gateway's clock."""

    def __init__(self, engine: Engine, devices: Iterable[Device], now: float) -> None:
        self._engine = engine
        self._devices: dict[str, Device] = {}
        self._memories: dict[str, Memory] = {}
        self._sites: dict[str, Site] = {}
        self._dirty: set[str] = set()
        self._openings = Openings()
        self._peers = PeerGroups()
        self._outages = Outages(now, self._memories, self._sites, self._openings, self._peers)
        self._outages.touched = self._dirty.add
        self._rate = self._outages.rate
        for device in devices:
            self.register(device)

    # --- who there is -------------------------------------------------------------------------------------------------
    def register(self, device: Device) -> None:
        """Listen to a device, or take note of its new registration (its memory stays)."""
        known = self._devices.get(device.device_id)
        if known == device:
            return
        memory = self._memories.get(device.device_id)
        kept = dump(memory) if memory is not None else None
        if known is not None:
            self.forget(device.device_id)
        self._devices[device.device_id] = device
        self._site(device).members[device.device_id] = None
        self._openings.fleet_size = len(self._devices)
        if kept is not None:
            self.restore(device.device_id, kept)

    def forget(self, device_id: str) -> None:
        """A device is no longer ours: nothing of it remains."""
        device = self._devices.pop(device_id, None)
        if device is None:
            return
        site = self._sites[device.site_id]
        site.members.pop(device_id, None)
        site.spoke.pop(device_id, None)
        for named in (*site.trouble.values(), *site.judged.values()):
            named.discard(device_id)
        memory = self._memories.pop(device_id, None)
        if memory is not None:
            self._peers.leave(memory)
            self._outages.gone(memory, site)
        self._dirty.discard(device_id)
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
            memory.expected_until, memory.expected_boots = until, reboots
            self._dirty.add(device_id)

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
        site.spoke[device.device_id] = None
        for name in memory.plan.shared_trouble:
            site.judged.setdefault(name, set()).add(device.device_id)

    # --- what comes in ------------------------------------------------------------------------------------------------
    def observe(self, report: Report) -> Sequence[Change]:
        """Take one report: fills its standing and effective time, drops impossible values from it, returns what
        changed.
        """
        memory = self._memories.get(report.device_id) or self._first(report.device_id)
        if memory is None:
            return NOTHING
        order = memory.order
        boots, fell = 0, False
        changes: list[Change] = []
        if report.boot == order.boot and report.seq == order.seq + 1:
            order.seq = report.seq
            order.odd = 0
            if report.captured_at is not None:
                order.captured_at = report.captured_at
        else:
            boot_before = order.boot
            report.standing, turn = order.place(report.boot, report.seq, report.captured_at)
            if report.standing is Standing.DUPLICATE:
                return NOTHING
            if report.standing is Standing.LATE:
                self._dirty.add(report.device_id)
                return late_report(memory, report, self._openings)
            if turn is Turn.BOOTED:
                boots = report.boot - boot_before
                memory.clock.restarted()
            elif turn is Turn.FELL:
                memory.clock.restarted()
                fell = True
        at = self._hear(memory, report.captured_at, report.received_at, report.uptime_s)
        report.effective_at = at
        names = tuple(report.metrics)
        shape = memory.plan.shapes.get(names) or memory.plan.shape(names)
        values = array("d", report.metrics.values())
        recent = memory.recent.get(shape)
        if (
            recent is not None
            and at < recent.due
            and not memory.active
            and not memory.faults
            and not (boots or fell or memory.clock.offset)
            and nothing_new(memory, report.states)
            and memory.firmware == report.firmware
            and all(map(le, shape.lows, values))
            and all(map(le, values, shape.highs))
            and not (shape.judged and looked_at(memory, shape, values))
        ):
            recent.at, recent.values = at, values
            memory.effective_at = at
            return NOTHING
        moment = prepare(memory, report, shape, values, boots, self._peers)
        if fell:
            moment.due.update(self._happened(memory, BOOT_FELL, at))
        troubled = bool(memory.active)
        findings = judge(memory, moment, self._peers)
        memory.effective_at = at
        keep_values(memory, shape, at, values, sampled=moment.sampled)
        if memory.plan.shared_trouble and (troubled or memory.active):
            note_trouble(memory, memory.site)
        if findings or memory.faults:
            changes += self._openings.merge(memory, memory.site, findings, (at, report.received_at))
        return changes or NOTHING

    def _hear(self, memory: Memory, captured_at: float | None, received_at: float, uptime_s: float | None) -> float:
        """Liveness, and the effective time of a message in order: never before the message before it."""
        self._dirty.add(memory.device.device_id)
        rate = self._rate
        if received_at >= rate.ends_at:
            rate.roll(received_at, learn=not self._outages.watch.blind_since)
        rate.count += 1
        passed = received_at - memory.received_at
        if memory.silent_since:
            memory.received_at = received_at
            self._outages.wake(memory, received_at)
        elif not memory.received_at:
            memory.received_at = received_at
            self._outages.look_at(memory, self._outages.deadline(memory))
        elif passed > 0:
            memory.received_at = received_at
            if passed >= 1.0:
                gap = memory.gap_s
                memory.gap_s = gap + GAP_SHARE * (min(passed, 4.0 * gap) - gap) if gap else passed
        memory.site.heard_at = received_at
        if memory.suspect:
            self._outages.suspect(memory, received_at, online=True)
        at = memory.clock.effective(captured_at, received_at, uptime_s)
        if at < memory.effective_at or at < received_at - TOO_OLD_S:
            back = max(memory.effective_at, received_at - TOO_OLD_S) - at
            at = memory.effective_at if back <= STEP_BACK_S else max(memory.effective_at, received_at)
        return at

    @staticmethod
    def _happened(memory: Memory, topic: str, at: float) -> tuple[str, ...]:
        """Put an event into the windows of the rules that count it; all rules it concerns."""
        names = memory.plan.by_topic.get(topic, ())
        for name in names:
            rule = memory.plan.rules[name]
            if rule.kind == "count":
                note_count(rule, memory, at, 1.0)
        return names

    def event(self, event: Event) -> Sequence[Change]:
        """Take one event: fills its standing and effective time."""
        memory = self._memories.get(event.device_id) or self._first(event.device_id)
        if memory is None:
            return NOTHING
        event.standing, turn = memory.order.place(event.boot, event.seq, event.captured_at)
        if event.standing is Standing.DUPLICATE:
            return NOTHING
        self._dirty.add(event.device_id)
        if event.standing is Standing.LATE:
            return late_event(memory, event, self._openings, self._peers)
        if turn is not Turn.SAME_BOOT:
            memory.clock.restarted()
        at = event.effective_at = self._hear(memory, event.captured_at, event.received_at, None)
        due = set(self._happened(memory, event.topic, at))
        if turn is Turn.FELL:
            due.update(self._happened(memory, BOOT_FELL, at))
        moment = Moment(at, {}, memory.states, topics=(event.topic,), due=due)
        findings = judge(memory, moment, self._peers)
        memory.effective_at = at
        return self._openings.merge(memory, memory.site, findings, (at, event.received_at)) or NOTHING

    def presence(self, presence: Presence) -> Sequence[Change]:
        """Take a status message or last will: offline makes a device suspect, nothing more."""
        memory = self._memories.get(presence.device_id)
        if memory is not None and presence.boot >= memory.order.boot:
            self._outages.suspect(memory, presence.received_at, online=presence.online)
            self._dirty.add(presence.device_id)
        return NOTHING

    def tick(self, now: float) -> Sequence[Change]:
        """Let time pass: silence, sites, blindness, storms."""
        return [*self._outages.tick(now), *self._openings.storms.tick(now)] or NOTHING

    def ingest_lost(self, now: float) -> Sequence[Change]:
        """The gateway knows that it cannot hear (broker or store away): verdicts of silence freeze."""
        told = self._outages.go_blind(now, now, by_order=True)
        return [told] if told is not None else NOTHING

    def ingest_restored(self, now: float) -> Sequence[Change]:
        """The gateway can hear again: everybody gets a full timeout."""
        told = self._outages.see(now)
        return [told] if told is not None else NOTHING

    # --- what pages ask -----------------------------------------------------------------------------------------------
    def view(self, device_id: str) -> DeviceView | None:
        """Everything known of a device now; None if it is not registered."""
        memory = self._memories.get(device_id)
        if memory is not None:
            return view_of(memory)
        device = self._devices.get(device_id)
        return DeviceView(device, Link.NEVER) if device is not None else None

    def blind_since(self) -> float | None:
        """Since when we hear nothing from anybody; None while we hear."""
        return self._outages.watch.blind_since or None

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

    # --- what is kept on disk -----------------------------------------------------------------------------------------
    def dirty(self) -> set[str]:
        """Devices whose memory changed since the last call."""
        changed = set(self._dirty)
        self._dirty.clear()
        return changed

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
        if memory.received_at:
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
