"""Do we see at all? Our own outage, told once, so that silence proves nothing about devices while it lasts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diagnostics.changes import Change, ChangeKind, Evidence, Scope, Severity
from diagnostics.ingest_rate import IngestRate
from diagnostics.places import Site

BLIND_CLASS = "F40"
BLIND_RULE = "blindness@1"
BLIND_SITES = 3
BLIND_SHARE = 0.8
TICK_GAP_S = 300.0
STALL_S, STALLED = 30.0, 2.5  # so much longer than usual between two ticks: we stood still, or our clock was set
SEEN_AGAIN_S = 60.0
SET_BACK_S = 60.0
"""Our clock was set back if it shows so much less than before; less is the jitter of two sources."""


@dataclass(slots=True, eq=False)
class Watch:
    """What time may change about outages, beside the memories and sites."""

    grace_from: float = 0.0  # silence before this proves nothing
    ticked_at: float = 0.0
    usual_tick_s: float = 0.0
    blind_since: float = 0.0  # 0 = we see
    blind_by_order: bool = False


class Sight:
    """Whether we see. `watch` is what is remembered of it; shares the fleet's sites."""

    def __init__(self, now: float, sites: Mapping[str, Site]) -> None:
        self.rate = IngestRate()
        self.watch = Watch(grace_from=now)
        self._sites = sites
        self._restored: tuple[int, int] | None = None

    def repeats(self, now: float) -> bool:
        """Whether a tick was seen by what was restored: one that changes nothing is replayed with the message after it,
        also where a checkpoint lies between them. To be told from a clock that was set back: nobody was heard since.
        """
        if self._restored is None:
            return False
        if now <= self.watch.ticked_at and self._restored == (self.rate.bucket, self.rate.count):
            return True
        self._restored = None
        return False

    def tick(self, now: float) -> list[Change]:
        """Let time pass: whether we see again, or have heard nobody for too long."""
        self._mind_the_gap(now)
        self.rate.roll(now, learn=not self.watch.blind_since)
        if self.watch.blind_since:
            return self._see_again(now)
        told = self.doubt(self.rate.last_heard, now) if self.rate.silent_too_long(now) else None
        return [told] if told is not None else []

    def doubt(self, start: float, now: float) -> Change | None:
        """Whether silence since a time is everybody's: then it is ours."""
        if not self.rate.far_too_few(start, now):
            return None
        speaking = [site for site in self._sites.values() if site.spoke]
        unheard = sum(site.heard_at < start for site in speaking)
        if len(speaking) < BLIND_SITES or unheard < BLIND_SHARE * len(speaking):
            return None
        return self.go_blind(now, since=start, by_order=False)

    def go_blind(self, now: float, since: float, *, by_order: bool) -> Change | None:
        """We no longer hear: freeze verdicts of silence, raise one incident. None if that is known already."""
        self.watch.blind_by_order = self.watch.blind_by_order or by_order
        if self.watch.blind_since:
            return None
        self.watch.blind_since = since
        return self._tell_blind(ChangeKind.OPENED, now)

    def see(self, now: float) -> Change | None:
        """We hear again; everybody gets a full timeout from now."""
        if not self.watch.blind_since:
            return None
        told = self._tell_blind(ChangeKind.RECOVERED, now)
        self.watch.blind_since, self.watch.blind_by_order = 0.0, False
        self.watch.grace_from = now
        return told

    def _see_again(self, now: float) -> list[Change]:
        if self.watch.blind_by_order or not self.rate.enough_again(now - SEEN_AGAIN_S, now):
            return []
        speaking = [site for site in self._sites.values() if site.spoke]
        if sum(site.heard_at >= now - SEEN_AGAIN_S for site in speaking) < (1 - BLIND_SHARE) * len(speaking):
            return []
        told = self.see(now)
        return [told] if told is not None else []

    def _tell_blind(self, kind: ChangeKind, now: float) -> Change:
        since = self.watch.blind_since
        why = Evidence("ingest", float(self.rate.heard_since(since)), None, self.rate.expected_since(since, now), since)
        return Change(kind, Scope.GATEWAY, "gateway", BLIND_CLASS, BLIND_RULE, Severity.CRITICAL, now, now, why)

    def was_set_back(self, now: float) -> float:
        """By how much our clock was set back since the last tick; 0 = it was not."""
        by = self.watch.ticked_at - now
        return by if by > SET_BACK_S else 0.0

    def set_back(self, now: float) -> None:
        """Our clock was set back: everybody gets a full timeout from now."""
        watch = self.watch
        by = watch.ticked_at - now
        self.rate.set_back(by)
        watch.grace_from = watch.ticked_at = now
        watch.blind_since = max(1.0, watch.blind_since - by) if watch.blind_since else 0.0

    def _mind_the_gap(self, now: float) -> None:
        """A time without ticks, in which we did not hear: it is nobody's silence. A long one: everybody starts anew."""
        watch = self.watch
        passed = now - watch.ticked_at
        if watch.usual_tick_s and passed > max(STALL_S, STALLED * watch.usual_tick_s):
            self.rate.skip(now)
            watch.grace_from = now
        if watch.ticked_at and passed > max(TICK_GAP_S, 5.0 * watch.usual_tick_s):
            watch.grace_from = now
        elif watch.ticked_at:
            watch.usual_tick_s += 0.2 * (passed - watch.usual_tick_s)
        watch.ticked_at = now

    def export(self) -> list[Any]:
        """Everything, as JSON can carry it."""
        watch = self.watch
        kept = [watch.grace_from, watch.ticked_at, watch.usual_tick_s, watch.blind_since, watch.blind_by_order]
        return [kept, self.rate.export()]

    def load(self, kept: list[Any]) -> None:
        """Take back what `export` gave."""
        self.watch = Watch(*kept[0])
        self.rate.load(kept[1])
        self._restored = (self.rate.bucket, self.rate.count)
