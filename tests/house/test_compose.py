"""docker-compose.yml, the Dockerfile and the broker's files say the same as the settings and the device protocol."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway import settings
from gateway.cli import parser
from gateway.ingest import topics

ROOT = Path(__file__).parents[2]


@pytest.fixture
def compose() -> Any:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def secrets_of(compose: Any, service: str, folder: Path) -> Path:
    for name in compose["services"][service]["secrets"]:
        (folder / name).write_text("s3cret")
    return folder


def test_the_gateway_of_the_compose_file_starts_from_its_settings_and_secrets(compose: Any, tmp_path: Path) -> None:
    loaded = settings.load(ROOT / "deploy/siaga.toml", secrets_of(compose, "gateway", tmp_path))
    assert loaded.broker.password.get_secret_value() == "s3cret"
    assert loaded.history.token.get_secret_value() == "s3cret"
    assert loaded.session_key.get_secret_value() == "s3cret"


def test_the_settings_name_the_services_and_ports_of_the_compose_file(compose: Any) -> None:
    loaded = settings.load(ROOT / "deploy/siaga.toml")
    assert loaded.broker.url == "mqtt://mosquitto:1883"
    assert loaded.history.kind == "influxdb"
    assert loaded.history.url == "http://influxdb:8086"
    assert {"mosquitto", "influxdb", "gateway", "simulator"} == set(compose["services"])
    assert f"{loaded.http.port}:{loaded.http.port}" in compose["services"]["gateway"]["ports"]
    assert [str(loaded.http.metrics_port)] == compose["services"]["gateway"]["expose"]
    environment = compose["services"]["influxdb"]["environment"]
    assert environment["DOCKER_INFLUXDB_INIT_ORG"] == loaded.history.org
    assert environment["DOCKER_INFLUXDB_INIT_BUCKET"] == loaded.history.bucket


def test_every_secret_that_a_service_asks_for_is_defined(compose: Any) -> None:
    asked = {name for service in compose["services"].values() for name in service.get("secrets", ())}
    assert asked == set(compose["secrets"])


def test_every_secret_and_broker_password_is_made_by_the_first_run(compose: Any) -> None:
    script = (ROOT / "deploy/first-run.sh").read_text()
    for secret in compose["secrets"].values():
        assert Path(secret["file"]).name in script


def test_the_commands_of_the_images_are_commands_of_siaga(compose: Any) -> None:
    parser().parse_args(compose["services"]["simulator"]["command"])
    command = re.search(r"^CMD \[(.*)\]$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert command is not None
    parser().parse_args([word.strip(' "') for word in command[1].split(",")])


def test_every_file_that_is_mounted_or_copied_exists(compose: Any) -> None:
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./") and "secrets" not in source:
                assert (ROOT / source).exists(), source
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source


def test_the_broker_lets_a_device_speak_on_its_own_channels_alone() -> None:
    acl = (ROOT / "deploy/mosquitto/acl").read_text()
    assert set(re.findall(r"^pattern write siaga/v1/%u/(.+)$", acl, re.MULTILINE)) == topics.UPLINK
    assert set(re.findall(r"^pattern read siaga/v1/%u/(.+)$", acl, re.MULTILINE)) == topics.DOWNLINK
    assert set(re.findall(r"^topic read siaga/v1/\+/(.+)$", acl, re.MULTILINE)) == topics.UPLINK
    assert set(re.findall(r"^topic write siaga/v1/\+/(.+)$", acl, re.MULTILINE)) == topics.DOWNLINK
