"""The rules of the house that no linter knows."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "diagnostics", "firmware_updates", "device_sim")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
FORBIDDEN_NAMES = re.compile(r"(Manager|Handler|Helper|Util|Utils|Service)$")


def committed_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    long = {str(path.relative_to(ROOT)): n for path in MODULES if (n := len(path.read_text().splitlines())) > 300}
    assert not long


def test_no_class_is_named_for_nothing() -> None:
    named = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and FORBIDDEN_NAMES.search(node.name) and node.name != "UpdateService"
    ]
    assert not named


def test_every_module_says_what_it_decides_or_does() -> None:
    silent = [str(path.relative_to(ROOT)) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))]
    assert not silent


def test_only_the_clock_reads_the_clock() -> None:
    """Cores are given the time; shells take a Clock."""
    reads = re.compile(r"\btime\.time\(|datetime\.now\(|datetime\.utcnow\(|date\.today\(")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in MODULES
        for line in path.read_text().splitlines()
        if reads.search(line)
        and path.name != "clock.py"
        and "device_sim" not in path.parts
        and "bench" not in path.parts
    ]
    assert not found


def test_no_mocks() -> None:
    mocks = re.compile(r"unittest\.mock|MagicMock|mocker\.")
    found = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("*.py")
        if path != Path(__file__) and mocks.search(path.read_text())
    ]
    assert not found


def test_nothing_committed_names_a_registry_or_a_path_of_one_machine() -> None:
    registries = re.compile("|".join(("files" + r"\.pythonhosted", "registry" + r"\.npmjs", "pypi" + r"\.org/")))
    paths = re.compile(r"(?<![\w.$}])/(?:" + "work" + "|" + "root" + r")/[a-z.]")
    found = []
    for path in committed_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        if registries.search(text) or paths.search(text):
            found.append(str(path.relative_to(ROOT)))
    assert not found


def test_every_package_says_why_in_its_readme() -> None:
    for package in (*PACKAGES, "gateway/ingest/endpoint", "gateway/storage", "gateway/web"):
        assert (ROOT / package / "README.md").is_file(), package
