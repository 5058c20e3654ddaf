"""A fleet and what will happen to it: customers, sites, devices, faults, confounders; read from TOML or built."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Final

from device_sim.device import Device
from device_sim.environment import DAY_S, Climate, WeatherSpell, World
from device_sim.faults import FAULTS
from device_sim.faults.fault import Scope
from device_sim.models import MODELS, DeviceSpec, Kind, Part
from device_sim.spells import Episode, Spell, Truth

SCENARIOS: Final = Path(__file__).parent / "scenarios"
CLIMATES: Final = {
    "jakarta": Climate("Asia/Jakarta", -6.2, 106.8, 27.5, 0.6, 4.0, 0.35),
    "makassar": Climate("Asia/Makassar", -5.1, 119.4, 27.3, 0.7, 3.8, 0.3),
    "jayapura": Climate("Asia/Jayapura", -2.5, 140.7, 27.0, 0.5, 3.5, 0.4),
    "bristol": Climate("Europe/London", 51.5, -2.6, 10.8, 6.2, 3.6, 0.4),
    "melbourne": Climate("Australia/Melbourne", -37.8, 145.0, 15.2, 5.6, 5.0, 0.3),
    "denver": Climate("America/Denver", 39.7, -105.0, 10.5, 12.0, 7.0, 0.2),
}


@dataclass(frozen=True, slots=True)
class Customer:
    """Who owns sites."""

    id: str
    name: str
    language: str
    zone: str


@dataclass(frozen=True, slots=True)
class Site:
    """A place with devices."""

    id: str
    customer_id: str
    name: str
    climate: str

    @property
    def zone(self) -> str:
        """IANA zone of the place."""
        return CLIMATES[self.climate].zone


@dataclass(frozen=True, slots=True)
class WrongClock:
    """The receiver's own clock is wrong in [since, till): ahead by `error_s` (negative: behind)."""

    since: float
    till: float
    error_s: float


@dataclass(slots=True)
class Scenario:
    """Everything a run needs; `begin` is the first instant of the history, `start` the first of the live part."""

    seed: int
    begin: float
    start: float
    customers: list[Customer]
    sites: list[Site]
    devices: list[DeviceSpec]
    episodes: list[Episode] = field(default_factory=list)
    confounders: dict[str, list[Spell]] = field(default_factory=dict)
    weather: dict[str, list[WeatherSpell]] = field(default_factory=dict)
    outages: list[tuple[float, float]] = field(default_factory=list)  # of the receiver itself: F40
    wrong_clocks: list[WrongClock] = field(default_factory=list)  # of the receiver itself: nobody's fault

    def inventory(self) -> dict[str, Any]:
        """What the maker's back office knows, ready for JSON; the truth is not in it."""
        zones = {site.id: site.zone for site in self.sites}
        return {
            "customers": [asdict(customer) for customer in self.customers],
            "sites": [
                {"id": site.id, "customer_id": site.customer_id, "name": site.name, "zone": site.zone}
                for site in self.sites
            ],
            "devices": [
                {
                    "id": spec.id,
                    "name": spec.name,
                    "kind": spec.kind.value,
                    "model": spec.model.name,
                    "site_id": spec.site_id,
                    "parent_id": spec.parent_id,
                    "group": spec.group,
                    "hw_id": spec.model.hw_id,
                    "firmware": spec.model.firmware,
                    "power": "battery" if spec.has(Part.BATTERY) else "mains",
                    "zone": zones[spec.site_id],
                }
                for spec in self.devices
            ],
        }

    def build(self, *, interval_s: float = 900.0) -> dict[str, Device]:
        """The devices as they are at `begin`, knowing what will happen to them."""
        worlds = {
            site.id: World(CLIMATES[site.climate], f"{self.seed}/{site.id}", tuple(self.weather.get(site.id, ())))
            for site in self.sites
        }
        fleet = {
            spec.id: Device(spec, worlds[spec.site_id], str(self.seed), start=self.begin, interval_s=interval_s)
            for spec in self.devices
        }
        for episode in self.episodes:
            for device_id in episode.affected or (episode.device_id,):
                fleet[device_id].expect([episode.fresh()])
        for device_id, spells in self.confounders.items():
            fleet[device_id].expect([spell.fresh() for spell in spells])
        return fleet

    def quicken(self, speed: float) -> None:
        """From `start` on, let the faults that have begun develop `speed` times faster; the world keeps its pace."""
        for episode in self.episodes:
            if episode.onset <= self.start:
                episode.pivot, episode.speed = self.start, speed

    def part(self, index: int, of: int) -> Scenario:
        """Every `of`-th site from `index`, with its devices exactly as in the whole."""
        sites = [site for number, site in enumerate(self.sites) if number % of == index]
        names = {site.id for site in sites}
        devices = [spec for spec in self.devices if spec.site_id in names]
        ids = {spec.id for spec in devices}
        return replace(
            self,
            sites=sites,
            devices=devices,
            episodes=[episode for episode in self.episodes if episode.site_id in names],
            confounders={name: spells for name, spells in self.confounders.items() if name in ids},
        )

    def receiver_error_s(self, now: float) -> float:
        """How far the receiver's clock is ahead at a true instant."""
        return sum(wrong.error_s for wrong in self.wrong_clocks if wrong.since <= now < wrong.till)

    def truths(self) -> list[Truth]:
        """What really happens, in order of onset. Never send this to the gateway."""
        ours = [Truth("gateway", "F40", since, since, till, "", "gateway", "step", ()) for since, till in self.outages]
        found = [episode.truth() for episode in self.episodes]
        return sorted(found + ours + self._bad_releases(), key=lambda truth: (truth.onset, truth.device_id))

    def _bad_releases(self) -> list[Truth]:
        """A release that harms several devices is one more truth: its maker's, from the first of them on. It can be
        known by the third.
        """
        models = {spec.id: spec.model.name for spec in self.devices}
        cohorts: dict[str, list[Episode]] = {}
        for episode in sorted(self.episodes, key=lambda one: one.onset):
            if episode.release:
                cohorts.setdefault(f"{models[episode.device_id]} {episode.release}", []).append(episode)
        return [
            Truth(
                name, "F45", cohort[0].onset, cohort[2].visible_at, max(episode.end for episode in cohort), "",
                "release", "step", tuple(episode.device_id for episode in cohort),
            )
            for name, cohort in cohorts.items()
            if len(cohort) > 2
        ]  # fmt: skip

    def truths_json(self) -> str:
        """The same as JSON, for a file beside the run."""
        return json.dumps([asdict(truth) for truth in self.truths()], indent=1)

    def afflict(
        self, device_id: str, fault_id: str, *, onset: float, lead_s: float, repair_s: float, random: Random
    ) -> Episode:
        """Add one episode; a fault of a site or a switch reaches everything behind it."""
        spec = next((spec for spec in self.devices if spec.id == device_id), None)
        fault = FAULTS.get(fault_id)
        if spec is None or fault is None:
            raise ValueError(f"no such {'device: ' + device_id if spec is None else 'fault: ' + fault_id}")
        if not fault.suits(spec):
            raise ValueError(f"{device_id} ({spec.model.name}) cannot have {fault_id} ({fault.name})")
        affected: tuple[str, ...] = ()
        if fault.scope is Scope.SITE:
            affected = tuple(other.id for other in self.devices if other.site_id == spec.site_id)
        elif fault.scope is Scope.SWITCH:
            affected = (spec.id, *(other.id for other in self.devices if other.parent_id == spec.id))
        u = (random.random(), random.random(), random.random(), random.random())
        episode = Episode(fault, device_id, spec.site_id, onset, lead_s, repair_s, u, affected)
        self.episodes.append(episode)
        return episode


def demo(seed: int, start: float, *, history_d: float = 14.0) -> Scenario:
    """Two customers, three sites, 43 devices; several faults are days into their development at `start`."""
    return load(SCENARIOS / "demo.toml", seed=seed, start=start, history_d=history_d)


def load(path: Path, *, seed: int, start: float, history_d: float = 14.0) -> Scenario:
    """A scenario from TOML (see `scenarios/demo.toml`); ValueError says in one line what is wrong."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return _parse(data, seed, start, history_d)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        reason = f"missing {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{path.name}: {reason}") from error


def _parse(data: dict[str, Any], seed: int, start: float, history_d: float) -> Scenario:
    customers = [Customer(row["id"], row["name"], row["language"], row["zone"]) for row in data["customer"]]
    sites, devices = [], []
    for row in data["site"]:
        if row["climate"] not in CLIMATES:
            raise ValueError(f"no such climate: {row['climate']}; known: {', '.join(CLIMATES)}")
        sites.append(Site(row["id"], row["customer"], row["name"], row["climate"]))
        devices += furnish(row)
    scenario = Scenario(seed, start - history_d * DAY_S, start, customers, sites, devices)
    for number, row in enumerate(data.get("fault", ())):
        random = Random(f"{seed}/fault/{number}")
        if "after_s" in row:
            lead_s, onset, repair_s = 30.0, start + row["after_s"], float(row["for_s"])
        else:
            lead_s = row["lead_d"] * DAY_S
            onset, repair_s = start - row["at_start"] * lead_s, row.get("repair_d", 3) * DAY_S
        scenario.afflict(row["device"], row["fault"], onset=onset, lead_s=lead_s, repair_s=repair_s, random=random)
    for row in data.get("weather", ()):
        spell = WeatherSpell(
            row["kind"], start + row["after_s"], start + row["after_s"] + row["for_s"], row["strength"]
        )
        scenario.weather.setdefault(row["site"], []).append(spell)
    return scenario


def furnish(row: dict[str, Any]) -> list[DeviceSpec]:
    """The devices of one site: router, switch, recorder, cameras, each hung on what its traffic passes."""
    site = row["id"]
    router = DeviceSpec(f"{site}-router", "Router", _model(row["router"]), site)
    made = [router]
    above = router.id
    if "switch" in row:
        made.append(DeviceSpec(f"{site}-switch", "PoE switch", _model(row["switch"]), site, router.id))
        above = made[-1].id
    if "recorder" in row:
        made.append(DeviceSpec(f"{site}-nvr", "Recorder", _model(row["recorder"]), site, above))
    for number, camera in enumerate(row["cameras"], 1):
        model = _model(camera["model"])
        parent = router.id if model.has(Part.WIFI) else above
        group = f"{site}-{camera['group']}" if "group" in camera else None
        made.append(DeviceSpec(f"{site}-cam-{number:02d}", camera["name"], model, site, parent, group))
    if any(spec.kind is not Kind.CAMERA for spec in made[3:]):
        raise ValueError(f"{site}: a camera row names a model that is no camera")
    return made


def _model(name: str) -> Any:
    if name not in MODELS:
        raise ValueError(f"no such model: {name}; known: {', '.join(MODELS)}")
    return MODELS[name]
