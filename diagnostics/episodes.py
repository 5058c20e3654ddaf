"""The life of an episode (one rule on one device): quiet, pending, firing, recovering. A table and one function of
time.

Hysteresis comes from the rule's steps, time from its `for_s` and `clear_for_s`. Flapping (more than half of the last 20
changes of verdict) lengthens recovery, so that one trouble stays one episode. Missing data never moves an episode.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from enum import IntEnum

from diagnostics.changes import Severity
from diagnostics.rule_parts import severity_of
from diagnostics.rules import Rule


class Phase(IntEnum):
    """Where an episode is. Suppressed, flapping and stale are flags beside it, not phases."""

    QUIET = 0
    PENDING = 1  # bad, not yet for long enough
    FIRING = 2
    RECOVERING = 3  # good, not yet for long enough


class Sight(IntEnum):
    """What a fresh report shows of the rule's measure."""

    BAD = 0
    GOOD = 1
    LASTING = 2  # bad for long enough
    PROVEN = 3  # good for long enough
    REFUTED = 4  # late data: it never was


TRANSITIONS: dict[tuple[Phase, Sight], Phase] = {
    (Phase.QUIET, Sight.BAD): Phase.PENDING,
    (Phase.PENDING, Sight.GOOD): Phase.QUIET,
    (Phase.PENDING, Sight.LASTING): Phase.FIRING,
    (Phase.FIRING, Sight.GOOD): Phase.RECOVERING,
    (Phase.FIRING, Sight.REFUTED): Phase.QUIET,
    (Phase.RECOVERING, Sight.BAD): Phase.FIRING,
    (Phase.RECOVERING, Sight.PROVEN): Phase.QUIET,
    (Phase.RECOVERING, Sight.REFUTED): Phase.QUIET,
}

KEPT_SAMPLES = 16
STATES_OF_FLAPPING = 21
FLAPPING_ABOVE = 10
FLAPPING_UNTIL = 5
"""Changes among the last 20."""
HOLD_FIRST_S = 900.0
HOLD_GROWTH = 1.5
HOLD_LONGEST_S = 3600.0
_NEWEST = 0b1111
_MASK = (1 << STATES_OF_FLAPPING) - 1
_TURNS = _MASK >> 1


class Outcome(IntEnum):
    """What one fresh value did to an episode."""

    NOTHING = 0
    OPENED = 1
    RAISED = 2
    LOWERED = 3
    RECOVERED = 4


QUIET, PENDING, FIRING, RECOVERING = Phase
NOTHING = Outcome.NOTHING
"""Names of their own, because reading a member of its class takes ten times as long, for each rule with each report."""


@dataclass(slots=True, eq=False)
class Episode:
    """Invariant: `severity` is None exactly while quiet or pending. Times are effective.

    `good_before`: the last time known to be good before the trouble began. `verdicts`: the last 21 as bits, 1 = bad.
    """

    good_before: float
    phase: Phase = Phase.QUIET
    severity: Severity | None = None
    wanted: Severity | None = None  # what the newest values ask for
    wanted_since: float = 0.0
    since: float = 0.0
    fired_at: float = 0.0
    good_since: float = 0.0
    last_at: float = 0.0
    bad_count: int = 0
    good_count: int = 0
    verdicts: int = 0
    flapping: bool = False
    hold_s: float = 0.0
    trail: array[float] = field(default_factory=lambda: array("d"))  # time, measure, time, measure, ...

    @property
    def samples(self) -> list[tuple[float, float]]:
        """(time, measure) of the values kept: those around the onset and the newest."""
        return list(zip(self.trail[::2], self.trail[1::2], strict=True))

    @samples.setter
    def samples(self, samples: list[tuple[float, float]]) -> None:
        self.trail = array("d", [part for sample in samples for part in sample])

    @property
    def newest(self) -> float | None:
        """The newest measure."""
        return self.trail[-1] if self.trail else None

    def move(self, sight: Sight) -> None:
        """Follow the table. KeyError would be a defect: callers only offer what the phase allows."""
        self.phase = TRANSITIONS[self.phase, sight]

    def forgettable(self, at: float) -> bool:
        """Whether a quiet episode is of no use any more: so many good verdicts that flapping is out of question, and
        after flapping as long a time as a recovery can take.
        """
        if self.verdicts & _NEWEST:
            return False
        return not self.flapping or at - self.good_since >= HOLD_LONGEST_S


def advance(episode: Episode, rule: Rule, at: float, measure: float, kept: int = KEPT_SAMPLES) -> Outcome:
    """Let one fresh value work on an episode, which keeps so many samples (as many as late data needs to judge it
    again, if that is more). Cost: constant.
    """
    held = episode.severity if episode.severity is not None else episode.wanted
    demanded = severity_of(measure, rule.steps, rule.direction, held)
    episode.last_at = at
    trail = episode.trail
    trail.append(at)
    trail.append(measure)
    if len(trail) > 2 * kept:
        kept = min(KEPT_SAMPLES, max(kept, rule.confirmations + rule.confirmations % 2))
        # The onset and the newest are what evidence needs. This way no room is left that costs memory.
        episode.trail = trail[:kept] + trail[max(kept, len(trail) - kept) :]
    verdicts = episode.verdicts = (episode.verdicts << 1 | (demanded is not None)) & _MASK
    turns = ((verdicts ^ verdicts >> 1) & _TURNS).bit_count()
    if turns > FLAPPING_ABOVE:
        episode.flapping = True
        episode.hold_s = episode.hold_s or HOLD_FIRST_S
    elif turns < FLAPPING_UNTIL and episode.flapping:
        episode.flapping = False
        episode.hold_s = 0.0
    if demanded is None:
        return _good(episode, rule, at)
    if episode.phase is QUIET:
        episode.trail = episode.trail[-4:]
        episode.since = at
        episode.bad_count = 0
        episode.move(Sight.BAD)
    if episode.phase is PENDING:
        return _pending(episode, rule, at, measure, demanded)
    if episode.phase is RECOVERING:
        if episode.flapping:
            episode.hold_s = min(HOLD_LONGEST_S, episode.hold_s * HOLD_GROWTH)
        episode.move(Sight.BAD)
    return _firing(episode, rule, at, demanded)


def _pending(episode: Episode, rule: Rule, at: float, measure: float, demanded: Severity) -> Outcome:
    strictly = severity_of(measure, rule.steps, rule.direction, None)
    episode.wanted = demanded
    if strictly is None:  # between clear and limit: neither counts nor ends it
        return NOTHING
    episode.bad_count += 1
    if episode.bad_count < rule.confirmations or at - episode.since < rule.for_s:
        return NOTHING
    episode.move(Sight.LASTING)
    episode.severity = episode.wanted = strictly
    episode.wanted_since = episode.fired_at = at
    return Outcome.OPENED


def _firing(episode: Episode, rule: Rule, at: float, demanded: Severity) -> Outcome:
    assert episode.severity is not None
    if demanded != episode.wanted:
        episode.wanted, episode.wanted_since = demanded, at
    if demanded == episode.severity:
        return NOTHING
    raising = demanded > episode.severity
    if at - episode.wanted_since < (rule.for_s if raising else rule.clear_for_s):
        return NOTHING
    episode.severity = demanded
    return Outcome.RAISED if raising else Outcome.LOWERED


def _good(episode: Episode, rule: Rule, at: float) -> Outcome:
    if episode.phase is PENDING:
        episode.move(Sight.GOOD)
        episode.good_since = at
    if episode.phase is QUIET:
        episode.good_before, episode.wanted = at, None
        return NOTHING
    if episode.phase is FIRING:
        episode.move(Sight.GOOD)
        episode.good_since, episode.good_count = at, 0
        episode.wanted, episode.wanted_since = episode.severity, at
    episode.good_count += 1
    if episode.good_count < rule.clear_samples or at - episode.good_since < max(rule.clear_for_s, episode.hold_s):
        return NOTHING
    if at - episode.since < rule.clear_after_s:
        return NOTHING
    episode.move(Sight.PROVEN)
    episode.good_before, episode.severity, episode.wanted = at, None, None
    return Outcome.RECOVERED


class Revision(IntEnum):
    """What a late value did to an episode."""

    NOTHING = 0
    OPENED = 1  # the hole it fills was the missing proof
    AMENDED = 2  # its beginning moved
    WITHDRAWN = 3  # it never was


def reconsider(episode: Episode, rule: Rule, at: float, measure: float) -> Revision:
    """Put a late value where it belongs and judge the window again, as if it had come in time.

    Only values after the last known good one and not after the newest change anything.
    """
    if episode.phase is Phase.QUIET or not episode.good_before < at <= episode.last_at:
        return Revision.NOTHING
    samples = sorted([*episode.samples, (at, measure)])
    again = Episode(good_before=episode.good_before)
    firings: list[float] = []
    for moment, value in samples:
        if advance(again, rule, moment, value) is Outcome.OPENED:
            firings.append(again.since)
    fired = episode.severity is not None
    episode.samples = samples[:KEPT_SAMPLES]
    if fired and not firings:
        episode.move(Sight.REFUTED)
        episode.severity = None
        episode.wanted, episode.verdicts = again.wanted, 0
        if again.phase is Phase.PENDING:
            episode.move(Sight.BAD)
            episode.since, episode.bad_count = again.since, again.bad_count
        return Revision.WITHDRAWN
    if fired:
        moved = firings[-1] != episode.since
        episode.since = firings[-1]
        return Revision.AMENDED if moved else Revision.NOTHING
    episode.since, episode.bad_count, episode.wanted = again.since, again.bad_count, again.wanted
    if not firings or again.phase is not Phase.FIRING:
        if again.phase is Phase.QUIET:
            episode.move(Sight.GOOD)
            episode.good_before = again.good_before
        return Revision.NOTHING
    episode.move(Sight.LASTING)
    episode.severity, episode.wanted, episode.wanted_since = again.severity, again.wanted, again.wanted_since
    episode.fired_at = again.fired_at
    return Revision.OPENED
