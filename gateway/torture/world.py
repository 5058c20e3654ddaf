"""One scenario's world: gateway, devices and whatever stands around them, in a folder of its own; and its accounts."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Self

from gateway.clock import SystemClock
from gateway.torture.broker import Broker
from gateway.torture.disk import Disk
from gateway.torture.gateway_process import GatewayProcess
from gateway.torture.influx_front import InfluxFront
from gateway.torture.jumping_clock import set_offset
from gateway.torture.postgresql import PostgreSql, binaries
from gateway.torture.senders import NUMBER, Devices
from gateway.torture.verdict import Count, Verdict, complaints, count
from gateway.torture.wire import Wire
from gateway.torture.witness import embedded_points, ledger_effects, prepare

IDS = [f"cam-{number}" for number in range(6)]
PER_SECOND = 50.0
MOST_MB = 300.0
SETTLE_S = 180.0
FAULT = f"device:{IDS[0]}:F07"
_MIGRATING = threading.Lock()  # alembic's operations are one global of the process
DEAF = "gateway:gateway:F40"
RULES = """
[[rule]]
name = "torture-hot"
version = 1
fault_class = "F07"
kind = "level"
metric = "soc_temp_c"
direction = "above"
min_samples = 2
steps = [{ severity = "high", limit = 90, clear = 80 }]
reason = "One fault that is sent in, to see that it becomes one ticket."

[[rule]]
name = "torture-silent"
version = 1
fault_class = "OFFLINE"
kind = "silence"
steps = [{ severity = "high", limit = 1 }]
reason = "No device falls silent here: a ticket of this rule is a false one."
"""


class World:
    """What a scenario is played on. `needs` are names of parts: broker, influx, postgresql, disk, clock,
    wire.
    """

    def __init__(self, folder: Path, needs: frozenset[str], seed: int, settings: str = "") -> None:
        self.folder = folder
        self.random = Random(seed)
        self.pulls = 0
        self.notes: list[str] = []
        self.why: list[str] = []
        self.expected = [FAULT]
        self._needs, self._settings = needs, settings
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._stack = stack
            self._build(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def _build(self, stack: ExitStack) -> None:
        folder, needs, settings = self.folder, self._needs, self._settings
        (folder / "rules.toml").write_text(RULES)
        self.url = f"sqlite:///{folder}/data/siaga.db"
        if "disk" in needs:
            self.disk = Disk(folder / "data")
            stack.callback(self.disk.close)
        else:
            (folder / "data").mkdir()
        if "postgresql" in needs:
            programs = binaries()
            assert programs is not None
            (folder / "server").mkdir()
            for above in (folder, folder.parent):
                above.chmod(0o755)  # the server's own user passes through
            self.server = PostgreSql(folder / "server", programs)
            stack.callback(self.server.stop)
            self.server.start()
            self.url = self.server.url
            settings += f'[database]\nurl = "{self.url}"\n'
        if "influx" in needs:
            self.front = InfluxFront()
            stack.callback(self.front.close)
            settings += f'[history]\nkind = "influxdb"\nurl = "http://127.0.0.1:{self.front.port}"\n'
        broker_port = None
        if "broker" in needs:
            self.broker = Broker(folder)
            stack.callback(self.broker.kill)
            self.broker.start()
            broker_port = self.broker.port
        clock_file = folder / "clock" if "clock" in needs else None
        self.jump(0.0)
        with _MIGRATING:
            asyncio.run(prepare(self.url, IDS))
        settings += '[log]\nlevel = "warning"\n'
        rules = folder / "rules.toml"
        self.gateway = GatewayProcess(folder, settings, rules=rules, broker_port=broker_port, clock_file=clock_file)
        stack.callback(self.gateway.abandon)
        self.gateway.start()
        # What a broker keeps for a gateway that never came, nobody has promised: it must have subscribed.
        self.until(lambda: not self.gateway.trouble(), "the gateway is ready")
        port = broker_port or self.gateway.mqtt_port
        every = 50 if "influx" in needs else 0
        if "wire" in needs:
            self.wire = Wire(port)
            stack.callback(self.wire.close)
            port = self.wire.port
        self.devices = Devices(IDS, port, SystemClock(), PER_SECOND, refused_every=every)
        stack.callback(self.devices.close)
        self.until(lambda: self.devices.accepted > 50, "reports are accepted")

    def jump(self, seconds: float) -> None:
        """Set the gateway's clock that far off."""
        set_offset(self.folder / "clock", seconds)

    def pulled(self) -> None:
        """A plug was pulled. With the first, the fault begins."""
        self.pulls += 1
        self.devices.devices[0].hot = True

    def work(self, least: float, most: float | None = None) -> None:
        """Let everything run for so many seconds."""
        time.sleep(least if most is None else self.random.uniform(least, most))
        self.gateway.note_memory()

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
        """Wait for it; that it did not come is a complaint."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition():
                return
            time.sleep(0.05)
        self.why.append(f"not in {seconds:.0f} s: {what}")

    def account(self, scenario: str, began: float) -> Verdict:
        """Let the devices say the rest, let it reach the stores, stop the gateway, and compare."""
        self.devices.rest()
        if not self.devices.until_accepted(SETTLE_S):
            self.why.append(f"{self.devices.waiting} reports are still not acknowledged after {SETTLE_S:.0f} s")
        # What a broker has accepted may still be on its way to us.
        self.until(lambda: self._had_effect() >= self.devices.accepted, "all has had its effect", SETTLE_S)
        self.until(self.gateway.caught_up, "all is in the history", SETTLE_S)
        self.gateway.stop_in_order()
        accepted = {device.device_id: device.accepted for device in self.devices.devices}
        effects, keys = asyncio.run(ledger_effects(self.url))
        ledger = count(accepted, effects)
        history = self._history(accepted)
        if keys != sorted(self.expected):
            self.notes.append(f"tickets seen: {', '.join(keys) or 'none'}")
        seen = (len(self.expected), len(keys))
        total, peak_mb = self.devices.accepted, self.gateway.peak_bytes / 1e6
        why = [*self.why, *complaints(total, ledger, history, seen, peak_mb, MOST_MB)]
        if seen[0] == seen[1] and keys != sorted(self.expected):
            why.append("tickets: others than expected")
        seconds = round(time.monotonic() - began, 1)
        return Verdict(
            scenario, self.pulls, total, ledger, history, round(peak_mb), seen, seconds, tuple(self.notes), tuple(why)
        )

    def _had_effect(self) -> int:
        time.sleep(0.3)  # the look itself costs more than the usual pause
        effects, _ = asyncio.run(ledger_effects(self.url))
        return sum(len(set(numbers)) for numbers in effects.values())

    def _history(self, accepted: dict[str, list[int]]) -> Count:
        if "influx" in self._needs:
            points: dict[str, list[tuple[int, int]]] = {device: [] for device in IDS}
            for (device, stamp), values in sorted(self.front.points.items()):
                if NUMBER in values:
                    points[device].append((stamp, int(values[NUMBER])))
        else:
            points = asyncio.run(embedded_points(self.folder / "data/history.db", IDS))
        sent = {device.device_id: device.stamps_ms for device in self.devices.devices}
        moved = sum(sent[device].get(number) != stamp for device in IDS for stamp, number in points[device])
        if moved and "clock" not in self._needs:
            self.why.append(f"history: {moved} at another time than they were measured")
        return count(accepted, {device: [number for _, number in points[device]] for device in IDS})
