"""Versions and ranges of versions: order and membership. Which way a device may move is the release counter's say."""

import re
from dataclasses import dataclass
from functools import total_ordering

_VERSION = re.compile(r"v?(\d{1,9}(?:\.\d{1,9}){0,3})(?:-([0-9A-Za-z.-]{1,32}))?(?:\+[0-9A-Za-z.-]{1,32})?")
_CLAUSE = re.compile(r"(>=|<=|==|!=|>|<|)\s*(\S+)")


class VersionError(ValueError):
    """Not a version or not a range; the message quotes it."""


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """Up to four numbers and a pre-release, ordered as Semantic Versioning 2.0 orders them (build ignored)."""

    numbers: tuple[int, int, int, int]
    pre: tuple[tuple[int, int, str], ...] = ()

    def __lt__(self, other: "Version") -> bool:
        return (self.numbers, not self.pre, self.pre) < (other.numbers, not other.pre, other.pre)

    def __str__(self) -> str:
        shown = self.numbers if self.numbers[3] else self.numbers[:3]
        pre = ".".join(word or str(number) for _, number, word in self.pre)
        return ".".join(map(str, shown)) + (f"-{pre}" if pre else "")


@dataclass(frozen=True, slots=True)
class VersionRange:
    """All of its clauses must hold; no clause means any version."""

    clauses: tuple[tuple[str, Version], ...] = ()

    def __contains__(self, version: Version) -> bool:
        return all(_holds(version, sign, bound) for sign, bound in self.clauses)

    def __str__(self) -> str:
        return ",".join(f"{sign}{bound}" for sign, bound in self.clauses) or "*"


def parse_version(text: str) -> Version:
    """`2.4.1`, `v2.4`, `2.5.0-rc.1`, `2.4.1+build7`."""
    match = _VERSION.fullmatch(text)
    if match is None:
        raise VersionError(f"not a version: {text[:40]!r}")
    numbers = [int(part) for part in match[1].split(".")]
    numbers += [0] * (4 - len(numbers))
    pre = tuple(_identifier(part) for part in match[2].split(".")) if match[2] else ()
    return Version((numbers[0], numbers[1], numbers[2], numbers[3]), pre)


def parse_range(text: str) -> VersionRange:
    """`>=2.0,<3`, `2.4.1` (exactly that), `!=2.3`, `*` (any)."""
    if text.strip() in ("*", ""):
        return VersionRange()
    clauses = []
    for clause in text.split(","):
        match = _CLAUSE.fullmatch(clause.strip())
        if match is None:
            raise VersionError(f"not a range of versions: {text[:60]!r}")
        clauses.append((match[1] or "==", parse_version(match[2])))
    return VersionRange(tuple(clauses))


def _identifier(part: str) -> tuple[int, int, str]:
    return (0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part)


def _holds(version: Version, sign: str, bound: Version) -> bool:
    match sign:
        case ">=":
            return version >= bound
        case "<=":
            return version <= bound
        case ">":
            return version > bound
        case "<":
            return version < bound
        case "!=":
            return version != bound
    return version == bound
