"""What came of the messages: compares what was accepted with what the stores hold. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Effects = Mapping[str, Sequence[int]]
"""The numbers of reports that had an effect, by device, in the order in which they had it."""


@dataclass(frozen=True, slots=True)
class Count:
    """One store's books."""

    effects: int
    duplicates: int
    losses: int
    disorder: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """One scenario's row. `tickets` are (expected, seen); `why` is empty where everything is as promised."""

    scenario: str
    pulled: int
    accepted: int
    ledger: Count
    history: Count
    peak_mb: float
    tickets: tuple[int, int]
    seconds: float
    notes: tuple[str, ...] = ()
    why: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Nothing lost, doubled or out of order; every ticket there once; memory bounded; nothing else wrong."""
        return not self.why


def count(accepted: Mapping[str, Sequence[int]], effects: Effects) -> Count:
    """Each accepted number must be among the effects exactly once. An effect that nobody sent counts as a duplicate."""
    duplicates = losses = disorder = total = 0
    for device in {*accepted, *effects}:
        seen = effects.get(device, ())
        wanted = set(accepted.get(device, ()))
        times = Counter(seen)
        total += sum(1 for number in times if number in wanted)
        losses += sum(1 for number in wanted if number not in times)
        duplicates += sum(repeats if number not in wanted else repeats - 1 for number, repeats in times.items())
        newest = -1
        for number in seen:
            disorder += number < newest
            newest = max(newest, number)
    return Count(total, duplicates, losses, disorder)


def complaints(
    accepted: int, ledger: Count, history: Count, tickets: tuple[int, int], peak_mb: float, most_mb: float
) -> list[str]:
    """What is not as promised, in one line each."""
    found = []
    if not accepted:
        found.append("no message was accepted: nothing was shown")
    for name, books in (("ledger", ledger), ("history", history)):
        if books.losses:
            found.append(f"{name}: {books.losses} lost")
        if books.duplicates:
            found.append(f"{name}: {books.duplicates} doubled")
    if ledger.disorder:
        found.append(f"ledger: {ledger.disorder} out of order")
    if tickets[0] != tickets[1]:
        found.append(f"tickets: {tickets[1]} instead of {tickets[0]}")
    if peak_mb > most_mb:
        found.append(f"memory: {peak_mb:.0f} MB, more than {most_mb:.0f}")
    return found
