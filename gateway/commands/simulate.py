"""`siaga simulate`: simulated devices, each with its own connection, against a gateway or a broker."""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt.enums import MQTTProtocolVersion

from device_sim import scenario as scenarios
from device_sim.link import Broker
from device_sim.runner import Pace, Progress, run_live
from device_sim.trust import KeyRing
from device_sim.update_client import UpdateSetup
from gateway.clock import SystemClock


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--broker", default="mqtt://127.0.0.1:1883", help="mqtt://host:port of the gateway or broker")
    parser.add_argument("--scenario", default="demo", help="demo, or a TOML file (see device_sim/scenarios)")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another fleet")
    parser.add_argument("--speed", type=float, default=1.0, help="how much faster faults develop (demo: 600)")
    parser.add_argument("--history-days", type=float, default=14.0, help="days of past that the devices catch up with")
    parser.add_argument("--interval", type=float, default=10.0, metavar="S", help="seconds between live reports")
    parser.add_argument("--mqtt", choices=("3.1.1", "5"), default="5", help="protocol version")
    parser.add_argument("--seconds", type=float, default=0.0, help="stop after so long (0: until interrupted)")
    secret = parser.add_mutually_exclusive_group()
    secret.add_argument("--password-file", type=Path, metavar="FILE", help="one password for all devices")
    secret.add_argument("--secrets", type=Path, metavar="FILE", help="JSON object: device id to password")
    parser.add_argument("--trust", type=Path, metavar="FILE", help="public keys: devices then install firmware")
    parser.add_argument("--images", default="", metavar="URL", help="where images are, for relative addresses")
    parser.add_argument("--inventory", type=Path, metavar="FILE", help="write the fleet's inventory and stop")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="write what really happens (never sent)")


def run(arguments: argparse.Namespace) -> int:
    """Run until stopped. 2 for a scenario that cannot be, 3 never: an absent broker is tried again."""
    start = SystemClock().now()
    days = arguments.history_days
    if arguments.scenario == "demo":
        scenario = scenarios.demo(arguments.seed, start, history_d=days)
    else:
        path = Path(arguments.scenario)
        if not path.is_file():
            raise ValueError(f"{path}: no such scenario file")
        scenario = scenarios.load(path, seed=arguments.seed, start=start, history_d=days)
    if arguments.inventory:
        arguments.inventory.write_text(json.dumps(scenario.inventory(), indent=1))
        return 0
    if arguments.speed != 1.0:
        scenario.quicken(arguments.speed)
    if arguments.truth:
        arguments.truth.write_text(scenario.truths_json())
    asyncio.run(_live(scenario, _broker(arguments), arguments))
    return 0


def _broker(arguments: argparse.Namespace) -> Broker:
    parts = urlsplit(arguments.broker)
    if parts.scheme != "mqtt" or not parts.hostname:
        raise ValueError(f"--broker {arguments.broker}: write it as mqtt://host:port")
    protocol = MQTTProtocolVersion.MQTTv5 if arguments.mqtt == "5" else MQTTProtocolVersion.MQTTv311
    return Broker(parts.hostname, parts.port or 1883, protocol=protocol, password_of=_passwords(arguments))


def _passwords(arguments: argparse.Namespace) -> Callable[[str], str] | None:
    if arguments.secrets:
        table: dict[str, Any] = json.loads(arguments.secrets.read_text())
        return lambda device_id: str(table.get(device_id, ""))
    if arguments.password_file:
        password = arguments.password_file.read_text().strip()
        return lambda _: password
    return None


def _updates(arguments: argparse.Namespace) -> UpdateSetup | None:
    """What devices need to install firmware; None: they ignore offers."""
    if not arguments.trust:
        return None
    rings = json.loads(arguments.trust.read_text())
    ring = {name: {key_id: bytes.fromhex(raw) for key_id, raw in keys.items()} for name, keys in rings.items()}
    # A real install takes minutes; here seconds, so that one is over while somebody watches.
    return UpdateSetup(KeyRing(ring["release"], ring["director"]), arguments.images, install_s=8.0, self_test_s=3.0)


async def _live(scenario: scenarios.Scenario, broker: Broker, arguments: argparse.Namespace) -> None:
    stop, progress = asyncio.Event(), Progress()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    updates = _updates(arguments)
    async with asyncio.TaskGroup() as tasks:
        # The faults were quickened above, before the truth was written.
        running = tasks.create_task(
            run_live(
                scenario,
                broker,
                pace=Pace(interval_s=arguments.interval),
                stop=stop,
                progress=progress,
                updates=updates,
            )
        )
        saying = tasks.create_task(_say(progress, len(scenario.devices)))
        if arguments.seconds:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(arguments.seconds):
                    await stop.wait()
            stop.set()
        await running
        saying.cancel()


async def _say(progress: Progress, devices: int) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(5)
        print(
            f"{time.monotonic() - began:6.0f} s  {progress.connected}/{devices} connected  "
            f"{progress.reports} reports in {progress.messages} messages  {progress.lost_links} links lost",
            file=sys.stderr,
            flush=True,
        )
