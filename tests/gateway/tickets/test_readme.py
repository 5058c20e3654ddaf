"""The diagram in the README is the table."""

import re
from pathlib import Path

from gateway.tickets.ticket import TRANSITIONS, State


def test_the_diagram_of_the_readme_is_drawn_from_the_table() -> None:
    text = (Path(__file__).parents[3] / "gateway" / "tickets" / "README.md").read_text()
    diagram = re.search(r"```mermaid\nstateDiagram-v2\n(.*?)```", text, re.DOTALL)
    assert diagram
    drawn = {tuple(line.split(" --> ")) for line in diagram[1].replace("  ", "").splitlines()}
    table = {(state.value, to.value) for state, after in TRANSITIONS.items() for to in after}
    final = {(state.value, "[*]") for state, after in TRANSITIONS.items() if not after}
    assert drawn == table | final | {("[*]", State.NEW.value)}
