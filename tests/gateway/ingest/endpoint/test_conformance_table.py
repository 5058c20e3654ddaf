"""docs/mqtt-conformance.md says for every statement which test holds us to it: those tests exist."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TABLE = HERE.parents[3] / "docs" / "mqtt-conformance.md"
VERSIONS = {"MQTT 5.0": 251, "MQTT 3.1.1": 142}
"""How many statements each specification numbers."""


def sections() -> dict[str, str]:
    parts = re.split(r"^## ", TABLE.read_text(), flags=re.MULTILINE)
    return {title: body for title, _, body in (part.partition("\n") for part in parts) if title.startswith("MQTT")}


def rows(section: str) -> list[tuple[str, str, str]]:
    return re.findall(r"^\| (\d[\d.]*-\d+) \| (.+?) \| (.+?) \|$", section, flags=re.MULTILINE)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_statement_has_one_row_or_binds_clients_alone(version):
    section = sections()[version]
    ours = [number for number, _, _ in rows(section)]
    (clients,) = re.findall(r"These bind clients alone: (.+?)\.$", section, flags=re.MULTILINE)
    every = [*ours, *clients.split(", ")]
    assert len(every) == len(set(every)) == VERSIONS[version]
    chapters: dict[str, set[int]] = {}
    for chapter, number in (one.rsplit("-", 1) for one in every):
        chapters.setdefault(chapter, set()).add(int(number))
    for chapter, numbers in chapters.items():
        first = 2 if (version, chapter) == ("MQTT 5.0", "2.2.1") else 1  # 2.2.1-1 was withdrawn
        assert numbers == set(range(first, max(numbers) + 1)), chapter


@pytest.mark.parametrize("version", VERSIONS)
def test_every_row_names_tests_that_exist_or_a_reason(version):
    defined = {name for path in HERE.glob("test_*.py") for name in re.findall(r"def test_(\w+)", path.read_text())}
    for number, words, cell in rows(sections()[version]):
        named = re.findall(r"`(\w+)`", cell)
        assert words
        assert named or cell.startswith("does not apply: "), number
        assert set(named) <= defined, (number, set(named) - defined)
