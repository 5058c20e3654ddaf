"""The noise budget: a rule whose tickets people too often close as "no fault found" opens none until somebody looks.

Pure. The share of false tickets is counted on tickets that a person judged; its bounds are Wilson's (1927, J. Am. Stat.
Assoc. 22: 209-212), 95 %. A rule is demoted when even the lower bound lies over the budget, so never on one bad day.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from diagnostics.intervals import wilson
from gateway.ports.rule_book import Opened
from gateway.tickets.ticket import CloseCode

FALSE: Final = frozenset({CloseCode.NO_FAULT_FOUND})
TRUE: Final = frozenset(
    {CloseCode.FIXED_REMOTELY, CloseCode.FIXED_ON_SITE, CloseCode.PART_REPLACED, CloseCode.CUSTOMER_CAUSE}
)
"""Somebody found a cause. Not judged: solved by evidence, duplicates, withdrawn by late data or by other rules."""


@dataclass(frozen=True, slots=True)
class Budget:
    """`share` of judged tickets that may be false; `judged` of them are the least to decide on; `days` looked back."""

    share: float = 0.2
    judged: int = 8
    days: float = 90.0


@dataclass(frozen=True, slots=True)
class Noise:
    """What became of a rule's tickets: all that it opened, those that a person judged, and the false ones of these."""

    opened: int = 0
    judged: int = 0
    false: int = 0

    @property
    def share(self) -> float | None:
        """The false share of the judged; None of none."""
        return self.false / self.judged if self.judged else None

    @property
    def bounds(self) -> tuple[float, float]:
        """95 % bounds of the share."""
        return wilson(self.false, self.judged)


class Decision(Enum):
    """What the budget says of a rule, and why."""

    DEMOTE = "over_budget"
    KEEP_TOO_FEW = "too_few_judged"
    KEEP_WITHIN = "within_budget"
    KEEP_WATCHED = "watched_already"
    KEEP_SILENCE = "silence_is_certain"  # a device that says nothing is a fact, whatever its cause


def noise(rows: Iterable[Opened]) -> Noise:
    """The noise of one rule from its tickets."""
    opened = judged = false = 0
    for row in rows:
        opened += row.count
        judged += row.count * (row.code in FALSE or row.code in TRUE)
        false += row.count * (row.code in FALSE)
    return Noise(opened, judged, false)


def decide(kind: str, watched: bool, seen: Noise, budget: Budget) -> Decision:
    """Whether a rule of that kind may go on opening tickets."""
    if watched:
        return Decision.KEEP_WATCHED
    if kind == "silence":
        return Decision.KEEP_SILENCE
    if seen.judged < budget.judged:
        return Decision.KEEP_TOO_FEW
    return Decision.DEMOTE if seen.bounds[0] > budget.share else Decision.KEEP_WITHIN


def note(seen: Noise, budget: Budget) -> str:
    """The reason in a sentence, with its numbers, for the audit log."""
    low, high = (round(100 * bound) for bound in seen.bounds)
    return (
        f"{seen.false} of {seen.judged} judged tickets in {budget.days:g} days were false "
        f"({low} to {high} %); the budget is {100 * budget.share:g} %"
    )
