"""All fault classes by their number in the catalogue; F40, our own outage, is no device's: see `virtual.py`."""

from __future__ import annotations

from typing import Final

from device_sim.faults import network, optics, power, software, storage, stream, system, thermal
from device_sim.faults.fault import FaultClass

FAULTS: Final[dict[str, FaultClass]] = {
    fault.id: fault
    for fault in sorted(
        (
            fault
            for module in (storage, thermal, optics, power, network, system, stream, software)
            for fault in module.FAULTS
        ),
        key=lambda fault: fault.id,
    )
}
