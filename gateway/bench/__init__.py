"""Load, and parts to load: measured by `siaga bench`."""
