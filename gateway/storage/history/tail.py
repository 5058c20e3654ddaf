"""The newest rows, in memory as well as in the log: what came since the log was last emptied into the loose table."""

from collections.abc import Iterable, Sequence
from struct import Struct

from gateway.ports.history import Sample, to_ms
from gateway.storage.history.rows import Row

_DOUBLE = Struct("=d")


class Tail:
    """Rows by device, in the order they were written. Invariant: exactly the rows of the log table."""

    def __init__(self) -> None:
        self.devices: dict[str, list[Row]] = {}
        self.rows = 0
        self._shapes: dict[tuple[str, ...], tuple[tuple[str, ...], Struct]] = {}

    def prepare(self, samples: Sequence[Sample], floor_ms: int) -> tuple[list[str], list[Row]]:
        """Samples later than `floor_ms` as rows, and whose each is. Nothing is added yet."""
        devices, rows, shapes = [], [], self._shapes
        for sample in samples:
            metrics = sample.metrics
            names = tuple(metrics)
            at_ms = to_ms(sample.at)
            if at_ms <= floor_ms or not names:
                continue
            shape = shapes.get(names)
            if shape is None:
                shape = shapes[names] = (names, Struct(f"={len(names)}d"))
            devices.append(sample.device_id)
            rows.append((at_ms, shape[0], shape[1].pack(*metrics.values())))
        return devices, rows

    def add(self, devices: Iterable[str], rows: Sequence[Row]) -> None:
        """Rows that are in the log now."""
        known = self.devices
        for device, row in zip(devices, rows, strict=True):
            own = known.get(device)
            if own is None:
                known[device] = [row]
            else:
                own.append(row)
        self.rows += len(rows)

    def clear(self) -> None:
        """The log is empty."""
        self.devices = {}
        self.rows = 0
        self._shapes = {}


def column_of(rows: Iterable[Row], metric: str) -> dict[int, float]:
    """The metric's value at each time, the last one written."""
    offsets: dict[tuple[str, ...], int] = {}
    found = {}
    for at_ms, names, values in rows:
        offset = offsets.get(names)
        if offset is None:
            offset = offsets[names] = 8 * names.index(metric) if metric in names else -1
        if offset >= 0:
            (found[at_ms],) = _DOUBLE.unpack_from(values, offset)
    return found
