"""A fleet to judge diagnostics by: half of it healthy with confounders, the other half with known faults in turn.

Devices of every model at sites in six climates. Each site has healthy and faulty devices side by side, as in life.
Every fault class gets `per_class` episodes, spread over those devices of the faulty half that can have it (a second one
on the same device only when all have had theirs, and hardly within ten days: a fault that comes back at once is the
same fault), one after another with days of rest between, after a time without faults in which baselines can be learned.
Faults of sites and switches strike only every fifth site, since they touch all that hangs on it: so half of the devices
are never touched by any fault. Developments that take months in the field are run in weeks (see `lead_d` of each
class), since 90 days must hold them.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

from device_sim.confounders import CONFOUNDERS, HARMLESS_RELEASE, OF_A_SITE, Disturbance
from device_sim.environment import DAY_S, WeatherSpell
from device_sim.faults import FAULTS
from device_sim.faults.fault import Moment, Scope
from device_sim.faults.software import next_version
from device_sim.models import Kind
from device_sim.scenario import CLIMATES, Customer, Scenario, Site, furnish

if TYPE_CHECKING:
    from device_sim.faults.fault import FaultClass
    from device_sim.models import DeviceSpec

WARM_UP_D: Final = 10.0
_REST_D: Final = 2.5
_AGAIN_D: Final = 10.0
_EXPOSED: Final = 5
_WEEKS_D: Final = 25.0
_BY_RELEASE: Final = "F31"
_BY_FEEDER: Final = "F44"
_STREET: Final = 3
_STREETS: Final = 10
_COHORT: Final = 4
_UNHARMED: Final = 4
_ROLLOUT_D: Final = 2.0
_FILLING: Final = "new disk fills up"
_FILLS_D: Final = 31.0
_SHORT: Final = "F05"
_HOUR_OF: Final = {Moment.NIGHT: 22.0, Moment.NOON: 13.0, Moment.DAWN: 5.5}
_CAMERAS: Final = (
    ("Lensa B4", "Lensa B4", "Lensa D2", "Lensa W1", "Lensa W1", "Lensa P5", "Lensa S3"),
    ("Lensa B4", "Lensa D2", "Lensa D2", "Lensa W1", "Lensa B4", "Lensa P5", "Lensa S3"),
)


def score_fleet(
    seed: int, start: float, *, days: float = 90.0, devices: int = 400, per_class: int = 20, faulty_share: float = 0.375
) -> Scenario:
    """`devices` devices (10 a site) for `days` days from `start`; ValueError if the episodes cannot fit."""
    count = max(2, round(devices / 10))
    climates = sorted(CLIMATES)
    sites, specs = [], []
    for number in range(count):
        name = f"s{number:03d}"
        sites.append(Site(name, f"c{number // 4:03d}", f"Site {number}", climates[number % len(climates)]))
        cameras = [{"name": f"Camera {i}", "model": model} for i, model in enumerate(_CAMERAS[number % 2], 1)]
        recorder = ("Rekam R16", "Rekam R8", "Rekam R16")[number % 3]
        row = {"id": name, "router": "Simpul T1", "switch": "Simpul S8", "recorder": recorder, "cameras": cameras}
        specs += furnish(row)
    customers = [
        Customer(
            f"c{number:03d}", f"Customer {number}", ("en", "id")[number % 2], CLIMATES[sites[number * 4].climate].zone
        )
        for number in range((count + 3) // 4)
    ]
    scenario = Scenario(seed, start, start, customers, sites, specs)
    random = Random(f"{seed}/fleet")
    _Plan(scenario, random, start, days, faulty_share).fill(per_class)
    _confound(scenario, Random(f"{seed}/confounders"), start, days)
    return scenario


class _Plan:
    """Who gets which fault when: one fault at a time on a device."""

    def __init__(self, scenario: Scenario, random: Random, start: float, days: float, share: float) -> None:
        self._scenario, self._random = scenario, random
        self._first, self._last = start + WARM_UP_D * DAY_S, start + days * DAY_S
        exposed = {site.id for number, site in enumerate(scenario.sites) if number % _EXPOSED == 1}
        faulty = [spec for spec in scenario.devices if random.random() < share * (1 + (spec.site_id in exposed))]
        self._free = {spec.id: self._first + random.uniform(0, 2) * DAY_S for spec in faulty}
        self._faulty, self._exposed = faulty, exposed
        self._half = {site.id: number % 2 for number, site in enumerate(scenario.sites)}
        self._had: dict[tuple[str, str], list[float]] = {}  # device, fault -> ends of its episodes
        self._gates = [
            spec for spec in scenario.devices if spec.site_id in exposed and spec.kind in {Kind.ROUTER, Kind.SWITCH}
        ]
        for spec in self._gates:
            self._free.setdefault(spec.id, self._first)

    def fill(self, per_class: int) -> None:
        """Place every class, those that take weeks first, then the hardest to place first."""
        classes = sorted(FAULTS.values(), key=self._hardness, reverse=True)
        in_streets = sum(self._street(FAULTS[_BY_FEEDER], half) for half in (0, 1) if per_class >= _STREETS)
        for weeks in (True, False):
            for turn in range(per_class):
                for fault in classes:
                    if fault.id == _BY_RELEASE or (fault.id == _BY_FEEDER and turn < in_streets):
                        continue
                    if (fault.lead_d[1] > _WEEKS_D) is weeks:
                        self._place(fault, turn)
        placed = number = 0
        while placed < per_class:
            number += 1
            placed += self._release(FAULTS[_BY_RELEASE], number, min(_COHORT, per_class - placed), placed)

    def _street(self, fault: FaultClass, half: int) -> int:
        """One feeder of several sites of a half of the fleet: all dip at the same instants. How many sites."""
        random = self._random
        gates = [spec for spec in self._hosts(fault) if self._half[spec.site_id] == half][:_STREET]
        if len(gates) < _STREET:
            return 0
        onset = max(self._free[spec.id] for spec in gates) + random.uniform(0, 30) * DAY_S
        lead, repair = (random.uniform(*days) * DAY_S for days in (fault.lead_d, fault.repair_d))
        if onset + lead + repair >= self._last:
            return 0
        when = random.random()
        for spec in gates:
            episode = self._scenario.afflict(
                spec.id, fault.id, onset=onset, lead_s=lead, repair_s=repair, random=random
            )
            episode.u = (episode.u[0], when, *episode.u[2:])
            self._free[spec.id] = episode.end + _REST_D * DAY_S
            self._had.setdefault((spec.id, fault.id), []).append(episode.end)
        return len(gates)

    def _release(self, fault: FaultClass, number: int, size: int, turn: int) -> int:
        """A bad release reaches `size` devices of one model within two days. How many got it: one, if there is no model
        with room for all. All are sites of one half of the fleet, so that a board played in two parts sees the whole.
        """
        random = self._random
        half = number % 2
        models: dict[str, list[DeviceSpec]] = {}
        for spec in self._hosts(fault):
            if self._half[spec.site_id] == half:
                models.setdefault(spec.model.name, []).append(spec)
        for name in random.sample(sorted(models), len(models)):
            cohort = sorted(models[name], key=lambda spec: self._free[spec.id])[:size]
            longest = (fault.lead_d[1] + fault.repair_d[1] + _ROLLOUT_D) * DAY_S
            begins = max(self._free[spec.id] for spec in cohort) + random.uniform(0, 1) * DAY_S
            if len(cohort) < size or begins + longest >= self._last:
                continue
            release = next_version(cohort[0].model.firmware, 10 + number)
            for spec in cohort:
                onset = begins + random.uniform(0, _ROLLOUT_D) * DAY_S
                lead, repair = (random.uniform(*days) * DAY_S for days in (fault.lead_d, fault.repair_d))
                episode = self._scenario.afflict(
                    spec.id, fault.id, onset=onset, lead_s=lead, repair_s=repair, random=random
                )
                episode.release = release
                self._free[spec.id] = episode.end + _REST_D * DAY_S
            self._unharmed(cohort, begins, longest, release)
            return size
        self._place(fault, turn)
        return 1

    def _unharmed(self, cohort: list[DeviceSpec], begins: float, lasts_s: float, release: str) -> None:
        """The same release is good for other devices of the model, none of which ever has a fault."""
        model, ill = cohort[0].model, {spec.id for spec in cohort}
        well = [
            spec
            for spec in self._scenario.devices
            if spec.model is model
            and spec.id not in {*self._free, *ill}
            and spec.site_id not in self._exposed
            and self._half[spec.site_id] == self._half[cohort[0].site_id]
        ]
        for spec in self._random.sample(well, min(_UNHARMED, len(well))):
            since = begins + self._random.uniform(0, _ROLLOUT_D) * DAY_S
            spell = Disturbance(HARMLESS_RELEASE, since, begins + lasts_s, self._random.random(), release)
            self._scenario.confounders.setdefault(spec.id, []).append(spell)

    def _hosts(self, fault: FaultClass) -> list[DeviceSpec]:
        pool = self._faulty if fault.scope is Scope.DEVICE else self._gates
        return [spec for spec in pool if fault.suits(spec)]

    def _hardness(self, fault: FaultClass) -> float:
        return (fault.lead_d[1] + fault.repair_d[1] + _REST_D) / max(1, len(self._hosts(fault)))

    def _place(self, fault: FaultClass, turn: int) -> None:
        random = self._random
        hosts = self._hosts(fault)
        random.shuffle(hosts)
        had = {spec.id: self._had.setdefault((spec.id, fault.id), []) for spec in hosts}
        hosts.sort(key=lambda spec: (len(had[spec.id]), self._free[spec.id] // (4 * DAY_S)))
        lead_s = random.uniform(*fault.lead_d) * DAY_S
        repair_s = random.uniform(*fault.repair_d) * DAY_S
        for shrink, apart_d in ((1.0, _AGAIN_D), (0.6, _AGAIN_D), (0.0, _AGAIN_D), (0.0, 0.0)):
            shortened = fault.lead_d[0] * DAY_S + (lead_s - fault.lead_d[0] * DAY_S) * shrink
            for spec in hosts:
                rested = max([self._free[spec.id], *(end + apart_d * DAY_S for end in had[spec.id])])
                onset = rested + random.uniform(0, 1) * DAY_S
                lead = self._to_moment(fault, spec, onset, shortened)
                if onset + lead + repair_s < self._last:
                    self._scenario.afflict(
                        spec.id, fault.id, onset=onset, lead_s=lead, repair_s=repair_s, random=random
                    )
                    had[spec.id].append(onset + lead + repair_s)
                    self._free[spec.id] = onset + lead + repair_s + _REST_D * DAY_S
                    return
        if not self._recruit(fault):
            raise ValueError(f"no room for episode {turn + 1} of {fault.id}: more devices or days, or fewer episodes")
        self._place(fault, turn)

    def _recruit(self, fault: FaultClass) -> bool:
        """Chance made too few devices of a kind ill: one more of those that can have the fault."""
        others = [spec for spec in self._scenario.devices if fault.suits(spec) and spec.id not in self._free]
        if not others or fault.scope is not Scope.DEVICE:
            return False
        recruit = self._random.choice(others)
        self._faulty.append(recruit)
        self._free[recruit.id] = self._first
        return True

    def _to_moment(self, fault: FaultClass, spec: DeviceSpec, onset: float, lead: float) -> float:
        """Stretch the lead so that the customer notices at the hour at which the effect shows."""
        hour = _HOUR_OF.get(fault.moment)
        if hour is None:
            return lead
        site = next(site for site in self._scenario.sites if site.id == spec.site_id)
        solar = ((onset + lead) / 3600 + CLIMATES[site.climate].longitude / 15) % 24
        return lead + ((hour - solar) % 24) * 3600


def _confound(scenario: Scenario, random: Random, start: float, days: float) -> None:
    """Harmless spells for every device, and weather for every site."""
    months = days / 30.0
    for spec in scenario.devices:
        spells = []
        for kind in CONFOUNDERS.values():
            if not kind.suits(spec):
                continue
            if kind.per_month == 0.0:
                if random.random() < 0.02:
                    spells.append(Disturbance(kind, start, start + 1000 * DAY_S, random.random()))
                continue
            expected = kind.per_month * months
            for _ in range(int(expected) + (random.random() < expected % 1)):
                begins = start + random.uniform(0.5, max(1.0, days - 0.5)) * DAY_S
                spells.append(Disturbance(kind, begins, begins + random.uniform(*kind.lasts_s), random.random()))
        known = [spell for spell in spells if not _still_fills(scenario, spec.id, spell)]
        scenario.confounders.setdefault(spec.id, []).extend(known)
    for site in scenario.sites:
        here = [spec for spec in scenario.devices if spec.site_id == site.id]
        for kind in OF_A_SITE.values():
            expected = kind.per_month * months
            for _ in range(int(expected) + (random.random() < expected % 1)):
                begins = start + random.uniform(0.5, max(1.0, days - 0.5)) * DAY_S
                spells = [Disturbance(kind, begins, begins + random.uniform(*kind.lasts_s), random.random())]
                if kind.then is not None:
                    begins = spells[0].end
                    spells.append(Disturbance(kind.then, begins, begins + random.uniform(*kind.then.lasts_s), 0.0))
                for spec in filter(kind.suits, here):
                    scenario.confounders[spec.id].extend(spells)
        orders = (("heat", 5, 7, 0.3), ("fog", 0.3, 0.5, 0.6), ("cloud", 6, 9, 0.4))
        for name, shortest, longest, chance in orders:
            if random.random() < chance * months:
                begins = start + random.uniform(0, days) * DAY_S
                lasts = random.uniform(shortest, longest) * DAY_S
                strength = random.uniform(6, 10) if name == "heat" else random.uniform(0.6, 0.9)
                scenario.weather.setdefault(site.id, []).append(WeatherSpell(name, begins, begins + lasts, strength))


def _still_fills(scenario: Scenario, device_id: str, spell: Disturbance) -> bool:
    """Whether a new disk would still be filling while it holds too little for its promise, which cannot be."""
    return spell.kind.name == _FILLING and any(
        episode.device_id == device_id
        and episode.fault.id == _SHORT
        and spell.start < episode.end
        and episode.onset < spell.start + _FILLS_D * DAY_S
        for episode in scenario.episodes
    )
