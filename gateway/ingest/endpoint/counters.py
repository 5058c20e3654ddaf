"""What the endpoint counts, for /metrics. Plain numbers that only grow; gauges come from the endpoint itself."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Since the start. `refused` and `disconnected` count by reason name, `dropped` deliveries by why."""

    bytes_in: int = 0
    publishes_in: int = 0
    publishes_refused: int = 0
    deliveries_out: int = 0
    connections: int = 0
    connections_over_limit: int = 0
    take_overs: int = 0
    wills: int = 0
    paused_for_rate: int = 0
    paused_for_window: int = 0
    store_retries: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    disconnected: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
