"""The event loops a gateway may run on, for tests that have to hold on each."""

import asyncio
from collections.abc import Callable

FACTORIES: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}

try:
    import uvloop
except ImportError:  # as on Windows
    pass
else:
    FACTORIES["uvloop"] = uvloop.new_event_loop
