"""The gateway with a clock that can be set while it runs: what an operator, NTP or a dead battery does to a machine.

The offset stands in a file of eight bytes that both sides map. Only the wall clock jumps, as on a machine: sleeps and
time limits run on.
"""

import asyncio
import mmap
import struct
import sys
from pathlib import Path

from gateway import logs
from gateway.clock import SystemClock
from gateway.commands.run import serve
from gateway.settings import load

_SECONDS = struct.Struct("<d")


def set_offset(path: Path, seconds: float) -> None:
    """Let the clock be so many seconds off. The file is written in place: a running gateway has it mapped."""
    if not path.exists():
        path.write_bytes(bytes(_SECONDS.size))
    with path.open("r+b") as file:
        file.write(_SECONDS.pack(seconds))


class JumpingClock(SystemClock):
    """The machine's clock plus what the file says."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._offset = mmap.mmap(file.fileno(), _SECONDS.size, access=mmap.ACCESS_READ)

    def now(self) -> float:
        """Epoch seconds, jumped."""
        offset: float = _SECONDS.unpack_from(self._offset)[0]
        return super().now() + offset


def main() -> None:
    """Run a gateway: settings file, offset file."""
    config, offset = map(Path, sys.argv[1:3])
    settings = load(config)
    logs.set_up(settings.log.format, settings.log.level)
    asyncio.run(serve(settings, JumpingClock(offset)))


if __name__ == "__main__":
    main()
