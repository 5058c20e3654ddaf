"""The rule files and what people put over them, made into one text: the base, the overrides, the next edition. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from diagnostics.catalogue import Catalogue
from diagnostics.problems import RuleFileError
from diagnostics.rule_file import RuleSet, parse_rules
from diagnostics.rule_text import Chunk, digest, split
from diagnostics.rules import Rule
from gateway.ports.rule_book import Edition, EditionReason, Override, Watched

SHIPPED = "shipped"


@dataclass(frozen=True, slots=True)
class Base:
    """The rule files' rules, one text each. `origin` names where they come from ("shipped", or the files)."""

    origin: str
    chunks: tuple[Chunk, ...]

    def by_name(self) -> Mapping[str, Chunk]:
        """Lookup by rule name."""
        return {chunk.name: chunk for chunk in self.chunks}


def base_of(text: str, origin: str) -> Base:
    """The base of a text that parses as rules."""
    return Base(origin, split(text))


def compose(base: Base, overrides: Mapping[str, Override]) -> str:
    """The whole of the rules: the base in its order with the overrides in their places (those without a text are
    deleted rules), new rules after it by name.
    """
    known = base.by_name()
    texts = [overrides[it.name].text if it.name in overrides else it.text for it in base.chunks]
    texts += [overrides[name].text for name in sorted(overrides.keys() - known.keys())]
    return "\n\n".join(text.strip() for text in texts if text) + "\n"


def deleted(base: Base, overrides: Mapping[str, Override]) -> Sequence[str]:
    """Rules of the files that people took out, by name."""
    known = base.by_name()
    return sorted(name for name, one in overrides.items() if not one.text and name in known)


def without(base: Base, overrides: Mapping[str, Override], rule: str, at: float, actor: str) -> dict[str, Override]:
    """The overrides with a rule taken out, whether a file has it or not."""
    found = {name: one for name, one in overrides.items() if name != rule}
    file = base.by_name().get(rule)
    if file is not None:
        found[rule] = Override("", file.sha256, at, actor)
    return found


def edition_digest(text: str, watched: Mapping[str, Watched]) -> str:
    """Same digest, same verdicts."""
    return sha256("\0".join([text, *sorted(watched)]).encode()).hexdigest()


def edition(
    base: Base,
    before: Edition | None,
    overrides: Mapping[str, Override],
    watched: Mapping[str, Watched],
    *,
    at: float,
    actor: str,
    reason: EditionReason,
    rule: str = "",
    note: str = "",
) -> Edition:
    """The edition that follows `before`. Demotions of rules that are gone are left out."""
    text = compose(base, overrides)
    names = {chunk.name for chunk in split(text)}
    kept = {name: one for name, one in watched.items() if name in names}
    number = (before.number if before else 0) + 1
    return Edition(number, at, actor, reason, rule, note, edition_digest(text, kept), text, dict(overrides), kept)


def at_start(base: Base, newest: Edition | None, now: float) -> Edition | None:
    """The edition that a start makes: the first one, or one more where the rule files are not what they were."""
    if newest is None:
        return edition(base, None, {}, {}, at=now, actor="siaga", reason=EditionReason.STARTED)
    made = edition(
        base, newest, newest.overrides, newest.watched, at=now, actor="siaga", reason=EditionReason.FILE_CHANGED
    )
    return None if made.sha256 == newest.sha256 else made


def outdated(base: Base, overrides: Mapping[str, Override]) -> Sequence[str]:
    """Rules whose text in the file is not the one that the override was put over, by name."""
    known = {name: chunk.sha256 for name, chunk in base.by_name().items()}
    beneath = {name: known.get(name, "") for name in overrides}
    return sorted(
        name for name, one in overrides.items() if beneath[name] != one.base_sha256 and (one.text or beneath[name])
    )


def with_override(
    base: Base, overrides: Mapping[str, Override], chunks: Sequence[Chunk], at: float, actor: str
) -> dict[str, Override]:
    """The overrides with these texts put over them; a text that is the file's own takes its override off."""
    known = base.by_name()
    found = dict(overrides)
    for chunk in chunks:
        found.pop(chunk.name, None)
        file = known.get(chunk.name)
        if file is None or file.sha256 != chunk.sha256:
            found[chunk.name] = Override(chunk.text.strip(), file.sha256 if file else "", at, actor)
    return found


def changed_names(before: str, after: str) -> Sequence[str]:
    """Rules that two texts tell otherwise, in the order of their names."""
    old, new = ({chunk.name: digest(chunk.text) for chunk in split(text)} for text in (before, after))
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def rules_of(text: str, watched: Mapping[str, Watched], catalogue: Catalogue) -> tuple[RuleSet, Sequence[str]]:
    """The rules as the engine judges by them, and one line for each text that this program cannot read (left out).

    An edition may have been written by another version of the program; the rest of it is still in force.
    """
    rules: list[Rule] = []
    problems: list[str] = []
    for chunk in split(text):
        try:
            found = parse_rules(chunk.text, "rule book", catalogue).rules
        except RuleFileError as problem:
            problems.append(str(problem))
            continue
        rules += [replace(rule, watch=True) if rule.name in watched else rule for rule in found]
    return RuleSet(tuple({rule.name: rule for rule in rules}.values())), problems
