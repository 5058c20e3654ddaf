"""The fleet: every device's memory, and the one way in for reports, events, presence and time. Pure and deterministic.

The same calls with the same arguments give the same changes, on a fresh fleet or on one restored from disk: a crash is
repaired by loading the last checkpoint and repeating the calls since. Nothing here costs more with more devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import le

from diagnostics.arrival import Turn
from diagnostics.blindness import SET_BACK_S
from diagnostics.changes import Change
from diagnostics.hearing import Read, clock_fits, keep_values, nothing_new, prepare, unmoved
from diagnostics.judging import judge
from diagnostics.late import late_event, late_report
from diagnostics.measures import Moment, note_count, under_way
from diagnostics.memory import Memory
from diagnostics.oddities import looked_at, passed_by, shape_of, with_gaps
from diagnostics.openings import note_trouble, waiting
from diagnostics.patience import PATIENCE
from diagnostics.roster import Roster
from diagnostics.rule_file import BOOT_FELL
from diagnostics.set_back import set_back
from diagnostics.telemetry import Event, Presence, Report, Standing
from diagnostics.views import DeviceView, Link, view_of

NOTHING: tuple[Change, ...] = ()
TOO_OLD_S = 30 * 86_400.0
STEP_BACK_S = 2.0
APART_S = 0.001  # stores keep one value a millisecond: reports without a stamp that come together must not be one
GAP_SHARE = 0.1


class Fleet(Roster):
    """Memories by device id, made when a device first reports. Times are epoch seconds by the gateway's clock."""

    def observe(self, report: Report) -> Sequence[Change]:
        """Take one report: fills its standing and effective time, drops impossible values from it, returns what
        changed.
        """
        memory = self._memories.get(report.device_id) or self._first(report.device_id)
        if memory is None:
            return NOTHING
        if self._behind and (told := self._handover.bring_over(memory.site, report.received_at)):
            return [*told, *self.observe(report)]
        if self._saving.left:
            self._saving.touch(report.device_id)
        order = memory.order
        boots, fell = 0, False
        if report.boot == order.boot and report.seq == order.seq + 1:
            order.seq = report.seq
            order.odd = 0
            if report.captured_at is not None:
                order.captured_at = report.captured_at
        else:
            self._saving.touch(report.device_id)
            boot_before = order.boot
            report.standing, turn = order.place(report.boot, report.seq, report.captured_at, report.received_at)
            if report.standing is Standing.DUPLICATE:
                return NOTHING
            if report.standing is Standing.LATE:
                return late_report(memory, report, self._openings)
            if turn is Turn.BOOTED:
                boots = report.boot - boot_before
                memory.clock.restarted()
            elif turn is Turn.FELL:
                memory.clock.restarted()
                fell = True
        self._saving.changed.add(report.device_id)
        at = report.effective_at = self._hear(memory, report.captured_at, report.received_at, report.uptime_s)
        metrics = report.metrics
        names, values = report.names or tuple(metrics), [*metrics.values()]
        recent = memory.recent[0] if memory.recent else None
        if recent is None or (recent.shape.names is not names and recent.shape.names != names):
            shape = shape_of(memory, names)
            recent = memory.newest(shape)
            if shape.names is not names and shape.names != names:
                values = with_gaps(shape, metrics)
        else:
            shape = recent.shape
        inside = all(map(le, shape.lows, values)) and all(map(le, values, shape.highs))
        calm: bool | None = False
        if (
            recent is not None
            and not (boots or fell)
            and (not memory.active or memory.spent >= PATIENCE or memory.plan.resting.issuperset(memory.active))
            and not (memory.faults and memory.spent < PATIENCE and waiting(memory))
            and not (memory.signs and memory.spent < PATIENCE and under_way(memory, at))
            and (not memory.clock.offset or clock_fits(memory))
            and ((not report.states and not memory.transient) or nothing_new(memory, report.states))
            and (memory.firmware == report.firmware or not report.firmware)
        ):
            due = at >= recent.due
            calm = inside or (not due and unmoved(memory, shape, values, metrics))
            if calm and (shape.counters or shape.ratios) and looked_at(memory, shape, values):
                calm = False
            if calm and not due:
                report.names = shape.names
                report.packed = recent.packed = shape.values.pack(*values)
                recent.at = memory.effective_at = at
                return NOTHING
            if calm is None and passed_by(memory, recent, values, metrics):
                recent.at = memory.effective_at = at
                return NOTHING
        read = Read(shape, values, recent, inside, bool(calm) and not memory.spent)
        return self._look_at(memory, report, read, boots, fell=fell)

    def _look_at(self, memory: Memory, report: Report, read: Read, boots: int, *, fell: bool) -> Sequence[Change]:
        """Judge a report that gives some rule a reason to look."""
        at, shape = report.effective_at, read.shape
        moment = prepare(memory, report, read, boots, self._peers)
        if fell:
            moment.due.update(self._happened(memory, BOOT_FELL, at))
        troubled = bool(memory.active)
        findings = judge(memory, moment, self._peers)
        memory.effective_at = at
        packed = shape.values.pack(*read.values)
        keep_values(memory, read, moment, packed)
        if moment.whole:
            report.names, report.packed = shape.names, packed
        if memory.plan.shared_trouble and (troubled or memory.active):
            note_trouble(memory, memory.site)
        if findings or memory.faults:
            return self._openings.merge(memory, memory.site, findings, (at, report.received_at)) or NOTHING
        return NOTHING

    def _hear(self, memory: Memory, captured_at: float | None, received_at: float, uptime_s: float | None) -> float:
        """Liveness, and the effective time of a message in order: always after the message before it, but where our own
        clock was ahead: then its past moves back.
        """
        rate = self._sight.rate
        if received_at >= rate.ends_at:
            rate.roll(received_at, learn=not self._sight.watch.blind_since)
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
                most = 4.0 * gap
                if passed > most:  # as `min` would be, but for its call
                    passed = most or passed
                memory.gap_s = gap + GAP_SHARE * (passed - gap) if gap else passed
        elif passed < -SET_BACK_S:
            memory.received_at = received_at
        memory.site.heard_at = received_at
        if memory.suspect:
            self._outages.suspect(memory, received_at, online=True)
        at = received_at if captured_at is None else memory.clock.effective(captured_at, received_at, uptime_s)
        if at < memory.effective_at + APART_S or at < received_at - TOO_OLD_S:
            if memory.effective_at > received_at + SET_BACK_S:
                set_back(memory, memory.effective_at + memory.gap_s - received_at, received_at)
                return max(at, memory.effective_at + APART_S)
            back = max(memory.effective_at, received_at - TOO_OLD_S) - at
            at = memory.effective_at if back <= STEP_BACK_S else max(memory.effective_at, received_at)
            if memory.effective_at and at < memory.effective_at + APART_S:
                at = (round(memory.effective_at * 1000) + 1) / 1000
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
        if self._behind and (told := self._handover.bring_over(memory.site, event.received_at)):
            return [*told, *self.event(event)]
        self._saving.touch(event.device_id)
        event.standing, turn = memory.order.place(event.boot, event.seq, event.captured_at, event.received_at)
        if event.standing is Standing.DUPLICATE:
            return NOTHING
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
            self._saving.touch(presence.device_id)
            self._outages.suspect(memory, presence.received_at, online=presence.online)
        return NOTHING

    def tick(self, now: float) -> Sequence[Change]:
        """Let time pass: other rules, silence, sites, blindness, storms."""
        if self._sight.repeats(now):
            return NOTHING
        told = self._go_on(now) if self._behind else NOTHING
        return [*told, *self._outages.tick(now), *self._openings.storms.tick(now)] or NOTHING

    def ingest_lost(self, now: float) -> Sequence[Change]:
        """The gateway knows that it cannot hear (broker or store away): verdicts of silence freeze."""
        told = self._sight.go_blind(now, now, by_order=True)
        return [told] if told is not None else NOTHING

    def ingest_restored(self, now: float) -> Sequence[Change]:
        """The gateway can hear again: everybody gets a full timeout."""
        told = self._sight.see(now)
        return [told] if told is not None else NOTHING

    def view(self, device_id: str) -> DeviceView | None:
        """Everything known of a device now; None if it is not registered."""
        memory = self._memories.get(device_id)
        if memory is not None:
            return view_of(memory)
        device = self._devices.get(device_id)
        return DeviceView(device, Link.NEVER) if device is not None else None

    def blind_since(self) -> float | None:
        """Since when we hear nothing from anybody; None while we hear."""
        return self._sight.watch.blind_since or None
