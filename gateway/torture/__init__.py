"""Pulls plugs on real processes and counts what came of every message (`siaga torture`)."""
