"""The noise budget at work: once an hour, rules over it are demoted, each by an edition that says the numbers."""

import structlog

from diagnostics.rule_text import split
from gateway.clock import Clock, every
from gateway.ports.rule_book import Edition, EditionReason, OutdatedEdition, RuleBook, Watched
from gateway.rules.budget import Decision, decide, noise, note
from gateway.rules.desk import DAY_S, RuleDesk

log = structlog.get_logger()
EVERY_S = 3600.0
ACTOR = "siaga"
A_PERSON_DECIDED = frozenset(
    {EditionReason.RESTORED, EditionReason.ACTIVATED, EditionReason.ROLLED_BACK, EditionReason.BACK_TO_FILE}
)


async def keep_budget(desk: RuleDesk, now: float) -> list[Edition]:
    """Demote every rule that is over the budget; the editions that this made. Raises OSError, OutdatedEdition."""
    newest, budget = await desk.newest(), desk.budget
    since = now - budget.days * DAY_S
    decided = await _decided_since(desk.book, since)
    made: list[Edition] = []
    for rule in desk.rules_of(newest).rules:
        seen = noise(await desk.book.opened(max(since, decided.get(rule.name, since)), rule.name))
        if decide(rule.kind, rule.watch or rule.name in newest.watched, seen, budget) is Decision.DEMOTE:
            why = note(seen, budget)
            watched = {**newest.watched, rule.name: Watched(now, ACTOR, why)}
            reason = EditionReason.DEMOTED
            newest = await desk.append(newest, newest.overrides, watched, reason, ACTOR, why, now, rule.name)
            made.append(newest)
            log.warning("a rule was demoted to watch", rule=rule.name, reason=why)
    return made


async def _decided_since(book: RuleBook, since: float) -> dict[str, float]:
    """When a person last decided on each rule: its budget starts anew there."""
    found: dict[str, float] = {}
    before: int | None = None
    while page := await book.editions(50, before):
        for one in page:
            if one.reason in A_PERSON_DECIDED:
                names = one.rule.split(", ") if one.rule else [chunk.name for chunk in split(one.text)]
                for name in names:
                    found.setdefault(name, one.at)
        before = page[-1].number
        if page[-1].at < since:
            break
    return found


async def keep_budget_hourly(desk: RuleDesk, clock: Clock) -> None:
    """For ever. What cannot be done now is left for the next hour."""
    async for now in every(clock, EVERY_S):
        try:
            await keep_budget(desk, now)
        except (OSError, OutdatedEdition) as reason:
            log.warning("the noise budget waits", reason=str(reason))
