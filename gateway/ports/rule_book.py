"""The rule book: what people put over the rule files, as a row of editions that nobody changes, and drafts of more.

An edition is the whole of the rules at a moment. The newest one is in force; gateways take it over within seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from gateway.tickets.ticket import CloseCode


class EditionReason(Enum):
    """Which decision made an edition."""

    STARTED = "started"  # the first: the rule files as they are
    FILE_CHANGED = "file_changed"
    ACTIVATED = "activated"
    ROLLED_BACK = "rolled_back"
    BACK_TO_FILE = "back_to_file"  # an override was taken off
    WATCHED = "watched"  # a person demoted a rule: it is shown and opens no ticket
    DEMOTED = "demoted"  # the noise budget did
    RESTORED = "restored"  # a person lets it open tickets again
    DELETED = "deleted"  # a person took a rule out


@dataclass(frozen=True, slots=True)
class Override:
    """One rule as people want it ("" = not at all). `base_sha256` is of the file's text that it was put over ("" = the
    file has none).
    """

    text: str
    base_sha256: str
    at: float
    actor: str


@dataclass(frozen=True, slots=True)
class Watched:
    """A rule that is shown and opens no ticket: since when, by whom ("siaga" = the noise budget) and why."""

    at: float
    actor: str
    note: str


@dataclass(frozen=True, slots=True)
class Edition:
    """The rules at a moment. `number` grows by one. `rule` is the rule decided on ("" = all of them).

    `text` is the TOML that the engine reads (without the demotions, which are `watched`); `sha256` is of both.
    """

    number: int
    at: float
    actor: str
    reason: EditionReason
    rule: str
    note: str
    sha256: str
    text: str
    overrides: Mapping[str, Override]
    watched: Mapping[str, Watched]


@dataclass(frozen=True, slots=True)
class Draft:
    """Rules that somebody writes: one or more [[rule]] tables over edition `edition`. `backtest` is JSON of the newest
    backtest of this very text ("" = none).
    """

    draft_id: str
    author: str
    created_at: float
    updated_at: float
    version: int
    edition: int
    rule: str
    text: str
    backtest: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """How many tickets a rule ("name@version") opened that ended so; `code` None: not ended."""

    rule: str
    code: CloseCode | None
    count: int


class OutdatedEdition(Exception):
    """Somebody made another edition meanwhile; `newest` is its number."""

    def __init__(self, newest: int) -> None:
        super().__init__(f"the rules were changed meanwhile: edition {newest} is in force now")
        self.newest = newest


class OutdatedDraft(Exception):
    """Somebody else saved the draft first; `current` is how it is now."""

    def __init__(self, current: Draft) -> None:
        super().__init__(f"the draft was changed meanwhile (now version {current.version})")
        self.current = current


class RuleBook(Protocol):
    """Every write is one durable transaction. All raise OSError while the database is away."""

    async def newest(self) -> Edition | None:
        """The edition in force; None on a new database."""

    async def edition(self, number: int) -> Edition | None:
        """One."""

    async def since(self, number: int) -> Sequence[Edition]:
        """That edition and all after it, oldest first."""

    async def editions(self, limit: int, before: int | None = None) -> Sequence[Edition]:
        """The newest first, those before a number."""

    async def append(self, edition: Edition) -> None:
        """Add it. OutdatedEdition unless its number follows the newest one's."""

    async def drafts(self, limit: int = 100) -> Sequence[Draft]:
        """Newest first."""

    async def draft(self, draft_id: str) -> Draft | None:
        """One."""

    async def save(self, draft: Draft) -> None:
        """Keep version 1 of a new draft, or the version after the kept one; else OutdatedDraft. KeyError if gone."""

    async def keep_backtest(self, draft_id: str, version: int, backtest: str) -> bool:
        """Keep a backtest of that version's text; False if the draft has moved on or is gone."""

    async def discard(self, draft_id: str) -> None:
        """Delete a draft (what is gone is gone)."""

    async def opened(self, since: float, rule: str = "") -> Sequence[Opened]:
        """Tickets opened since, by rule and how they ended: of all rules, or of one by its name without version."""

    async def numbers(self, rule: str, since: float, limit: int) -> Sequence[str]:
        """The numbers of the tickets that a rule (its name without version) opened since, newest first."""
