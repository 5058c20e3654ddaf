"""Rule files as people keep them: read, or refused in one line with file and line; lints with theirs."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from diagnostics.catalogue import Catalogue
from diagnostics.faults import Faults
from diagnostics.lint import Problem, lint
from diagnostics.problems import RuleFileError
from diagnostics.rule_file import MAX_CHARS, RuleSet, parse_rules
from diagnostics.rule_text import line_of, split
from diagnostics.rules import Rule

SHIPPED = "default_rules.toml"


@dataclass(frozen=True, slots=True)
class RuleFile:
    """One file: its name, its text, the rules in it."""

    where: str
    text: str
    rules: tuple[Rule, ...]

    def line_of(self, problem: Problem) -> int:
        """The line that the problem is on; its rule stands in this file."""
        chunk = next(chunk for chunk in split(self.text) if chunk.name == problem.rule)
        return line_of(chunk, problem.says)

    def place(self, problem: Problem) -> str:
        """The problem with file and line."""
        return f"{self.where}:{self.line_of(problem)}: {problem}"


def rule_text(path: Path) -> str:
    """A file's text: UTF-8, with or without a byte order mark. RuleFileError in one line."""
    try:
        if path.stat().st_size > 4 * MAX_CHARS:
            raise RuleFileError(f"{path.stat().st_size} bytes: no rule file is as large", where=str(path))
        raw = path.read_bytes()
    except OSError as problem:
        missing = isinstance(problem, FileNotFoundError)
        raise RuleFileError("no such rule file" if missing else str(problem.strerror), where=str(path)) from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = raw[: problem.start].count(b"\n") + 1
        raise RuleFileError("is not UTF-8 text: save it as UTF-8", where=str(path), line=line) from None


def read_rule_file(path: Path | None, catalogue: Catalogue) -> RuleFile:
    """A file (None: the shipped one). RuleFileError in one line; a file without any rule is refused."""
    where = SHIPPED if path is None else str(path)
    text = (files("diagnostics") / SHIPPED).read_text(encoding="utf-8") if path is None else rule_text(path)
    rules = parse_rules(text, where, catalogue).rules
    if not rules:
        raise RuleFileError("there is no [[rule]] in it: begin one", where=where)
    return RuleFile(where, text, rules)


def read_rule_files(paths: Sequence[Path], catalogue: Catalogue, faults: Faults) -> RuleSet:
    """The rules of all files as one set. RuleFileError in one line: a name may stand in one of them only, and what
    can never fire, never recover, or would fire on healthy devices is refused here, before it touches a ticket.
    """
    places: dict[str, RuleFile] = {}
    rules: list[Rule] = []
    for path in paths:
        found = read_rule_file(path, catalogue)
        for rule in found.rules:
            if rule.name in places:
                said = f"the name is used in {places[rule.name].where} already: rename one of them"
                raise RuleFileError(said, where=found.where, rule=rule.name)
            places[rule.name] = found
        rules += found.rules
    whole = RuleSet(tuple(rules))
    refused = [problem for problem in lint(whole, catalogue, faults) if problem.error]
    if refused:
        more = f" ({len(refused) - 1} more: siaga rules check)" if len(refused) > 1 else ""
        raise RuleFileError(f"{places[refused[0].rule].place(refused[0])}{more}")
    return whole
