"""Small fleets for the tests of the simulator."""

from random import Random

from device_sim.environment import DAY_S
from device_sim.faults import FAULTS
from device_sim.models import MODELS, DeviceSpec
from device_sim.scenario import CLIMATES, Customer, Scenario, Site, furnish
from device_sim.spells import Episode

START = 1767225600.0  # 2026-01-01
CAMERAS = ("Lensa B4", "Lensa D2", "Lensa W1", "Lensa P5", "Lensa S3")


def one_site(
    *, seed: int = 5, climate: str = "jakarta", start: float = START, cameras: tuple[str, ...] = CAMERAS
) -> Scenario:
    """A router, a switch, a recorder and one camera of each model."""
    rows = [{"name": model, "model": model} for model in cameras]
    row = {"id": "s", "router": "Simpul T1", "switch": "Simpul S8", "recorder": "Rekam R16", "cameras": rows}
    zone = CLIMATES[climate].zone
    return Scenario(seed, start, start, [Customer("c", "C", "en", zone)], [Site("s", "c", "S", climate)], furnish(row))


def host_of(fault_id: str, scenario: Scenario) -> DeviceSpec:
    """The first device that can have the fault."""
    return next(spec for spec in scenario.devices if FAULTS[fault_id].suits(spec))


def afflict(scenario: Scenario, fault_id: str, *, after_d: float = 1.0, lead_d: float | None = None) -> Episode:
    """One episode of the fault with the middle of its lead and repair."""
    fault = FAULTS[fault_id]
    lead_s = (sum(fault.lead_d) / 2 if lead_d is None else lead_d) * DAY_S
    return scenario.afflict(
        host_of(fault_id, scenario).id, fault_id, onset=scenario.begin + after_d * DAY_S, lead_s=lead_s,
        repair_s=sum(fault.repair_d) / 2 * DAY_S, random=Random(3),
    )  # fmt: skip


__all__ = ["CAMERAS", "MODELS", "START", "afflict", "host_of", "one_site"]
