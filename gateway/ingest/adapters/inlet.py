"""What comes in on foreign topics: which adapter understands it, and in which order a device said it."""

from collections.abc import Sequence

from gateway.ingest.adapters.adapter import Adapter
from gateway.ingest.adapters.translate import Translated, translate


class Inlet:
    """The adapters of one connection. It numbers what it makes: the numbers grow, also across restarts."""

    def __init__(self, adapters: Sequence[Adapter]) -> None:
        self._adapters = adapters
        self._seq = 0

    def __bool__(self) -> bool:
        return bool(self._adapters)

    def take(self, topic: str, payload: bytes, now: float, *, retained: bool) -> list[Translated] | None:
        """What a message means; None if no adapter understands it.

        Retained telemetry is old and says nothing of now; a retained sign of presence is the latest there is.
        """
        # Several topics of one device may come within a microsecond; a number that comes twice is a duplicate.
        self._seq = max(self._seq, int(now * 1e6))
        for adapter in self._adapters:
            try:
                found = translate(adapter, topic, payload, self._seq)
            except ValueError:
                return None
            if found is not None:
                self._seq += max(1, len(found))
                return [one for one in found if one.channel == "status" or not retained]
        return None
