"""Secrets that the first start makes: each in a file that only we can read, whole or not there, whatever is killed."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def made_once(path: Path, make: Callable[[], bytes]) -> bytes:
    """What the file holds; where there is none, or an empty one, it is made. Raises OSError."""
    if not path.exists() or not path.stat().st_size:
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(number, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    return path.read_bytes()
