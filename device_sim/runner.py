"""A scenario live: one MQTT connection per device, in real time, until told to stop.

Order of a run. (1) History: each device sends what it measured from `scenario.begin` to now as catch-up arrays (at most
100 reports and 16 KiB a message), stamped in the past. (2) Live: a report every `interval_s`, stamped with the present.
The world (sun, heat, people) keeps its real pace throughout; with `speed` above 1 the faults that had begun by
`scenario.start` develop that much faster from then on (`Scenario.quicken`), so days of a fault pass in a minute and
the truth's `customer_visible_at` stays an instant of the wall clock.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import aiohttp

from device_sim.clock import wall_s
from device_sim.live import LiveDevice, Pace, Progress, Surroundings
from device_sim.update_client import UpdateClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_sim.link import Broker
    from device_sim.scenario import Scenario
    from device_sim.update_client import UpdateSetup

__all__ = ["Pace", "Progress", "run_live"]


async def run_live(
    scenario: Scenario,
    broker: Broker,
    *,
    speed: float = 1.0,
    pace: Pace | None = None,
    stop: asyncio.Event | None = None,
    progress: Progress | None = None,
    updates: UpdateSetup | None = None,
    clock: Callable[[], float] = wall_s,
) -> None:
    """Run every device of the scenario until `stop` is set (then each says offline and disconnects) or cancelled.

    A broker that is away is tried again with back-off; reports are kept meanwhile (the last 2,000 of a device). With
    `updates` the devices also fetch and install firmware. Quickens `scenario` in place if `speed` is not 1.
    """
    pace = pace or Pace()
    if speed != 1.0:
        scenario.quicken(speed)
    fleet = scenario.build(interval_s=pace.history_interval_s)
    async with AsyncExitStack() as stack:
        executor = stack.enter_context(ThreadPoolExecutor(max_workers=4, thread_name_prefix="device-sim-connect"))
        around = Surroundings(broker, pace, stop or asyncio.Event(), progress or Progress(), clock, executor)
        http = None
        if updates is not None:
            http = await stack.enter_async_context(
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(sock_connect=10))
            )
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            for number, device in enumerate(fleet.values()):
                client = UpdateClient(device, updates, http, loop.time) if updates and http else None
                live = LiveDevice(device, around, client)
                offset = pace.interval_s * number / len(fleet)
                group.create_task(live.run(scenario.begin, offset), name=f"device-{device.spec.id}")
