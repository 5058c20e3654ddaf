"""Which names of metrics and states devices may use: those of the catalogue, and some of their own. Pure.

Every name is a column of the history, a field of InfluxDB and memory of the rules, for good. A device may bring in a
few that nobody used before, the fleet as a whole a few thousand; a report with a name beyond that is refused. What was
brought in belongs to the checkpoint, so that a replay of the journal decides as it was decided.
"""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Final

NAMES_PER_DEVICE: Final = 64
NAMES: Final = 4096
_MARK: Final = b"N"


class Vocabulary:
    """`known` holds every name that may be used, at most `len(common) + names`. Names are never forgotten."""

    __slots__ = ("_brought", "_by_device", "_most", "_most_per_device", "known")

    def __init__(
        self, common: Iterable[str] = (), names_per_device: int = NAMES_PER_DEVICE, names: int = NAMES
    ) -> None:
        self.known = set(common)
        self._most_per_device = names_per_device
        self._most = names
        self._brought: dict[str, str] = {}
        self._by_device: Counter[str] = Counter()

    @property
    def brought_in(self) -> int:
        """How many names devices have brought in."""
        return len(self._brought)

    def learn(self, device_id: str, names: Iterable[str]) -> str:
        """Take in the names of a report that are not known yet: all of them, and return ""; or none, and return in one
        line why.
        """
        new = list(dict.fromkeys(name for name in names if name not in self.known))
        if not new:
            return ""
        own = self._by_device[device_id] + len(new)
        if own > self._most_per_device:
            return f"{new[0]} would be one name too many of this device's own; at most {self._most_per_device}"
        if len(self._brought) + len(new) > self._most:
            return f"{new[0]} would be one name too many of the fleet's own; at most {self._most}"
        self._by_device[device_id] = own
        self.known.update(new)
        self._brought.update(dict.fromkeys(new, device_id))
        return ""

    def seal(self, shared: bytes) -> bytes:
        """The names brought in, in front of other bytes of a checkpoint; those alone where there are none."""
        return b"%s%s\n%s" % (_MARK, json.dumps(self._brought).encode(), shared) if self._brought else shared

    def unseal(self, kept: bytes) -> bytes:
        """Take back what `seal` put in front, and return the other bytes."""
        if kept[:1] != _MARK:
            return kept
        head, _, shared = kept.partition(b"\n")
        self._brought = json.loads(head[1:])
        self.known.update(self._brought)
        self._by_device = Counter(self._brought.values())
        return shared
