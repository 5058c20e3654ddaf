"""The bench of judging measures what it says: a hundred rules, twenty metrics, and reports of each kind."""

import pytest

from diagnostics.catalogue import load_catalogue
from gateway.bench import rules


def test_a_hundred_rules_on_twenty_metrics():
    assert len(rules.METRICS) == 20
    assert len(rules.hundred_rules(load_catalogue()).rules) == 100


@pytest.mark.parametrize("kind", rules.KINDS)
@pytest.mark.parametrize("every_s", rules.EVERY_S.values())
def test_only_trouble_leaves_episodes(kind, every_s):
    road = rules._Road(5, every_s)
    road.cost_us(6, "healthy")
    assert road.fleet.view("cam-0000").episodes == ()
    assert road.cost_us(6, kind) > 0
    view = road.fleet.view("cam-0000")
    assert bool(view.episodes) == (kind in ("bad", "square wave"))
    assert bool(view.impossible_values) == (kind == "impossible")


def test_every_figure_has_median_least_and_most(monkeypatch):
    monkeypatch.setattr(rules, "KINDS", ("healthy",))
    monkeypatch.setattr(rules, "EVERY_S", {"at once": 0.001})
    monkeypatch.setattr(rules, "REPORTS", 100)
    monkeypatch.setattr(rules, "SIZED", (200, 5))
    found = rules.measure(2)
    assert all(least <= middle <= most for middle, least, most in found.values())
    assert found["healthy, at once (us)"][0] > 0
    assert (
        0
        < found["registered device (bytes)"][0]
        < found["healthy device (bytes)"][0]
        < found["hostile device (bytes)"][0]
    )
