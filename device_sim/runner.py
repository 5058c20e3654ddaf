"""A scenario live: one MQTT connection per device, in real time, until told to stop.

Order of a run. (1) History: each device sends what it measured from `scenario.begin` to now as catch-up arrays (at most
100 reports and 16 KiB a message), stamped in the past. (2) Live: a report every `interval_s`, stamped with the present.
The world (sun, heat, people) keeps its real pace throughout; with `speed` above 1 the faults that had begun by
`scenario.start` develop that much faster from then on (`Scenario.quicken`), so days of a fault pass in a minute and
the truth's `customer_visible_at` stays an instant of the wall clock.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from device_sim.clock import wall_s
from device_sim.commands import CommandDesk
from device_sim.link import Broker, Link, LinkLostError, Will, connect
from device_sim.wire import (
    Report,
    Status,
    event_payload,
    payload,
    report_batches,
    report_payload,
    status_payload,
    topic,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from device_sim.device import Device
    from device_sim.scenario import Scenario

_BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)
_KEPT_REPORTS = 2000
_WINDOW = 8


@dataclass(slots=True)
class Progress:
    """Counts of a run, for people."""

    connected: int = 0
    history_done: int = 0
    messages: int = 0
    reports: int = 0
    lost_links: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a device measures, in seconds."""

    interval_s: float = 10.0
    history_interval_s: float = 1800.0


async def run_live(
    scenario: Scenario,
    broker: Broker,
    *,
    speed: float = 1.0,
    pace: Pace | None = None,
    stop: asyncio.Event | None = None,
    progress: Progress | None = None,
    clock: Callable[[], float] = wall_s,
) -> None:
    """Run every device of the scenario until `stop` is set (then each says offline and disconnects) or cancelled.

    A broker that is away is tried again with back-off; reports are kept meanwhile.
    """
    pace = pace or Pace()
    stop = stop or asyncio.Event()
    progress = progress or Progress()
    if speed != 1.0:
        scenario.quicken(speed)
    fleet = scenario.build(interval_s=pace.history_interval_s)
    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="device-sim-connect") as executor:
        async with asyncio.TaskGroup() as group:
            for number, device in enumerate(fleet.values()):
                live = LiveDevice(device, broker, pace, stop, progress, clock, executor)
                offset = pace.interval_s * number / len(fleet)
                group.create_task(live.run(scenario.begin, offset), name=f"device-{device.spec.id}")


class LiveDevice:
    """One device on the wire: measures on time, connects, sends what it kept, answers commands."""

    def __init__(
        self,
        device: Device,
        broker: Broker,
        pace: Pace,
        stop: asyncio.Event,
        progress: Progress,
        clock: Callable[[], float],
        executor: Executor,
    ) -> None:
        self._device, self._broker, self._pace = device, broker, pace
        self._stop, self._progress, self._clock, self._executor = stop, progress, clock, executor
        self._id = device.spec.id
        self._kept: deque[Report] = deque(maxlen=_KEPT_REPORTS)
        self._desk = CommandDesk(device)
        self._failures = 0
        self._boot_told = -1

    async def run(self, begin: float, offset_s: float) -> None:
        """From the history to the stop."""
        due = begin + offset_s
        while not self._stop.is_set():
            will = Will(topic(self._id, "status"), status_payload(Status("offline", self._device.boot, self._clock())))
            try:
                async with connect(self._broker, self._id, will, [topic(self._id, "command")], self._executor) as link:
                    self._failures = 0
                    self._progress.connected += 1
                    try:
                        due = await self._history(link, due, offset_s)
                        due = await self._converse(link, due)
                        await self._say(link, "offline")
                    finally:
                        self._progress.connected -= 1
            except LinkLostError:
                self._progress.lost_links += 1
                due = max(due, self._device.now)
                due = await self._alone(due, _BACKOFF_S[min(self._failures, len(_BACKOFF_S) - 1)])
                self._failures += 1
            except _UnreachableError as error:
                due = await self._alone(error.due, 0.0)

    async def _history(self, link: Link, due: float, offset_s: float) -> float:
        """Catch up from `due` to the present in steps of the history; returns when the next live report is due."""
        step = self._pace.history_interval_s
        if self._clock() - due > step:
            await self._say(link, "online")
            while (ends := min(self._clock() - offset_s % step, due + 100 * step)) - due > step:
                while due <= ends:
                    self._measure(due)
                    due += step
                await self._flush(link)
                if self._stop.is_set():
                    return due
            self._progress.history_done += 1
            due = self._clock()
        self._device.interval_s = self._pace.interval_s
        self._device.complete_every = 1
        return due

    async def _converse(self, link: Link, due: float) -> float:
        """Live reports and commands until the stop; raises when the link is lost or a fault cuts the device off."""
        await self._say(link, "online")
        await self._flush(link)
        while not self._stop.is_set():
            await self._answer(link, due)
            if self._stop.is_set():
                break
            if not link.alive:
                raise LinkLostError("ended")
            now = self._clock()
            due = max(due + self._pace.interval_s, now)
            self._measure(now)
            if self._cut_off:
                raise _UnreachableError(due)
            if self._boot_told != self._device.boot:
                await self._say(link, "online")
            if not self._device.held:
                await self._flush(link)
        return due

    @property
    def _cut_off(self) -> bool:
        return self._device.cut or self._device.hung or self._device.down is not None

    def _measure(self, now: float) -> None:
        report = self._device.report(now)
        if report is not None:
            self._kept.append(report)

    async def _answer(self, link: Link, due: float) -> None:
        """Serve commands until `due`, the stop, or the end of the link."""
        while (left := due - self._clock()) > 0 and not self._stop.is_set() and link.alive:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, 0.5)):
                    name, body = await link.inbox.get()
                    if name == topic(self._id, "command"):
                        await self._command(link, body)

    async def _command(self, link: Link, body: bytes) -> None:
        result = self._desk.answer(body, self._clock())
        if result is not None:
            await link.publish(topic(self._id, "command/result"), payload(result))
            self._progress.messages += 1

    async def _say(self, link: Link, state: str) -> None:
        device = self._device
        status = Status(state, device.boot, self._clock() + device.clock_error_s)
        await link.publish(topic(self._id, "status"), status_payload(status), retain=True)
        self._boot_told = device.boot
        self._progress.messages += 1

    async def _flush(self, link: Link) -> None:
        """Send what is kept, oldest first; nothing is dropped from here before its acknowledgement."""
        if len(self._kept) == 1:
            await link.publish(topic(self._id, "telemetry"), report_payload(self._kept[0]))
            self._sent(1)
        while self._kept:
            batches = []
            for batch in report_batches(tuple(self._kept)):
                batches.append(batch)
                if len(batches) == _WINDOW:
                    break
            name = topic(self._id, "telemetry")
            answers = await asyncio.gather(*(link.publish(name, body) for _, body in batches), return_exceptions=True)
            for (reports, _), answer in zip(batches, answers, strict=True):
                if isinstance(answer, BaseException):
                    raise LinkLostError(str(answer)) from answer
                self._sent(len(reports))
        for event in self._device.take_events():
            await link.publish(topic(self._id, "event"), event_payload(event))
            self._progress.messages += 1

    def _sent(self, reports: int) -> None:
        for _ in range(reports):
            self._kept.popleft()
        self._progress.reports += reports
        self._progress.messages += 1

    async def _alone(self, due: float, for_s: float) -> float:
        """Without a connection: measure on time until `for_s` has passed and nothing cuts the device off any more."""
        ends = self._clock() + for_s
        while not self._stop.is_set() and (self._clock() < ends or self._cut_off):
            now = self._clock()
            if now >= due and now - due < self._pace.history_interval_s:
                self._measure(now)
                due = now + self._pace.interval_s
            elif self._cut_off and now >= due:
                due = now
            with suppress(TimeoutError):
                async with asyncio.timeout(min(0.5, self._pace.interval_s)):
                    await self._stop.wait()
        return due


class _UnreachableError(Exception):
    """A fault of the scenario has cut the device off; `due` is when it measures next."""

    def __init__(self, due: float) -> None:
        super().__init__("cut off by the scenario")
        self.due = due
