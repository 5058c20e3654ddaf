"""When to try again, and when to give up. Pure; the schedule is the one that the Standard Webhooks specification gives.

About three days in all: a receiver that is away over a weekend loses nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

STEPS_S: Final = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
JITTER: Final = 0.2
MAX_AGE_S: Final = sum(STEPS_S) * (1 + JITTER)


class Fate(Enum):
    """What a receiver did with a message."""

    TAKEN = "taken"
    LATER = "later"  # this message, or all: try again
    AWAY = "away"  # nobody there: the others need not be tried now
    REFUSED = "refused"  # for good: trying again is no answer
    GONE = "gone"  # for good, and so will all others be


@dataclass(frozen=True, slots=True)
class Outcome:
    """A fate and why, in one line. `after_s`: the receiver asked for that much time (None: it did not)."""

    fate: Fate
    said: str = ""
    after_s: float | None = None


def next_try(
    attempts: int, created_at: float, now: float, outcome: Outcome, chance: Callable[[], float]
) -> float | None:
    """When a message that has failed `attempts` times before is tried again; None: never.

    `chance` gives 0..1: a fifth of the wait is left to it, so that many who wait do not come back at once.
    """
    if outcome.fate in (Fate.REFUSED, Fate.GONE) or attempts >= len(STEPS_S) or now - created_at > MAX_AGE_S:
        return None
    wait = STEPS_S[attempts] * (1 - JITTER + 2 * JITTER * chance())
    return now + max(wait, min(outcome.after_s or 0.0, 86_400.0))
