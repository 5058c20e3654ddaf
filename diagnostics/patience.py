"""How much attention a device out of its senses gets: judged with every report first, later with its samples alone.

So a device that swings between all extremes, for hours or for years, costs no more than a healthy one. A device with a
fault, however long it lasts, is judged as ever; and what happens only once (restarts, events, states) always counts.
"""

from collections.abc import Set as AbstractSet

from diagnostics.memory import Memory

MANY = 7
"""With so many rules in trouble at once a device must be out of its senses: no fault of the scoreboard ever moves more
than six of the shipped ones."""
PATIENCE = 192
"""So many verdicts on such a device are free: about twenty reports."""
RESERVE = 192
"""And so many more at samples that show nothing bad: who has come to its senses recovers within hours, and who swings
slowly has that once or twice."""
REGAINED = 64
"""With every sample at which fewer rules are in trouble."""
SAMPLE_S = 3600.0
SAMPLE_SLACK_S = 60.0
REPORTS, REPORTS_A_RULE, SHARE_A_RULE = 12, 1, 0.125
"""Who has used up our patience is sampled with one report in twelve and one for each rule in trouble, and not more
often than every hour and an eighth for each."""
CALM_REPORTS = 5
"""And with one in five while it looks well: what swings in step with its samples is soon seen to swing."""
NOVELTIES = 16
"""Sets of names: so many different ones a device may begin to send, and one more a day."""


def weary(memory: Memory) -> bool:
    """Whether the patience with a device is used up: between samples its levels are not judged."""
    return memory.spent >= PATIENCE


def spend(memory: Memory, outside: AbstractSet[str], *, sampled: bool) -> None:
    """Account for the judging of what is in trouble, or `outside` its rules' good ranges."""
    beyond = outside - memory.plan.resting
    troubled = len(memory.active.keys() | beyond)
    if troubled >= MANY:
        memory.spent = max(memory.spent, min(memory.spent + troubled, PATIENCE if beyond else PATIENCE + RESERVE))
    elif sampled and memory.spent:
        memory.spent = max(0, min(PATIENCE, memory.spent) - REGAINED)


def next_sample(memory: Memory, at: float, outside: AbstractSet[str]) -> float:
    """When the next sample is due after one at `at` that had rules with values `outside` their good ranges."""
    if memory.spent < PATIENCE:
        return at + SAMPLE_S - SAMPLE_SLACK_S
    troubled = len(memory.active)
    if troubled and (memory.spent >= PATIENCE + RESERVE or not memory.plan.resting.issuperset(outside)):
        wait = max(SAMPLE_S * (1.0 + SHARE_A_RULE * troubled), memory.gap_s * (REPORTS + REPORTS_A_RULE * troubled))
    else:
        wait = max(SAMPLE_S, memory.gap_s * CALM_REPORTS)
    return at + wait - min(SAMPLE_SLACK_S, 0.5 * memory.gap_s)
