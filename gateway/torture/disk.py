"""A disk that can be full: a small tmpfs where we may mount one, otherwise a limit on the size of files.

The tmpfs says ENOSPC as a real disk does, to every write. The limit says EFBIG to writes that grow a file: it proves
less (the gateway must take it for a store that is away, and recover), and the row says which it was.
"""

import os
import resource
import subprocess
from contextlib import suppress
from pathlib import Path

SIZE = 48 * 1024 * 1024


class Disk:
    """Holds the gateway's data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ballast = folder / "ballast"
        folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "siaga-torture", str(folder)]
        try:
            self.mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
        except OSError:
            self.mounted = False

    @property
    def kind(self) -> str:
        """What the fullness is made of."""
        return "tmpfs, ENOSPC" if self.mounted else "file size limit, EFBIG"

    def fill(self, pid: int) -> None:
        """Leave not a byte to the process."""
        if not self.mounted:
            largest = max(path.stat().st_size for path in self._folder.glob("*.db*"))
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, hard))
            return
        with self._ballast.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))

    def free(self, pid: int) -> None:
        """Room again."""
        if self.mounted:
            self._ballast.unlink(missing_ok=True)
        else:
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))

    def close(self) -> None:
        """Take the disk away."""
        if self.mounted and os.path.ismount(self._folder):
            subprocess.run(["umount", str(self._folder)], check=False)
