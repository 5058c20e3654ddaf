"""Run the examples that stand beside a rule: a series goes in, the changes that the world would hear come out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from diagnostics.catalogue import Catalogue
from diagnostics.changes import Change, ChangeKind, Scope
from diagnostics.engine import Engine
from diagnostics.fleet import Fleet
from diagnostics.rule_file import RuleSet
from diagnostics.rule_parts import Example, Segment, Value
from diagnostics.rules import Rule
from diagnostics.telemetry import Event, Report
from diagnostics.topology import Device

START = 1_767_225_600.0  # a Thursday, midnight UTC
SUBJECT = "subject"
TICK_S, CALM_TICK_S = 30.0, 240.0
"""While everybody reports, time alone changes little; still less than what would be taken for our own stall."""
TOLD = {
    ChangeKind.OPENED: "opened {}",
    ChangeKind.RAISED: "raised {}",
    ChangeKind.LOWERED: "lowered {}",
    ChangeKind.RECOVERED: "recovered",
    ChangeKind.WITHDRAWN: "withdrawn",
}


@dataclass(frozen=True, slots=True)
class Failed:
    """An example that gave something else."""

    rule: str
    say: str
    expected: tuple[str, ...]
    got: tuple[str, ...]

    def __str__(self) -> str:
        wanted, came = (", ".join(words) or "nothing" for words in (self.expected, self.got))
        return f"rule '{self.rule}': {self.say}: expected {wanted}; got {came}"


def told(change: Change) -> str:
    """A change in the words of examples; "" for what examples do not mention."""
    words = TOLD.get(change.kind, "").format(change.severity.name.lower())
    if change.scope is Scope.SITE and words:
        return f"site {words}"
    return words if change.scope_id == SUBJECT else ""


def _value(value: Value, share: float) -> float:
    return value[0] + (value[1] - value[0]) * share if isinstance(value, tuple) else value


@dataclass(slots=True, eq=False)
class _Player:
    """Plays an example for the subject and its peers through a fleet that knows one rule."""

    fleet: Fleet
    example: Example
    now: float
    boot: int = 1
    seq: int = 0
    booted_at: float = START - 30 * 86_400.0
    reports: int = 0

    def play(self) -> Iterator[Change]:
        for _ in range(self.example.repeat):
            for segment in self.example.segments:
                yield from self._segment(segment)

    def _segment(self, segment: Segment) -> Iterator[Change]:
        if segment.boot:
            self.boot, self.seq, self.booted_at = self.boot + 1, 0, self.now
        told = self.now + segment.clock_error_s
        for topic in segment.events:
            self.seq += 1
            yield from self.fleet.event(Event(SUBJECT, self.boot, self.seq, told, self.now, topic, {}))
        count = max(1, round(segment.for_s / self.example.every_s))
        for number in range(count):
            if not segment.silent:
                self.seq += 1
                self.reports += 1
                share = number / max(1, count - 1)
                for name in (SUBJECT, *(f"twin-{twin}" for twin in range(self.example.twins))):
                    yield from self.fleet.observe(self._report(name, segment, share))
            yield from self._peers()
            yield from self._pass_time(CALM_TICK_S if self._calm(segment) else TICK_S)

    def _report(self, device_id: str, segment: Segment, share: float) -> Report:
        side = 1.0 if self.reports % 2 else -1.0
        metrics = {
            name: _value(value, share) + side * segment.noise.get(name, 0.0) for name, value in segment.metrics.items()
        }
        uptime = self.now - self.booted_at
        told = self.now + segment.clock_error_s
        return Report(device_id, self.boot, self.seq, told, self.now, metrics, dict(segment.states), uptime, "1.0.0")

    def _peers(self) -> Iterator[Change]:
        peers = self.example.peers
        if peers is None or (peers.silent and self.now > START):
            return
        for number in range(peers.count):
            metrics: Mapping[str, float] = peers.metrics
            report = Report(f"peer-{number}", 1, int(self.now - START) + 1, self.now, self.now, dict(metrics))
            report.firmware = "1.0.0"
            yield from self.fleet.observe(report)

    def _calm(self, segment: Segment) -> bool:
        return not (segment.silent or (self.example.peers is not None and self.example.peers.silent))

    def _pass_time(self, tick_s: float) -> Iterator[Change]:
        ends = self.now + self.example.every_s
        steps = max(1, min(40, round(self.example.every_s / tick_s)))
        for step in range(1, steps + 1):
            yield from self.fleet.tick(self.now + (ends - self.now) * step / steps - 0.001)
        self.now = ends


def play(rule: Rule, example: Example, catalogue: Catalogue) -> tuple[str, ...]:
    """What an example gives, in its own words."""
    engine = Engine(RuleSet((replace(rule, watch=False),)), catalogue)
    names = [SUBJECT, *(f"peer-{number}" for number in range(example.peers.count if example.peers else 0))]
    names += [f"twin-{number}" for number in range(example.twins)]
    devices = [Device(name, example.kind, "model", "site", silence_s=max(180.0, 3 * example.every_s)) for name in names]
    player = _Player(Fleet(engine, devices, START), example, START)
    return tuple(words for change in player.play() if (words := told(change)))


def failures(rules: RuleSet, catalogue: Catalogue) -> Iterator[Failed]:
    """Every example whose outcome is not what it says."""
    for rule in rules.rules:
        for example in rule.examples:
            got = play(rule, example, catalogue)
            if got != example.expect:
                yield Failed(rule.name, example.say, example.expect, got)
