"""Rules compiled for speed: for each kind and model of device, what to look at when.

Most rules are decided by one comparison a metric: as long as a value stays in its *band* (good for every rule that
judges it, and physically possible) no rule is looked at. The rest is looked at when its own trigger comes: a state
that changed, a restart, a counter that grew, an event, an hourly sample, a completed cycle, silence.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf, nextafter
from struct import Struct

from diagnostics.catalogue import Catalogue
from diagnostics.rule_file import SEEN_CLOCK, SEEN_IMPOSSIBLE, RuleSet
from diagnostics.rule_parts import Step
from diagnostics.rules import (
    Baseline,
    Count,
    Forecast,
    Frozen,
    Level,
    Rule,
    Signature,
    Silence,
    StateIs,
)
from diagnostics.shapes import Band, Feed, Shape, Watcher, anything, rows_of, watcher
from diagnostics.tracks import Track

KEPT_SHAPES = KEPT_WORDS = 512


@dataclass(slots=True, eq=False)
class Plan:
    """All rules for one kind and model of device. Tuples of rule names; `rules` keeps their order."""

    catalogue: Catalogue
    rules: dict[str, Rule] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)
    bands: dict[str, Band] = field(default_factory=dict)
    watchers: dict[str, tuple[Watcher, ...]] = field(default_factory=dict)
    ratios: tuple[tuple[str, str, float, float, str], ...] = ()  # metric, per, low, high, rule
    by_state: dict[str, tuple[str, ...]] = field(default_factory=dict)
    by_topic: dict[str, tuple[str, ...]] = field(default_factory=dict)
    counters: dict[str, tuple[str, ...]] = field(default_factory=dict)
    on_boot: tuple[str, ...] = ()
    on_sample: tuple[str, ...] = ()  # also the next two
    plain: dict[str, str] = field(default_factory=dict)  # rules whose measure is just the value of a metric
    relatives: tuple[Level, ...] = ()  # levels judged against the device's usual value
    frozen: tuple[str, ...] = ()
    unscreened: tuple[str, ...] = ()  # those of `on_sample` that sampling.py does not look at beforehand
    silences: tuple[str, ...] = ()
    chains: frozenset[str] = frozenset()  # signatures that, once begun, look at the metrics of every report
    forecasts: dict[tuple[int, int], tuple[str, ...]] = field(default_factory=dict)  # by block and column
    days: dict[tuple[int, int], tuple[str, ...]] = field(default_factory=dict)  # levels judged when a day is complete
    blocks: tuple[tuple[Track, ...], ...] = ()
    depths: tuple[int, ...] = ()  # complete cycles to keep, by block
    column: dict[str, tuple[int, int]] = field(default_factory=dict)  # rule -> block, column
    feeds: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)  # metric -> tracks
    watched: tuple[str, ...] = ()  # metrics watched for freezing, in a fixed order
    baselines: tuple[str, ...] = ()
    peers: dict[str, int] = field(default_factory=dict)  # rules that compare with other devices: place of their value
    cycles: frozenset[str] = frozenset()  # rules that look back on complete cycles only
    resting: frozenset[str] = frozenset()  # rules that only an hourly sample can move, firing or not
    seen: tuple[Band, Band] = (anything, anything)  # of what the gateway measures: clock, impossible values
    shared_trouble: frozenset[str] = frozenset()  # rules that ask whether the site has the same trouble
    shapes: dict[tuple[str, ...], Shape] = field(default_factory=dict)
    words: dict[tuple[tuple[str, str], ...], dict[str, str]] = field(default_factory=dict)

    def shared_words(self, states: dict[str, str]) -> dict[str, str]:
        """One dictionary for all devices that say the same of their states: nobody may change it."""
        if len(self.words) >= KEPT_WORDS:
            self.words.clear()
        return self.words.setdefault(tuple(states.items()), states)

    def shape(self, names: tuple[str, ...]) -> Shape:
        """The shape of a report, made on first sight. Bounded: the oldest is forgotten."""
        bands = [self.band(name) for name in names]
        at = {name: position for position, name in enumerate(names)}
        counters = tuple((at[name], name) for name in self.counters if name in at)
        ratios = tuple(
            (at[metric], at[per], low, high) for metric, per, low, high, _ in self.ratios if metric in at and per in at
        )
        lows, highs = tuple(low for low, _ in bands), tuple(high for _, high in bands)
        feeds = tuple(
            Feed(at[metric], block, column, self.blocks[block][column])
            for metric, places in self.feeds.items()
            if metric in at
            for block, column in places
        )
        rows, singly = rows_of(feeds, self.blocks, len(names))
        shape = Shape(
            names,
            Struct(f"={len(names)}d"),
            lows,
            highs,
            counters,
            ratios,
            frozenset(names),
            tuple(self.watchers.get(name, ()) for name in names),
            tuple(self.possible(name) for name in names),
            tuple(self.possible(name)[0] for name in names),
            tuple(self.possible(name)[1] for name in names),
            feeds,
            rows,
            singly,
            tuple((at[name], place) for place, name in enumerate(self.watched) if name in at),
        )
        if len(self.shapes) >= KEPT_SHAPES:
            del self.shapes[next(iter(self.shapes))]
        self.shapes[names] = shape
        return shape

    def band(self, name: str) -> Band:
        """Values of a metric that no rule needs to look at: [low, high]."""
        return self.bands.get(name) or self.possible(name)

    def possible(self, name: str) -> Band:
        """Values of a metric that are finite and inside its physical range."""
        metric = self.catalogue.metric.get(name)
        return metric.range if metric is not None else anything


def good_side(step: Step, direction: str) -> Band:
    """Values that do not enter a step."""
    return (-inf, nextafter(step.limit, -inf)) if direction == "above" else (nextafter(step.limit, inf), inf)


def _meet(first: Band, second: Band) -> Band:
    return max(first[0], second[0]), min(first[1], second[1])


class _Draft:
    """Gathers the parts of a plan while rules are sorted into it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.plan = Plan(catalogue)
        self.tracks: dict[float, list[Track]] = {}
        self.depths: dict[float, int] = {}
        self.rule_tracks: dict[str, Track] = {}

    def band(self, metric: str, band: Band, name: str) -> None:
        self.plan.bands[metric] = _meet(self.plan.band(metric), band)
        self.plan.watchers[metric] = (*self.plan.watchers.get(metric, ()), watcher(self.plan.rules[name], band))

    @staticmethod
    def add(table: dict[str, tuple[str, ...]], key: str, name: str) -> None:
        if name not in table.get(key, ()):
            table[key] = (*table.get(key, ()), name)

    def track(self, name: str, track: Track, depth: int) -> None:
        columns = self.tracks.setdefault(track.cycle_s, [])
        self.depths[track.cycle_s] = max(self.depths.get(track.cycle_s, 0), depth)
        if track not in columns:
            columns.append(track)
        self.rule_tracks[name] = track


def _sort_level(draft: _Draft, rule: Level) -> None:
    plan = draft.plan
    if rule.relative or rule.of != "value":
        aggregate = rule.of.removeprefix("day_") if rule.of != "value" else "mean"
        depth = rule.usual_days + (rule.of != "value") if rule.relative else 1  # its usual days, the newest, or both
        draft.track(rule.name, Track(rule.metric, aggregate, 86_400.0, rule.when), depth)
        if rule.of == "value":
            plan.on_sample = (*plan.on_sample, rule.name)
            plan.relatives = (*plan.relatives, rule)
    elif rule.per:
        low, high = good_side(rule.steps[0], rule.direction)
        plan.ratios = (*plan.ratios, (rule.metric, rule.per, low, high, rule.name))
    else:
        draft.band(rule.metric, good_side(rule.steps[0], rule.direction), rule.name)
        if not rule.average_s:
            plan.plain[rule.name] = rule.metric


def _sort_count(draft: _Draft, rule: Count) -> None:
    plan = draft.plan
    if rule.of == "boots":
        plan.on_boot = (*plan.on_boot, rule.name)
    elif rule.of == "increments":
        draft.add(plan.counters, rule.metric, rule.name)
    elif rule.of == "events":
        draft.add(plan.by_topic, rule.topic, rule.name)
    else:
        draft.add(plan.by_state, rule.state, rule.name)


def _sort_signature(draft: _Draft, rule: Signature) -> None:
    plan = draft.plan
    for position, sign in enumerate(rule.signs):
        if sign.metric and position:
            plan.chains |= {rule.name}
        elif sign.metric:
            step = Step(
                severity=rule.steps[0].severity, limit=sign.above if sign.above is not None else sign.below or 0.0
            )
            draft.band(sign.metric, good_side(step, "above" if sign.above is not None else "below"), rule.name)
        elif sign.state:
            draft.add(plan.by_state, sign.state, rule.name)
        elif sign.event:
            draft.add(plan.by_topic, sign.event, rule.name)
        elif rule.name not in plan.on_boot:
            plan.on_boot = (*plan.on_boot, rule.name)


def _sort(draft: _Draft, rule: Rule) -> None:
    plan = draft.plan
    plan.order[rule.name] = len(plan.rules)
    plan.rules[rule.name] = rule
    if rule.site_share_max is not None:
        plan.shared_trouble |= {rule.name}
    if isinstance(rule, Level):
        _sort_level(draft, rule)
    elif isinstance(rule, Count):
        _sort_count(draft, rule)
    elif isinstance(rule, Signature):
        _sort_signature(draft, rule)
    elif isinstance(rule, StateIs):
        for state in (rule.state, rule.differs_from, *(guard.state for guard in rule.when)):
            if state:
                draft.add(plan.by_state, state, rule.name)
        for guard in rule.when:
            if guard.metric:
                plan.on_sample = (*plan.on_sample, rule.name)
    elif isinstance(rule, Forecast) and rule.exact:
        draft.band(rule.metric, good_side(rule.steps[0], "below"), rule.name)
    elif isinstance(rule, Forecast):
        rising = rule.towards == "above"
        draft.track(
            rule.name,
            Track(rule.metric, rule.aggregate, rule.cycle_s, rule.when, rule.reset_on_boot, rule.reset_drop, rising),
            rule.max_points,
        )
    elif isinstance(rule, Silence):
        plan.silences = (*plan.silences, rule.name)
    else:
        plan.on_sample = (*plan.on_sample, rule.name)
        plan.resting |= {rule.name}
        if isinstance(rule, Baseline):
            plan.baselines = (*plan.baselines, rule.name)
        elif isinstance(rule, Frozen):
            plan.frozen = (*plan.frozen, rule.name)
        else:
            plan.peers[rule.name] = 2 * len(plan.peers)


def _finish(draft: _Draft) -> Plan:
    plan = draft.plan
    plan.blocks = tuple(tuple(tracks) for _, tracks in sorted(draft.tracks.items()))
    plan.seen = plan.band(SEEN_CLOCK), plan.band(SEEN_IMPOSSIBLE)
    plan.depths = tuple(max(draft.depths[tracks[0].cycle_s], 1) for tracks in plan.blocks)
    where = {track: (block, column) for block, tracks in enumerate(plan.blocks) for column, track in enumerate(tracks)}
    for track, place in where.items():
        plan.feeds[track.metric] = (*plan.feeds.get(track.metric, ()), place)
    for name, track in draft.rule_tracks.items():
        place = plan.column[name] = where[track]
        plan.resting |= {name}
        rule = plan.rules[name]
        if name not in plan.on_sample:
            plan.cycles |= {name}
        if isinstance(rule, Forecast):
            plan.forecasts[place] = (*plan.forecasts.get(place, ()), name)
        elif name not in plan.on_sample:
            plan.days[place] = (*plan.days.get(place, ()), name)
    screened = {*(rule.name for rule in plan.relatives), *plan.frozen, *plan.peers, *plan.baselines}
    plan.unscreened = tuple(name for name in plan.on_sample if name not in screened)
    frozen = [rule for rule in plan.rules.values() if isinstance(rule, Frozen)]
    if frozen:
        wanted = {rule.metric for rule in frozen}
        watched = (name for name, metric in plan.catalogue.metric.items() if metric.frozen)
        plan.watched = tuple(name for name in watched if "" in wanted or name in wanted)
    return plan


class Engine:
    """A rule set compiled against a catalogue, once. Shared by every device; holds nothing about any."""

    def __init__(self, rules: RuleSet, catalogue: Catalogue) -> None:
        self.rules = rules
        self.catalogue = catalogue
        self._plans: dict[tuple[str, str], Plan] = {}
        self._named_models = frozenset(model for rule in rules.rules for model in rule.applies_to.models)

    def plan(self, kind: str, model: str) -> Plan:
        """The plan for a kind and model. Models that no rule names share their kind's."""
        key = (kind, model if model in self._named_models else "")
        plan = self._plans.get(key)
        if plan is None:
            draft = _Draft(self.catalogue)
            for rule in self.rules.rules:
                if rule.applies_to.covers(*key):
                    _sort(draft, rule)
            plan = self._plans[key] = _finish(draft)
        return plan


def in_order(plan: Plan, names: Iterable[str]) -> list[str]:
    """Rule names as the rule files order them, each once: the order of evaluation is always the same."""
    return sorted(names if isinstance(names, set) else set(names), key=plan.order.__getitem__)
