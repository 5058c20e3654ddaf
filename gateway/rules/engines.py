"""Editions of the rule book compiled into engines, live and in replays alike: the same number, the same rules."""

from collections.abc import Iterable, Mapping, Sequence

import structlog

from diagnostics.catalogue import Catalogue
from diagnostics.engine import Engine
from diagnostics.rule_file import RuleSet
from gateway.ports.rule_book import Edition, RuleBook
from gateway.rules.book import Base, at_start, outdated, rules_of

log = structlog.get_logger()
KEPT = 4


class Engines:
    """Callable: the engine of an edition. Editions are learned first; a few engines are kept compiled."""

    def __init__(self, base: RuleSet, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._base = base
        self._editions: dict[int, Edition] = {}
        self._compiled: dict[int, Engine] = {}
        self._reasons: Mapping[str, str] = base.reasons()

    def learn(self, editions: Iterable[Edition]) -> None:
        """Know these editions from now on."""
        self._editions |= {one.number: one for one in editions}

    def __call__(self, number: int) -> Engine:
        """The engine of a learned edition; 0: the rule files'. ValueError for one that was never learned."""
        known = self._compiled.get(number)
        if known is None:
            known = Engine(self._rules(number), self.catalogue)
            for old in list(self._compiled)[: 1 - KEPT]:
                del self._compiled[old]
            self._compiled[number] = known
            sets = (self._base, *(self._compiled[it].rules for it in sorted(self._compiled)))
            self._reasons = {reason: told for rules in sets for reason, told in rules.reasons().items()}
        return known

    def reasons(self) -> Mapping[str, str]:
        """Reasons in Indonesian by the English ones: those of the rule files and of the editions that are compiled."""
        return self._reasons

    def _rules(self, number: int) -> RuleSet:
        if not number:
            return self._base
        edition = self._editions.get(number)
        if edition is None:
            raise ValueError(
                f"rules of edition {number} are not in the rule book: restore the database from one backup"
            )
        rules, problems = rules_of(edition.text, edition.watched, self.catalogue)
        for problem in problems:
            log.warning("a rule of the rule book is left out", edition=number, reason=problem)
        return rules


async def begin(book: RuleBook, base: Base, now: float) -> tuple[Edition, Sequence[str]]:
    """The edition in force as this gateway starts, made if the rule files are new or other ones than before.

    Also one line for each override whose rule was changed in the file beneath it. Raises OSError.
    """
    newest = await book.newest()
    made = at_start(base, newest, now)
    if made is not None:
        await book.append(made)
        newest = made
    assert newest is not None
    warnings = [
        f"rule '{name}' was changed in {base.origin} under an active override, which stays: "
        f"see siaga rules show {name}, or siaga rules drop {name} to take the file's"
        for name in outdated(base, newest.overrides)
    ]
    return newest, warnings
