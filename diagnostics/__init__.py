"""From telemetry to one true sentence about a device. Pure: no I/O, no clock, no database (see README.md)."""
