"""What is remembered of a site beside its devices' own memories. Data only; sites.py and outages.py decide."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class Outage:
    """An open verdict: since when (receive time of the last report before it), and the devices it took."""

    since: float
    opened_at: float
    devices: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Site:
    """Invariant: `silent` are exactly the members whose memory says so; `held` of them have no verdict yet.

    `proving`: devices whose explanation has ended, with the time by which they must have reported. `trouble`: rule
    name -> devices whose episode of it is not quiet (only for rules that ask). `spoke`: members that ever reported,
    with the rules that judge them and ask so. `edition`: the rules that judge all of them, or older ones (handover.py).
    """

    site_id: str
    members: dict[str, None] = field(default_factory=dict)
    spoke: dict[str, frozenset[str]] = field(default_factory=dict)
    silent: dict[str, float] = field(default_factory=dict)
    suspects: dict[str, float] = field(default_factory=dict)  # last will said offline, when; nothing heard since
    held: dict[str, float] = field(default_factory=dict)  # device -> silent since when, gateway time of the verdict
    proving: dict[str, tuple[float, str]] = field(default_factory=dict)
    trouble: dict[str, set[str]] = field(default_factory=dict)
    outage: Outage | None = None
    heard_at: float = 0.0
    edition: int = 0

    @property
    def restless(self) -> bool:
        """Whether time alone may change something here."""
        return bool(self.held or self.proving or self.outage or self.suspects)

    def set_back(self, by: float, now: float) -> None:
        """Our clock was set back by so much, to `now`."""
        self.held = {device_id: at - by for device_id, at in self.held.items()}
        self.suspects = {device_id: at - by for device_id, at in self.suspects.items()}
        self.proving = {device_id: (until - by, parent) for device_id, (until, parent) in self.proving.items()}
        self.heard_at = min(self.heard_at, now)
        if self.outage is not None:
            self.outage.opened_at = min(self.outage.opened_at, now)

    def unlist(self, device_id: str) -> None:
        """A device no longer speaks here, or will be listed anew."""
        self.spoke.pop(device_id, None)
        for named in self.trouble.values():
            named.discard(device_id)

    def export(self) -> list[Any]:
        """What cannot be told from the members' memories."""
        outage = [self.outage.since, self.outage.opened_at, self.outage.devices] if self.outage is not None else None
        return [self.site_id, self.held, self.proving, outage, self.heard_at, self.suspects]

    def load(self, kept: list[Any]) -> None:
        """Take back what `export` gave."""
        _, self.held, proving, outage, self.heard_at, self.suspects = kept
        self.proving = {device_id: (until, parent) for device_id, (until, parent) in proving.items()}
        self.outage = Outage(outage[0], outage[1], tuple(outage[2])) if outage else None
