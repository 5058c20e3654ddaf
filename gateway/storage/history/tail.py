"""The newest rows, in memory: what came since they were last moved into the loose table. The journal has them too."""

from collections.abc import Iterable, Sequence
from struct import Struct

from gateway.ports.history import Sample, to_ms
from gateway.storage.history.rows import Row

_DOUBLE = Struct("=d")


class Tail:
    """Rows by device, in the order they were written."""

    def __init__(self) -> None:
        self.devices: dict[str, list[Row]] = {}
        self.rows = 0
        self._shapes: dict[tuple[str, ...], tuple[str, ...]] = {}

    def add(self, samples: Sequence[Sample], floor_ms: int) -> int:
        """Take the samples that are later than `floor_ms`; how many that were."""
        known, shapes, count = self.devices, self._shapes, 0
        usual: tuple[str, ...] = ()
        for sample in samples:
            names, at_ms = sample.names, to_ms(sample.at)
            if at_ms <= floor_ms or not names:
                continue
            if names != usual:  # equal names are one object in the tail: packs tell them apart by that
                usual = shapes.setdefault(names, names)
            row = (at_ms, usual, sample.values)
            own = known.get(sample.device_id)
            if own is None:
                known[sample.device_id] = [row]
            else:
                own.append(row)
            count += 1
        self.rows += count
        return count

    def clear(self) -> None:
        """They are on disk."""
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
