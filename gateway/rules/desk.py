"""What people do with rules: write drafts, activate, roll back, demote, restore, delete. Each deed is one edition, or
none.

Reads before it writes and says what it saw: a deed on what has changed meanwhile raises OutdatedEdition.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from uuid import uuid4

from diagnostics.catalogue import Catalogue
from diagnostics.faults import Faults
from diagnostics.lint import Sighting
from diagnostics.rule_file import RuleSet
from diagnostics.rule_text import split
from gateway.ports.rule_book import (
    Draft,
    Edition,
    EditionReason,
    OutdatedEdition,
    Override,
    RuleBook,
    Watched,
)
from gateway.rules.book import Base, changed_names, compose, deleted, edition, rules_of, with_override, without
from gateway.rules.budget import Budget
from gateway.rules.check import Checked, check
from gateway.rules.overview import RuleRow, overview

DAY_S = 86_400.0
MAX_TEXT = 200_000


class RuleRefused(ValueError):
    """The rules or their state do not allow it. One line that says why and what to do."""


class RuleDesk:
    """The rule book's front door. `base` are the rule files; `sightings` the fleet as it is now."""

    def __init__(
        self,
        book: RuleBook,
        base: Base,
        catalogue: Catalogue,
        faults: Faults,
        *,
        sightings: Callable[[], Iterable[Sighting]] = tuple,
        budget: Budget | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.book, self.base = book, base
        self.catalogue, self.faults = catalogue, faults
        self.budget = budget or Budget()
        self._sightings, self._changed = sightings, changed

    async def newest(self) -> Edition:
        """The edition in force. RuleRefused before a gateway ran for the first time."""
        found = await self.book.newest()
        if found is None:
            raise RuleRefused("the rule book is empty: start the gateway once, it writes the rule files' edition")
        return found

    async def rules(self, now: float) -> list[RuleRow]:
        """Every rule in force, in the order of judging, with what became of its tickets in the budget's window."""
        newest = await self.newest()
        opened = await self.book.opened(now - self.budget.days * DAY_S)
        return overview(self.base, newest, opened, self.catalogue)

    def rules_of(self, shown: Edition) -> RuleSet:
        """The rules of an edition as their texts say, demotions aside."""
        return rules_of(shown.text, {}, self.catalogue)[0]

    def check(self, text: str, shown: Edition) -> Checked:
        """Read a draft over an edition. RuleRefused for a text that is too long to be rules."""
        if len(text) > MAX_TEXT:
            raise RuleRefused(f"{len(text)} characters: a draft has at most {MAX_TEXT}")
        texts = {chunk.name: chunk.text for chunk in split(shown.text)}
        sightings = tuple(self._sightings())
        return check(text, self.rules_of(shown), texts, self.catalogue, self.faults, sightings)

    # --- drafts -------------------------------------------------------------------------------------------------------
    async def begin(self, rule: str, text: str, actor: str, now: float) -> Draft:
        """A new draft: of a rule in force (KeyError if there is none of that name), or of any text."""
        newest = await self.newest()
        if rule:
            text = next((chunk.text for chunk in split(newest.text) if chunk.name == rule), "")
            if not text:
                raise KeyError(rule)
        made = Draft(uuid4().hex[:12], actor, now, now, 1, newest.number, rule, text)
        await self.book.save(made)
        return made

    async def write(self, draft_id: str, version: int, text: str, now: float) -> Draft:
        """Save a draft's text; its backtest, of another text, is gone. OutdatedDraft, KeyError, RuleRefused."""
        kept = await self.book.draft(draft_id)
        if kept is None:
            raise KeyError(draft_id)
        if len(text) > MAX_TEXT:
            raise RuleRefused(f"{len(text)} characters: a draft has at most {MAX_TEXT}")
        text = text.replace("\r\n", "\n")
        newest = await self.newest()
        same = text == kept.text and newest.number == kept.edition
        made = replace(
            kept,
            version=version + 1,
            text=text,
            updated_at=now,
            edition=newest.number,
            backtest=kept.backtest if same else "",
        )
        await self.book.save(made)
        return made

    # --- deeds --------------------------------------------------------------------------------------------------------
    async def activate(self, text: str, seen: int, actor: str, note_: str, now: float) -> Edition:
        """Put these rules over those in force. RuleRefused with the first mistake; OutdatedEdition."""
        newest = await self._as_seen(seen)
        checked = self.check(text, newest)
        if checked.refused:
            raise RuleRefused(str(checked.mistakes[0]))
        overrides = with_override(self.base, newest.overrides, checked.chunks, now, actor)
        names = changed_names(newest.text, compose(self.base, overrides))
        if not names:
            raise RuleRefused("nothing differs from the rules in force")
        # A new version of a demoted rule is a new chance: its own tickets are counted from now on.
        watched = {name: one for name, one in newest.watched.items() if name not in names}
        said = ", ".join(names)
        return await self.append(newest, overrides, watched, EditionReason.ACTIVATED, actor, note_, now, said)

    async def roll_back(self, number: int, rule: str, seen: int, actor: str, note_: str, now: float) -> Edition:
        """The rules (or one of them) as they were in an edition. KeyError for one that never was; RuleRefused."""
        newest, then = await self._as_seen(seen), await self.book.edition(number)
        if then is None:
            raise KeyError(number)
        texts = {chunk.name: chunk for chunk in split(then.text)}
        if rule:
            if rule in texts:
                overrides = with_override(self.base, newest.overrides, [texts[rule]], now, actor)
            elif rule in {chunk.name for chunk in split(newest.text)}:  # it was made, or made again, after that edition
                self._not_needed(newest, rule)
                overrides = without(self.base, newest.overrides, rule, now, actor)
            else:
                raise RuleRefused(f"rule '{rule}' was not there in edition {number}: name an edition that has it")
            watched: Mapping[str, Watched] = newest.watched
        else:
            overrides = with_override(self.base, then.overrides, tuple(texts.values()), now, actor)
            watched = then.watched
        made = edition(
            self.base, newest, overrides, watched, at=now, actor=actor, reason=EditionReason.ROLLED_BACK, rule=rule
        )
        if made.sha256 == newest.sha256:
            raise RuleRefused(f"edition {number} says the same as what is in force: nothing to roll back")
        said = f"to edition {number}" + (f": {note_}" if note_ else "")
        return await self.append(newest, overrides, watched, EditionReason.ROLLED_BACK, actor, said, now, rule)

    async def back_to_file(self, rule: str, seen: int, actor: str, note_: str, now: float) -> Edition:
        """Take an override off. RuleRefused where there is none."""
        newest = await self._as_seen(seen)
        if rule not in newest.overrides:
            raise RuleRefused(f"rule '{rule}' has no override: it is the file's already")
        overrides = {name: one for name, one in newest.overrides.items() if name != rule}
        reason = EditionReason.BACK_TO_FILE
        return await self.append(newest, overrides, newest.watched, reason, actor, note_, now, rule)

    async def delete(self, rule: str, seen: int, actor: str, note_: str, now: float) -> Edition:
        """Take a rule out: nobody is judged by it any more, and what it opened is withdrawn. KeyError; RuleRefused
        while another rule names it.
        """
        newest = await self._as_seen(seen)
        if rule in deleted(self.base, newest.overrides):
            raise RuleRefused(f"rule '{rule}' is deleted already")
        self._named(newest, rule)
        self._not_needed(newest, rule)
        overrides = without(self.base, newest.overrides, rule, now, actor)
        return await self.append(newest, overrides, newest.watched, EditionReason.DELETED, actor, note_, now, rule)

    def _not_needed(self, shown: Edition, rule: str) -> None:
        needs = next(
            (it.name for it in self.rules_of(shown).rules if rule in it.explained_by and it.name != rule), None
        )
        if needs is not None:
            raise RuleRefused(f"rule '{needs}' still names it (explained_by): change that rule first")

    async def watch(self, rule: str, seen: int, actor: str, note_: str, now: float) -> Edition:
        """Demote a rule: it is shown and opens no ticket. KeyError; RuleRefused."""
        newest = await self._as_seen(seen)
        self._named(newest, rule)
        if rule in newest.watched:
            raise RuleRefused(f"rule '{rule}' is watched already")
        watched = {**newest.watched, rule: Watched(now, actor, note_)}
        reason = EditionReason.WATCHED
        return await self.append(newest, newest.overrides, watched, reason, actor, note_, now, rule)

    async def restore(self, rule: str, seen: int, actor: str, note_: str, now: float) -> Edition:
        """Let a demoted rule open tickets again, or a deleted one of the files be there again; the budget counts
        anew from here. KeyError; RuleRefused.
        """
        newest = await self._as_seen(seen)
        if rule in deleted(self.base, newest.overrides):
            return await self.back_to_file(rule, newest.number, actor, note_, now)
        self._named(newest, rule)
        if rule not in newest.watched:
            raise RuleRefused(f"rule '{rule}' is not watched: it opens tickets already")
        watched = {name: one for name, one in newest.watched.items() if name != rule}
        reason = EditionReason.RESTORED
        return await self.append(newest, newest.overrides, watched, reason, actor, note_, now, rule)

    def _named(self, shown: Edition, rule: str) -> None:
        if rule not in {chunk.name for chunk in split(shown.text)}:
            raise KeyError(rule)

    async def _as_seen(self, seen: int) -> Edition:
        newest = await self.newest()
        if seen and seen != newest.number:
            raise OutdatedEdition(newest.number)
        return newest

    async def append(
        self,
        newest: Edition,
        overrides: Mapping[str, Override],
        watched: Mapping[str, Watched],
        reason: EditionReason,
        actor: str,
        note_: str,
        now: float,
        rule: str,
    ) -> Edition:
        """Make the edition after `newest`. OutdatedEdition if another one came first."""
        made = edition(
            self.base,
            newest,
            overrides,
            watched,
            at=now,
            actor=actor,
            reason=reason,
            rule=rule,
            note=note_[:500],
        )
        await self.book.append(made)
        self._changed()
        return made
