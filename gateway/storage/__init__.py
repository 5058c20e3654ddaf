"""Adapters of the ports that keep things: relational ledger, telemetry history."""
