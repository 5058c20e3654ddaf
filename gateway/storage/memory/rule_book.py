"""The rule book in memory."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from gateway.ports.rule_book import Draft, Edition, Opened, OutdatedDraft, OutdatedEdition
from gateway.storage.memory.tickets import MemoryTickets


class MemoryRuleBook:
    """See `gateway.ports.rule_book.RuleBook`."""

    def __init__(self, tickets: MemoryTickets) -> None:
        self._tickets = tickets
        self._editions: list[Edition] = []
        self._drafts: dict[str, Draft] = {}

    async def newest(self) -> Edition | None:
        """See the port."""
        return self._editions[-1] if self._editions else None

    async def edition(self, number: int) -> Edition | None:
        """See the port."""
        return self._editions[number - 1] if 0 < number <= len(self._editions) else None

    async def since(self, number: int) -> Sequence[Edition]:
        """See the port."""
        return self._editions[max(0, number - 1) :]

    async def editions(self, limit: int, before: int | None = None) -> Sequence[Edition]:
        """See the port."""
        return [one for one in reversed(self._editions) if before is None or one.number < before][:limit]

    async def append(self, edition: Edition) -> None:
        """See the port."""
        if edition.number != len(self._editions) + 1:
            raise OutdatedEdition(len(self._editions))
        self._editions.append(edition)

    async def drafts(self, limit: int = 100) -> Sequence[Draft]:
        """See the port."""
        return sorted(self._drafts.values(), key=lambda draft: (-draft.updated_at, draft.draft_id))[:limit]

    async def draft(self, draft_id: str) -> Draft | None:
        """See the port."""
        return self._drafts.get(draft_id)

    async def save(self, draft: Draft) -> None:
        """See the port."""
        current = self._drafts.get(draft.draft_id)
        if current is None and draft.version != 1:
            raise KeyError(draft.draft_id)
        if current is not None and draft.version != current.version + 1:
            raise OutdatedDraft(current)
        self._drafts[draft.draft_id] = draft

    async def keep_backtest(self, draft_id: str, version: int, backtest: str) -> bool:
        """See the port."""
        current = self._drafts.get(draft_id)
        if current is None or current.version != version:
            return False
        self._drafts[draft_id] = replace(current, backtest=backtest)
        return True

    async def discard(self, draft_id: str) -> None:
        """See the port."""
        self._drafts.pop(draft_id, None)

    async def opened(self, since: float, rule: str = "") -> Sequence[Opened]:
        """See the port."""
        found = Counter(
            (ticket.rule, ticket.close_code)
            for ticket in self._tickets.everything()
            if ticket.rule and ticket.opened_at >= since and ticket.rule.startswith(f"{rule}@" if rule else "")
        )
        ordered = sorted(found.items(), key=lambda item: (item[0][0], item[0][1].value if item[0][1] else ""))
        return [Opened(label, code, count) for (label, code), count in ordered]

    async def numbers(self, rule: str, since: float, limit: int) -> Sequence[str]:
        """See the port."""
        found = [it for it in self._tickets.everything() if it.rule.startswith(f"{rule}@") and it.opened_at >= since]
        found.sort(key=lambda it: int(it.number.partition("-")[2]), reverse=True)
        return [it.number for it in found[:limit]]
