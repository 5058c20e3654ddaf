"""Healthy devices live through things that look like faults. Each guard of a rule is there for one of them: with the
guard off, the same healthy fleet gets false tickets; with the rules as they are shipped, it gets none.
"""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from device_sim.confounders import OF_A_SITE, Disturbance
from device_sim.fleet import score_fleet
from device_sim.scenario import Scenario
from device_sim.virtual import play
from device_sim.wire import Event as Emitted
from device_sim.wire import Status
from diagnostics.catalogue import load_catalogue
from diagnostics.changes import Change, ChangeKind, Severity
from diagnostics.engine import Engine
from diagnostics.fleet import Fleet
from diagnostics.rule_file import RuleSet, load_default_rules
from diagnostics.rule_parts import Step
from diagnostics.rules import Rule
from diagnostics.telemetry import Event, Presence, Report
from diagnostics.topology import Device
from gateway.scoreboard_run import DAY, SILENT_INTERVALS, START

CATALOGUE = load_catalogue()
SHIPPED = load_default_rules(CATALOGUE)
AT_ONCE = {"for_s": 0.0, "min_samples": 1}


def off(name: str, what: str, **other: object) -> Rule:
    """A shipped rule with a guard off; its class is what should fool it."""
    return replace(SHIPPED.by_name()[name], name=f"{name}-off", fault_class=what, **other)  # type: ignore[arg-type]


def limit(value: float) -> tuple[Step, ...]:
    return (Step(severity=Severity.WARNING, limit=value),)


GUARDS_OFF = (
    off("view-lost", "trucks and darkness", steps=limit(0.6)),
    off("focus-lost", "lenses that hunt for focus", **AT_ONCE, when=(), site_share_max=None),
    off("picture-dulls", "fog", of="value", when=()),
    off("wifi-retries", "microwave ovens, access points", average_s=0.0, **AT_ONCE),
    off("wifi-weak", "rain in the way of the Wi-Fi", average_s=0.0, **AT_ONCE),
    off("frames-dropped", "slow shutters at night", metric="fps_actual", site_share_max=None, steps=limit(18)),
    off("uplink-loses", "backup jobs", when=()),
    off("update-undone-silently", "planned updates", when=(), **AT_ONCE),
    off("clock-ahead", "clocks that jump", **AT_ONCE, site_wait_s=0.0),
    off("damp-housing", "dew at dawn", **AT_ONCE),
    off("view-creeps", "wind", of="value"),
    off("recording-gaps", "power blips", steps=limit(25), **AT_ONCE),
    off("readings-stand-still", "chance", steps=limit(4)),
    off("supply-dips", "mains that dip for a moment", when=()),
)


def told(scenario: Scenario, rules: RuleSet, days: float) -> Counter[str]:
    """How often each fault class opens on a fleet."""
    devices = [
        Device(
            spec.id, spec.kind.value, spec.model.name, spec.site_id, spec.parent_id or "", "", SILENT_INTERVALS * 900
        )
        for spec in scenario.devices
    ]
    fleet, tick_at, changes = Fleet(Engine(rules, CATALOGUE), devices, START), START, list[Change]()
    for arrival in play(scenario, end=START + days * DAY):
        now, name, body = arrival.received_at, arrival.device_id, arrival.body
        while now >= tick_at:
            changes += fleet.tick(tick_at)
            tick_at += 60.0
        if isinstance(body, Status):
            fleet.presence(Presence(name, body.boot, body.state == "online", now))
        elif isinstance(body, Emitted):
            changes += fleet.event(Event(name, body.boot, body.seq, body.at, now, body.topic, {}))
        else:
            for said in body:
                report = Report(name, said.boot, said.seq, said.at, now, said.metrics, said.states)
                report.uptime_s, report.firmware = said.uptime_s, said.firmware
                changes += fleet.observe(report)
    return Counter(change.fault_class for change in changes if change.kind is ChangeKind.OPENED)


@pytest.fixture(scope="module")
def openings() -> Counter[str]:
    days = 14.0
    scenario = score_fleet(12, START, days=days, devices=60, per_class=0, faulty_share=0.0)
    return told(scenario, RuleSet((*SHIPPED.rules, *GUARDS_OFF)), days)


@pytest.mark.parametrize("rule", GUARDS_OFF, ids=lambda rule: rule.fault_class)
def test_without_its_guard_a_rule_is_fooled_by(rule: Rule, openings: Counter[str]) -> None:
    assert openings[rule.fault_class] >= 1


def test_as_they_are_shipped_the_rules_are_fooled_by_none_of_it(openings: Counter[str]) -> None:
    off_names = {rule.fault_class for rule in GUARDS_OFF}
    assert {name: count for name, count in openings.items() if name not in off_names} == {}


def test_a_streets_feeder_is_one_ticket_a_site_and_none_of_any_device_and_a_single_dip_of_the_grid_is_none() -> None:
    days = 14.0
    scenario = score_fleet(2, START, days=days, devices=40, per_class=0, faulty_share=0.0)
    scenario.confounders = {name: [] for name in scenario.confounders}
    for number in range(3):
        episode = scenario.afflict(
            f"s00{number}-router", "F44", onset=START + DAY, lead_s=6 * DAY, repair_s=2 * DAY, random=Random(number)
        )
        episode.u = (episode.u[0], 0.123, *episode.u[2:])  # the same instants for all
    dip = Disturbance(OF_A_SITE["mains dip"], START + 2 * DAY, START + 2 * DAY + 900, 0.5)
    for spec in scenario.devices:
        if spec.site_id == "s003" and dip.kind.suits(spec):
            scenario.confounders[spec.id].append(dip)
    assert told(scenario, SHIPPED, days) == {"F44": 3}
