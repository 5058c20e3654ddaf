"""The dry run: who would be updated and when, who not and why, when it would be finished, and where it would not.

Uses the same guards as the real thing for "who not and why", and courses of `capacity` for "when".
"""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from firmware_updates.capacity import Candidate, Course, Demand, spans_of
from firmware_updates.device import Release, UpdateDevice
from firmware_updates.fitness import is_on_target, misfits
from firmware_updates.policy import Policy
from firmware_updates.refusal import Refusal
from firmware_updates.window import Window

TRIALS = 10
SITE_TRIALS = 8
SITES_EXPLAINED = 20
LIKELY = 0.5
CURED = 0.2


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One device that would get the release: its wave and the first instant at which an install could start."""

    device_id: str
    wave: int
    first_start_at: float


@dataclass(frozen=True, slots=True)
class Change:
    """The smallest change that lets a site finish; `what` is site_cap, window_hours, deadline_days or visit."""

    what: str
    by: int


@dataclass(frozen=True, slots=True)
class LateSite:
    """A site that will probably not finish: mean number of devices left, the chance of any, and what helps."""

    site_id: str
    left: float
    chance: float
    change: Change


@dataclass(frozen=True, slots=True)
class Plan:
    """Quantiles are over courses; None means not by the deadline. `share_done` is the mean share done by it."""

    targets: int
    already_done: int
    lines: tuple[PlanLine, ...]
    excluded: Mapping[str, tuple[Refusal, ...]]
    most_p50_at: float | None
    most_p95_at: float | None
    all_p50_at: float | None
    all_p95_at: float | None
    share_done: float
    late_sites: tuple[LateSite, ...]

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many devices each reason keeps out."""
        return Counter(refusal.value for refusals in self.excluded.values() for refusal in refusals)


def dry_run(
    devices: Sequence[UpdateDevice],
    waves: Mapping[str, int],
    release: Release,
    policy: Policy,
    starts_at: float,
    deadline_at: float,
    seed: int = 0,
    trials: int = TRIALS,
) -> Plan:
    """Plan a rollout of `release` to `devices` (`waves` as `assign_waves` gives them)."""
    excluded: dict[str, tuple[Refusal, ...]] = {}
    candidates, already = [], 0
    for device in devices:
        if is_on_target(device, release):
            already += 1
            continue
        found = tuple(each for each in misfits(device, release, policy, starts_at))
        if found:
            excluded[device.device_id] = found
            continue
        wave = waves[device.device_id]
        candidates.append(Candidate(device.device_id, device.site_id, wave, device.windows, device.online_chance))
    manifest = release.manifest
    demand = Demand(manifest.p95_s + manifest.reboot_s, manifest.fit_s)
    spans = _spans(candidates, demand, starts_at, deadline_at)
    out_of_reach = {one.device_id for one in candidates if not spans[one.windows]}
    for device_id in out_of_reach:
        excluded[device_id] = (Refusal.WINDOW_TOO_SHORT,)
    candidates = [one for one in candidates if one.device_id not in out_of_reach]
    setting = _Setting(demand, policy, starts_at, deadline_at, max(waves.values(), default=0) + 1)
    courses = [setting.course(candidates, spans, random.Random(f"{seed}/{trial}")) for trial in range(trials)]
    most, everyone = ([_when(done, candidates, share) for done in courses] for share in (0.95, 1.0))
    done_share = sum(len(done) for done in courses) / max(1, trials * len(candidates))
    return Plan(
        targets=len(devices),
        already_done=already,
        lines=tuple(PlanLine(one.device_id, one.wave, spans[one.windows][0][0]) for one in candidates),
        excluded=excluded,
        most_p50_at=_quantile(most, 0.5),
        most_p95_at=_quantile(most, 0.95),
        all_p50_at=_quantile(everyone, 0.5),
        all_p95_at=_quantile(everyone, 0.95),
        share_done=done_share if candidates else 1.0,
        late_sites=_late_sites(setting, candidates, courses, seed),
    )


Spans = Mapping[tuple[Window, ...], Sequence[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class _Setting:
    demand: Demand
    policy: Policy
    since: float
    until: float
    waves: int

    def course(self, candidates: Sequence[Candidate], spans: Spans, chance: random.Random) -> dict[str, float]:
        """One course: when each device was done."""
        run = Course(candidates, self.demand, self.policy, self.since, self.until, spans, chance, self.waves)
        return run.run()


def _spans(candidates: Sequence[Candidate], demand: Demand, since: float, until: float) -> Spans:
    return {one: spans_of(one, demand.fit_s, since, until) for one in {each.windows for each in candidates}}


def _when(done: Mapping[str, float], candidates: Sequence[Candidate], share: float) -> float:
    wanted = -int(-len(candidates) * share // 1)
    ordered = sorted(done.values())
    return ordered[wanted - 1] if 0 < wanted <= len(ordered) else float("inf") if wanted else 0.0


def _quantile(values: Sequence[float], share: float) -> float | None:
    ordered = sorted(values)
    found = ordered[min(len(ordered) - 1, int(share * len(ordered)))]
    return None if found in (0.0, float("inf")) else found


def _late_sites(
    setting: _Setting, candidates: Sequence[Candidate], courses: Sequence[Mapping[str, float]], seed: int
) -> tuple[LateSite, ...]:
    members: dict[str, list[Candidate]] = defaultdict(list)
    for one in candidates:
        members[one.site_id].append(one)
    late = []
    for site, ones in members.items():
        left = [sum(one.device_id not in done for one in ones) for done in courses]
        chance = sum(count > 0 for count in left) / len(courses)
        if chance >= LIKELY:
            late.append((sum(left) / len(courses), chance, site))
    late.sort(key=lambda entry: (-entry[0], entry[2]))
    found = []
    for rank, (mean, chance, site) in enumerate(late):
        change = _smallest_change(setting, members[site], seed) if rank < SITES_EXPLAINED else Change("not_examined", 0)
        found.append(LateSite(site, mean, chance, change))
    return tuple(found)


def _smallest_change(setting: _Setting, members: Sequence[Candidate], seed: int) -> Change:
    """The first of ever larger changes with which the site alone finishes in at least 80 % of courses."""
    alone = replace(setting, policy=replace(setting.policy, k0=max(10_000, setting.policy.k0)), waves=1)
    ones = [replace(one, wave=0) for one in members]
    soak_s = setting.policy.soak_s
    for change in _CHANGES:
        cap = setting.policy.site_cap + (change.by if change.what == "site_cap" else 0)
        policy = replace(alone.policy, site_cap=cap, canary_soak_s=soak_s)
        until = setting.until + (change.by * 86_400 if change.what == "deadline_days" else 0)
        longer_s = change.by * 3600 if change.what == "window_hours" else 0
        tried = replace(alone, policy=policy, until=until)
        spans = {
            windows: [(first, last + longer_s) for first, last in found]
            for windows, found in _spans(ones, setting.demand, setting.since, until).items()
        }
        courses = [tried.course(ones, spans, random.Random(f"{seed}/{trial}")) for trial in range(SITE_TRIALS)]
        if sum(len(done) < len(ones) for done in courses) <= CURED * SITE_TRIALS:
            return change if change.by else Change("deadline_days", 1)  # the site is fine: the rollout's pace is not
    return Change("visit", len(members))


_CHANGES = (
    Change("none", 0),
    Change("site_cap", 1),
    Change("window_hours", 1),
    Change("deadline_days", 1),
    Change("site_cap", 2),
    Change("deadline_days", 3),
    Change("window_hours", 2),
    Change("deadline_days", 7),
    Change("site_cap", 4),
    Change("deadline_days", 14),
    Change("site_cap", 8),
    Change("deadline_days", 28),
    Change("site_cap", 16),
)
