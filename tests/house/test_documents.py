"""What the documents say is so: files they name exist, the walk is at most four stops, commands are commands."""

import re
from pathlib import Path

from gateway.cli import COMMANDS

ROOT = Path(__file__).parents[2]


def test_every_file_that_the_front_door_links_to_exists() -> None:
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_walk_of_a_message_is_at_most_four_stops_and_names_its_files() -> None:
    walk = (ROOT / "README.md").read_text().partition("## The walk of one message")[2].partition("\n## ")[0]
    stops = re.findall(r"^\d\. \*\*", walk, re.MULTILINE)
    assert 1 <= len(stops) <= 4
    files = re.findall(r"`((?:gateway|diagnostics)/[a-z_/]+\.py)`", walk)
    assert len(files) >= 4
    assert all((ROOT / file).is_file() for file in files)


def test_every_command_that_the_documents_name_exists() -> None:
    for document in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for command in re.findall(r"(?:^|[`/ ])siaga ([a-z]+)", document.read_text()):
            assert command in COMMANDS, f"{document.name}: siaga {command}"


def test_every_make_target_that_the_documents_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"`make ([a-z-]+)`", document.read_text()):
            assert target in targets, f"{document.name}: make {target}"
