"""The composition root: one straight function that makes a whole gateway out of its parts, and takes it apart again.

Tests enter `running(settings)` to run everything. Parts are made in the order of need and stopped in reverse: ways in
first, then the pipeline is drained and checkpointed, then the stores close.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import structlog
from prometheus_client import CollectorRegistry

from diagnostics.catalogue import load_catalogue
from diagnostics.faults import load_faults
from firmware_updates.inbox import Director
from firmware_updates.service import UpdateService
from gateway import metrics
from gateway.access import device_authentication
from gateway.clock import Clock, SystemClock
from gateway.derived import broker_address, endpoint_settings, image_store, web_secret, web_settings
from gateway.downlink import Publisher
from gateway.firmware.images import ImageStore
from gateway.firmware.keys import director_key, release_keys
from gateway.firmware.owners_desk import OwnersDesk
from gateway.firmware.part import UpdateLog, UpdatePart
from gateway.firmware.release_desk import ReleaseDesk
from gateway.firmware.views import UpdatePages
from gateway.housekeeping import keep_house
from gateway.ingest import journal
from gateway.ingest.digest import Digest
from gateway.ingest.endpoint.server import Endpoint, open_endpoint
from gateway.ingest.mqtt_client import BrokerClient
from gateway.ingest.pipeline import Limits, Pipeline
from gateway.ingest.recovery import recover
from gateway.live import FleetMemory, LivePages, follow_registry, load_registry, resume_hearing, watch_hearing
from gateway.loop_delay import LoopDelay
from gateway.opening import opened_database, opened_history
from gateway.ports.history import History
from gateway.ports.ingest import Downlink
from gateway.ports.ledger import Committed, Effects
from gateway.rules.part import RulePart, open_rules
from gateway.serving import flowing, listening, metrics_page, with_mqtt
from gateway.settings import Settings
from gateway.storage.accounts import SqlAccounts
from gateway.storage.database import Database
from gateway.storage.downlink import SqlDownlinkOutbox
from gateway.storage.endpoint import SqlEndpointStore
from gateway.storage.forwarder import Forwarder
from gateway.storage.forwarder import Limits as OutboxLimits
from gateway.storage.ledger import SqlLedger
from gateway.storage.registry import SqlRegistry
from gateway.storage.rule_book import SqlRuleBook
from gateway.storage.tickets import SqlTickets
from gateway.storage.update_desk import SqlUpdates
from gateway.telling import open_telling, telling_metrics
from gateway.web.knowledge import Knowledge
from gateway.web.parts import WebParts
from gateway.web.server import create_app
from gateway.web.wake import Broadcaster

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway, as tests and commands see it. Ports are those really listened on (0: not listening)."""

    http_port: int
    mqtt_port: int
    metrics_port: int
    database: Database
    registry: SqlRegistry
    accounts: SqlAccounts
    tickets: SqlTickets
    ledger: SqlLedger
    history: History
    memory: FleetMemory
    pipeline: Pipeline
    forwarder: Forwarder
    publisher: Publisher
    updates: SqlUpdates
    service: UpdateService
    images: ImageStore
    endpoint: Endpoint | None
    broker: BrokerClient | None
    exposition: CollectorRegistry
    rules: RulePart
    replayed: int


@asynccontextmanager
async def running(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Gateway]:
    """Run a whole gateway until the block ends. Raises ValueError for settings, rules or a schema that cannot work."""
    clock = clock or SystemClock()
    catalogue, faults = load_catalogue(), load_faults()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        database, claim = await opened_database(stack, settings, clock)
        registry, accounts = SqlRegistry(database), SqlAccounts(database)
        tickets, downlink = SqlTickets(database, clock, settings.policy_for), SqlDownlinkOutbox(database)

        def time_to_act(name: str) -> float:
            return faults[name].time_to_act_s if name in faults else 0.0

        secret = web_secret(settings)
        images = image_store(settings)
        health = UpdateLog()
        key = director_key(settings.firmware.director_key or settings.data_dir / "director.pem")
        trusted = release_keys(settings.firmware.release_keys or settings.data_dir / "release-keys.json")
        service = UpdateService(Director(key, trusted, images), health)
        updates = SqlUpdates(database, service, time_to_act, clock, settings.policy_for)
        ledger = SqlLedger(database, time_to_act, updates.handle, policy_for=settings.policy_for)

        rules = await open_rules(SqlRuleBook(database), settings, catalogue, faults, clock)
        memory = rules.memory
        revision = await load_registry(memory, registry)
        digest = Digest(memory.fleet, memory.registered, memory.adopt, memory.vocabulary)
        await rules.recall(ledger)
        position, replayed = await recover(ledger, memory, digest)
        log.info("recovered", devices=len(memory.registered), position=position, replayed=replayed)

        history = await opened_history(stack, settings, clock)
        bounds = OutboxLimits(settings.pipeline.outbox_max_bytes, settings.pipeline.outbox_max_age_s)
        forwarder = Forwarder(
            ledger, history, partial(journal.samples, possible=catalogue.possible), clock, limits=bounds
        )
        wake = Broadcaster()
        tasks = await stack.enter_async_context(asyncio.TaskGroup())

        def committed(done: Committed, effects: Effects) -> None:
            part.noticed(effects.changes)
            wake.publish("devices")
            if done.notifications:
                notifier.wake()
            if done.tickets:
                wake.publish("tickets")
            if done.downlink:
                publisher.wake()
            if done.updates:
                update_publisher.wake()
                part.wake()
                wake.publish("rollouts")

        limits = Limits(settings.pipeline.window, settings.pipeline.batch)
        pipeline = Pipeline(
            digest, ledger, memory, health.tap(forwarder), clock, position=position, limits=limits, committed=committed
        )
        rules.follow(pipeline, history, registry, clock)
        ways: list[Downlink] = []
        publisher, update_publisher = Publisher(downlink, ways, clock), Publisher(updates, ways, clock)

        def updates_changed() -> None:
            update_publisher.wake()
            wake.publish("rollouts")

        part = UpdatePart(updates, service, health, registry, pipeline, memory, clock, updates_changed)

        telling = open_telling(settings, database, registry, faults, catalogue, clock)
        notifier, deliveries = await stack.enter_async_context(telling)

        await resume_hearing(memory, forwarder, pipeline.hearing, clock, by_ourselves=settings.mqtt.enabled)
        # From here on it runs. What starts first stops last.
        stack.callback(tasks.create_task(forwarder.run(), name="forwarder").cancel)
        piping = tasks.create_task(pipeline.run(), name="pipeline")
        stack.push_async_callback(_drained, pipeline, piping)
        following = follow_registry(memory, registry, revision, clock)
        stack.callback(tasks.create_task(following, name="registry").cancel)
        endpoint, broker = None, None
        if settings.mqtt.enabled:
            who = device_authentication(registry, memory.registered, guests=settings.mqtt.guests)
            endpoint = await stack.enter_async_context(
                open_endpoint(endpoint_settings(settings.mqtt), pipeline, SqlEndpointStore(database), who, clock)
            )
            ways.append(endpoint)
        if settings.broker.url:
            broker = BrokerClient(broker_address(settings.broker), pipeline, clock)
            stack.callback(tasks.create_task(broker.run(), name="broker").cancel)
            ways.append(broker)
            if endpoint is None:
                watching = watch_hearing(partial(getattr, broker, "trouble"), pipeline.hearing, clock, memory.told_deaf)
                stack.callback(tasks.create_task(watching, name="hearing").cancel)
        delay = LoopDelay(clock)
        for work, name in (
            (publisher.run(), "downlink"),
            (update_publisher.run(), "offers"),
            (part.run(), "updates"),
            (rules.run(), "rules"),
            (notifier.run(), "notifications"),
            (keep_house(tickets, accounts, clock), "housekeeping"),
            (claim.keep(clock), "claim"),
            (delay.watch(), "loop delay"),
        ):
            stack.callback(tasks.create_task(work, name=name).cancel)

        checks = {"database": ledger.ready, "history": lambda: flowing(forwarder)}
        if broker is not None:
            checks["broker"] = broker.ready
        exposition = metrics.registry(
            lambda: metrics.pipeline_metrics(pipeline),
            lambda: metrics.outflow_metrics(forwarder, history, clock.now()),
            lambda: metrics.way_metrics(endpoint, broker),
            lambda: metrics.fleet_metrics(memory),
            lambda: telling_metrics(notifier, clock.now()),
            delay.metrics,
        )
        pages = UpdatePages(database, updates, service)
        parts = WebParts(
            tickets=tickets,
            registry=registry,
            accounts=accounts,
            history=history,
            live=LivePages(memory.fleet),
            knowledge=Knowledge(faults, catalogue, rules.engines.reasons),
            rejects=ledger,
            clock=clock,
            settings=web_settings(settings, secret),
            wake=wake,
            checks=checks,
            metrics=None if settings.http.metrics_port else exposition,
            updates=pages,
            rollouts=pages,
            images=images,
            releases=ReleaseDesk(updates, service, registry, images),
            software=OwnersDesk(updates, service),
            rules=rules.backtests,
            deliveries=deliveries,
        )
        app = with_mqtt(create_app(parts), endpoint, settings)
        http_port = await stack.enter_async_context(listening(app, settings.http.host, settings.http.port))
        metrics_port = 0
        if settings.http.metrics_port:
            metrics_port = await stack.enter_async_context(
                listening(metrics_page(exposition), settings.http.metrics_host, settings.http.metrics_port)
            )
        log.info("siaga is ready", http=http_port, mqtt=endpoint.port if endpoint else 0)
        yield Gateway(
            http_port,
            endpoint.port if endpoint else 0,
            metrics_port,
            database,
            registry,
            accounts,
            tickets,
            ledger,
            history,
            memory,
            pipeline,
            forwarder,
            publisher,
            updates,
            service,
            images,
            endpoint,
            broker,
            exposition,
            rules,
            replayed,
        )
        log.info("stopping: draining")


async def _drained(pipeline: Pipeline, piping: "asyncio.Task[None]") -> None:
    pipeline.drain()
    await asyncio.wait({piping})
