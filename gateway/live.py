"""The fleet in memory: filled from the registry, followed while that changes, checkpointed by the pipeline."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Protocol

import structlog

from diagnostics.changes import Change
from diagnostics.engine import Engine
from diagnostics.fleet import Fleet
from diagnostics.topology import Device
from gateway.clock import Clock
from gateway.ingest.vocabulary import Vocabulary
from gateway.ports.history import Latest
from gateway.ports.live import ActiveEpisode, DeviceView, Liveness
from gateway.ports.registry import DeviceStatus, RegisteredDevice, Registry

log = structlog.get_logger()

FOLLOW_S = 2.0
"""How often the registry is asked what changed: a device added by the CLI is heard within two seconds."""


def known_device(device: RegisteredDevice) -> Device:
    """What rules need to know of it."""
    return Device(
        device.device_id,
        device.kind,
        device.model,
        device.site_id,
        device.parent_id,
        device.group,
        device.silence_s,
    )


class FleetMemory:
    """The part of the fleet that the pipeline checkpoints, and the set of devices it listens to.

    `edition` is the edition of the rules that the fleet judges by (0: those it was made with). A checkpoint says it,
    and those before it that a part of the fleet is still judged by, so that memory is taken back under the very rules
    that made it.
    """

    def __init__(
        self, fleet: Fleet, engine_of: Callable[[int], Engine] | None = None, vocabulary: Vocabulary | None = None
    ) -> None:
        self.fleet = fleet
        self.vocabulary = vocabulary or Vocabulary()
        self.registered: set[str] = set()
        self.edition = 0
        self._engine_of = engine_of

    def adopt(self, number: int, now: float) -> Sequence[Change]:
        """Judge by the rules of an edition. ValueError if nobody knows it."""
        if self._engine_of is None:
            raise ValueError(f"rules of edition {number}: this gateway has no rule book")
        changes = self.fleet.adopt(self._engine_of(number), now, number)
        self.edition = number
        return changes

    def put(self, device: RegisteredDevice) -> None:
        """A device was registered, changed or retired."""
        if device.status is DeviceStatus.ACTIVE:
            self.fleet.register(known_device(device))
            self.registered.add(device.device_id)
        elif device.device_id in self.registered:
            self.registered.discard(device.device_id)
            self.fleet.forget(device.device_id)

    def some_that_spoke(self, most: int) -> Iterator[str]:
        """Ids of devices that have reported: all of them, or at most `most` spread evenly."""
        spoke = self.fleet._memories
        return islice(spoke, 0, None, -(-len(spoke) // most) or 1)

    @property
    def told_deaf(self) -> bool:
        """Whether the fleet was told that we cannot hear, and not yet that we can."""
        return self.fleet._sight.watch.blind_by_order

    def received_at(self, device_id: str) -> float | None:
        """When it was last heard; None: never."""
        seen = self.fleet.view(device_id)
        return seen.received_at if seen else None

    def begin_checkpoint(self) -> bytes:
        """See `pipeline.Memory`."""
        self.fleet.begin_checkpoint()
        return self.save_shared()

    def some_of_checkpoint(self, limit: int) -> Sequence[tuple[str, bytes]]:
        """See `pipeline.Memory`."""
        return self.fleet.some_of_checkpoint(limit)

    def save_shared(self) -> bytes:
        """What belongs to no single device, with the edition of the rules and the names devices brought in."""
        return sealed(tuple(self.fleet.editions), self.vocabulary.seal(self.fleet.save_shared()))

    def restore(self, device_id: str, memory: bytes) -> None:
        """See `recovery.Restorable`."""
        self.fleet.restore(device_id, memory)

    def restore_shared(self, memory: bytes) -> None:
        """See `recovery.Restorable`. Takes over the rules of the checkpoint first."""
        numbers, shared = unsealed(memory)
        if numbers != RULE_FILES:
            if self._engine_of is None:
                raise ValueError(f"rules of edition {numbers[-1]}: this gateway has no rule book")
            self.fleet.judged_by({number: self._engine_of(number) for number in numbers})
            self.edition = numbers[-1]
        self.fleet.restore_shared(self.vocabulary.unseal(shared))


RULE_FILES = (0,)
"""The rules that a fleet is made with, before there are editions."""


def sealed(editions: Sequence[int], shared: bytes) -> bytes:
    """What belongs to no single device, with the editions of the rules in front, the one in force last (alone 0: none,
    as before there were editions).
    """
    numbers = b",".join(b"%d" % number for number in editions)
    return b"R%s\n%s" % (numbers, shared) if tuple(editions) != RULE_FILES else shared


def unsealed(memory: bytes) -> tuple[tuple[int, ...], bytes]:
    """The editions and the rest of what `sealed` gave."""
    head, _, shared = memory.partition(b"\n")
    return (tuple(int(part) for part in head[1:].split(b",")), shared) if head[:1] == b"R" else (RULE_FILES, memory)


class LivePages:
    """The fleet as pages read it (`ports.live.LiveFleet`)."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def view(self, device_id: str) -> DeviceView | None:
        """See the port."""
        seen = self._fleet.view(device_id)
        if seen is None:
            return None
        return DeviceView(
            device_id,
            Liveness(seen.link.value),
            seen.received_at,
            seen.effective_at,
            seen.boot,
            seen.firmware,
            {name: Latest(at, value) for name, (at, value) in (seen.metrics or {}).items()},
            seen.states or {},
            [
                ActiveEpisode(one.rule, one.fault_class, one.severity, one.since, one.held_by)
                for one in seen.episodes
                if one.severity is not None
            ],
        )

    def blind_since(self) -> float | None:
        """See the port."""
        return self._fleet.blind_since()


async def load_registry(memory: FleetMemory, registry: Registry) -> int:
    """Register every device. Returns the registry's revision as of the beginning, to follow from. Raises OSError."""
    revision = await registry.revision()
    async for device in registry.devices():
        memory.put(device)
    return revision


async def follow_registry(memory: FleetMemory, registry: Registry, revision: int, clock: Clock) -> None:
    """Take over what other processes register, for ever."""
    while True:
        await clock.sleep(FOLLOW_S)
        count = 0
        try:
            now, changed = await registry.changed_since(revision)
            async for device in changed:
                memory.put(device)
                count += 1
                if count % 1000 == 0:
                    await asyncio.sleep(0)
        except OSError:
            continue  # the ledger's own readiness says that the database is away; what was put is put again
        revision = now
        if count:
            log.info("the registry changed", devices=count)


class Outbox(Protocol):
    """The part of the forwarder that tells whether the outbox is full."""

    full: bool

    async def look(self) -> None:
        """Measure it now."""


DEAF_S = 20.0
"""A broker that is away for so long is our own outage: shorter than any device's silence timeout."""


async def resume_hearing(
    memory: FleetMemory, forwarder: Outbox, tell: Callable[[bool, float], None], clock: Clock, *, by_ourselves: bool
) -> None:
    """At the start: the process before may have been ended while it had told the fleet that it cannot hear.

    Nobody else would ever take that back. `by_ourselves`: devices connect to us, so we hear from now on. A full outbox
    takes it back when it has room, the watch over an only broker (`watch_hearing`) when that is there.
    """
    await forwarder.look()
    if memory.told_deaf and by_ourselves and not forwarder.full:
        tell(True, clock.now())


async def watch_hearing(
    trouble: Callable[[], str], tell: Callable[[bool, float], None], clock: Clock, told: bool = False
) -> None:
    """Tell the fleet when the only way in is away, and when it is back, for ever. `told`: it was, before the start."""
    since: float | None = None
    while True:
        await clock.sleep(1.0)
        now = clock.now()
        if not trouble():
            if told:
                tell(True, now)
            since, told = None, False
        else:
            since = now if since is None else since
            if not told and now - since > DEAF_S:
                tell(False, since)
                told = True
