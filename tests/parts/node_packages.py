"""Packages of Node.js that tests run: installed once by npm into the user's cache, never into the tree."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "node"
"""The lockfile: exact versions and hashes of everything that is installed."""
PATIENCE_S = 300


def mqtt_js() -> Path:
    """The folder of MQTT.js: the one that SIAGA_TEST_MQTT_JS names, or else installed from the lockfile. Skips where
    there is no npm, or where npm cannot install.
    """
    if named := os.environ.get("SIAGA_TEST_MQTT_JS"):
        return Path(named)
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("MQTT.js: node and npm are not installed")
    return _installed() / "node_modules" / "mqtt"


def _installed() -> Path:
    lock = (HERE / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "siaga"
    folder = cache / f"node-{hashlib.sha256(lock).hexdigest()[:16]}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=cache))
    try:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, work)
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(["npm", "ci", *quiet], cwd=work, capture_output=True, timeout=PATIENCE_S, check=False)
        if done.returncode:
            pytest.skip(f"MQTT.js: npm could not install it: {done.stderr.decode(errors='replace').strip()[:200]}")
        try:
            work.rename(folder)
        except OSError:  # another process was first
            assert folder.is_dir()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder
