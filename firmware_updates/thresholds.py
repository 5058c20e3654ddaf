"""Models of rollouts that watch a percentage: groups as hawkBit has them, rates as AWS IoT Jobs has them.


Both are given every advantage: each device is online at once, needs no window, and reports without delay.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

INSTALL_H = 0.1


@dataclass(frozen=True, slots=True)
class Modelled:
    """Devices that were harmed, and hours until the rollout stopped or was through."""

    harmed: int
    hours: float
    stopped: bool


def groups(bad: Sequence[bool], *, silent: bool, count: int = 10, success: float = 0.5, error: float = 0.1) -> Modelled:
    """Equal groups; the next begins when `success` of one has finished, all stops when `error` of one reports an error.

    A silent device never finishes and never reports an error.
    """
    size = -(-len(bad) // count)
    harmed, hours = 0, 0.0
    for start in range(0, len(bad), size):
        group = bad[start : start + size]
        harmed += sum(group)
        hours += INSTALL_H
        if not silent and sum(group) >= error * len(group):
            return Modelled(harmed, hours, stopped=True)
        if len(group) - sum(group) < success * len(group):
            return Modelled(harmed, hours, stopped=True)  # it waits for ever
    return Modelled(harmed, hours, stopped=False)


def rate(
    bad: Sequence[bool],
    *,
    silent: bool,
    per_minute: float = 50.0,
    most_per_minute: float = 1000.0,
    double_after: int = 1000,
    abort: float = 0.1,
    least: int = 100,
    timeout_min: int = 60,
) -> Modelled:
    """A rate that doubles with every `double_after` successes; aborts when `abort` of `least` or more ended badly.

    A silent device counts as failed when its timeout is over.
    """
    install_min = int(INSTALL_H * 60)
    ends: dict[int, list[bool]] = {}
    given = good = ended = failed = minute = 0
    while given < len(bad) or ends:
        for was_bad in ends.pop(minute, ()):
            ended += 1
            failed += was_bad
            good += not was_bad
        if ended >= least and failed >= abort * ended:
            return Modelled(sum(bad[:given]), minute / 60, stopped=True)
        pace = int(min(most_per_minute, per_minute * 2 ** (good // double_after)))
        for one in bad[given : given + pace]:
            after = timeout_min if one and silent else install_min
            ends.setdefault(minute + after, []).append(one)
        given = min(len(bad), given + pace)
        minute += 1
    return Modelled(sum(bad), minute / 60, stopped=False)


def deal(devices: int, share: float, chance: random.Random) -> list[bool]:
    """Which devices the release is bad for, exactly `share` of them, in random order."""
    count = round(devices * share)
    bad = [True] * count + [False] * (devices - count)
    chance.shuffle(bad)
    return bad
