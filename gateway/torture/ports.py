"""Ports that stay ours while nobody listens on them.

The system gives connections that leave a port out of a range of its own, and would give them that of a gateway that was
just killed: it could not start again. So these lie below that range.
"""

import contextlib
import socket
from pathlib import Path
from random import SystemRandom
from typing import Final

FIRST: Final = 10_000
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_DICE: Final = SystemRandom()


def lasting_port() -> int:
    """A port of the loopback that nobody listens on, and that no connection will be given. OSError if there is none."""
    below = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    for _ in range(200):
        port = _DICE.randrange(FIRST, max(below, FIRST + 1))
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port below those of connections that leave")
