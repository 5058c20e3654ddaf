"""The demo: a whole gateway with embedded stores, and a simulated fleet in a process of its own, on this machine alone.

The simulator's truth is written to a file that the gateway never reads; only the check at the end compares.
"""

import asyncio
import json
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_sim import scenario as scenarios
from gateway import demo_update, inventory
from gateway.access import secret_hash
from gateway.app import Gateway, running
from gateway.clock import Clock
from gateway.ports.registry import Role, User
from gateway.settings import Settings, load
from gateway.storage.accounts import SqlAccounts
from gateway.storage.database import open_database
from gateway.storage.registry import SqlRegistry
from gateway.web.passwords import hash_password


@dataclass(frozen=True, slots=True)
class Plan:
    """What a demo is made of. `speed`: how much faster faults develop than in life; ports 0: any free one."""

    folder: Path
    http_port: int = 8080
    mqtt_port: int = 1883
    seed: int = 1
    speed: float = 600.0
    history_days: float = 14.0


@dataclass(frozen=True, slots=True)
class Login:
    """A log-in that was made for this run."""

    name: str
    password: str
    who: str
    customer_id: str = ""


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demo."""

    gateway: Gateway
    logins: tuple[Login, ...]
    truth: Path
    url: str
    started_at: float


@asynccontextmanager
async def demo(plan: Plan, clock: Clock) -> AsyncIterator[Demo]:
    """Run it until the block ends. Raises OSError where a port cannot be had at all."""
    settings = load(
        None,
        data_dir=plan.folder,
        http={"port": free_or_any(plan.http_port)},
        mqtt={"port": free_or_any(plan.mqtt_port)},
    )
    stock = scenarios.demo(plan.seed, clock.now(), history_d=plan.history_days).inventory()
    passwords = plan.folder / "devices.json"
    truth, trust = plan.folder / "truth.json", plan.folder / "trust.json"
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    release = demo_update.prepare(plan.folder, stock, trust)
    hw_id = next(device["hw_id"] for device in stock["devices"] if device["id"] == release.now)
    logins = await furnish(settings, stock, passwords)
    async with running(settings, clock) as gateway:
        started_at = clock.now()
        async with (
            simulator(plan, gateway, (passwords, truth, trust)),
            background(demo_update.publish(gateway, release, hw_id, clock)),
        ):
            yield Demo(gateway, logins, truth, f"http://127.0.0.1:{gateway.http_port}", started_at)


async def furnish(settings: Settings, stock: dict[str, Any], passwords: Path) -> tuple[Login, ...]:
    """Register the fleet and make people and passwords for this run."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    customers, sites, devices = inventory.parse(json.dumps(stock), "demo").rows()
    made = {device.device_id: secrets.token_urlsafe(16) for device in devices}
    passwords.touch(mode=0o600)
    passwords.write_text(json.dumps(made))
    logins = [
        Login("sari", secrets.token_urlsafe(6), "support staff"),
        Login("dewi", secrets.token_urlsafe(6), "fleet manager"),
        *(
            Login(customer.customer_id, secrets.token_urlsafe(6), f"customer {customer.name}", customer.customer_id)
            for customer in customers
        ),
    ]
    languages = {customer.customer_id: customer.language for customer in customers}
    names = {customer.customer_id: customer.name for customer in customers}
    roles = {"sari": Role.AGENT, "dewi": Role.MANAGER}
    async with open_database(settings.database_url) as database:
        registry, accounts = SqlRegistry(database), SqlAccounts(database)
        await registry.put(customers, sites, devices)
        for device_id, secret in made.items():
            await registry.set_device_secret(device_id, secret_hash(secret))
        for login in logins:
            await accounts.put_user(
                User(
                    login.name,
                    roles.get(login.name, Role.CUSTOMER),
                    await asyncio.to_thread(hash_password, login.password),
                    login.customer_id,
                    names.get(login.customer_id, login.name.title()),
                    languages.get(login.customer_id, "en"),
                )
            )
    return tuple(logins)


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run it beside the block; what is not done at the end is left."""
    async with asyncio.TaskGroup() as tasks:
        running_work = tasks.create_task(work)
        try:
            yield
        finally:
            running_work.cancel()


@asynccontextmanager
async def simulator(plan: Plan, gateway: Gateway, files: tuple[Path, Path, Path]) -> AsyncIterator[None]:
    """The simulated fleet as a child process; it is asked to stop at the end, and waited for."""
    passwords, truth, trust = files
    with (plan.folder / "simulator.log").open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "simulate", "--broker", f"mqtt://127.0.0.1:{gateway.mqtt_port}"),
            *("--trust", str(trust), "--images", f"http://127.0.0.1:{gateway.http_port}"),
            *("--secrets", str(passwords), "--truth", str(truth), "--seed", str(plan.seed)),
            *("--speed", str(plan.speed), "--history-days", str(plan.history_days), "--interval", "5"),
            stderr=said,
        )
    try:
        yield
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(10):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


def free_or_any(port: int) -> int:
    """The port, or a free one where it is 0 or somebody listens there (a number: image addresses carry it)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
