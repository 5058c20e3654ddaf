"""All fault classes by their number in the catalogue."""

from __future__ import annotations

from typing import Final

from device_sim.faults import network, power, storage, system, thermal
from device_sim.faults.fault import FaultClass

FAULTS: Final[dict[str, FaultClass]] = {
    fault.id: fault
    for module in (storage, thermal, power, network, system)
    for fault in sorted(module.FAULTS, key=lambda fault: fault.id)
}
