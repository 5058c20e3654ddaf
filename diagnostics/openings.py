"""From findings of rules to changes the world hears: one open fault a class and device, whatever number of rules feed
it.

An opening may be held (maintenance, an expected update, the same trouble all over the site, a storm); evaluation goes
on, recovery is never held, and what is still true when the reason ends opens then.
"""

from collections.abc import Iterable

from diagnostics.changes import Change, ChangeKind, Evidence, Scope, Severity
from diagnostics.episodes import Episode, Outcome, Phase
from diagnostics.judging import Finding, evidence, impact
from diagnostics.memory import Memory, OpenFault
from diagnostics.places import Site
from diagnostics.rules import Rule
from diagnostics.storms import Storms

SITE_MIN = 3
MAINTENANCE, EXPECTED, SITE_WIDE, STORM, UNDECIDED, OUTAGE = (
    "maintenance",
    "expected",
    "site-wide",
    "storm",
    "undecided",
    "outage",
)
CHANGE_OF = {
    Outcome.RAISED: ChangeKind.RAISED,
    Outcome.LOWERED: ChangeKind.LOWERED,
    Outcome.RECOVERED: ChangeKind.RECOVERED,
}


def change(
    kind: ChangeKind,
    memory: Memory,
    rule: Rule,
    severity: Severity,
    why: Evidence,
    times: tuple[float, float],
    parent: str = "",
) -> Change:
    """A change of a device. `times` are (effective, received)."""
    return Change(
        kind,
        Scope.DEVICE,
        memory.device.device_id,
        rule.fault_class,
        rule.label,
        severity,
        times[0],
        times[1],
        why,
        impact(rule, memory),
        parent=parent,
    )


class Openings:
    """Merges findings into open faults. Holds the storms; everything else lives in the devices' memories."""

    def __init__(self) -> None:
        self.storms = Storms()
        self.fleet_size = 0

    def merge(
        self, memory: Memory, site: Site, findings: Iterable[Finding], times: tuple[float, float]
    ) -> list[Change]:
        """Apply what rules found on one device, then look again at what is held. Times are (effective, received)."""
        changes: list[Change] = []
        for finding in findings:
            if not finding.rule.watch:
                self._apply(memory, site, finding.rule, finding.episode, finding.outcome, times, changes)
        for name, fault in memory.faults.items():
            if fault.held and fault.held not in {UNDECIDED, OUTAGE, STORM}:
                self.open_if_free(memory, site, name, times, changes)
        return changes

    def _apply(
        self,
        memory: Memory,
        site: Site,
        rule: Rule,
        episode: Episode,
        outcome: Outcome,
        times: tuple[float, float],
        changes: list[Change],
    ) -> None:
        name = rule.fault_class
        fault = memory.faults.get(name)
        if outcome is Outcome.RECOVERED:
            if fault is not None and fault.rules.pop(rule.name, None) is not None:
                self._let_go(memory, rule, episode, fault, ChangeKind.RECOVERED, times, changes)
            return
        assert episode.severity is not None
        if fault is None:
            held = UNDECIDED if rule.kind == "silence" else EXPECTED
            memory.faults[name] = OpenFault(episode.severity, episode.since, {rule.name: episode.severity}, held)
            if held is EXPECTED:
                self.open_if_free(memory, site, name, times, changes)
            return
        joined = rule.name not in fault.rules
        fault.rules[rule.name] = episode.severity
        self._adjust(memory, rule, episode, fault, times, changes, amended=joined)

    def _let_go(
        self,
        memory: Memory,
        rule: Rule,
        episode: Episode,
        fault: OpenFault,
        kind: ChangeKind,
        times: tuple[float, float],
        changes: list[Change],
    ) -> None:
        """One rule no longer holds the fault open."""
        if fault.rules:
            self._adjust(memory, rule, episode, fault, times, changes, amended=False)
            return
        del memory.faults[rule.fault_class]
        if fault.held == STORM:
            over = self.storms.leave(rule.fault_class, memory.device.device_id, times[1])
            changes.extend([over] if over is not None else [])
        elif not fault.held:
            changes.append(change(kind, memory, rule, fault.severity, evidence(rule, episode, memory), times))

    def _adjust(
        self,
        memory: Memory,
        rule: Rule,
        episode: Episode,
        fault: OpenFault,
        times: tuple[float, float],
        changes: list[Change],
        *,
        amended: bool,
    ) -> None:
        before, fault.severity = fault.severity, max(fault.rules.values())
        if fault.held or (fault.severity == before and not amended):
            return
        kind = ChangeKind.AMENDED
        if fault.severity != before:
            kind = ChangeKind.RAISED if fault.severity > before else ChangeKind.LOWERED
        changes.append(change(kind, memory, rule, fault.severity, evidence(rule, episode, memory), times))

    def withdraw(self, memory: Memory, rule: Rule, episode: Episode, times: tuple[float, float]) -> list[Change]:
        """Late data showed that a rule's trouble never was."""
        changes: list[Change] = []
        fault = memory.faults.get(rule.fault_class)
        if fault is not None and fault.rules.pop(rule.name, None) is not None:
            self._let_go(memory, rule, episode, fault, ChangeKind.WITHDRAWN, times, changes)
        return changes

    def open_if_free(
        self, memory: Memory, site: Site, name: str, times: tuple[float, float], changes: list[Change], parent: str = ""
    ) -> None:
        """Tell the world of a held fault unless a reason to hold it stands."""
        fault = memory.faults[name]
        rule = memory.plan.rules[next(iter(fault.rules))]
        episode = memory.active[rule.name]
        fault.held = self._reason(memory, site, rule, times[1])
        if fault.held or (episode.phase is Phase.RECOVERING and rule.kind != "silence"):
            fault.held = fault.held or EXPECTED
            return
        admitted = self.storms.admit(name, memory.device.device_id, fault.severity, times[1], self.fleet_size)
        if admitted is True:
            why = evidence(rule, episode, memory)
            changes.append(change(ChangeKind.OPENED, memory, rule, fault.severity, why, times, parent))
            return
        fault.held = STORM
        if isinstance(admitted, Change):
            changes.append(admitted)

    def _reason(self, memory: Memory, site: Site, rule: Rule, now: float) -> str:
        if memory.states.get("maintenance") == "on":
            return MAINTENANCE
        if now < memory.expected_until:
            return EXPECTED
        if rule.site_share_max is not None and self._all_over_the_site(memory, site, rule.name, rule.site_share_max):
            return SITE_WIDE
        return ""

    @staticmethod
    def _all_over_the_site(memory: Memory, site: Site, name: str, share: float) -> bool:
        kind = f"\n{memory.device.kind}"
        alike = len(site.trouble.get(name + kind, ()))
        of_kind = len(site.trouble.get(kind, ()))
        return of_kind >= SITE_MIN and alike >= share * of_kind


def note_trouble(memory: Memory, site: Site) -> None:
    """Keep the site's book of who has which trouble; rules ask it whether the whole site has it."""
    device_id, kind = memory.device.device_id, f"\n{memory.device.kind}"
    for name in memory.plan.shared_trouble:
        episode = memory.active.get(name)
        ill = site.trouble.setdefault(name + kind, set())
        if episode is not None and episode.phase is not Phase.QUIET:
            ill.add(device_id)
        else:
            ill.discard(device_id)
