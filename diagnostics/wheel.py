"""Who is to be looked at when: a wheel of seconds, so that the passing of time costs only what is due."""

from collections.abc import Iterable


class Wheel:
    """One entry a device, in buckets of a second. No entry is ever searched for."""

    def __init__(self, now: float) -> None:
        self.next = int(now)
        self.ahead = 0.0  # its own time is so much later than the clock's: it never goes back
        self._buckets: dict[int, list[str]] = {}

    def watch(self, device_id: str, at: float) -> None:
        """Look at a device at a time (or at the next opportunity, if that has passed)."""
        self.put(device_id, at + self.ahead)

    def put(self, device_id: str, at: float) -> None:
        """The same by the wheel's own time."""
        self._buckets.setdefault(max(self.next, int(at) + 1), []).append(device_id)

    def due(self, now: float) -> list[str]:
        """Everybody whose time has come, once, in order of their ids. Who was restored in place is in here twice."""
        last = int(now + self.ahead)
        if not self._buckets:
            self.next = max(self.next, last + 1)
            return []
        if last - self.next > len(self._buckets):
            buckets: Iterable[int] = sorted(bucket for bucket in self._buckets if bucket <= last)
        else:
            buckets = range(self.next, last + 1)
        found = {device_id for bucket in buckets for device_id in self._buckets.pop(bucket, ())}
        self.next = max(self.next, last + 1)
        return sorted(found)
