"""One simulated device: who it is, what it remembers, and its next report."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, Any

from device_sim.foresight import Outlook
from device_sim.habits import Habits
from device_sim.models import Kind, Part
from device_sim.noise import Noise
from device_sim.physics import measure
from device_sim.wire import Event, Report, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from device_sim.environment import Slot, World
    from device_sim.models import DeviceSpec
    from device_sim.physics import States
    from device_sim.spells import Spell


class Device(Habits):
    """A device in time. `report(now)` must be called with rising instants; the same calls give the same answers.

    While a spell works on a report it may set `down` (no power: nothing is measured, a boot follows), `hung` (alive but
    silent, nothing is kept), `cut` (no way to the gateway: reports are kept), `held` (connected, but reports wait) and
    `clock_error_s`; they hold for that report. `reboot` and `emit` may be called at any time.
    """

    __slots__ = (
        "_active", "_next_turn", "_reboot_reason", "_reboots", "_spells", "_until_complete", "_was_down", "battery",
        "boot", "booted_at", "camera", "cert_until", "cfg_hash", "clock_error_s", "complete_every", "cut", "dc",
        "down", "elapsed_s", "events", "firmware", "held", "hung", "infrared", "interval_s", "kind", "microphone",
        "night", "noise", "now", "outdoor", "outlook", "poe", "ptz", "random", "rec_since", "recorder", "records",
        "reset_reason", "sd", "seq", "serial", "spec", "wifi", "world", "zone",
    )  # fmt: skip

    def __init__(self, spec: DeviceSpec, world: World, seed: str, *, start: float, interval_s: float = 900.0) -> None:
        self.spec, self.kind, self.world = spec, spec.kind, world
        has = spec.model.has
        self.outdoor, self.poe, self.dc, self.wifi = has(Part.OUTDOOR), has(Part.POE), has(Part.DC), has(Part.WIFI)
        self.sd, self.infrared, self.microphone = has(Part.SD), has(Part.INFRARED), has(Part.MICROPHONE)
        self.ptz, self.battery, self.zone = has(Part.PTZ), has(Part.BATTERY), world.zone
        self.camera, self.recorder = spec.kind is Kind.CAMERA, spec.kind is Kind.RECORDER
        self.records = self.sd or self.recorder
        self.random = Random(f"{seed}/{spec.id}")
        self.noise = Noise(f"{seed}/{spec.id}")
        self.firmware = spec.model.firmware
        self.boot, self.seq = self.random.randrange(3, 40), 0
        self.booted_at = start - self.random.uniform(0.5, 60) * 86400
        self.reset_reason = "power" if self.random.random() < 0.7 else "user"
        self.serial = f"{spec.model.hw_id}-{self.random.randrange(16**8):08x}"
        self.cfg_hash = f"{self.random.randrange(16**8):08x}"
        self.cert_until = start + self.random.uniform(45, 360) * 86400
        self.rec_since = start - 400 * 86400.0
        self.draw(spec.model, self.random.uniform)
        self.night = False
        self.outlook = Outlook()
        self.now, self.elapsed_s, self.interval_s = start, interval_s, interval_s
        self.complete_every = 4
        self._until_complete = 0
        self.down: str | None = None
        self.hung = self.cut = self.held = False
        self.clock_error_s = 0.0
        self._was_down: str | None = None
        self._reboots, self._reboot_reason = 0, ""
        self._spells: list[Spell] = []
        self._active: list[Spell] = []
        self._next_turn = math.inf
        self.events: list[Event] = []

    def expect(self, spells: Iterable[Spell]) -> None:
        """Add what will happen to this device."""
        self._spells.extend(spells)
        self._next_turn = min((spell.start for spell in self._spells), default=math.inf)

    def forget(self, spell: Spell) -> None:
        """Take a spell away at once."""
        self._spells = [other for other in self._spells if other is not spell]
        self._active = [other for other in self._active if other is not spell]
        self._calm()

    @property
    def slot(self) -> Slot:
        """The world at the present instant."""
        return self.world.at(self.now)

    @property
    def z(self) -> tuple[float, ...]:
        """The noise of the report that is being made."""
        return self.noise.row

    @property
    def next_change(self) -> float:
        """When the next spell begins or ends."""
        return self._next_turn

    def reboot(self, reason: str, times: int = 1) -> None:
        """Boot `times` times before the report that is being made."""
        self._reboots, self._reboot_reason = self._reboots + times, reason

    def restart(self, reason: str, now: float) -> None:
        """Boot at once (live: a command, an update, a power cut)."""
        self.boot, self.seq, self.booted_at, self.reset_reason = self.boot + 1, 0, now, reason
        self._until_complete = 0

    def take_seq(self) -> int:
        """A sequence number for another message of this boot."""
        self.seq += 1
        return self.seq - 1

    def emit(self, topic: str, **data: Any) -> None:
        """Queue an event; it takes a sequence number after the report that is being made."""
        self.events.append(Event(0, 0, self.now, topic, data))

    def status(self, state: str) -> Status:
        """Presence at the present instant."""
        return Status(state, self.boot, self.now + self.clock_error_s)

    def report(self, now: float) -> Report | None:
        """The report of this instant, or None while the device has no power or hangs."""
        elapsed_s = now - self.now
        self.elapsed_s = elapsed_s if 0.0 < elapsed_s < 4 * self.interval_s else self.interval_s
        self.now = now
        self.noise.turn += 1
        complete = self._until_complete <= 0
        self._until_complete = self.complete_every - 1 if complete else self._until_complete - 1
        m, s, names = measure(self, now, complete)
        if now >= self._next_turn:
            self._turn(now)
        if self._active:
            self._calm()
            for spell in self._active:
                spell.work(self, m, s)
            if self._silent():
                return None
        if self._was_down is not None:
            self.reboot(self._was_down)
            self._was_down = None
        if self._reboots:
            self._boot(s)
        seq = self.seq
        self.seq = seq + 1
        return Report(
            self.boot,
            seq,
            int(now - self.booted_at),
            now + self.clock_error_s + self.clock_bias_s,
            self.firmware,
            m,
            s,
            names,
        )

    def take_events(self) -> list[Event]:
        """The events since the last call, numbered after the report."""
        taken = [
            Event(self.boot, self.take_seq(), event.at + self.clock_error_s, event.topic, event.data)
            for event in self.events
        ]
        self.events = []
        return taken

    def _calm(self) -> None:
        self.down, self.hung, self.cut, self.held, self.clock_error_s = None, False, False, False, 0.0

    def _silent(self) -> bool:
        """Whether it says nothing now; without power a boot will follow."""
        if self.down is not None:
            self._was_down = self.down
        elif not self.hung:
            return False
        self._until_complete = 0
        return True

    def _boot(self, s: States) -> None:
        self.boot += self._reboots
        self.seq = 0
        self.booted_at = self.now - max(25.0, self.elapsed_s * self.random.uniform(0.05, 0.85))
        self.reset_reason = s["reset_reason"] = self._reboot_reason
        self._reboots = 0
        self._until_complete = 0
        if self.sd and self.reset_reason in {"power", "brownout"}:
            self.sd_power_losses += 1

    def _turn(self, now: float) -> None:
        """Recompute what is active; what has ended gets its `finish`."""
        for spell in self._active:
            if spell.end <= now:
                spell.finish(self)
        self._active = [spell for spell in self._spells if spell.start <= now < spell.end]
        self._spells = [spell for spell in self._spells if spell.end > now]
        edges = [edge for spell in self._spells for edge in (spell.start, spell.end) if edge > now]
        self._next_turn = min(edges, default=math.inf)
        self._calm()
