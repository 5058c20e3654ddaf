"""Storm guard: when one fault class opens on very many devices at once, the fault is not in the devices.

Past a limit of openings in ten minutes, further ones join one incident of the fleet, with a list; recording goes on.
What a whole site shares (`shared_causes.py`) and what a release does (`releases.py`) is told and kept beside it.
"""

from dataclasses import dataclass, field
from typing import Any

from diagnostics.changes import Change, ChangeKind, Evidence, Scope, Severity
from diagnostics.releases import Releases
from diagnostics.shared_causes import Everywhere, SharedCauses

WINDOW_S = 600.0
LIMIT = 10
SHARE = 0.05
CALM_S = 3600.0


@dataclass(slots=True, eq=False)
class Storm:
    """One fleet incident: who joined, since when, how bad, and whether the list grew since it was last told."""

    since: float
    severity: Severity
    joined_at: float
    devices: dict[str, None] = field(default_factory=dict)
    grew: bool = False


class Storms:
    """Counts openings by fault class; holds the storms that are on. Times are the gateway's."""

    def __init__(self, releases: Releases | None = None) -> None:
        self._openings: dict[str, list[float]] = {}
        self._storms: dict[str, Storm] = {}
        self.shared = SharedCauses()
        self.everywhere = Everywhere()
        self.releases = releases or Releases()

    def admit(self, fault_class: str, device_id: str, severity: Severity, now: float, fleet_size: int) -> Change | bool:
        """True: open the device's own ticket. False: it joined a storm. A change: it joined one that begins with it."""
        storm = self._storms.get(fault_class)
        if storm is not None and now - storm.joined_at <= CALM_S:
            storm.devices[device_id] = None
            storm.joined_at, storm.grew = now, True
            storm.severity = max(storm.severity, severity)
            return False
        openings = [at for at in self._openings.get(fault_class, ()) if at > now - WINDOW_S]
        openings.append(now)
        limit = max(LIMIT, int(SHARE * fleet_size))
        self._openings[fault_class] = openings[-limit - 1 :]
        if storm is not None or len(openings) <= limit:
            return True
        storm = self._storms[fault_class] = Storm(now, severity, now, {device_id: None})
        return self._tell(ChangeKind.OPENED, fault_class, storm, now)

    def leave(self, fault_class: str, device_id: str, now: float) -> Change | None:
        """A device that joined a storm is well again; the storm is over with the last one."""
        storm = self._storms[fault_class]
        del storm.devices[device_id]
        if storm.devices:
            storm.grew = True
            return None
        del self._storms[fault_class]
        return self._tell(ChangeKind.RECOVERED, fault_class, storm, now)

    def tick(self, now: float) -> list[Change]:
        """Tell of storms and shared causes whose list changed, and of releases that do no more harm."""
        told = [*self.shared.tick(now), *self.releases.tick(now)]
        for fault_class, storm in list(self._storms.items()):
            if not storm.grew:
                continue
            storm.grew = False
            kind = ChangeKind.AMENDED if storm.devices else ChangeKind.RECOVERED
            if not storm.devices:
                del self._storms[fault_class]
            told.append(self._tell(kind, fault_class, storm, now))
        return told

    def forget(self, device_id: str) -> None:
        """A device is no longer ours; the next tick tells."""
        self.shared.forget(device_id)
        for storm in self._storms.values():
            if device_id in storm.devices:
                del storm.devices[device_id]
                storm.grew = True

    @staticmethod
    def _tell(kind: ChangeKind, fault_class: str, storm: Storm, now: float) -> Change:
        count = float(len(storm.devices))
        evidence = Evidence(
            "openings", count, float(LIMIT), None, storm.since, note=f"{count:.0f} devices beyond the limit."
        )
        devices = tuple(sorted(storm.devices))
        return Change(
            kind,
            Scope.FLEET,
            "fleet",
            fault_class,
            "storm-guard@1",
            storm.severity,
            now,
            now,
            evidence,
            devices=devices,
        )

    def export(self) -> list[Any]:
        """Everything, as JSON can carry it."""
        storms = [
            [name, storm.since, storm.severity, storm.joined_at, list(storm.devices), storm.grew]
            for name, storm in self._storms.items()
        ]
        return [self._openings, storms, self.shared.export(), self.everywhere.export(), self.releases.export()]

    def load(self, kept: list[Any]) -> None:
        """Take back what `export` gave."""
        self._openings = {name: list(times) for name, times in kept[0].items()}
        self._storms = {
            name: Storm(since, Severity(severity), joined_at, dict.fromkeys(devices), grew)
            for name, since, severity, joined_at, devices, grew in kept[1]
        }
        shared, everywhere = kept[2:4] or ([], {})
        self.shared.load(shared)
        self.everywhere.load(everywhere)
        self.releases.load(kept[4] if len(kept) > 4 else [])
