"""Simulated devices with known truth. Imports none of Siaga's other packages: it writes the wire as firmware would."""
