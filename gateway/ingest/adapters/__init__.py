"""Devices that speak something else: TOML files that map foreign topics and payloads to reports. Data, never code."""

from gateway.ingest.adapters.adapter import Adapter, AdapterError, load_adapter, shipped
from gateway.ingest.adapters.inlet import Inlet
from gateway.ingest.adapters.translate import Translated, translate

__all__ = ["Adapter", "AdapterError", "Inlet", "Translated", "load_adapter", "shipped", "translate"]
