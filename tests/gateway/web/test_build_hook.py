"""The build hook asks for Node only when the browser files are stale, and never runs it otherwise."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["hatch_build"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "frontend" / "src").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", "build.mjs", "src/staff.js"):
        (tmp_path / "frontend" / name).write_text("one")
    return tmp_path


def browser_files(hook: ModuleType, root: Path):
    return hook.BrowserFiles(str(root), {}, None, None, "", "wheel")


def stamp(hook: ModuleType, root: Path) -> None:
    (root / hook.DIST).mkdir(parents=True, exist_ok=True)
    (root / hook.DIST / hook.STAMP).write_text(hook.sources_hash(root / "frontend"), "ascii")


def test_node_is_asked_for_when_nothing_was_built(hook, tree) -> None:
    assert browser_files(hook, tree).dependencies() == [hook.NODE]


def test_a_fresh_bundle_needs_neither_node_nor_npm(hook, tree) -> None:
    stamp(hook, tree)
    files = browser_files(hook, tree)
    assert files.dependencies() == []
    files.initialize("standard", {})


@pytest.mark.parametrize("changed", ["src/staff.js", "package-lock.json", "build.mjs", "src/new.css"])
def test_any_change_of_a_source_makes_the_bundle_stale(hook, tree, changed) -> None:
    stamp(hook, tree)
    (tree / "frontend" / changed).write_text("two")
    assert browser_files(hook, tree).dependencies() == [hook.NODE]


def test_cleaning_removes_the_bundle(hook, tree) -> None:
    stamp(hook, tree)
    browser_files(hook, tree).clean([])
    assert not (tree / hook.DIST).exists()


def test_the_lockfile_names_no_registry_and_has_a_hash_for_every_package() -> None:
    lock = json.loads((ROOT / "frontend" / "package-lock.json").read_text())
    packages = {name: it for name, it in lock["packages"].items() if name}
    assert all("integrity" in it and "resolved" not in it for it in packages.values())
    assert packages["node_modules/htmx.org"]["version"] == "4.0.1"
    assert packages["node_modules/uplot"]["version"] == "1.6.32"


def test_the_licences_of_what_was_bundled_are_shipped(hook) -> None:
    text = (ROOT / hook.DIST / "THIRD-PARTY-NOTICES.txt").read_text()
    assert "htmx.org 4.0.1 (" in text
    assert "uplot 1.6.32 (MIT)" in text
    assert "Permission is hereby granted" in text
