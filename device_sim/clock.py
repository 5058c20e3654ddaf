"""The simulator's own clock: a device does not share its clock with the gateway, so neither does the code."""

from __future__ import annotations

import time


def wall_s() -> float:
    """Seconds since 1970 by this machine."""
    return time.time()  # noqa: TID251 - the one place of this package that reads the clock
