"""Telemetry history in InfluxDB (see docs/influxdb.md)."""

from gateway.storage.influx.adapter import InfluxHistory, open_influx

__all__ = ["InfluxHistory", "open_influx"]
