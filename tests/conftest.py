"""Real parts for every test that asks: started on loopback, stopped at the end; absent ones skip with the reason."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.parts.influx import running_influx
from tests.parts.mosquitto import Mosquitto, running_mosquitto
from tests.parts.postgresql import PostgreSql, running_postgresql

CALM = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
settings.register_profile("siaga", **CALM)
# In CI the same examples every time, so that a change is judged by what it changed; people search anew at each run.
settings.register_profile("ci", derandomize=True, **CALM)
settings.load_profile("ci" if os.environ.get("CI") else "siaga")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long form of torture tests runs only when it is asked for (make torture)."""
    if "torture" in (config.getoption("-m") or ""):
        return
    skipped = [item for item in items if item.get_closest_marker("torture")]
    if skipped:
        config.hook.pytest_deselected(items=skipped)
        items[:] = [item for item in items if not item.get_closest_marker("torture")]


@pytest.fixture
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    folder: Path = tmp_path_factory.mktemp("mosquitto")
    with running_mosquitto(folder) as broker:
        yield broker


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSql]:
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if "SIAGA_TEST_INFLUX_URL" in os.environ:  # then the tests run on that one
        yield ""
        return
    with running_influx(tmp_path_factory.mktemp("influx")) as url:
        yield url
