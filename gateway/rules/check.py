"""Whether a draft may become rules: every mistake in one line, with its place, before it touches a ticket. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from diagnostics.catalogue import Catalogue
from diagnostics.faults import Faults
from diagnostics.lint import Sighting, lint, lint_now
from diagnostics.problems import RuleFileError
from diagnostics.rule_file import RuleSet, parse_rules
from diagnostics.rule_text import Chunk, digest, line_of, split
from diagnostics.rules import Rule
from diagnostics.ruletest import failures

MAX_RULES = 500
HERE = "draft"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One line about a line of the draft. `error` False: a warning for its author to judge."""

    line: int
    rule: str
    says: str
    error: bool

    def __str__(self) -> str:
        name = f"rule '{self.rule}': " if self.rule else ""
        return f"line {self.line}: {name}{'' if self.error else 'warning: '}{self.says}"


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft as it was understood. `merged` is what would be in force; None if that cannot be said."""

    chunks: tuple[Chunk, ...]
    rules: tuple[Rule, ...]
    merged: RuleSet | None
    mistakes: tuple[Mistake, ...]

    @property
    def refused(self) -> bool:
        """Whether it must be mended first."""
        return any(mistake.error for mistake in self.mistakes)


def check(
    text: str,
    current: RuleSet,
    current_texts: Mapping[str, str],
    catalogue: Catalogue,
    faults: Faults,
    fleet: Sequence[Sighting] = (),
) -> Checked:
    """Read a draft over the rules in force. Rules whose text is the one in force are taken as they are."""
    chunks = split(text)
    mistakes: list[Mistake] = []
    rules: list[Rule] = []
    lines: dict[str, Chunk] = {}
    if not chunks:
        mistakes.append(Mistake(1, "", "there is no [[rule]] here: begin one", error=True))
    if len(chunks) > MAX_RULES:
        mistakes.append(Mistake(1, "", f"{len(chunks)} rules: at most {MAX_RULES}", error=True))
        return Checked(chunks, (), None, tuple(mistakes))
    for chunk in chunks:
        try:
            found = parse_rules(chunk.text, HERE, catalogue).rules
        except RuleFileError as problem:
            line = chunk.line + max(1, problem.line) - 1
            mistakes.append(Mistake(line, chunk.name, problem.said, error=True))
            continue
        for rule in found:
            if rule.name in lines:
                line = lines[rule.name].line
                said = f"stands here twice, first on line {line}: rename one of them"
                mistakes.append(Mistake(chunk.line, rule.name, said, error=True))
                continue
            lines[rule.name] = chunk
            rules.append(rule)
    edited = [rule for rule in rules if digest(current_texts.get(rule.name, "")) != lines[rule.name].sha256]
    merged = merge(current, rules)
    mistakes += _versions(edited, current, lines)
    mistakes += _lints(edited, merged, catalogue, faults, fleet, lines)
    if not any(mistake.error for mistake in mistakes):
        mistakes += _examples(edited, catalogue, lines)
    if chunks and not edited and not mistakes:
        mistakes.append(Mistake(1, "", "nothing differs from the rules in force", error=False))
    ordered = sorted(mistakes, key=lambda mistake: (not mistake.error, mistake.line))
    return Checked(chunks, tuple(rules), merged, tuple(ordered))


def merge(current: RuleSet, rules: Sequence[Rule]) -> RuleSet:
    """The rules in force with these put over them, new ones at the end."""
    mine = {rule.name: rule for rule in rules}
    old = current.by_name()
    kept = [mine.get(rule.name, rule) for rule in current.rules]
    return RuleSet((*kept, *(rule for rule in rules if rule.name not in old)))


def _versions(edited: Sequence[Rule], current: RuleSet, lines: Mapping[str, Chunk]) -> list[Mistake]:
    found = []
    for rule in edited:
        before = current.by_name().get(rule.name)
        if before is not None and rule.version <= before.version:
            said = f"version is still {rule.version}: raise it, since tickets quote {rule.name}@{before.version}"
            line = line_of(lines[rule.name], "version:")
            found.append(Mistake(line, rule.name, said, error=True))
    return found


def _lints(
    edited: Sequence[Rule],
    merged: RuleSet,
    catalogue: Catalogue,
    faults: Faults,
    fleet: Sequence[Sighting],
    lines: Mapping[str, Chunk],
) -> list[Mistake]:
    mine = {rule.name for rule in edited}
    found = []
    for problem in [*lint(merged, catalogue, faults), *lint_now(edited, fleet)]:
        name = problem.rule if problem.rule in mine else next((it for it in mine if f"'{it}'" in problem.says), "")
        if name:
            said = problem.says if name == problem.rule else f"with rule '{problem.rule}': {problem.says}"
            found.append(Mistake(line_of(lines[name], said), name, said, problem.error))
    return found


def _examples(edited: Sequence[Rule], catalogue: Catalogue, lines: Mapping[str, Chunk]) -> list[Mistake]:
    found = []
    for failed in failures(RuleSet(tuple(edited)), catalogue):
        said = str(failed).removeprefix(f"rule '{failed.rule}': ")
        found.append(Mistake(lines[failed.rule].line, failed.rule, f"example: {said}", error=True))
    return found
