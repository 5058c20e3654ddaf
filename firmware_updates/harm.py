"""How many devices does a bad release harm? Medians over runs (`harm_fleet`), beside models of percentage rules."""

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from firmware_updates.harm_fleet import Bad, Fleet
from firmware_updates.thresholds import Modelled, deal, groups, rate


class BadSpecError(ValueError):
    """`--bad` cannot be read; one line."""


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over seeds. `hours` until the rollout stopped or was through; `good_hours` what a good release takes."""

    devices: int
    bad: str
    seeds: int
    harmed: int
    hours: float
    stopped: bool
    good_hours: float | None
    groups_harmed: int
    groups_hours: float
    rate_harmed: int
    rate_hours: float

    def as_json(self) -> dict[str, object]:
        """What `siaga rollout simulate --json` prints."""
        return asdict(self)


def parse_bad(text: str) -> Bad:
    """`silent:0.08`, `revert:0.2`, `worse:0.3` (metrics alone), `all:1.0` (silent on that share), `none`."""
    kind, _, share = text.partition(":")
    if text == "none":
        return Bad("silent", 0.0)
    try:
        value = float(share)
    except ValueError:
        value = -1.0
    if kind not in ("silent", "revert", "worse", "all") or not 0 <= value <= 1:
        raise BadSpecError(f"--bad {text!r}: use silent:0.08, revert:0.2, worse:0.3, all:1.0 or none")
    return Bad("silent" if kind == "all" else kind, value)


def simulate(
    devices: int,
    bad_text: str,
    seeds: int = 3,
    *,
    good: bool = True,
    tell: Callable[[str], None] = lambda _: None,
) -> Result:
    """Medians over `seeds` runs; `good` also times a good release once. `tell` hears one line a run."""
    if not (1 <= devices <= 100_000 and 1 <= seeds <= 100):
        raise BadSpecError("devices must be 1 to 100000 and seeds 1 to 100")
    bad = parse_bad(bad_text)
    runs = []
    for seed in range(seeds):
        runs.append(Fleet(devices, bad, seed).run())
        tell(f"run {seed + 1} of {seeds}: {runs[-1].harmed} harmed in {runs[-1].hours:.1f} h")
    dealt = [deal(devices, bad.share, random.Random(seed)) for seed in range(seeds)]
    by_groups = [_unseen(one, groups) if bad.kind == "worse" else groups(one, silent=bad.silent) for one in dealt]
    by_rate = [_unseen(one, rate) if bad.kind == "worse" else rate(one, silent=bad.silent) for one in dealt]
    hours = statistics.median(run.hours for run in runs)
    good_hours = (hours if not bad.share else Fleet(devices, Bad("silent", 0.0), 0).run().hours) if good else None
    return Result(
        devices=devices,
        bad=bad_text,
        seeds=seeds,
        harmed=int(statistics.median(run.harmed for run in runs)),
        hours=round(hours, 1),
        stopped=sum(run.stopped for run in runs) * 2 > seeds,
        good_hours=None if good_hours is None else round(good_hours, 1),
        groups_harmed=int(statistics.median(one.harmed for one in by_groups)),
        groups_hours=round(statistics.median(one.hours for one in by_groups), 1),
        rate_harmed=int(statistics.median(one.harmed for one in by_rate)),
        rate_hours=round(statistics.median(one.hours for one in by_rate), 1),
    )


def _unseen(dealt: Sequence[bool], model: Callable[..., Modelled]) -> Modelled:
    """A percentage rule counts installs that fail; one that works and is worse looks good to it."""
    return Modelled(sum(dealt), model([False] * len(dealt), silent=False).hours, stopped=False)
