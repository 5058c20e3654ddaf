"""Trouble that many share has a cause that is in none of them.

On one site: one ticket of the site instead of one for each device. A fault that openings hold as site-wide joins here
if its rule names the site's fault class; the first one opens it, the last one that ends (or turns out to be the
device's own) closes it. On several sites within hours: not even a site has it, it is our own clock, or a town's grid.
Times are the gateway's.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from diagnostics.changes import Change, ChangeKind, Evidence, Scope, Severity

Times = tuple[float, float]  # effective, received


@dataclass(slots=True, eq=False)
class Cause:
    """One site's shared trouble: since when, by which rule, how bad, the worst value that the first device showed and
    the limit it passed, on which devices; whether more is to be told.
    """

    since: float
    rule: str
    severity: Severity
    metric: str
    value: float | None = None
    limit: float | None = None
    devices: dict[str, None] = field(default_factory=dict)
    grew: bool = False


class SharedCauses:
    """By (site, fault class). Cost: nothing while nothing is shared."""

    def __init__(self) -> None:
        self._causes: dict[tuple[str, str], Cause] = {}

    def join(self, site_id: str, fault_class: str, device_id: str, cause: Cause, times: Times) -> Change | None:
        """A device's trouble is its site's. The change that opens the site's fault, if this is the first."""
        known = self._causes.get((site_id, fault_class))
        if known is None:
            self._causes[site_id, fault_class] = cause
            cause.devices[device_id] = None
            return self._tell(ChangeKind.OPENED, site_id, fault_class, cause, times)
        if device_id not in known.devices:
            known.devices[device_id] = None
            known.grew = True
        if cause.severity > known.severity:
            known.severity = cause.severity
            return self._tell(ChangeKind.RAISED, site_id, fault_class, known, times)
        return None

    def leave(self, site_id: str, fault_class: str, device_id: str, times: Times) -> Change | None:
        """A device no longer has it, or has it for itself. The change that ends the site's fault with the last one."""
        known = self._causes.get((site_id, fault_class))
        if known is None or device_id not in known.devices:
            return None
        del known.devices[device_id]
        if known.devices:
            return None
        del self._causes[site_id, fault_class]
        return self._tell(ChangeKind.RECOVERED, site_id, fault_class, known, times)

    def forget(self, device_id: str) -> None:
        """A device is no longer ours; the next tick tells what that ends."""
        for cause in self._causes.values():
            if device_id in cause.devices:
                del cause.devices[device_id]
                cause.grew = True

    def tick(self, now: float) -> list[Change]:
        """Tell of causes whose list changed."""
        told = []
        for (site_id, fault_class), cause in list(self._causes.items()):
            if not cause.grew:
                continue
            cause.grew = False
            if not cause.devices:
                del self._causes[site_id, fault_class]
            kind = ChangeKind.AMENDED if cause.devices else ChangeKind.RECOVERED
            told.append(self._tell(kind, site_id, fault_class, cause, (now, now)))
        return told

    @staticmethod
    def _tell(kind: ChangeKind, site_id: str, fault_class: str, cause: Cause, times: Times) -> Change:
        count = len(cause.devices)
        note = f"The same trouble on {count} devices of the site: its cause is not in them."
        why = Evidence(cause.metric, cause.value, cause.limit, None, cause.since, note=note)
        return Change(
            kind,
            Scope.SITE,
            site_id,
            fault_class,
            cause.rule,
            cause.severity,
            times[0],
            times[1],
            why,
            devices=tuple(sorted(cause.devices)),
        )

    def export(self) -> list[Any]:
        """Everything, as JSON can carry it."""
        return [
            [*place, one.since, one.rule, one.severity, one.metric, one.value, one.limit, list(one.devices), one.grew]
            for place, one in self._causes.items()
        ]

    def load(self, kept: list[Any]) -> None:
        """Take back what `export` gave."""
        self._causes = {
            (site_id, name): Cause(since, rule, Severity(severity), metric, value, limit, dict.fromkeys(devices), grew)
            for site_id, name, since, rule, severity, metric, value, limit, devices, grew in kept
        }


SPAN_S = 4 * 3600.0  # of a bucket: what devices believe of our clock turns within hours, by how often they report
NEAR_S = 3 * SPAN_S
MANY = 10
MANY_SHARE = 0.5
MANY_LEAST = 3
MANY_OF_A_LARGE_FLEET = 0.001  # of a million devices ten begin the same trouble on any day, each for itself
SITES = 3


class Book:
    """How many devices of which sites did the same, by rule and span. Cost: constant, whatever the fleet."""

    def __init__(self) -> None:
        self._spans: dict[str, dict[int, tuple[int, tuple[str, ...]]]] = {}  # count, the first sites

    def note(self, rule: str, site_id: str, now: float) -> None:
        """One more device."""
        span = int(now // SPAN_S)
        spans = {at: seen for at, seen in self._spans.get(rule, {}).items() if abs(at - span) <= 1}
        count, sites = spans.get(span, (0, ()))
        spans[span] = count + 1, sites if site_id in sites or len(sites) >= SITES else (*sites, site_id)
        self._spans[rule] = spans

    def has(self, rule: str, now: float, fleet_size: int) -> bool:
        """Whether so many did it on several sites within hours that the cause lies in none of them."""
        span = int(now // SPAN_S)
        near = [seen for at, seen in self._spans.get(rule, {}).items() if abs(at - span) <= 1]
        enough = max(min(MANY, max(MANY_LEAST, MANY_SHARE * fleet_size)), MANY_OF_A_LARGE_FLEET * fleet_size)
        return sum(count for count, _ in near) >= enough and len({name for _, names in near for name in names}) >= SITES

    def export(self) -> dict[str, Any]:
        """Everything, as JSON can carry it."""
        return {rule: [[span, *seen] for span, seen in spans.items()] for rule, spans in self._spans.items()}

    def load(self, kept: dict[str, Any]) -> None:
        """Take back what `export` gave."""
        self._spans = {
            rule: {span: (count, tuple(sites)) for span, count, sites in spans} for rule, spans in kept.items()
        }


class Everywhere:
    """Which rules' trouble began in many devices of several sites within hours, and when it ended in as many."""

    def __init__(self) -> None:
        self._begun, self._ended = Book(), Book()
        self._seen: dict[str, tuple[float, float]] = {}  # when so many had begun, first and last
        self._over_at: dict[str, float] = {}

    def begins(self, rule: str, site_id: str, now: float) -> None:
        """A device's trouble begins to fire."""
        self._begun.note(rule, site_id, now)

    def has(self, rule: str, fired_at: float, now: float, fleet_size: int) -> bool:
        """Whether what a device has since then began so widely that its cause lies in none of them."""
        first, last = self._seen.get(rule, (-math.inf, -math.inf))
        if self._begun.has(rule, now, fleet_size):
            first, last = self._seen[rule] = (first if 0.0 <= now - last <= NEAR_S else now, now)
            return True
        return first - NEAR_S <= fired_at <= last

    def ends(self, rule: str, site_id: str, now: float, fleet_size: int) -> None:
        """One of those who had it with all others is well."""
        self._ended.note(rule, site_id, now)
        if self._ended.has(rule, now, fleet_size):
            self._over_at[rule] = now

    def is_over(self, rule: str, fired_at: float, wait_s: float, now: float) -> bool:
        """Whether as many as it takes are well since then, the last of them for so long: who still has it, has it for
        itself.
        """
        return fired_at < self._over_at.get(rule, 0.0) <= now - wait_s

    def export(self) -> dict[str, Any]:
        """Everything, as JSON can carry it."""
        seen = {rule: list(times) for rule, times in self._seen.items()}
        begun, ended = self._begun.export(), self._ended.export()
        return {"begun": begun, "ended": ended, "seen": seen, "over": dict(self._over_at)}

    def load(self, kept: dict[str, Any]) -> None:
        """Take back what `export` gave; what was kept before it knew of endings is a matter of hours, and is left."""
        self._begun.load(kept.get("begun", {}))
        self._ended.load(kept.get("ended", {}))
        self._seen = {rule: (first, last) for rule, (first, last) in kept.get("seen", {}).items()}
        self._over_at = dict(kept.get("over", {}))
