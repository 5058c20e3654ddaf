"""What a drill-down shows of a few devices: series, restarts, what they said, and what the rules made of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from diagnostics.catalogue import load_catalogue
from diagnostics.episodes import Phase
from diagnostics.fleet import Fleet
from diagnostics.rule_file import load_default_rules, metrics_of, states_of
from diagnostics.rules import Rule
from diagnostics.telemetry import Event, Report
from diagnostics.views import DeviceView

Points = list[tuple[float, float]]


def rules_of(fault_class: str) -> tuple[Rule, ...]:
    """The shipped rules that feed a class, of a device or by way of its site."""
    rules = load_default_rules(load_catalogue()).rules
    return tuple(rule for rule in rules if fault_class in {rule.fault_class, rule.site_class})


@dataclass(slots=True, eq=False)
class Watch:
    """Series by (device, metric) and happenings by device, of the devices and the class that a drill-down asks for.

    Times are effective. A verdict is kept only when it changes.
    """

    devices: frozenset[str] = frozenset()
    fault_class: str = ""
    series: dict[tuple[str, str], Points] = field(default_factory=dict)
    happened: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    _metrics: frozenset[str] = frozenset()
    _states: frozenset[str] = frozenset()
    _classes: frozenset[str] = frozenset()
    _known: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rules = rules_of(self.fault_class) if self.devices else ()
        self._metrics = frozenset(metric for rule in rules for metric in metrics_of(rule))
        self._states = frozenset(state for rule in rules for state, _ in states_of(rule)) - {"reset_reason"}
        self._classes = frozenset(rule.fault_class for rule in rules)

    def report(self, report: Report, fleet: Fleet) -> None:
        """A report that the fleet has just heard."""
        name, at = report.device_id, report.effective_at
        for metric in self._metrics & report.metrics.keys():
            self.series.setdefault((name, metric), []).append((at, report.metrics[metric]))
        boot = f"{report.boot}"
        if self._known.setdefault((name, "boot"), boot) != boot:
            self._known[name, "boot"] = boot
            self._note(name, at, f"restart ({report.states.get('reset_reason', 'no reason given')})")
        view = fleet.view(name)
        if view is None:
            return
        for state in self._states:
            self._turn(name, at, state, (view.states or {}).get(state, ""))
        self._turn(name, at, "firmware", view.firmware)
        for rule, words in self._verdicts(view):
            self._turn(name, at, rule, words)

    def event(self, event: Event) -> None:
        """An event of a device."""
        self._note(event.device_id, event.effective_at, f"event {event.topic}")

    def _verdicts(self, view: DeviceView) -> Iterable[tuple[str, str]]:
        name = view.device.device_id
        verdicts = {rule: "quiet" for (device, rule) in self._known if device == name and "@" in rule}
        for episode in view.episodes:
            if episode.fault_class in self._classes and episode.phase is not Phase.QUIET:
                held = f", held: {episode.held_by}" if episode.held_by else ""
                verdicts[episode.rule] = f"{episode.phase.name.lower()}{held}"
        return verdicts.items()

    def _turn(self, name: str, at: float, what: str, word: str) -> None:
        """Note a word that is another one than before; the first one is only known, unless it is a verdict's."""
        before = self._known.get((name, what))
        self._known[name, what] = word
        if before != word and (before is not None or "@" in what):
            self._note(name, at, f"{what} {word or 'not said'}")

    def _note(self, name: str, at: float, words: str) -> None:
        self.happened.setdefault(name, []).append((at, words))
