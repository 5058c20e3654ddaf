"""The life cycles as Mermaid diagrams, drawn from the tables that run. README.md holds them; a test says if not."""

from collections import defaultdict
from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

from firmware_updates.attempt_row import TRANSITIONS
from firmware_updates.rollout import ROLLOUT_TRANSITIONS, WAVE_TRANSITIONS

_State = TypeVar("_State", bound=Enum)
_Why = TypeVar("_Why", bound=Enum)


def diagram(table: Mapping[tuple[_State, _Why], _State]) -> str:
    """One arrow for each pair of states, labelled with all that leads along it."""
    labels: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (source, why), target in table.items():
        labels[source.name, target.name].append(str(why.value))
    arrows = [f"    {source} --> {target}: {' / '.join(why)}" for (source, target), why in labels.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", *sorted(arrows), "```"])


def diagrams() -> dict[str, str]:
    """Title to diagram, in the order of the README."""
    return {
        "One attempt": diagram(TRANSITIONS),
        "A rollout": diagram(ROLLOUT_TRANSITIONS),
        "A wave": diagram(WAVE_TRANSITIONS),
    }
