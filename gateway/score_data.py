"""Where the public test data lie: named by hand, by SIAGA_SHARED_DATA, or beside the checkout."""

import os
from pathlib import Path

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


def find_data(named: str | None, folder: str, holds: str) -> Path:
    """The directory that holds the file or folder `holds`; ValueError with one line where there is none.

    `named` (else the shared folder) may be that directory itself or the one above it.
    """
    root = Path(named or os.environ.get("SIAGA_SHARED_DATA") or BESIDE)
    for candidate in (root, root / folder):
        if (candidate / holds).exists():
            return candidate
    where = "--data" if named else "SIAGA_SHARED_DATA, ../shared/data or --data"
    raise ValueError(f"no {folder} data: {root} has no {holds} (give {where})")
