"""Differences of rule texts as people read them: one rule after the other, the changed words of a line marked. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Final, Literal

from diagnostics.rule_text import differences, split

LONGEST: Final = 2000
"""Longer lines are shown without marks: comparing words costs their square."""
_WORDS: Final = re.compile(r"[\w.+-]+|\s+|.")


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `parts` are (whether it changed, text); "gap": lines that are the same are left out here."""

    kind: Literal["same", "gone", "come", "gap"]
    parts: tuple[tuple[bool, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RuleDiff:
    """What becomes of one rule's text."""

    name: str
    kind: Literal["changed", "new", "gone"]
    lines: tuple[Line, ...]


def marked(before: str, after: str) -> tuple[Line, ...]:
    """A diff with the changed words of each changed line marked."""
    found: list[Line] = []
    gone: list[str] = []
    come: list[str] = []
    for text in [*differences(before, after), ""]:
        if text.startswith("-"):
            gone.append(text[1:])
            continue
        if text.startswith("+"):
            come.append(text[1:])
            continue
        found += _replaced(gone, come)
        gone, come = [], []
        if text.startswith("@@"):
            found += [Line("gap")] if found else []
        elif text:
            found.append(Line("same", ((False, text[1:]),)))
    return tuple(found)


def _replaced(gone: Sequence[str], come: Sequence[str]) -> Iterator[Line]:
    pairs = [_words(old, new) for old, new in zip_longest(gone, come)]
    yield from (Line("gone", old) for old, _ in pairs if old)
    yield from (Line("come", new) for _, new in pairs if new)


Parts = tuple[tuple[bool, str], ...]


def _words(old: str | None, new: str | None) -> tuple[Parts, Parts]:
    if old is None or new is None or len(old) + len(new) > LONGEST:
        return _whole(old), _whole(new)
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    left: list[tuple[bool, str]] = []
    right: list[tuple[bool, str]] = []
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        for words, parts in ((before[a:b], left), (after[c:d], right)):
            if words:
                parts.append((tag != "equal", "".join(words)))
    return tuple(left), tuple(right)


def _whole(text: str | None) -> Parts:
    return ((False, text),) if text is not None else ()


def by_rule(before: str, after: str) -> list[RuleDiff]:
    """What becomes of each rule whose text is another one, in the new text's order; those that are gone come last."""
    old, new = ({chunk.name: chunk.text.strip() for chunk in split(text)} for text in (before, after))
    found = []
    for name in [*new, *(name for name in old if name not in new)]:
        was, now = old.get(name), new.get(name)
        if was != now:
            kind: Literal["changed", "new", "gone"] = "new" if was is None else "gone" if now is None else "changed"
            found.append(RuleDiff(name, kind, marked(was or "", now or "")))
    return found
