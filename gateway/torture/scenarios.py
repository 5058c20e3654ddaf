"""The plugs that are pulled. Each scenario is a function of its world; a table says what each needs."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.torture import broker, postgresql
from gateway.torture.influx_front import Mood
from gateway.torture.verdict import Count, Verdict
from gateway.torture.world import DEAF, World

HOUR = 3600.0
Pull = Callable[[World, bool], None]
"""Pull the plugs of a scenario; True: the short form."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A row of the table. `short`: part of the short form."""

    name: str
    pull: Pull
    needs: frozenset[str] = frozenset()
    short: bool = False
    settings: str = ""


def _kill(world: World, short: bool) -> None:
    for _ in range(2 if short else 12):
        world.work(0.2, 2.0)
        world.gateway.kill()
        world.pulled()
        world.gateway.start()
    world.work(1.0)


def _kill_while_starting(world: World, short: bool) -> None:
    world.work(1.0)
    for _ in range(2 if short else 10):
        world.gateway.kill()
        world.pulled()
        world.gateway.launch()
        world.work(0.1, 3.0)
    world.gateway.kill()
    world.pulled()
    world.gateway.start()
    world.work(1.0)


def _frozen(world: World, _short: bool) -> None:
    for seconds in (8.0, 40.0):  # longer than the devices' keep-alive, and than their silence time-out
        world.work(2.0)
        world.gateway.freeze()
        world.pulled()
        world.work(seconds)
        world.gateway.thaw()
    world.work(3.0)


def _swallowed(world: World, _short: bool) -> None:
    for _ in range(3):
        world.work(1.0)
        world.wire.swallow()
        world.pulled()
        before = world.devices.accepted
        world.until(lambda before=before: world.devices.accepted > before + 200, "devices are back by themselves")  # type: ignore[misc]
    if world.wire.swallowed < 3:
        world.why.append("no connection was swallowed")


def _restart_broker(world: World, short: bool) -> None:
    for number in range(2 if short else 6):
        world.work(0.5, 1.5)
        if number % 2:
            # What a killed broker had not saved is lost by the broker; so it is killed after it has saved, and before
            # it has saved that we took it: it will send it again.
            world.devices.rest()
            world.devices.until_accepted(20)
            world.broker.saved()
            world.broker.kill()
        else:
            world.broker.stop()
        world.pulled()
        world.broker.start()
        world.devices.go_on()
    world.work(2.0)


def _broker_gone(world: World, short: bool) -> None:
    world.work(1.0)
    world.broker.stop()
    world.pulled()
    if not short:
        world.until(lambda: "broker" in world.gateway.trouble(), "/readyz says that the broker is away")
        world.work(45.0)  # longer than the devices' silence time-out: their silence must not become tickets
        world.expected.append(DEAF)
    world.work(2.0)
    world.broker.start()
    world.work(3.0)


def _moods(*moods: tuple[Mood, float]) -> Pull:
    def pull(world: World, _short: bool) -> None:
        for mood, seconds in moods:
            world.work(0.5)
            world.front.mood = mood
            world.pulled()
            world.work(seconds)
            world.front.mood = Mood.WELL
        if not world.front.failed:
            world.why.append("the store was never asked while it failed")

    return pull


def _influx_gone(world: World, short: bool) -> None:
    for _ in range(1 if short else 2):
        world.work(0.5)
        world.front.gone()
        world.pulled()
        world.until(lambda: "history" in world.gateway.trouble(), "/readyz says that the history is away")
        world.work(1.0 if short else 4.0)
        world.front.back()
        world.work(1.0)


def _bad_line(world: World, _short: bool) -> None:
    world.pulled()
    world.work(5.0)
    if not world.front.refused:
        world.why.append("no line was refused")


def _fill_outbox(world: World) -> None:
    world.work(1.0)
    world.front.gone()
    world.pulled()
    full = "the outbox is full"
    world.until(lambda: full in world.gateway.trouble().get("history", ""), "/readyz says that the outbox is full")
    world.work(1.0)  # what is under way is committed and acknowledged
    before = world.devices.accepted
    world.work(3.0)
    if world.devices.accepted > before:
        world.why.append(f"{world.devices.accepted - before} reports were acknowledged while the outbox was full")
    world.expected.append(DEAF)


def _outbox_full(world: World, _short: bool) -> None:
    _fill_outbox(world)
    world.front.back()
    world.until(lambda: not world.gateway.trouble(), "the gateway is ready again", 90)
    world.work(2.0)


def _killed_with_full_outbox(world: World, _short: bool) -> None:
    _fill_outbox(world)
    world.gateway.kill()
    world.pulled()
    world.front.back()
    world.gateway.start()
    world.until(lambda: not world.gateway.trouble(), "the gateway is ready again", 90)
    world.work(2.0)


def _disk_full(world: World, short: bool) -> None:
    world.notes.append(world.disk.kind)
    for _ in range(1 if short else 2):
        world.work(1.0)
        world.disk.fill(world.gateway.pid)
        world.pulled()
        world.until(lambda: "database" in world.gateway.trouble(), "/readyz says that the database is away")
        world.work(3.0)
        world.disk.free(world.gateway.pid)
        world.until(lambda: not world.gateway.trouble(), "the gateway is ready again", 60)


def _killed_while_full(world: World, _short: bool) -> None:
    world.notes.append(world.disk.kind)
    world.work(1.0)
    world.disk.fill(world.gateway.pid)
    world.pulled()
    world.until(lambda: "database" in world.gateway.trouble(), "/readyz says that the database is away")
    world.gateway.kill()
    world.pulled()
    world.disk.free(os.getpid())
    world.gateway.start()
    world.work(1.0)


def _clock_jumps(world: World, short: bool) -> None:
    for offset in (3 * HOUR, 0.0) if short else (3 * HOUR, 0.0, -2 * HOUR, 0.0, 400.0, -400.0):
        world.work(2.0)
        world.jump(offset)
        world.pulled()
        world.work(2.0)


def _restart_postgresql(world: World, _short: bool) -> None:
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGQUIT):
        world.work(0.5, 2.0)
        world.server.stop(how)
        world.pulled()
        world.server.start()
    world.work(2.0)


_BROKER, _INFLUX = frozenset({"broker"}), frozenset({"influx"})
_DISK = frozenset({"disk"})
_SMALL_OUTBOX = "[pipeline]\noutbox_max_bytes = 1000000\n"
SCENARIOS = (
    Scenario("kill -9 gateway, devices on it", _kill, short=True),
    Scenario("kill -9 gateway while it starts", _kill_while_starting),
    Scenario("gateway frozen for 40 s", _frozen),
    Scenario("connections swallowed", _swallowed, frozenset({"wire"})),
    Scenario("kill -9 gateway, mosquitto", _kill, _BROKER),
    Scenario("mosquitto stopped and killed", _restart_broker, _BROKER, short=True),
    Scenario("mosquitto gone for 45 s", _broker_gone, _BROKER),
    Scenario("kill -9 gateway, InfluxDB", _kill, _INFLUX),
    Scenario("InfluxDB gone", _influx_gone, _INFLUX),
    Scenario("InfluxDB slow", _moods((Mood.SLOW, 8.0)), _INFLUX),
    Scenario("InfluxDB full", _moods((Mood.FULL, 5.0)), _INFLUX),
    Scenario("InfluxDB 429", _moods((Mood.BUSY, 5.0)), _INFLUX),
    Scenario("InfluxDB 500", _moods((Mood.BROKEN, 5.0)), _INFLUX),
    Scenario(
        "InfluxDB full, 429, 500", _moods((Mood.FULL, 1.0), (Mood.BUSY, 1.0), (Mood.BROKEN, 1.0)), _INFLUX, short=True
    ),
    Scenario("InfluxDB answers never", _moods((Mood.DUMB, 2.0)), _INFLUX),
    Scenario("InfluxDB refuses lines", _bad_line, _INFLUX),
    Scenario("outbox full", _outbox_full, _INFLUX, settings=_SMALL_OUTBOX),
    Scenario("outbox full, then kill -9", _killed_with_full_outbox, _INFLUX, settings=_SMALL_OUTBOX),
    Scenario("disk full", _disk_full, _DISK, short=True),
    Scenario("disk full, then kill -9", _killed_while_full, _DISK),
    Scenario("clock jumps", _clock_jumps, frozenset({"clock"}), short=True),
    Scenario("PostgreSQL stopped and crashed", _restart_postgresql, frozenset({"postgresql"})),
)


def missing(scenario: Scenario) -> str:
    """What this machine lacks for a scenario; "" where nothing."""
    if "broker" in scenario.needs and broker.BINARY is None:
        return "mosquitto is not installed"
    if "postgresql" in scenario.needs and postgresql.binaries() is None:
        return "PostgreSQL or its driver is not installed"
    return ""


def play(scenario: Scenario, seed: int, *, short: bool) -> Verdict:
    """Play one scenario in a folder of its own, which stays where something was wrong."""
    began = time.monotonic()
    with _folder(scenario) as folder:
        with World(folder, scenario.needs, seed, scenario.settings) as world:
            try:
                scenario.pull(world, short)
                verdict = world.account(scenario.name, began)
            except (OSError, AssertionError) as error:
                nothing = Count(0, 0, 0, 0)
                why = (*world.why, f"{type(error).__name__}: {error}")
                seconds = round(time.monotonic() - began, 1)
                accepted = world.devices.accepted
                verdict = Verdict(scenario.name, world.pulls, accepted, nothing, nothing, 0, (1, 0), seconds, (), why)
        if verdict.good:
            shutil.rmtree(folder, ignore_errors=True)
        return verdict


@contextmanager
def _folder(scenario: Scenario) -> Iterator[Path]:
    words = "".join(letter if letter.isalnum() else "-" for letter in scenario.name)
    yield Path(tempfile.mkdtemp(prefix=f"siaga-torture-{words}-"))
