"""A night of updates: cameras in six zones at a real broker, and a clock that moves on when everybody has acted.

The clock stands while messages travel, so the night is as long as its messages take, and no machine is too slow for it.
Devices are the simulator's own: its updater, its flash, its MQTT connection, its HTTP.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from sqlalchemy import func, select

from device_sim.device import Device
from device_sim.environment import Climate, World
from device_sim.flash import Flash, Mishaps, PowerCutError, Step
from device_sim.link import Broker, Link, LinkLostError, Will, connect
from device_sim.models import MODELS, DeviceSpec
from device_sim.trust import KeyRing
from device_sim.update_client import LEAVES, RebootNow, UpdateClient, UpdateSetup
from device_sim.wire import Status, report_payload, status_payload, topic
from gateway.app import Gateway
from gateway.clock import ManualClock
from gateway.ports.registry import Customer, RegisteredDevice, Site
from gateway.storage.schema.updates import update_outbox

MODEL = MODELS["Lensa B4"]
REBOOT_S = 60.0
TELEMETRY_S = 300.0
SHORT_S, LONG_S = 30.0, 600.0
AFTER_S = 2400.0
LOST_S = 5.0  # real: what is not answered by then is asked again


@dataclass(frozen=True, slots=True)
class Place:
    """A zone with its maintenance window, as text of the registry."""

    zone: str
    windows: str


class WatchedFlash(Flash):
    """Notes the true time at which an install was begun: nothing the gateway says or knows goes into it."""

    def __init__(self, camera: "Camera") -> None:
        super().__init__(MODEL.firmware, 10)
        self._camera = camera

    def write(self, step: Step) -> None:
        """See `Flash.write`."""
        if step is Step.INSTALLING:
            self._camera.starts.append(self._camera.night.clock.now())
        super().write(step)


class Camera:
    """One device over all its boots and connections."""

    def __init__(self, night: "Night", spec: DeviceSpec, world: World, setup: UpdateSetup) -> None:
        self.night, self.id = night, spec.id
        self.starts: list[float] = []
        self.device = Device(spec, world, "night", start=night.clock.now())
        setup.flash[spec.id] = flash = WatchedFlash(self)
        flash.mishaps = setup.mishaps.get(spec.id, Mishaps())
        self.client = UpdateClient(self.device, setup, night.http, night.clock.now)
        self.link: Link | None = None
        self._reported_at = 0.0
        self._back_at = night.clock.now()

    @property
    def next_at(self) -> float:
        """When something is due for it."""
        if self.link is None:
            return self._back_at
        due = self.client.next_step_at
        return math.inf if due is None else due

    def wake(self) -> None:
        """Time has passed."""
        if self.link is not None:
            self.link.inbox.put_nowait(("", b""))

    async def live(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._connection()
            except (RebootNow, PowerCutError):
                self.link = None
                self._back_at = self.night.clock.now() + REBOOT_S
                await self.night.clock.sleep(REBOOT_S)
                self.device.restart("update", self.night.clock.now())
                self.client.boot()
            except LinkLostError:
                self.link = None

    async def _connection(self) -> None:
        night = self.night
        will = Will(topic(self.id, "status"), status_payload(self._status("offline")))
        leaves = [topic(self.id, leaf) for leaf in LEAVES]
        async with connect(night.broker, self.id, will, leaves, night.executor) as link:
            self.client.connected()
            self.link = link
            link.inbox.put_nowait(("", b""))
            if not self.client.mute:
                await link.publish(will.topic, status_payload(self._status("online")), retain=True)
            while True:
                name, body = await link.inbox.get()
                night.working += 1
                try:
                    await self._act(link, name.removeprefix(topic(self.id, "")), body)
                finally:
                    night.working -= 1

    async def _act(self, link: Link, leaf: str, body: bytes) -> None:
        if leaf:
            self.client.receive(leaf, body)
        if self.client.mute:
            self.client.tick()
            return
        now = self.night.clock.now()
        if self.night.watched(self) and now >= self._reported_at + TELEMETRY_S:
            self._reported_at = now
            report = self.device.report(now)
            if report is not None:
                await link.publish(topic(self.id, "telemetry"), report_payload(report))
        await self.client.turn(link)
        while self.client.fetching:
            await self.client.turn(link)
        if not link.alive:
            raise LinkLostError("ended")

    def _status(self, state: str) -> Status:
        return Status(state, self.device.boot, self.night.clock.now())


@dataclass
class Night:
    """Cameras, and the clock that they share with the gateway. `pass_until` lets time go by."""

    clock: ManualClock
    gateway: Gateway
    broker: Broker
    http: aiohttp.ClientSession
    executor: ThreadPoolExecutor
    cameras: dict[str, Camera] = field(default_factory=dict)
    working: int = 0

    def watched(self, camera: Camera) -> bool:
        """Whether a camera sends telemetry: while its update may still be judged by it."""
        return bool(camera.starts) and self.clock.now() < camera.starts[-1] + AFTER_S

    async def pass_until(self, until: float, stride: float = LONG_S) -> None:
        """Move the clock from one thing that is due to the next, at most `stride`; then everybody acts to the end."""
        await self.settle()
        while (now := self.clock.now()) < until:
            due = min(camera.next_at for camera in self.cameras.values())
            self.clock.move(min(max(due - now, SHORT_S), stride, until - now))
            for camera in self.cameras.values():
                camera.wake()
            await self.settle()

    async def settle(self) -> None:
        """Wait until nobody has anything left to do at this instant."""
        calm, loop = 0, asyncio.get_running_loop()
        lost_at = loop.time() + LOST_S
        while calm < 2:
            await asyncio.sleep(0.002)
            cameras, now = self.cameras.values(), self.clock.now()
            returning = any(camera.link is None and camera.next_at <= now for camera in cameras)
            waiting = any(camera.link is not None and not camera.link.inbox.empty() for camera in cameras)
            asking = any(camera.client.asking for camera in cameras) and loop.time() < lost_at
            busy = self.working or waiting or returning or asking or self.gateway.pipeline.pending
            calm = 0 if busy or await self._unpublished() else calm + 1

    async def _unpublished(self) -> int:
        return await self.gateway.database.read(
            lambda connection: int(connection.execute(select(func.count()).select_from(update_outbox)).scalar_one())
        )


def sites_of(places: Sequence[Place], cameras: int, per_site: int) -> tuple[list[Site], list[RegisteredDevice]]:
    """Cameras over the places in turn; two of each site watch the same door."""
    sites = [
        Site(f"site-{number}", "maker", f"Site {number}", places[number % len(places)].zone)
        for number in range(-(-cameras // per_site))
    ]
    devices = []
    for number in range(cameras):
        site, place = sites[number // per_site], places[number // per_site % len(places)]
        group = f"{site.site_id}-door" if number % per_site < 2 else ""
        devices.append(
            RegisteredDevice(
                f"cam-{number:03d}", f"Camera {number}", "camera", MODEL.name, site.site_id, group=group,
                silence_s=40 * 86_400.0, windows=place.windows,
            )
        )  # fmt: skip
    return sites, devices


OWNER = Customer("maker", "Maker", "en", "Asia/Jakarta")


@asynccontextmanager
async def night_of(
    gateway: Gateway,
    clock: ManualClock,
    broker_port: int,
    sites: Sequence[Site],
    devices: Sequence[RegisteredDevice],
    keys: KeyRing,
    mishaps: dict[str, Mishaps],
) -> AsyncIterator[Night]:
    """All cameras connected and reported."""
    setup = UpdateSetup(keys, f"http://127.0.0.1:{gateway.http_port}", mishaps=mishaps)
    zones = {site.site_id: site.zone for site in sites}
    async with AsyncExitStack() as stack:
        executor = stack.enter_context(ThreadPoolExecutor(max_workers=8))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        night = Night(clock, gateway, Broker("127.0.0.1", broker_port, keepalive_s=600), http, executor)
        worlds = {site: World(Climate(zone, 0.0, 100.0, 24.0, 1.0, 4.0, 0.2), site) for site, zone in zones.items()}
        for device in devices:
            spec = DeviceSpec(device.device_id, device.name, MODEL, device.site_id)
            night.cameras[spec.id] = Camera(night, spec, worlds[device.site_id], setup)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        for camera in night.cameras.values():
            stack.callback(tasks.create_task(camera.live()).cancel)
        await night.settle()
        yield night
