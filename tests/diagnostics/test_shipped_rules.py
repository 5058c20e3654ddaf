"""What is shipped: every fault of the catalogue has words and a rule; every rule has a reason and examples."""

import re
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from device_sim.faults import FAULTS as SIMULATED
from diagnostics.faults import FaultClass, load_faults
from diagnostics.lint import lint
from diagnostics.releases import RELEASE_CLASS
from diagnostics.rule_file import SEEN_CLOCK, load_default_rules, metrics_of, parse_rules
from diagnostics.rules import Rule
from diagnostics.ruletest import failures
from tests.diagnostics.fleets import CATALOGUE

FAULTS = load_faults()
RULES = load_default_rules(CATALOGUE).rules
CATALOGUED = [f"F{number:02d}" for number in range(1, 46)]
BY_THE_GATEWAY = {"F39", "F40", RELEASE_CLASS}  # judged from silence, site by site and over all sites; from tickets
UPDATES = ["UPDATE_LOST", "UPDATE_ROLLED_BACK", "UPDATE_FAILED", "UPDATE_UNHEALTHY", "UPDATE_SECURITY"]
ENGLISH = re.compile(r"(?<![\w-])(the|and|with|days?|hours?|healthy|is|are|of|for|below|above)(?![\w-])", re.IGNORECASE)
TEXTS = ("name", "cause", "notice", "support", "customer", "article")
TECHNICAL = re.compile(
    r"\b(RSSI|MQTT|firmware|NTP|SMART|TLS|PoE|ONVIF|RTSP|IP address|alamat IP|packet|paket data|kernel|watchdog|dBm|"
    r"checksum|latency|latensi|broker|bit ?rate|laju bit|eMMC|SoC|CPU|RAID)\b",
    re.IGNORECASE,
)


def words(fault: FaultClass) -> list[tuple[str, str]]:
    """(English, Indonesian) of every text of a class."""
    texts = [getattr(fault, name) for name in TEXTS] + ([fault.part] if fault.part else [])
    return [(text.en, text.id) for text in texts]


@pytest.mark.parametrize("fault_id", FAULTS)
def test_every_fault_class_is_told_in_english_and_indonesian(fault_id):
    fault = FAULTS[fault_id]
    for english, indonesian in words(fault):
        assert english.strip() == english != indonesian == indonesian.strip()
    for text in (fault.cause, fault.notice, fault.support, fault.customer, fault.article):
        assert text.en.endswith(".")
        assert text.id.endswith(".")


@pytest.mark.parametrize("fault_id", FAULTS)
def test_customers_read_no_technical_words(fault_id):
    fault = FAULTS[fault_id]
    for text in (fault.name, fault.notice, fault.customer, fault.article):
        for said in (text.en, text.id):
            assert TECHNICAL.search(said) is None, f"{fault_id}: {said}"


@pytest.mark.parametrize("fault_id", FAULTS)
def test_every_article_says_enough_to_act_on(fault_id):
    article = FAULTS[fault_id].article
    assert 80 <= len(article.en) <= 600
    assert 80 <= len(article.id) <= 600


def test_the_fault_classes_are_those_of_the_catalogue_a_silent_device_and_what_the_update_service_reports():
    assert set(FAULTS) == {*CATALOGUED, "OFFLINE", *UPDATES}


def test_every_simulated_fault_is_a_fault_class():
    assert set(SIMULATED) <= set(FAULTS)


def test_every_fault_of_the_catalogue_is_looked_for():
    looked_for = {rule.fault_class for rule in RULES} | BY_THE_GATEWAY
    assert set(CATALOGUED) - looked_for == set()


def test_every_rule_feeds_a_known_class():
    assert {rule.fault_class for rule in RULES} <= set(FAULTS)


def told_by_the_clock(rule: Rule) -> bool:
    """Whether the rule judges the clock itself, which an example's reports cannot set wrong."""
    return SEEN_CLOCK in set(metrics_of(rule))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_is_shown_firing_and_not_firing(rule):
    outcomes = {bool(example.expect) for example in rule.examples}
    assert outcomes == ({False} if told_by_the_clock(rule) else {True, False})


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_gives_the_reason_for_its_numbers(rule):
    assert len(rule.reason.split()) >= 12


def numbers(text: str) -> Counter[str]:
    """Every number of a text as often as it stands there; Indonesian has a comma where English has a point."""
    return Counter(re.findall(r"\d+(?:\.\d+)?", re.sub(r"(?<=\d),(?=\d)", ".", text)))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rules_reason_is_told_in_indonesian_with_the_same_numbers(rule):
    assert rule.reason_id.strip() == rule.reason_id != rule.reason
    assert len(rule.reason_id.split()) >= 10
    assert numbers(rule.reason_id) == numbers(rule.reason)
    assert not ENGLISH.search(rule.reason_id)


def test_no_two_rules_with_one_reason_tell_it_differently_in_indonesian():
    assert len({(rule.reason, rule.reason_id) for rule in RULES}) == len({rule.reason for rule in RULES})


def test_a_class_that_cannot_wait_is_acted_on_within_days():
    assert all(fault.time_to_act_s <= 3 * 86_400 for fault in FAULTS.values() if not fault.can_wait)


def test_the_manual_shows_every_kind_with_a_rule_that_works():
    manual = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    shown = parse_rules("\n".join(re.findall(r"```toml\n(.*?)```", manual, re.DOTALL)), "docs/rules.md", CATALOGUE)
    assert {rule.kind for rule in shown.rules} == {
        get_args(kind.__dataclass_fields__["kind"].type)[0] for kind in get_args(Rule)
    }
    assert [str(problem) for problem in lint(shown, CATALOGUE, FAULTS) if problem.error] == []
    assert [str(failed) for failed in failures(shown, CATALOGUE)] == []
