"""Devices under torture: paho clients that number their reports and send each until it is acknowledged (QoS 1).

They go on measuring while nobody listens, as devices do, so an outage ends with a backlog. What is counted as accepted
is what a PUBACK was received for. The reports carry their number as a metric of its own, so that every store can be
asked which of them it holds.
"""

import json
import threading
import time
from collections import deque
from datetime import UTC, datetime
from random import Random

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from gateway.clock import Clock

NUMBER = "torture_number"
BAD = "torture_refused"
"""A metric that the stand-in of InfluxDB refuses."""
HOT_C, FINE_C = 97.0, 50.0
WINDOW = 100
KEEP_ALIVE_S = 5
PASSWORD = "torture"  # noqa: S105 - of devices that live for a minute


class Device:
    """One device with its connection. Its reports wait in its own queue, as in firmware, and leave in their order.

    paho sends again what was not acknowledged, but lets new messages overtake that on a new connection. So nothing new
    is handed to it until all that it held when it connected is acknowledged.
    """

    def __init__(self, device_id: str, port: int, clock: Clock, *, refused_every: int = 0) -> None:
        self.device_id = device_id
        self.stamps_ms: dict[int, int] = {}
        self.hot = False
        self._clock = clock
        self._refused_every = refused_every
        self._lock = threading.Lock()
        self._queue: deque[tuple[int, str]] = deque()
        self._numbers: dict[int, int] = {}  # by packet id; a scenario sends fewer than there are packet ids
        self._acknowledged: list[int] = []  # packet ids; paho's thread may say so before `publish` returns
        self._sent = self._handed = self._held = 0
        self._connected = False
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=device_id, clean_session=False)
        self._client.username_pw_set(device_id, PASSWORD)
        self._client.max_inflight_messages_set(2 * WINDOW)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.connect_async("127.0.0.1", port, KEEP_ALIVE_S)
        self._client.loop_start()

    @property
    def accepted(self) -> list[int]:
        """The numbers of the reports that were acknowledged."""
        return [self._numbers[mid] for mid in list(self._acknowledged) if mid in self._numbers]

    @property
    def accepted_count(self) -> int:
        """How many they are."""
        return len(self._acknowledged)

    @property
    def waiting(self) -> int:
        """Measured and not yet acknowledged."""
        return self._sent - len(self._acknowledged)

    def report(self) -> None:
        """Measure, and send when the reports before have left."""
        number = self._sent + 1
        stamp = max(int(self._clock.now() * 1000), self.stamps_ms.get(number - 1, 0) + 1)
        self.stamps_ms[number] = stamp
        metrics = {NUMBER: number, "soc_temp_c": HOT_C if self.hot else FINE_C}
        if self._refused_every and number % self._refused_every == 0:
            metrics[BAD] = number
        at = datetime.fromtimestamp(stamp / 1000, UTC).isoformat(timespec="milliseconds")
        self._queue.append((number, json.dumps({"v": 1, "boot": 1, "seq": number, "at": at, "metrics": metrics})))
        self._sent = number

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def hand_over(self) -> None:
        """Give paho what may leave now. Called again and again by one thread that is not paho's."""
        with self._lock:
            done = len(self._acknowledged)
            while self._queue and self._connected and done >= self._held and self._handed - done < WINDOW:
                number, payload = self._queue.popleft()
                sent = self._client.publish(f"siaga/v1/{self.device_id}/telemetry", payload, 1)
                self._numbers[sent.mid] = number
                self._handed += 1

    def _on_connect(
        self, _client: object, _data: object, _flags: object, code: ReasonCode, _properties: object
    ) -> None:
        with self._lock:
            self._connected, self._held = not code.is_failure, self._handed

    def _on_disconnect(self, *_said: object) -> None:
        self._connected = False

    def _on_publish(self, _client: object, _data: object, mid: int, _code: object, _properties: object) -> None:
        # No lock here: paho calls this under one of its own, for which `publish` waits.
        self._acknowledged.append(mid)


class Devices:
    """All devices of a scenario, each reporting about `per_second` times. The first one gets hot when told."""

    def __init__(self, ids: list[str], port: int, clock: Clock, per_second: float, refused_every: int = 0) -> None:
        self.devices = [Device(device_id, port, clock, refused_every=refused_every) for device_id in ids]
        self._pause = 1.0 / per_second
        self._random = Random(1)
        self._stopping = threading.Event()
        self._resting = threading.Event()
        self._thread = threading.Thread(target=self._measure, name="torture-devices")
        self._thread.start()

    def _measure(self) -> None:
        while not self._stopping.wait(self._pause * self._random.uniform(0.5, 1.5)):
            for device in self.devices:
                if not self._resting.is_set():
                    device.report()
                device.hand_over()

    def rest(self) -> None:
        """Measure nothing for now; go on sending what there is."""
        self._resting.set()

    def go_on(self) -> None:
        """Measure again."""
        self._resting.clear()

    @property
    def waiting(self) -> int:
        """Reports of all devices that are not acknowledged."""
        return sum(device.waiting for device in self.devices)

    @property
    def accepted(self) -> int:
        """Reports of all devices that are."""
        return sum(device.accepted_count for device in self.devices)

    def until_accepted(self, seconds: float) -> bool:
        """Wait until everything sent is acknowledged. False: it was not in that time."""
        deadline = time.monotonic() + seconds
        while self.waiting and time.monotonic() < deadline:
            time.sleep(0.05)
        return not self.waiting

    def close(self) -> None:
        """All leave."""
        self._stopping.set()
        self._thread.join()
        for device in self.devices:
            device.close()
