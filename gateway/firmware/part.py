"""The update part's life: what is due by the clock, who is at work, what the fleet should expect meanwhile."""

import asyncio
import json
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Final, Protocol

from diagnostics.changes import Change, ChangeKind, Scope
from firmware_updates.attempt_row import AT_RISK
from firmware_updates.clockwork import COHORT_MOST
from firmware_updates.health import WATCHED, HealthDiary
from firmware_updates.ports import Done, UpdateStore
from firmware_updates.rollout import RolloutState
from firmware_updates.service import UpdateService
from gateway.clock import Clock, every
from gateway.firmware.gate_memory import GateMemory
from gateway.firmware.support import SupportWatch
from gateway.ingest.digest import EXPECT, INTERNAL
from gateway.ingest.pipeline import Outflow
from gateway.ports.history import Sample
from gateway.ports.ingest import Inbound, Intake
from gateway.ports.registry import Registry
from gateway.storage.update_desk import SqlUpdates

TICK_S: Final = 5.0
ACTIVE: Final = frozenset(RolloutState) - {
    RolloutState.DRAFT,
    RolloutState.SIMULATED,
    RolloutState.PENDING_APPROVAL,
    RolloutState.SCHEDULED,
}
OVER_S: Final = 3 * 86_400.0
"""A rollout that ended longer ago has no device at work: the longest soak and the wait for a silent one are over."""


class Heard(Protocol):
    """What the part asks of the fleet."""

    def received_at(self, device_id: str) -> float | None:
        """When a device was last heard, by the gateway's clock."""


class UpdateLog(HealthDiary):
    """What the health gate remembers, told by the pipeline: episodes through `noticed`, samples on their way out."""

    def tap(self, outflow: Outflow) -> Outflow:
        """The outflow, with an ear on what passes."""
        return _Overheard(outflow, self)


class _Overheard:
    def __init__(self, outflow: Outflow, health: HealthDiary) -> None:
        self._outflow, self._health = outflow, health

    @property
    def full(self) -> bool:
        """See `Outflow`."""
        return self._outflow.full

    def offer(self, position: int, samples: Sequence[Sample]) -> None:
        """See `Outflow`."""
        if watched := self._health.watched:
            for sample in samples:
                if sample.device_id in watched:
                    self._health.sample(sample.device_id, sample.at, sample.metrics)
        self._outflow.offer(position, samples)


class UpdatePart:
    """`run()` is its life; `wake()` after a commit that touched an update."""

    def __init__(
        self,
        updates: SqlUpdates,
        service: UpdateService,
        health: UpdateLog,
        registry: Registry,
        intake: Intake,
        heard: Heard,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        self.updates, self.service = updates, service
        self._health, self._memory = health, GateMemory(updates, health)
        self._support = SupportWatch(updates, registry)
        self._faults: list[tuple[str, str]] = []
        self._registry, self._intake, self._heard = registry, intake, heard
        self._clock, self._changed = clock, changed
        self._wake, self._due = asyncio.Event(), True
        self._told: dict[str, tuple[float, int]] = {}
        self._looked_at = 0.0
        self._watched: list[str] = []
        self.trouble = ""

    def wake(self) -> None:
        """An attempt moved: look at once what the fleet should expect."""
        self._wake.set()

    def noticed(self, changes: Sequence[Change]) -> None:
        """Changes of health that were committed: the gate counts them, and a device at work is judged by them."""
        for change in changes:
            if change.kind is ChangeKind.OPENED and change.scope is Scope.DEVICE:
                self._health.note(change.received_at, change.scope_id, change.fault_class)
                if change.scope_id in self._told:
                    self._faults.append((change.scope_id, change.fault_class))
                    self._wake.set()

    async def run(self) -> None:
        """Until cancelled. While the database is away it waits for the next tick."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._beat(), name="updates: ticks")
            while True:
                await self._wake.wait()
                self._wake.clear()
                due, self._due = self._due, False
                try:
                    await (self.step if due else self.look)(self._clock.now())
                    self.trouble = ""
                except OSError as error:
                    self.trouble = str(error)

    async def _beat(self) -> None:
        async for _ in every(self._clock, TICK_S):
            self._due = True
            self._wake.set()

    async def step(self, now: float) -> None:
        """One round: what is due, who is alive, what to expect."""
        if not self._memory.recalled:
            await self._memory.recall()
        await self._watch()
        await self._memory.keep(now)
        handled = await self.updates.tick(now)
        await self.look(now)
        told = await self._support.look(now)
        if told or handled.updates or handled.tickets:
            self._changed()

    async def _watch(self) -> None:
        """Remember the metrics of rollouts' devices, from the first draft on: what was before is compared with."""
        rollouts = await self.updates.read(lambda store: [one.rollout_id for one in store.rollouts() if not one.over])
        if rollouts != self._watched:
            self._watched = rollouts
            self._health.watch(await self.updates.read(lambda store: _targets(store, rollouts)))

    async def look(self, now: float) -> None:
        """What an attempt that moved changes at once: faults of devices at work, who is alive, what to expect."""
        while self._faults:
            device, fault_class = self._faults[-1]
            await self.updates.follow(
                partial(self.service.fault, device_id=device, fault_class=fault_class, now=now), now
            )
            self._faults.pop()
        at_work = await self.updates.read(lambda store: _at_work(store, self.service, now))
        heard = [(device, self._heard.received_at(device)) for device in at_work]
        alive = [(device, at) for device, at in heard if at is not None and at >= self._looked_at]
        self._looked_at = now
        if alive:
            await self.updates.follow(lambda store: _seen(store, self.service, alive), now)
        self._tell(at_work)

    def _tell(self, at_work: dict[str, tuple[float, int]]) -> None:
        """Tell the fleet through the pipeline, so that the journal has it and a crash repeats it."""
        news = {device: what for device, what in at_work.items() if self._told.get(device) != what}
        self._told = at_work
        now = self._clock.now()
        messages = [
            Inbound(device, EXPECT, json.dumps({"until": until, "reboots": reboots}).encode(), now, INTERNAL, 0)
            for device, (until, reboots) in news.items()
        ]
        if messages:
            self._intake.take(messages)


def _at_work(store: UpdateStore, service: UpdateService, now: float) -> dict[str, tuple[float, int]]:
    """Devices at risk, and what their update explains. As many as the budgets allow, never the fleet."""
    found: dict[str, tuple[float, int]] = {}
    for rollout in store.rollouts(ACTIVE):
        if rollout.over and rollout.ended_at < now - OVER_S:
            continue
        after = ""
        while rows := store.attempts(rollout.rollout_id, AT_RISK, after=after):
            after = rows[-1].attempt_id
            for row in rows:
                expected = service.expectation(store, row.device_id)
                if expected is not None:
                    found[row.device_id] = (expected.silent_until, expected.reboots)
    return found


def _targets(store: UpdateStore, rollouts: Sequence[str]) -> list[str]:
    """The control and, of each other wave, as many as the gate looks at."""
    found: list[str] = []
    for rollout in rollouts:
        row = store.rollout(rollout)
        waves = range(len(row.waves)) if row else ()
        for wave in reversed(waves):
            found += [one.device_id for one in store.attempts(rollout, None, {wave}, "", COHORT_MOST)]
            if len(found) >= WATCHED:
                return found
    return found


def _seen(store: UpdateStore, service: UpdateService, heard: Collection[tuple[str, float]]) -> Done:
    parts = [service.seen(store, device, at) for device, at in heard]
    return Done(
        tuple(one for part in parts for one in part.messages),
        tuple(one for part in parts for one in part.tickets),
        tuple(one for part in parts for one in part.notices),
        tuple(one for part in parts for one in part.audit),
    )
