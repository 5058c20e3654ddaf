"""What was remembered of a device in a time that is yet to come: our own clock was ahead, or was set back.

Everything moves back with it, so that what began goes on where it was, and time does not stand still for its rules
until the clock is where it has been before.
"""

from diagnostics.episodes import Episode
from diagnostics.memory import Memory

EPISODE_TIMES = ("good_before", "wanted_since", "since", "fired_at", "good_since", "last_at")


def set_back(memory: Memory, by: float, received_at: float) -> None:
    """Move the past of a device back by so many seconds. Times of 0 mean never."""
    memory.effective_at -= by
    memory.booted_at = _moved(memory.booted_at, by)
    memory.stuck_at = _moved(memory.stuck_at, by)
    memory.clock.counted_at = min(memory.clock.counted_at, received_at)
    for recent in memory.recent:
        recent.at -= by
        recent.due -= by
    for episode in memory.active.values():
        _set_back_episode(episode, by)
    for fault in memory.faults.values():
        fault.since -= by
    for block in memory.blocks:
        block.cycle = min(block.cycle, int(memory.effective_at // block.tracks[0].cycle_s))
    if memory.older is not None:
        memory.older = {name: (at - by, value) for name, (at, value) in memory.older.items()}
    if memory.windows is not None:
        memory.windows = {name: [(at - by, number) for at, number in rows] for name, rows in memory.windows.items()}
    if memory.reaches is not None:
        dates = memory.reaches.items()
        memory.reaches = {name: (first - by, middle - by, last - by) for name, (first, middle, last) in dates}
    for progress in (memory.signs or {}).values():
        progress.began = [at if at is None else at - by for at in progress.began]
        progress.came = [at if at is None else at - by for at in progress.came]
        progress.complete = [at - by for at in progress.complete]


def _set_back_episode(episode: Episode, by: float) -> None:
    for name in EPISODE_TIMES:
        setattr(episode, name, _moved(getattr(episode, name), by))
    episode.samples = [(at - by, value) for at, value in episode.samples]


def _moved(at: float, by: float) -> float:
    return at - by if at else at
