"""The fleet in memory: it follows the registry, and knows when it is we who cannot hear."""

import asyncio

from diagnostics.catalogue import load_catalogue
from diagnostics.engine import Engine
from diagnostics.fleet import Fleet
from diagnostics.rule_file import load_default_rules
from diagnostics.telemetry import Report
from gateway.clock import ManualClock
from gateway.live import FleetMemory, LivePages, follow_registry, load_registry, watch_hearing
from gateway.ports.live import Liveness
from gateway.ports.registry import Customer, DeviceStatus, RegisteredDevice, Site
from gateway.storage.memory.registry import MemoryRegistry


def empty_memory() -> FleetMemory:
    catalogue = load_catalogue()
    return FleetMemory(Fleet(Engine(load_default_rules(catalogue), catalogue), (), 0.0))


async def turn(clock: ManualClock, seconds: float) -> None:
    for _ in range(int(seconds)):
        await asyncio.sleep(0)
        clock.move(1.0)
        for _ in range(5):
            await asyncio.sleep(0)


async def test_a_device_registered_by_another_process_is_heard_and_a_retired_one_is_not_any_more() -> None:
    registry, memory, clock = MemoryRegistry(), empty_memory(), ManualClock(0.0)
    camera = RegisteredDevice("cam-1", "Door", "camera", "m", "shop")
    await registry.put([Customer("c", "C", "en", "UTC")], [Site("shop", "c", "Shop", "UTC")], [camera])
    revision = await load_registry(memory, registry)
    assert memory.registered == {"cam-1"}
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(follow_registry(memory, registry, revision, clock))
        await registry.put(devices=[RegisteredDevice("cam-2", "Till", "camera", "m", "shop")])
        await turn(clock, 4)
        assert memory.registered == {"cam-1", "cam-2"}
        await registry.put(
            devices=[RegisteredDevice("cam-1", "Door", "camera", "m", "shop", status=DeviceStatus.RETIRED)]
        )
        await turn(clock, 4)
        assert memory.registered == {"cam-2"}
        following.cancel()


async def test_a_registered_device_that_never_spoke_is_shown_as_such_and_an_unknown_one_not_at_all() -> None:
    memory = empty_memory()
    memory.put(RegisteredDevice("cam-1", "Door", "camera", "m", "shop"))
    pages = LivePages(memory.fleet)
    seen = pages.view("cam-1")
    assert seen is not None
    assert seen.liveness is Liveness.NEVER
    assert pages.view("stranger") is None
    assert pages.blind_since() is None
    assert memory.received_at("cam-1") is None


def test_of_a_large_fleet_some_that_spoke_stand_for_all_and_of_a_small_one_all_do() -> None:
    memory = empty_memory()
    for number in range(300):
        memory.put(RegisteredDevice(f"cam-{number}", "Door", "camera", "m", "shop"))
    assert list(memory.some_that_spoke(10)) == []
    for number in range(0, 300, 3):
        memory.fleet.observe(Report(f"cam-{number}", 1, 1, None, 100.0, {"cpu_pct": 4.0}))
    assert len(list(memory.some_that_spoke(100))) == len(list(memory.some_that_spoke(5000))) == 100
    for most in (1, 7, 10, 99):
        assert 0 < len(list(memory.some_that_spoke(most))) <= most


async def test_a_broker_that_is_away_for_long_is_our_outage_from_its_beginning_and_a_short_one_is_nothing() -> None:
    clock, trouble, told = ManualClock(1000.0), [""], list[tuple[bool, float]]()
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(
            watch_hearing(lambda: trouble[0], lambda can_hear, at: told.append((can_hear, at)), clock)
        )
        trouble[0] = "away"
        await turn(clock, 10)
        trouble[0] = ""
        await turn(clock, 5)
        assert told == []
        trouble[0] = "away"
        away_at = clock.now()
        await turn(clock, 40)
        trouble[0] = ""
        await turn(clock, 3)
        watching.cancel()
    assert [can_hear for can_hear, _ in told] == [False, True]
    assert away_at <= told[0][1] <= away_at + 2
