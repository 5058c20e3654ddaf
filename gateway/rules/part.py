"""The rules of a running gateway: the files and the book over them, followed while it runs."""

import asyncio
from collections.abc import Iterator
from typing import Final

import structlog

from diagnostics.catalogue import Catalogue
from diagnostics.engine import Engine
from diagnostics.faults import Faults
from diagnostics.fleet import Fleet
from diagnostics.lint import Sighting
from gateway.clock import Clock
from gateway.derived import load_rules, rule_base
from gateway.ingest.digest import INTERNAL, RULES
from gateway.ingest.pipeline import Pipeline
from gateway.ingest.vocabulary import Vocabulary
from gateway.live import FleetMemory, unsealed
from gateway.ports.history import History
from gateway.ports.ingest import Inbound
from gateway.ports.ledger import Ledger
from gateway.ports.registry import Registry
from gateway.ports.rule_book import Edition, RuleBook
from gateway.rules.budget import Budget
from gateway.rules.desk import RuleDesk
from gateway.rules.engines import Engines, begin
from gateway.rules.follow import RuleFollower
from gateway.rules.jobs import Backtests
from gateway.rules.keeper import keep_budget_hourly
from gateway.settings import Settings

log = structlog.get_logger()


def message(number: int, now: float) -> Inbound:
    """What the pipeline is told: from here on this edition judges."""
    return Inbound("", RULES, b"%d" % number, now, INTERNAL, 0)


def budget_of(settings: Settings) -> Budget:
    """The noise budget as it is set."""
    return Budget(settings.noise.share, settings.noise.judged, settings.noise.days)


class RulePart:
    """Made by `open_rules`; `recall` before the journal is replayed, `follow` once the pipeline is there."""

    def __init__(self, book: RuleBook, desk: RuleDesk, engines: Engines, memory: FleetMemory, newest: Edition) -> None:
        self.book, self.desk, self.engines, self.memory = book, desk, engines, memory
        self._newest = newest
        self._running: tuple[RuleFollower, Backtests, Clock] | None = None

    async def recall(self, ledger: Ledger) -> None:
        """Know every edition that the replay may meet: the checkpoint's and all after them. Raises OSError."""
        numbers, _ = unsealed((await ledger.recover()).shared)
        self.engines.learn(await self.book.since(min(numbers)))

    def follow(self, pipeline: Pipeline, history: History, registry: Registry, clock: Clock) -> None:
        """Judge by the newest edition from the next message on, and by every one after it."""
        edition = self.memory.edition
        follower = RuleFollower(self.book, self.engines, pipeline.take, message, clock, edition)
        follower.tell(self._newest)
        self._running = follower, Backtests(self.desk, history, registry, clock), clock

    def changed(self) -> None:
        """The book has a new edition."""
        if self._running is not None:
            self._running[0].wake()

    @property
    def backtests(self) -> Backtests:
        """The queue of backtests. Only after `follow`."""
        assert self._running is not None, "follow comes first"
        return self._running[1]

    async def run(self) -> None:
        """For ever: follow the book, work off backtests, keep the noise budget."""
        assert self._running is not None, "follow comes first"
        follower, backtests, clock = self._running
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follower.run(), name="rules: follow")
            tasks.create_task(backtests.run(), name="rules: backtests")
            tasks.create_task(keep_budget_hourly(self.desk, clock), name="rules: noise budget")


SIGHTINGS: Final = 2000
"""Devices that a draft is held against: about 20 us each, on the event loop."""


def sightings(memory: FleetMemory) -> Iterator[Sighting]:
    """The devices as they are now; of a large fleet some, spread evenly."""
    for device_id in memory.some_that_spoke(SIGHTINGS):
        seen = memory.fleet.view(device_id)
        if seen is not None and seen.metrics:
            metrics = {name: value for name, (_, value) in seen.metrics.items()}
            yield Sighting(seen.device.kind, seen.device.model, metrics, seen.states or {})


async def open_rules(
    book: RuleBook, settings: Settings, catalogue: Catalogue, faults: Faults, clock: Clock
) -> RulePart:
    """The rules in force and an empty fleet that is judged by the rule files, until it is told of an edition.

    ValueError in one line for rule files that cannot be used; OSError while the database is away.
    """
    files, base = load_rules(settings, catalogue), rule_base(settings)
    newest, warnings = await begin(book, base, clock.now())
    for warning in warnings:
        log.warning(warning)
    engines = Engines(files, catalogue)
    engines.learn([newest])
    names = Vocabulary(
        (*catalogue.metric, *catalogue.state), settings.pipeline.names_per_device, settings.pipeline.names
    )
    memory = FleetMemory(Fleet(Engine(files, catalogue), (), clock.now()), engines, names)
    part: RulePart

    def changed() -> None:
        part.changed()

    desk = RuleDesk(
        book,
        base,
        catalogue,
        faults,
        sightings=lambda: sightings(memory),
        budget=budget_of(settings),
        changed=changed,
    )
    part = RulePart(book, desk, engines, memory, newest)
    return part
