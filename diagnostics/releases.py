"""A firmware release that harms: more of a fault class on the devices that took it lately than on the model's others.

Nobody's rollout is needed to see it. Compared are rates: sites with an opening on devices *fresh* on the release (they
took it in the last 14 days), by the days that fresh devices have lived with it, against all other openings of the
class on the model in the last 14 days, by the days that the model's other devices have lived. If both were equal, the
first count would be binomial among all (exactly, for Poisson counts). A site counts once, because its devices share
mains, network and weather; who carries a release from the beginning does not count: age and release go together.
Times are the gateway's. Cost: constant for an opening or a new version, nothing for a report.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import exp, inf, lgamma, log, log1p
from operator import itemgetter
from typing import Any

from diagnostics.changes import Change, ChangeKind, Evidence, Scope, Severity

RELEASE_CLASS = "F45"
RELEASE_RULE = "release-harms@1"
DAY_S = 86_400.0
FRESH_D = 14
LEAST_SITES = 3
ALPHA = 1e-4
"""The chance at which one look would speak of a harmless release. There is a look only where a fault opens on a fresh
device: some hundred a year in a fleet of 10,000 with four updates a year, of which few have three sites already.
"""
QUIET_S = 7 * DAY_S
NAMED = 8
KEPT = 64
RELEASES = 64
"""Of a model at once: a device that says another one with every report must not fill our memory."""


def at_least(hits: int, trials: int, share: float) -> float:
    """P(X >= hits) of a binomial variable."""
    if hits <= trials * share:
        return 1.0  # no more than expected: how likely exactly is nobody's question
    if share <= 0.0:
        return 0.0
    odds = share / (1.0 - share)
    term = exp(
        lgamma(trials + 1)
        - lgamma(hits + 1)
        - lgamma(trials - hits + 1)
        + hits * log(share)
        + (trials - hits) * log1p(-share)
    )
    total, number = 0.0, hits
    while term > total * 1e-12:
        total += term
        term *= odds * (trials - number) / (number + 1)
        number += 1
    return min(1.0, total)


@dataclass(slots=True, eq=False)
class Model:
    """Devices of a model: how many speak, the days they have lived, and what opened on them, by day."""

    count: int = 0
    since: float = 0.0  # until when `lived` is summed up
    lived: float = 0.0  # device-seconds
    before: dict[int, float] = field(default_factory=dict)  # `lived` at the beginning of a day
    opened: dict[str, dict[int, int]] = field(default_factory=dict)  # fault class -> day -> openings
    took: dict[str, dict[int, int]] = field(default_factory=dict)  # release -> day -> devices that took it

    def live(self, now: float) -> None:
        """Let time pass."""
        if now > self.since:
            since = self.since or now
            day = int(now // DAY_S)
            if day not in self.before:
                self.before = {at: lived for at, lived in self.before.items() if at > day - FRESH_D}
                for at in range(max(int(since // DAY_S) + 1, day - FRESH_D + 1), day + 1):
                    self.before[at] = self.lived + self.count * (at * DAY_S - since)
                self.took = {name: kept for name, days in self.took.items() if (kept := _recent(days, day))}
                self.opened = {name: kept for name, days in self.opened.items() if (kept := _recent(days, day))}
            self.lived += self.count * (now - since)
            self.since = now

    def fresh_s(self, release: str, now: float) -> float:
        """Device-seconds that fresh devices have lived with a release, at most."""
        return sum(count * min(FRESH_D * DAY_S, now - day * DAY_S) for day, count in self.took.get(release, {}).items())

    def lived_s(self) -> float:
        """Device-seconds of the whole model in the last 14 days."""
        return self.lived - min(self.before.values(), default=0.0)


@dataclass(slots=True, eq=False)
class Harm:
    """One fault class on one release: sites with their first device, devices, and whether it was told."""

    sites: dict[str, str] = field(default_factory=dict)
    devices: dict[str, float] = field(default_factory=dict)  # id -> when it opened
    openings: int = 0
    told: bool = False


def _recent(days: dict[int, int], day: int) -> dict[int, int]:
    return {at: count for at, count in days.items() if at > day - FRESH_D}


class Releases:
    """By model; and by (model, release, fault class) where something opened on a fresh device."""

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}
        self._harms: dict[tuple[str, str, str], Harm] = {}
        self._now = 0.0
        self.anew = False  # whether who speaks must be counted again: this was saved before anybody counted

    def _model(self, name: str, now: float) -> Model:
        self._now = max(self._now, now)
        model = self._models.get(name)
        if model is None:
            model = self._models[name] = Model()
        model.live(self._now)
        return model

    def runs(self, name: str, before: str, release: str, now: float) -> None:
        """A device of a model runs another release than `before` ("": it speaks for the first time)."""
        model = self._model(name, now)
        if not before:
            model.count += 1
            return
        if release not in model.took and len(model.took) >= RELEASES:
            del model.took[min(model.took, key=lambda name: sum(model.took[name].values()))]
        days = model.took.setdefault(release, {})
        day = int(self._now // DAY_S)
        days[day] = days.get(day, 0) + 1

    def joins(self, name: str) -> None:
        """A device that has spoken before belongs to this model now."""
        self._model(name, self._now).count += 1

    def leaves(self, name: str) -> None:
        """A device that has spoken is no longer ours, or of another model now."""
        model = self._model(name, self._now)
        model.count = max(0, model.count - 1)

    def opened(
        self, name: str, release: str, since: float, fault_class: str, device_id: str, site_id: str, now: float
    ) -> Change | None:
        """A fault is told of a device that took its release at `since` (0: it never took another). The change that
        tells of the release, if this is what proves it.
        """
        model = self._model(name, now)
        days = model.opened.setdefault(fault_class, {})
        day = int(self._now // DAY_S)
        days[day] = days.get(day, 0) + 1
        if not since or now - since > FRESH_D * DAY_S or release not in model.took:
            return None
        harm = self._harms.setdefault((name, release, fault_class), Harm())
        harm.openings += 1
        if len(harm.devices) < KEPT:
            harm.devices.pop(device_id, None)  # the newest stands last
            harm.devices[device_id] = now
            harm.sites.setdefault(site_id, device_id)
        if harm.told or len(harm.sites) < LEAST_SITES:
            return None
        chance, expected = self._chance(model, (name, release, fault_class), harm)
        if chance > ALPHA:
            return None
        harm.told = True
        return self._tell(ChangeKind.OPENED, (name, release, fault_class), harm, chance, expected)

    def _chance(self, model: Model, place: tuple[str, str, str], harm: Harm) -> tuple[float, float]:
        """How likely so many sites are if the release is as good as the others; how many would be expected. What
        another release was told of says nothing of how often the model has it by itself.
        """
        name, release, fault_class = place
        fresh_s, all_s = model.fresh_s(release, self._now), model.lived_s()
        known = sum(
            other.openings
            for (its, version, what), other in self._harms.items()
            if other.told and (its, what) == (name, fault_class) and version != release
        )
        others = max(0, sum(model.opened[fault_class].values()) - harm.openings - known)
        share = min(1.0, fresh_s / all_s) if all_s > 0 else 1.0
        trials = len(harm.sites) + others
        return at_least(len(harm.sites), trials, share), (others * share / (1 - share) if share < 1 else inf)

    def tick(self, now: float) -> list[Change]:
        """What nothing was added to for a week is over; what never was enough is forgotten after two."""
        told = []
        for place, harm in list(self._harms.items()):
            quiet_s = now - next(reversed(harm.devices.values()))
            if quiet_s > (QUIET_S if harm.told else FRESH_D * DAY_S):
                del self._harms[place]
                if harm.told and not any(other.told for _, other in self._of(place)):
                    told.append(self._tell(ChangeKind.RECOVERED, place, harm, 1.0, 0.0, now))
        return told

    def _of(self, place: tuple[str, str, str]) -> Iterator[tuple[str, Harm]]:
        for (name, release, fault_class), harm in self._harms.items():
            if (name, release) == place[:2]:
                yield fault_class, harm

    def _tell(
        self,
        kind: ChangeKind,
        place: tuple[str, str, str],
        harm: Harm,
        chance: float,
        expected: float,
        now: float | None = None,
    ) -> Change:
        name, release, fault_class = place
        named = ", ".join(list(harm.sites.values())[:NAMED])
        note = (
            f"{fault_class} at {len(harm.sites)} sites within {FRESH_D} days of taking {release}, "
            f"{expected:.2g} expected from the model's other devices (chance {chance:.0e}): {named}."
        )
        if kind is ChangeKind.RECOVERED:
            note = f"No further {fault_class} on a device that took {release} for {QUIET_S / DAY_S:.0f} days."
        at = self._now if now is None else now
        why = Evidence("", None, None, None, min(harm.devices.values()), note=note)
        scope_id = f"{name} {release}"
        return Change(kind, Scope.FLEET, scope_id, RELEASE_CLASS, RELEASE_RULE, Severity.HIGH, at, at, why)

    def export(self) -> list[Any]:
        """Everything, as JSON can carry it."""
        models = [
            [name, one.count, one.since, one.lived, _rows(one.before), _tables(one.opened), _tables(one.took)]
            for name, one in self._models.items()
        ]
        harms = [[*place, harm.sites, harm.devices, harm.openings, harm.told] for place, harm in self._harms.items()]
        return [self._now, models, harms]

    def load(self, kept: list[Any]) -> None:
        """Take back what `export` gave; an empty list is a fleet that has not been watched yet."""
        self.anew = not kept
        if not kept:
            return
        self._now, models, harms = kept
        self._models = {
            name: Model(count, since, lived, dict(before), _dicts(opened), _dicts(took))
            for name, count, since, lived, before, opened, took in models
        }
        self._harms = {
            (name, release, fault_class): Harm(sites, dict(sorted(devices.items(), key=itemgetter(1))), openings, told)
            for name, release, fault_class, sites, devices, openings, told in harms
        }


def _rows(table: dict[int, float]) -> list[tuple[int, float]]:
    return list(table.items())


def _tables(tables: dict[str, dict[int, int]]) -> dict[str, list[tuple[int, int]]]:
    return {name: list(table.items()) for name, table in tables.items()}


def _dicts(tables: dict[str, Any]) -> dict[str, dict[int, int]]:
    return {name: dict(table) for name, table in tables.items()}
