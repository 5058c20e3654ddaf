"""One device on the wire: it measures on time, connects, sends what it kept, answers commands, installs updates."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from device_sim.commands import CommandDesk
from device_sim.flash import PowerCutError
from device_sim.link import Broker, Link, LinkLostError, Will, connect
from device_sim.update_client import LEAVES, RebootNow, UpdateClient
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
    from contextlib import AbstractAsyncContextManager

    from device_sim.device import Device

_BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)
_KEPT_REPORTS = 2000
_WINDOW = 8
_POLL_S = 0.25


@dataclass(slots=True)
class Progress:
    """Counts of a run, for people."""

    connected: int = 0
    history_done: int = 0
    messages: int = 0
    reports: int = 0
    lost_links: int = 0
    reboots: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a device measures and how long it takes to boot, in seconds."""

    interval_s: float = 10.0
    history_interval_s: float = 1800.0
    reboot_s: float = 3.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all devices of a run share."""

    broker: Broker
    pace: Pace
    stop: asyncio.Event
    progress: Progress
    clock: Callable[[], float]
    executor: Executor


class _UnreachableError(Exception):
    """A fault of the scenario has cut the device off."""


class LiveDevice:
    """One device over all its connections and boots."""

    def __init__(self, device: Device, around: Surroundings, updates: UpdateClient | None) -> None:
        self._device, self._around, self._pace, self._updates = device, around, around.pace, updates
        self._id = device.spec.id
        self._kept: deque[Report] = deque(maxlen=_KEPT_REPORTS)
        self._desk = CommandDesk(device)
        self._boot = device.boot
        self._due = 0.0

    async def run(self, begin: float, offset_s: float) -> None:
        """From the history to the stop."""
        self._due = begin + offset_s
        failures = 0
        while not self._stopped:
            try:
                async with self._connect() as link:
                    failures = 0
                    await self._serve(link, offset_s)
            except LinkLostError:
                self._around.progress.lost_links += 1
                await self._alone(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
                failures += 1
            except _UnreachableError:
                await self._alone(0.0)
            except (RebootNow, PowerCutError) as cause:
                await self._reboot(cause)

    @property
    def _stopped(self) -> bool:
        return self._around.stop.is_set()

    def _connect(self) -> AbstractAsyncContextManager[Link]:
        will = Will(topic(self._id, "status"), status_payload(self._status("offline")))
        leaves = ["command", *(LEAVES if self._updates is not None else ())]
        return connect(
            self._around.broker, self._id, will, [topic(self._id, leaf) for leaf in leaves], self._around.executor
        )

    async def _serve(self, link: Link, offset_s: float) -> None:
        progress = self._around.progress
        progress.connected += 1
        try:
            await self._history(link, offset_s)
            if self._updates is not None:
                self._updates.connected()
            await self._converse(link)
            await self._say(link, "offline")
        finally:
            progress.connected -= 1
            if self._updates is not None:
                self._updates.disconnected()

    async def _history(self, link: Link, offset_s: float) -> None:
        """Catch up from the last measurement to the present, in the steps of the history."""
        step, clock = self._pace.history_interval_s, self._around.clock
        if clock() - self._due > step:
            await self._say(link, "online")
            while (ends := min(clock() - offset_s % step, self._due + 100 * step)) - self._due > step:
                while self._due <= ends:
                    self._measure(self._due)
                    self._due += step
                await self._flush(link)
                if self._stopped:
                    return
            self._around.progress.history_done += 1
            self._boot = self._device.boot
            if self._updates is not None:
                self._updates.boot()
        self._due = clock()
        self._device.interval_s, self._device.complete_every = self._pace.interval_s, 1

    async def _converse(self, link: Link) -> None:
        """Live reports, commands and updates until the stop; raises when the link or the device goes down."""
        await self._say(link, "online")
        await self._flush(link)
        while True:
            await self._listen(link)
            if self._stopped:
                return
            now = self._around.clock()
            self._due = now + self._pace.interval_s
            self._measure(now)
            if self._cut_off:
                raise _UnreachableError
            if self._device.boot != self._boot:
                raise RebootNow(self._device.reset_reason)
            if not self._device.held:
                await self._flush(link)

    async def _listen(self, link: Link) -> None:
        """Serve what comes in until the next measurement is due."""
        while not self._stopped and (left := self._due - self._around.clock()) > 0:
            if not link.alive:
                raise LinkLostError("ended")
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, _POLL_S)):
                    name, body = await link.inbox.get()
                    leaf = name.removeprefix(topic(self._id, ""))
                    if leaf == "command":
                        await self._command(link, body)
                    elif self._updates is not None:
                        self._updates.receive(leaf, body)
            if self._updates is not None:
                await self._updates.turn(link)
                if self._updates.mute:
                    raise _UnreachableError

    async def _command(self, link: Link, body: bytes) -> None:
        result = self._desk.answer(body, self._around.clock())
        if result is not None:
            await link.publish(topic(self._id, "command/result"), payload(result))
            self._around.progress.messages += 1

    @property
    def _cut_off(self) -> bool:
        device = self._device
        return (
            device.cut or device.hung or device.down is not None or (self._updates is not None and self._updates.mute)
        )

    def _measure(self, now: float) -> None:
        report = self._device.report(now)
        if report is not None and not (self._updates is not None and self._updates.mute):
            self._kept.append(report)

    def _status(self, state: str) -> Status:
        return Status(state, self._device.boot, self._around.clock() + self._device.clock_error_s)

    async def _say(self, link: Link, state: str) -> None:
        await link.publish(topic(self._id, "status"), status_payload(self._status(state)), retain=True)
        self._around.progress.messages += 1

    async def _flush(self, link: Link) -> None:
        """Send what is kept, oldest first; nothing is forgotten before its acknowledgement."""
        name = topic(self._id, "telemetry")
        if len(self._kept) == 1:
            await link.publish(name, report_payload(self._kept[0]))
            self._sent(1)
        while self._kept:
            batches = []
            for batch in report_batches(tuple(self._kept)):
                batches.append(batch)
                if len(batches) == _WINDOW:
                    break
            answers = await asyncio.gather(*(link.publish(name, body) for _, body in batches), return_exceptions=True)
            for (reports, _), answer in zip(batches, answers, strict=True):
                if isinstance(answer, BaseException):
                    raise LinkLostError(str(answer)) from answer
                self._sent(len(reports))
        for event in self._device.take_events():
            await link.publish(topic(self._id, "event"), event_payload(event))
            self._around.progress.messages += 1

    def _sent(self, reports: int) -> None:
        for _ in range(reports):
            self._kept.popleft()
        self._around.progress.reports += reports
        self._around.progress.messages += 1

    async def _alone(self, for_s: float) -> None:
        """Without a connection: measure on time until `for_s` has passed and nothing cuts the device off any more."""
        clock = self._around.clock
        ends = clock() + for_s
        while not self._stopped and (clock() < ends or self._cut_off):
            now = clock()
            # a gap of the history is filled after the connection stands
            if now >= self._due and now - self._due < self._pace.history_interval_s:
                self._measure(now)
                self._due = now + self._pace.interval_s
            try:
                if self._updates is not None:
                    self._updates.tick()
            except (RebootNow, PowerCutError) as cause:
                await self._reboot(cause)
            await self._pause(min(_POLL_S, self._pace.interval_s))
        if self._device.boot != self._boot:
            await self._reboot(RebootNow(self._device.reset_reason))

    async def _reboot(self, cause: RebootNow | PowerCutError) -> None:
        """Restart, unless a fault of the scenario has done it already, and come back after the boot time."""
        self._around.progress.reboots += 1
        if self._device.boot == self._boot:
            reason = cause.reason if isinstance(cause, RebootNow) else "power"
            self._device.restart(reason, self._around.clock())
        self._boot = self._device.boot
        await self._pause(self._pace.reboot_s)
        if self._updates is not None:
            self._updates.boot()

    async def _pause(self, for_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(for_s):
                await self._around.stop.wait()
