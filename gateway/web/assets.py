"""The browser files that the build made: found by their plain name, served under their content's hash, for ever."""

import json
from dataclasses import dataclass
from pathlib import Path

STATIC = Path(__file__).parent / "static"
DIST = STATIC / "dist"


@dataclass(frozen=True, slots=True)
class Asset:
    """A built file: where the browser finds it, and its Subresource Integrity."""

    url: str
    integrity: str


class Assets:
    """Exists only when the files are there: a gateway without its pages' files refuses to start, in one line."""

    def __init__(self, folder: Path = DIST) -> None:
        try:
            manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        except FileNotFoundError:
            raise RuntimeError(
                f"the browser files are not built: {folder}/manifest.json is missing; run `pip install -e .`"
            ) from None
        self._assets = {name: Asset("/static/dist/" + it["file"], it["integrity"]) for name, it in manifest.items()}

    def __getitem__(self, name: str) -> Asset:
        return self._assets[name]
