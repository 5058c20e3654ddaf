"""Do we hear at all? The rate of reports from everybody against its own normal, in buckets of 10 seconds.

Far below normal, over most sites: the trouble is ours (blindness), and silence proves nothing about devices.
"""

from typing import Any

BUCKET_S = 10.0
KEPT_BUCKETS = 1080
MEMORY_S = 86_400.0
ENOUGH = 10.0
BLIND_BELOW = 0.2
SEEING_ABOVE = 0.5


class IngestRate:
    """Counts of the last three hours. `normal`: mean rate a second over about a day while we could see (0 =
    unknown).
    """

    def __init__(self) -> None:
        self.bucket = 0
        self.count = 0
        self.ends_at = 0.0
        self.past: list[int] = []
        self.normal = 0.0
        self.learnt_s = 0.0

    def roll(self, at: float, *, learn: bool) -> None:
        """Close buckets up to a time. `learn` = False: this time is not normal."""
        bucket = int(at // BUCKET_S)
        passed = bucket - self.bucket
        if passed <= 0:
            return
        if self.bucket:
            self.past.append(self.count)
            self.past.extend([0] * min(passed - 1, KEPT_BUCKETS))
            del self.past[:-KEPT_BUCKETS]
            if learn:
                self.learnt_s += passed * BUCKET_S
                share = min(1.0, passed * BUCKET_S / min(self.learnt_s, MEMORY_S))
                self.normal += share * (self.count / (passed * BUCKET_S) - self.normal)
        self.bucket, self.count = bucket, 0
        self.ends_at = (bucket + 1) * BUCKET_S

    def heard_since(self, start: float) -> int:
        """Reports since a time (to the bucket)."""
        buckets = self.bucket - int(start // BUCKET_S)
        return self.count + (sum(self.past[-buckets:]) if buckets > 0 else 0)

    def expected_since(self, start: float, now: float) -> float:
        """Reports that a normal time of this length brings."""
        return self.normal * max(0.0, now - start)

    def far_too_few(self, start: float, now: float) -> bool:
        """Enough should have come to be sure, and almost none did."""
        expected = self.expected_since(start, now)
        return expected >= ENOUGH and self.heard_since(start) < BLIND_BELOW * expected

    def enough_again(self, start: float, now: float) -> bool:
        """At least half of normal since a time."""
        return self.heard_since(start) >= SEEING_ABOVE * self.expected_since(start, now)

    def export(self) -> list[Any]:
        """Everything, as JSON can carry it."""
        return [self.bucket, self.count, self.ends_at, self.past, self.normal, self.learnt_s]

    def load(self, kept: list[Any]) -> None:
        """Take back what `export` gave."""
        self.bucket, self.count, self.ends_at, self.past, self.normal, self.learnt_s = kept
