"""Do we hear at all? The rate of reports from everybody against its own normal, in buckets of 10 seconds.

Far below normal, over most sites: the trouble is ours (blindness), and silence proves nothing about devices.
"""

from typing import Any

BUCKET_S = 10.0
KEPT_BUCKETS = 1080
SPARE_BUCKETS = 120
MEMORY_S = 86_400.0
ENOUGH = 10.0
LEARNING_S = 3600.0
QUIET_MEMORY = 0.9999
SILENT_TIMES = 3.0
SILENT_LEAST_S = 60.0
BLIND_BELOW = 0.2
SEEING_ABOVE = 0.5


KEPT = ("bucket", "count", "ends_at", "past", "normal", "learnt_s", "last_bucket", "quiet_s")


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
        self.last_bucket = 0  # the last closed bucket with a report
        self.quiet_s = 0.0  # the longest time without any report that is normal

    def roll(self, at: float, *, learn: bool) -> None:
        """Close buckets up to a time. `learn` = False: this time is not normal."""
        bucket = int(at // BUCKET_S)
        passed = bucket - self.bucket
        if passed <= 0:
            return
        if self.bucket:
            self.past.append(self.count)
            if passed > 1:
                self.past.extend([0] * min(passed - 1, KEPT_BUCKETS))
            if len(self.past) > KEPT_BUCKETS + SPARE_BUCKETS:
                del self.past[:-KEPT_BUCKETS]
            if self.count:
                if learn and self.last_bucket:
                    quiet = (self.bucket - self.last_bucket - 1) * BUCKET_S
                    self.quiet_s = max(self.quiet_s * QUIET_MEMORY, quiet)
                self.last_bucket = self.bucket
            if learn:
                self.learnt_s += passed * BUCKET_S
                share = min(1.0, passed * BUCKET_S / min(self.learnt_s, MEMORY_S))
                self.normal += share * (self.count / (passed * BUCKET_S) - self.normal)
        self.bucket, self.count = bucket, 0
        self.ends_at = (bucket + 1) * BUCKET_S

    def skip(self, now: float) -> None:
        """The time up to now was not ours to hear in: it is no silence."""
        self.roll(now, learn=False)
        self.last_bucket = max(self.last_bucket, self.bucket - 1)

    def set_back(self, by: float) -> None:
        """The clock was set back: what was counted lies as far back as before."""
        buckets = int(by // BUCKET_S)
        self.bucket -= buckets
        self.ends_at -= buckets * BUCKET_S
        self.last_bucket -= min(buckets, self.last_bucket)

    @property
    def last_heard(self) -> float:
        """The end of the last bucket in which anybody was heard."""
        return (self.last_bucket + 1) * BUCKET_S

    def silent_too_long(self, now: float) -> bool:
        """Nobody at all for three times the longest normal silence."""
        if self.count or self.learnt_s < LEARNING_S:
            return False
        return now - self.last_heard > SILENT_TIMES * self.quiet_s + SILENT_LEAST_S

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
        return [getattr(self, name) for name in KEPT]

    def load(self, kept: list[Any]) -> None:
        """Take back what `export` gave."""
        for name, value in zip(KEPT, kept, strict=True):
            setattr(self, name, value)
