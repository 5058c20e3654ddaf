"""Trouble that a whole site shares has one cause there: one ticket of the site instead of one for each device.

A fault that openings hold as site-wide joins here if its rule names the site's fault class; the first one opens it, the
last one that ends (or turns out to be the device's own) closes it. Times are the gateway's.
"""

from dataclasses import dataclass, field
from typing import Any

from diagnostics.changes import Change, ChangeKind, Evidence, Scope, Severity

Times = tuple[float, float]  # effective, received


@dataclass(slots=True, eq=False)
class Cause:
    """One site's shared trouble: since when, by which rule, how bad, on which devices; whether more is to be told."""

    since: float
    rule: str
    severity: Severity
    metric: str
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
        why = Evidence(cause.metric, float(count), None, None, cause.since, note=note)
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
            [site_id, name, cause.since, cause.rule, cause.severity, cause.metric, list(cause.devices), cause.grew]
            for (site_id, name), cause in self._causes.items()
        ]

    def load(self, kept: list[Any]) -> None:
        """Take back what `export` gave."""
        self._causes = {
            (site_id, name): Cause(since, rule, Severity(severity), metric, dict.fromkeys(devices), grew)
            for site_id, name, since, rule, severity, metric, devices, grew in kept
        }
