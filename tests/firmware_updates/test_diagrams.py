from pathlib import Path

import firmware_updates
from firmware_updates.diagrams import diagrams

README = Path(firmware_updates.__file__).with_name("README.md")


def test_the_diagrams_of_the_readme_are_the_tables_that_run():
    text = README.read_text(encoding="utf-8")
    for title, drawn in diagrams().items():
        assert f"### {title}\n\n{drawn}\n" in text, f"draw {title!r} anew from firmware_updates.diagrams"
