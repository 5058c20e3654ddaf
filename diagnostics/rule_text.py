"""The text of rule files, rule by rule: where each begins, on which line a mistake is, what an edit changes. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import unified_diff
from hashlib import sha256

_HEAD = re.compile(r"^\s*\[\[\s*rule\s*\]\]\s*(#.*)?$")
_NAME = re.compile(r'^\s*name\s*=\s*["\']([^"\']*)["\']', re.MULTILINE)
_END = "(at end of document)"
_PLACE = re.compile(r"\s*\(at line (\d+), column \d+\)$")

_TALK = {
    "when": re.compile(r"\bguards?\b"),
    "signs": re.compile(r"\bsign\b"),
    "window_s": re.compile(r"\bwindow_s\b"),
    "steps": re.compile(r"\b(limit|clear level|timeouts|samples)\b"),
    "state": re.compile(r"\bwords\b"),
    "fault_class": re.compile(r"^fault class\b"),
    "applies_to": re.compile(r"^applies to\b"),
    "name": re.compile(r"\bname is used\b"),
}
"""What a mistake talks of, by the key that says it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One rule as its author wrote it, with the comments above it. `line` is the file's line of its first one."""

    name: str
    line: int
    text: str

    @property
    def sha256(self) -> str:
        """Digest of the text without space around it."""
        return digest(self.text)


def digest(text: str) -> str:
    """SHA-256 of a text without space around it, in hexadecimal."""
    return sha256(text.strip().encode()).hexdigest()


def split(text: str) -> tuple[Chunk, ...]:
    """The rules of a file in their order. What stands before the first one is left out unless it is TOML of its own,
    which then makes a chunk without a name (for a parser to refuse).
    """
    lines = text.splitlines()
    heads = [number for number, line in enumerate(lines) if _HEAD.match(line)]
    begins = [_above(lines, head) for head in heads]
    found: list[Chunk] = []
    before = "\n".join(lines[: begins[0] if begins else len(lines)])
    if any(line.strip() and not line.strip().startswith("#") for line in before.splitlines()):
        found.append(Chunk("", 1, before))
    for begin, end in zip(begins, [*begins[1:], len(lines)], strict=False):
        part = "\n".join(lines[begin:end]).rstrip()
        if found and _unfinished(found[-1].text):  # this head stands inside a text of several lines
            found[-1] = Chunk(found[-1].name, found[-1].line, f"{found[-1].text}\n{part}")
            continue
        named = _NAME.search(part)
        found.append(Chunk(named[1] if named else "", begin + 1, part))
    return tuple(found)


def _above(lines: Sequence[str], head: int) -> int:
    """The comments that stand directly above a rule belong to it."""
    while head and lines[head - 1].lstrip().startswith("#"):
        head -= 1
    return head


def _unfinished(text: str) -> bool:
    return text.count('"""') % 2 == 1 or text.count("'''") % 2 == 1


def line_of(chunk: Chunk, said: str) -> int:
    """The line that a mistake of this chunk is on, as far as the one-line error names it."""
    place = _PLACE.search(said)
    if place:
        return chunk.line + int(place[1]) - 1
    lines = chunk.text.splitlines()
    if said.endswith(_END):
        return chunk.line + len(lines) - 1
    words = re.findall(r"[a-z_]{3,}", said.partition(":")[0]) + re.findall(r"'([^']+)'", said) + said.split()[:1]
    words += [key for key, talk in _TALK.items() if talk.search(said)]
    for before in (r"\s*", r".*\b"):
        for word in words:
            for number, line in enumerate(lines):
                if re.match(rf"{before}{re.escape(word)}\s*=", line):
                    return chunk.line + number
    return chunk.line + next((number for number, line in enumerate(lines) if _HEAD.match(line)), 0)


def line_in(text: str, said: str) -> int:
    """The line of a text that a TOML parser's words name; 0: none."""
    place = _PLACE.search(said)
    return int(place[1]) if place else len(text.splitlines()) if said.endswith(_END) else 0


def line_of_rule(text: str, position: int, said: str) -> int:
    """The line that a mistake of the rule at this position (from 0) of a file is on, as far as it can be told."""
    named = [chunk for chunk in split(text) if any(map(_HEAD.match, chunk.text.splitlines()))]
    return line_of(named[position], said) if position < len(named) else 0


def first_of_its_own(text: str) -> int:
    """The first line that is neither empty nor a comment; 0: there is none."""
    own = (number for number, line in enumerate(text.splitlines(), 1) if (it := line.strip()) and it[0] != "#")
    return next(own, 0)


def without_place(said: str) -> str:
    """A parser's words without the line that they name."""
    return _PLACE.sub("", said.removesuffix(f" {_END}"))


def differences(before: str, after: str) -> list[str]:
    """Lines of a unified diff, without the heads of files."""
    return list(unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3))[2:]
