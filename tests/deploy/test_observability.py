"""Alerts and dashboard speak of metrics that the gateway really has, and the alerts do what they say."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest

from gateway.app import running
from gateway.settings import load

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


@pytest.fixture
async def exposed(tmp_path: Path) -> str:
    """What a fresh gateway says on /metrics."""
    settings = load(None, data_dir=tmp_path, http={"port": 0, "metrics_port": 0}, mqtt={"port": 0})
    async with running(settings) as gateway:
        return generate_latest(gateway.exposition).decode()


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\b(?:siaga|process)_[a-z_]+", text))


async def test_every_metric_of_an_alert_or_panel_is_exposed(exposed: str) -> None:
    have = names_in(exposed)
    alerts = yaml.safe_load((DEPLOY / "prometheus/siaga-alerts.yml").read_text())
    asked = {name for group in alerts["groups"] for rule in group["rules"] for name in names_in(rule["expr"])}
    dashboard = json.loads((DEPLOY / "grafana/siaga.json").read_text())
    asked |= {name for panel in dashboard["panels"] for target in panel["targets"] for name in names_in(target["expr"])}
    assert len(asked) > 15
    assert asked <= have


async def test_the_exposition_is_what_prometheus_understands(exposed: str) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    ours = "\n".join(line for line in exposed.splitlines() if "siaga_" in line) + "\n"
    done = subprocess.run(["promtool", "check", "metrics"], input=ours, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_alerts_fire_when_they_should_and_not_before() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    done = subprocess.run(
        ["promtool", "test", "rules", "siaga-alerts-test.yml"],
        cwd=DEPLOY / "prometheus",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_firing_and_not_firing() -> None:
    alerts = yaml.safe_load((DEPLOY / "prometheus/siaga-alerts.yml").read_text())
    tests = yaml.safe_load((DEPLOY / "prometheus/siaga-alerts-test.yml").read_text())["tests"]
    named = {rule["alert"] for group in alerts["groups"] for rule in group["rules"]}
    seen = {(each["alertname"], bool(each["exp_alerts"])) for test in tests for each in test["alert_rule_test"]}
    assert seen == {(name, fires) for name in named for fires in (True, False)}


async def test_what_is_exposed_has_no_label_without_bound(exposed: str) -> None:
    labels = set(re.findall(r"[{,]([a-z_]+)=", "\n".join(it for it in exposed.splitlines() if it.startswith("siaga_"))))
    assert labels <= {"reason", "version", "channel", "outcome", "kind", "state", "le"}
