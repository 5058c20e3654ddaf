"""From findings of rules to changes the world hears. Rules that feed one fault class are held or told together.

An opening may be held (maintenance, an expected update, the same trouble all over the site, a storm); evaluation goes
on, recovery is never held, and what is still true when the reason ends opens then.
"""

from collections.abc import Iterable

from diagnostics.arrival import COUNTED_EVERY_S, WINDOW_COUNTS
from diagnostics.changes import Change, ChangeKind, Evidence, Scope, Severity
from diagnostics.episodes import QUIET, Outcome, Phase
from diagnostics.judging import Finding, evidence, impact, subject
from diagnostics.memory import Memory, OpenFault
from diagnostics.places import Site
from diagnostics.releases import Releases
from diagnostics.rule_file import SEEN_CLOCK
from diagnostics.rules import Rule, Signature
from diagnostics.shared_causes import Cause
from diagnostics.storms import Storms

SITE_MIN = 3
SHARED_MIN = 2  # the trouble of one device is not its site's
MAINTENANCE, EXPECTED, SITE_WIDE, NEIGHBOURS, EVERYWHERE, EXPLAINED, STORM, UNDECIDED, OUTAGE = (
    "maintenance",
    "expected",
    "site-wide",
    "neighbours",
    "everywhere",
    "explained",
    "storm",
    "undecided",
    "outage",
)
CHANGE_OF = {
    Outcome.OPENED: ChangeKind.OPENED,
    Outcome.RAISED: ChangeKind.RAISED,
    Outcome.LOWERED: ChangeKind.LOWERED,
}
NOT_BY_REPORTS = frozenset({"", UNDECIDED, OUTAGE, STORM})
"""What is told already, and reasons to hold that no report of the device itself ends."""
WINDOWS_OF_A_CLOCK = 2.25  # and some reports are lost
Times = tuple[float, float]


def change(
    kind: ChangeKind,
    memory: Memory,
    rule: Rule,
    severity: Severity,
    why: Evidence,
    times: Times,
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

    def __init__(self, releases: Releases | None = None) -> None:
        self.storms = Storms(releases)
        self.fleet_size = 0

    def merge(
        self, memory: Memory, site: Site, findings: Iterable[Finding], times: tuple[float, float]
    ) -> list[Change]:
        """Apply what rules found on one device, then look again at what is held. Times are (effective, received).

        A rule that is only watched opens nothing; what it opened before it was demoted it still follows to its end.
        """
        changes: list[Change] = []
        for finding in findings:
            rule = finding.rule
            if not rule.watch or ((fault := memory.faults.get(rule.fault_class)) and rule.name in fault.rules):
                self._apply(memory, site, finding, times, changes)
        for name, fault in list(memory.faults.items()):
            if fault.held not in NOT_BY_REPORTS:
                self.open_if_free(memory, site, name, times, changes)
        return changes

    def _apply(self, memory: Memory, site: Site, finding: Finding, times: Times, changes: list[Change]) -> None:
        rule, episode = finding.rule, finding.episode
        name = rule.fault_class
        fault = memory.faults.get(name)
        if finding.outcome is Outcome.RECOVERED:
            if fault is not None:
                self._let_go(memory, site, finding, fault, ChangeKind.RECOVERED, times, changes)
            return
        assert episode.severity is not None
        if fault is None:
            held = UNDECIDED if rule.kind == "silence" else EXPECTED
            if rule.site_wait_s:
                self.storms.everywhere.begins(rule.name, site.site_id, times[1])
            memory.hold(name, OpenFault(episode.since, {rule.name: episode.severity}, held))
            if held is EXPECTED:
                self.open_if_free(memory, site, name, times, changes)
            return
        fault.rules[rule.name] = episode.severity
        if not fault.held:
            kind = CHANGE_OF[finding.outcome]
            changes.append(change(kind, memory, rule, episode.severity, evidence(rule, episode, memory), times))

    def _let_go(
        self,
        memory: Memory,
        site: Site,
        finding: Finding,
        fault: OpenFault,
        kind: ChangeKind,
        times: Times,
        changes: list[Change],
    ) -> None:
        """One rule no longer holds the fault open; with the last one the fault is gone."""
        rule = finding.rule
        severity = fault.rules.pop(rule.name, None)
        if not fault.rules:
            memory.let_go(rule.fault_class)
            self._leave_site(memory, site, rule.fault_class, times, changes)
            if fault.held == STORM:
                over = self.storms.leave(rule.fault_class, memory.device.device_id, times[1])
                changes.extend([over] if over is not None else [])
            if fault.held == EVERYWHERE:
                self.storms.everywhere.ends(rule.name, site.site_id, times[1], self.fleet_size)
        if severity is not None and not fault.held:
            why = evidence(rule, finding.episode, memory)
            changes.append(change(kind, memory, rule, severity, why, times))

    def withdraw(self, memory: Memory, finding: Finding, times: Times) -> list[Change]:
        """Late data showed that a rule's trouble never was."""
        changes: list[Change] = []
        fault = memory.faults.get(finding.rule.fault_class)
        if fault is not None:  # watched rules open none
            self._let_go(memory, memory.site, finding, fault, ChangeKind.WITHDRAWN, times, changes)
        return changes

    def open_if_free(
        self, memory: Memory, site: Site, name: str, times: Times, changes: list[Change], parent: str = ""
    ) -> None:
        """Tell the world of a held fault unless a reason to hold it stands."""
        fault = memory.faults[name]
        rules = [memory.plan.rules[rule] for rule in fault.rules]
        reasons = [self._reason(memory, site, rule, times[1], was=fault.held) for rule in rules]
        fault.held = "" if "" in reasons else reasons[0]
        if fault.held == SITE_WIDE:
            self._join_site(memory, site, rules[0], fault.rules[rules[0].name], times, changes)
        if fault.held:
            return
        self._leave_site(memory, site, name, times, changes)
        admitted = self.storms.admit(
            name, memory.device.device_id, max(fault.rules.values()), times[1], self.fleet_size
        )
        if admitted is True:
            for rule in rules:
                why = evidence(rule, memory.active[rule.name], memory)
                opened = change(ChangeKind.OPENED, memory, rule, fault.rules[rule.name], why, times, parent)
                changes.append(opened)
            took = (memory.device.model, memory.firmware, memory.firmware_since)
            harm = self.storms.releases.opened(*took, name, memory.device.device_id, site.site_id, times[1])
            changes.extend([harm] if harm is not None else [])
            return
        fault.held = STORM
        if isinstance(admitted, Change):
            changes.append(admitted)

    def _join_site(
        self, memory: Memory, site: Site, rule: Rule, severity: Severity, times: Times, changes: list[Change]
    ) -> None:
        if rule.site_class:
            episode = memory.active[rule.name]
            counted = isinstance(rule, Signature)  # how often, which is no value of its metric
            values = [] if counted else [value for _, value in episode.samples]
            worst = (max if rule.direction == "above" else min)(values, default=None)
            limit = None if counted else next((step.limit for step in rule.steps if step.severity == severity), None)
            cause = Cause(episode.since, rule.label, severity, subject(rule), worst, limit)
            told = self.storms.shared.join(site.site_id, rule.site_class, memory.device.device_id, cause, times)
            changes.extend([told] if told is not None else [])

    def _leave_site(self, memory: Memory, site: Site, name: str, times: Times, changes: list[Change]) -> None:
        for cause in {rule.site_class for rule in memory.plan.rules.values() if rule.fault_class == name} - {""}:
            told = self.storms.shared.leave(site.site_id, cause, memory.device.device_id, times)
            changes.extend([told] if told is not None else [])

    def _reason(self, memory: Memory, site: Site, rule: Rule, now: float, was: str) -> str:
        episode = memory.active[rule.name]
        if episode.phase is Phase.RECOVERING and was != NEIGHBOURS:
            return was if was == EVERYWHERE else EXPECTED
        if memory.states.get("maintenance") == "on":
            return MAINTENANCE
        if now < memory.expected_until:
            return EXPECTED
        if rule.site_share_max is not None and self._all_over_the_site(site, rule.name, rule.site_share_max):
            return SITE_WIDE
        if rule.site_wait_s:
            everywhere, wait_s = self.storms.everywhere, neighbours_wait_s(memory, rule)
            shared = everywhere.has(rule.name, episode.fired_at, now, self.fleet_size) or was == EVERYWHERE
            if shared and not everywhere.is_over(rule.name, episode.fired_at, wait_s, now):
                return EVERYWHERE
            if memory.effective_at - episode.fired_at < wait_s:
                return NEIGHBOURS
        if any(memory.device.parent_id in site.trouble.get(name, ()) for name in rule.explained_by):
            return EXPLAINED
        return ""

    @staticmethod
    def _all_over_the_site(site: Site, name: str, share: float) -> bool:
        alike = len(site.trouble.get(name, ()))
        all_of_them = sum(name in judging for judging in site.spoke.values())
        return all_of_them >= SITE_MIN and alike >= max(SHARED_MIN, share * all_of_them)


def neighbours_wait_s(memory: Memory, rule: Rule) -> float:
    """How long what fires waits for the neighbours' word. Of a wrong clock of ours, who has just restarted speaks at
    once; who has not, when two windows of its clock have passed: until then it knows better.
    """
    if subject(rule) != SEEN_CLOCK:
        return rule.site_wait_s
    return max(rule.site_wait_s, WINDOWS_OF_A_CLOCK * WINDOW_COUNTS * max(COUNTED_EVERY_S, memory.gap_s))


def waiting(memory: Memory) -> bool:
    """Whether a fault is held for a reason that must be looked at again with each report."""
    return any(fault.held not in NOT_BY_REPORTS for fault in memory.faults.values())


def note_trouble(memory: Memory, site: Site) -> None:
    """Keep the site's book of who has which trouble; rules ask it whether the whole site has it."""
    device_id, active, shared = memory.device.device_id, memory.active, memory.plan.shared_trouble
    for name, ill in site.trouble.items():
        if device_id in ill and ((episode := active.get(name)) is None or episode.phase is QUIET):
            ill.discard(device_id)
    for name, episode in active.items():
        if name in shared and episode.phase is not QUIET:
            site.trouble.setdefault(name, set()).add(device_id)
