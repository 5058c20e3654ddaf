"""English lines of the rules' programs in the reader's language. What no pattern fits stays English, never lost.

The diagnostics know no languages, and their lines go to logs and shells too: so a line is made once, in English, and
its pattern (rule_lines.py) is what gets translated.
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Final

from gateway.web.language import catalogue, language
from gateway.web.rule_lines import LINES

LONGEST: Final = 600
"""No line of ours is longer; what people wrote may be, and fits no pattern."""
DEEPEST: Final = 3
"""Lines within lines: what was checked, whose rule, which example, the mistake."""
_SLOT: Final = re.compile(r"%\((\w+)\)s")
_WHY: Final = re.compile(r"Rule [^ ]+: (?P<reason>.+?)( It comes and goes\.)?", re.DOTALL)
NO_REASONS: Final[Mapping[str, str]] = {}
_SHAPES: Final = {
    "place": r"[\w.:/\[\]-]+",
    "number": r"[^ ]+",
    "limit": r"[^ ]+",
    "count": r"[^ ]+",
    "name": r"[^']*?",
}


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((line, _pattern(line)) for line in LINES)


def _pattern(line: str) -> re.Pattern[str]:
    parts = _SLOT.split(line)
    made = [re.escape(parts[0].replace("%%", "%"))]
    for slot, text in zip(parts[1::2], parts[2::2], strict=True):
        made.append(
            f"(?P<{slot}>{_SHAPES.get(slot, '.*?')})" if f"(?P<{slot}>" not in "".join(made) else f"(?P={slot})"
        )
        made.append(re.escape(text.replace("%%", "%")))
    return re.compile("".join(made), re.DOTALL)


def fitting(line: str, deep: int = DEEPEST) -> tuple[str, dict[str, str]] | None:
    """The first pattern that a line fits, with what stands in its places; None for none."""
    for pattern, shape in _patterns():
        found = shape.fullmatch(line)
        if found is None:
            continue
        values = found.groupdict()
        if "said" not in values or (deep and fitting(values["said"], deep - 1) is not None):
            return pattern, values
    return None


def retold(line: str, reasons: Mapping[str, str] = NO_REASONS) -> str:
    """The line in the language of the request. `reasons`: those of rules in Indonesian by the English ones; one that is
    not among them stays English.
    """
    if language() == "en" or len(line) > LONGEST:
        return line
    said, found = _retold(language(), line), _WHY.fullmatch(line)
    own = reasons.get(found["reason"], "") if found else ""
    return said.replace(found["reason"], own) if found and own else said


@lru_cache(4096)
def _retold(spoken: str, line: str) -> str:
    found = fitting(line)
    if found is None:
        return line
    pattern, values = found
    if "said" in values:
        values["said"] = _retold(spoken, values["said"])
    return str(catalogue(spoken).gettext(pattern)) % values
