"""The faults of the catalogue, each with onset, development, the moment the customer notices, and repair."""

from device_sim.faults.catalogue import FAULTS

__all__ = ["FAULTS"]
