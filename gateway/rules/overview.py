"""Every rule as it is in force: where its text comes from, whether it opens tickets, what became of those. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from diagnostics.catalogue import Catalogue
from diagnostics.problems import RuleFileError
from diagnostics.rule_file import parse_rules
from diagnostics.rule_text import split
from diagnostics.rules import Rule
from gateway.ports.rule_book import Edition, Opened, Watched
from gateway.rules.book import Base, deleted, outdated
from gateway.rules.budget import Noise, noise


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule as it is in force. `origin`: "file", "override" (of a file's rule), "new" (in the book alone) or
    "deleted" (a file's that people took out: `text` is the file's).

    `stale`: its text in the file was changed beneath the override. `problem`: why this program cannot read it ("" = it
    can).
    """

    name: str
    text: str
    rule: Rule | None
    origin: str
    stale: bool
    watched: Watched | None
    noise: Noise
    problem: str = ""

    @property
    def silent(self) -> bool:
        """Whether it opens no ticket."""
        return self.origin == "deleted" or self.watched is not None or (self.rule is not None and self.rule.watch)


def overview(base: Base, newest: Edition, opened: Iterable[Opened], catalogue: Catalogue) -> list[RuleRow]:
    """One row a rule, in the order of judging; the deleted ones last."""
    by_rule: dict[str, list[Opened]] = {}
    for row in opened:
        by_rule.setdefault(row.rule.partition("@")[0], []).append(row)
    stale = set(outdated(base, newest.overrides))
    known = base.by_name()
    found = []
    for chunk in split(newest.text):
        rule, problem = _read(chunk.text, catalogue)
        found.append(
            RuleRow(
                chunk.name,
                chunk.text,
                rule,
                "file" if chunk.name not in newest.overrides else "override" if chunk.name in known else "new",
                chunk.name in stale,
                newest.watched.get(chunk.name),
                noise(by_rule.get(chunk.name, ())),
                problem,
            )
        )
    for name in deleted(base, newest.overrides):
        text = known[name].text
        rule, problem = _read(text, catalogue)
        found.append(RuleRow(name, text, rule, "deleted", name in stale, None, noise(by_rule.get(name, ())), problem))
    return found


def _read(text: str, catalogue: Catalogue) -> tuple[Rule | None, str]:
    try:
        return parse_rules(text, "rule book", catalogue).rules[0], ""
    except RuleFileError as problem:
        return None, str(problem)
