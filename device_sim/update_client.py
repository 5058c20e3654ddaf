"""The thin shell around `updater.py`: its messages over MQTT, its bytes over HTTP, its reboots for real."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

from device_sim.faults import FAULTS
from device_sim.flash import Flash, Mishaps
from device_sim.spells import Episode
from device_sim.updater import INSTALL_S, SELF_TEST_S, Fetch, Publish, Reboot, Updater
from device_sim.wire import payload, topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_sim.device import Device
    from device_sim.link import Link
    from device_sim.trust import KeyRing

LEAVES = ("update/desired", "update/grant", "update/response", "update/cancel")
_CHUNK = 64 * 1024
_READ_S = 0.2
_BROKEN = (aiohttp.ClientError, TimeoutError, OSError)


class RebootNow(Exception):
    """The device restarts now; the connection drops without a word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class UpdateSetup:
    """What the devices of a run need for updates. `base_url` completes URLs that are only a path.

    `flash` holds each device's flash (made at first use, so a test can look into it or give its own); `mishaps` is
    what goes wrong for whom. A version in `spoilt` installs well and then gives its device a fault: version ->
    (fault class, seconds from the boot until the customer would notice); another version takes it away again.
    """

    keys: KeyRing
    base_url: str = ""
    component: str = "system"
    factory_counter: int = 10
    install_s: float = INSTALL_S
    self_test_s: float = SELF_TEST_S
    flash: dict[str, Flash] = field(default_factory=dict)
    mishaps: dict[str, Mishaps] = field(default_factory=dict)
    spoilt: dict[str, tuple[str, float]] = field(default_factory=dict)

    def flash_of(self, device: Device) -> Flash:
        """The device's flash, fresh from the factory at first use."""
        if device.spec.id not in self.flash:
            flash = self.flash[device.spec.id] = Flash(device.firmware, self.factory_counter)
            flash.mishaps = self.mishaps.get(device.spec.id, Mishaps())
        return self.flash[device.spec.id]


class UpdateClient:
    """Updates of one live device, over all its boots. `boot_clock` is monotonic seconds."""

    def __init__(
        self, device: Device, setup: UpdateSetup, http: aiohttp.ClientSession, boot_clock: Callable[[], float]
    ) -> None:
        self._device, self._setup, self._http, self._clock = device, setup, http, boot_clock
        self._flash = setup.flash_of(device)
        self._response: aiohttp.ClientResponse | None = None
        self._restarts = False
        self._fault: Episode | None = None
        self.boot()

    def boot(self) -> None:
        """A new boot: the loader chooses the slot, what was not written is forgotten."""
        self._hang_up()
        self._flash.power_on()
        self._booted_at = self._clock()
        facts: dict[str, object] = {"tz": self._device.zone}
        if self._device.battery:
            facts["battery_pct"] = int(self._device.charge_wh)
        self._updater = Updater(
            self._device.spec.id,
            self._device.spec.model.hw_id,
            self._setup.component,
            self._flash,
            self._setup.keys,
            boot=self._device.boot,
            next_seq=self._device.take_seq,
            facts=facts,
            install_s=self._setup.install_s,
            self_test_s=self._setup.self_test_s,
        )
        self._device.firmware = self._updater.version
        self._spoil()

    def _spoil(self) -> None:
        """Let the running version bring its fault, and no other."""
        device = self._device
        spoilt = self._setup.spoilt.get(device.firmware)
        if spoilt is None and self._fault is not None:
            device.forget(self._fault)
            self._fault = None
        elif spoilt is not None and self._fault is None:
            fault = FAULTS[spoilt[0]]
            if fault.suits(device.spec):
                u = (device.random.random(), device.random.random(), device.random.random(), device.random.random())
                self._fault = Episode(fault, device.spec.id, device.spec.site_id, device.now, spoilt[1], 1e9, u)
                device.expect([self._fault])

    @property
    def mute(self) -> bool:
        """Whether the new image keeps the device silent."""
        return self._updater.mute

    @property
    def fetching(self) -> bool:
        """Whether a transfer is open: the next `turn` reads on."""
        return self._response is not None

    @property
    def asking(self) -> bool:
        """Whether an answer of the gateway is awaited."""
        return self._updater.asking

    @property
    def next_step_at(self) -> float | None:
        """When something is due by itself, by `boot_clock`; None while nothing but a message can move it on."""
        due = [at for at in (self._updater.next_step_at, self._updater.next_ask_at) if at is not None]
        return min(due) + self._booted_at if due else None

    def _now(self) -> float:
        return self._clock() - self._booted_at

    def connected(self) -> None:
        """MQTT stands."""
        self._updater.connected()

    def disconnected(self) -> None:
        """MQTT is gone."""
        self._hang_up()
        self._updater.disconnected()

    def receive(self, leaf: str, body: bytes) -> None:
        """A message under `update/`."""
        self._updater.receive(leaf, body, self._now())

    def tick(self) -> None:
        """Without a connection: time passes; RebootNow when the updater wants to."""
        self._updater.tick(self._now())
        for action in self._updater.take_actions():
            if isinstance(action, Reboot):
                raise RebootNow(action.reason)

    async def turn(self, link: Link) -> None:
        """Do what is due: messages, a piece of the download, a reboot (RebootNow)."""
        self._updater.tick(self._now())
        for action in self._updater.take_actions():
            if isinstance(action, Publish):
                name = topic(self._device.spec.id, action.leaf)
                await link.publish(name, payload(action.body), qos=action.qos, retain=action.retain)
                if action.claim:
                    self._updater.acknowledged(action.body)
            elif isinstance(action, Fetch):
                await self._open(action)
            else:
                raise RebootNow(action.reason)
        if self._response is not None:
            await self._read(self._response)

    async def _open(self, fetch: Fetch) -> None:
        headers = {"Range": f"bytes={fetch.offset}-", "If-Range": f'"{fetch.sha256}"'} if fetch.offset else {}
        url = self._setup.base_url + fetch.url if fetch.url.startswith("/") else fetch.url
        try:
            response = await self._http.get(url, headers=headers, allow_redirects=False)
        except (*_BROKEN, ValueError):
            self._updater.fetch_ended(0, self._now())
            return
        starts_at = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
        if response.status == 200 or (response.status == 206 and starts_at == str(fetch.offset)):
            self._response, self._restarts = response, response.status == 200
            return
        wait = response.headers.get("Retry-After", "")
        status = 0 if response.status == 206 else response.status
        response.close()
        self._updater.fetch_ended(status, self._now(), retry_after_s=float(wait) if wait.isdigit() else None)

    async def _read(self, response: aiohttp.ClientResponse) -> None:
        """What comes within a moment; the rest later, so that telemetry goes on."""
        try:
            async with asyncio.timeout(_READ_S):
                chunk = await response.content.read(_CHUNK)
        except TimeoutError:
            return
        except _BROKEN:
            self._hang_up()
            self._updater.fetch_ended(0, self._now())
            return
        if chunk:
            self._updater.downloaded(chunk, restart=self._restarts)
            self._restarts = False
        else:
            status = response.status
            self._hang_up()
            self._updater.fetch_ended(status, self._now())

    def _hang_up(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None
